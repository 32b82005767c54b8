"""Registry: the schemas that records name by id, asked for once, from the schema registry that a source is bound to.

A registry that does not answer is something to wait for; only its clear word that an id does not exist, or an id of
another subject than the source's, condemns a record.
"""

import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from django.utils import timezone

from mesassist.tenants.egress.calls import CallBlocked, CallFailed, Line
from mesassist.tenants.models import Purpose
from mesassist.tenants.sealed import open_secret
from mesassist.tenants.secrets import SecretUnreadable
from production.ingest.avro import Schema, SchemaRefused, check_definition, parse_definition
from production.ingest.refusals import EventRefused, storable
from production.models import KafkaSource, KnownSchema

log = structlog.get_logger(__name__)
DEADLINE_S = 5.0
ANSWER_BYTES = 1024 * 1024
ACCEPT = {"accept": "application/vnd.schemaregistry.v1+json, application/json"}
# An id that the registry does not know may be registered a moment later; until then it is not asked for every record.
UNKNOWN_FOR_S = 30.0
# Subject, version, schema not found.
NOT_FOUND = {40401, 40402, 40403}


class RegistryAway(Exception):
    """The registry cannot be asked just now; the message says why. Nothing is wrong with the record."""


class UnknownRequest(RegistryAway):
    """The registry, or whatever stands in its place, has no such address."""


class Registry:
    """One source's registry over HTTP: no redirects, a deadline, and no more than a megabyte."""

    def __init__(self, source: KafkaSource) -> None:
        self.source = source
        self.line = Line(Purpose.REGISTRY)

    def ask(self, path: str) -> Any:
        """The answer to GET `path`; None when the registry says that there is no such thing. Raises `RegistryAway`."""
        if not self.source.registry_url:
            raise RegistryAway("No schema registry is set for this source.")
        host = urlsplit(self.source.registry_url).hostname
        try:
            answer = self.line.ask(
                "GET",
                self.source.registry_url.rstrip("/") + path,
                headers=ACCEPT,
                auth=self._credentials(),
                deadline_s=DEADLINE_S,
                max_bytes=ANSWER_BYTES,
            )
            said = msgspec.json.decode(answer.content) if answer.content else None
        except CallBlocked as error:
            raise RegistryAway(str(error)) from error
        except CallFailed as error:
            raise RegistryAway(f"The schema registry {host} does not answer.") from error
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise UnknownRequest(f"{host} does not answer like a schema registry.") from error
        if answer.status == HTTPStatus.OK:
            return said
        # Any web server says 404 to a wrong address; a registry gives what it has not found a number of its own.
        if answer.status == HTTPStatus.NOT_FOUND:
            if isinstance(said, dict) and said.get("error_code") in NOT_FOUND:
                return None
            raise UnknownRequest(f"{host} answers 404: the registry's address may be wrong.")
        raise RegistryAway(f"The schema registry {host} answers {answer.status}.")

    def close(self) -> None:
        """Close the connections."""
        self.line.close()

    def _credentials(self) -> tuple[str, str] | None:
        source = self.source
        if not source.registry_username:
            return None
        try:
            password = open_secret(source, "registry_password", purpose="ask the schema registry")
        except SecretUnreadable as error:
            raise RegistryAway(str(error)) from error
        return source.registry_username, password


class Schemas:
    """The writers' schemas of one source by id: from this process, the database or the registry, in this order."""

    def __init__(self, source: KafkaSource, registry: Registry | None = None) -> None:
        self.source = source
        self.registry = registry or Registry(source)
        self.allowed = set(source.subjects) or {f"{source.topic}-value"}
        self.ready: dict[int, Schema] = {}
        self.refused: dict[int, EventRefused] = {}
        self.unknown: dict[int, float] = {}

    def find(self, schema_id: int) -> Schema:
        """The schema, ready to decode by; raises `EventRefused` or `RegistryAway`. Needs the tenant's scope."""
        if schema_id in self.ready:
            return self.ready[schema_id]
        if schema_id not in self.refused:
            self._learn(schema_id)
        if schema_id in self.refused:
            raise self.refused[schema_id]
        return self.ready[schema_id]

    def close(self) -> None:
        """Close the connections to the registry."""
        self.registry.close()

    def definition_of(self, schema_id: int) -> str:
        """The text of a schema that `find` gave."""
        return KnownSchema.objects.get(source=self.source, schema_id=schema_id).definition

    def _learn(self, schema_id: int) -> None:
        known = KnownSchema.objects.filter(source=self.source, schema_id=schema_id).first()
        # The registry is asked again where the row's subject is not, or no longer, one of the source's.
        if known is None or known.subject not in self.allowed:
            refused = (known := self._fetch(schema_id)).refused
        else:
            # Looked at anew in each process: what is allowed may have changed since it was stored.
            refused = self._why_refused({"schema": known.definition}, known.subject)
        if refused:
            self.refused[schema_id] = EventRefused.because("schema_refused", schema_id, refused)
        else:
            self.ready[schema_id] = parse_definition(known.definition)

    def _fetch(self, schema_id: int) -> KnownSchema:
        if self.unknown.get(schema_id, 0) > time.monotonic():
            raise EventRefused.because("unknown_schema", schema_id)
        said = self.registry.ask(f"/schemas/ids/{schema_id}")
        if said is None:
            self.unknown[schema_id] = time.monotonic() + UNKNOWN_FOR_S
            raise EventRefused.because("unknown_schema", schema_id)
        if not isinstance(said, dict) or not isinstance(said.get("schema"), str):
            raise RegistryAway("The schema registry's answer holds no schema.")
        subjects = self._subjects_of(schema_id)
        subject = next(iter([name for name in subjects if name in self.allowed] or subjects), "")
        definition = storable(said["schema"])
        refused = self._why_refused(said, subject)
        known, _ = KnownSchema.objects.update_or_create(
            tenant=self.source.tenant,
            source=self.source,
            schema_id=schema_id,
            defaults={
                "subject": storable(subject)[:255],
                "definition": definition if len(definition) <= ANSWER_BYTES else "",
                "refused": storable(refused),
                "fetched_at": timezone.now(),
            },
        )
        log.info("schema_learnt", source=self.source.pk, schema=schema_id, refused=bool(refused))
        return known

    def _subjects_of(self, schema_id: int) -> list[str]:
        """Names that the schema is registered under. Not every registry knows the first way to ask."""
        try:
            said = self.registry.ask(f"/schemas/ids/{schema_id}/subjects")
        except UnknownRequest:
            said = self.registry.ask(f"/schemas/ids/{schema_id}/versions")
        names = [one.get("subject") if isinstance(one, dict) else one for one in said] if isinstance(said, list) else []
        return [name for name in names if isinstance(name, str)]

    def _why_refused(self, said: dict[str, Any], subject: str) -> str:
        if subject not in self.allowed:
            return f"it belongs to the subject {subject[:200]!r}, which is none of this source's."
        if said.get("schemaType", "AVRO") != "AVRO":
            return f"it is {str(said['schemaType'])[:40]}, not Avro."
        if said.get("references"):
            return "it refers to other schemas."
        try:
            check_definition(said["schema"])
            parse_definition(said["schema"])
        except SchemaRefused as refusal:
            return str(refusal)
        return ""
