"""Events door: batches of events in, as JSON or one per line, and what became of each of them out."""

import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from mesassist.tenants.apidoor import TenantDoor
from mesassist.tenants.models import ApiKey, Scope
from mesassist.tenants.problems import Problem
from production.ingest.contract import Batch, BatchRefused, Refused, is_reserved, read_batch, read_lines
from production.ingest.store import Incoming, Receipt, store_events

BATCH_SCHEMA, EVENT_SCHEMAS = msgspec.json.schema_components([Batch], ref_template="#/components/schemas/{name}")
EXAMPLE = {
    "events": [
        {
            "event_id": "a1b2",
            "source": "erp-7",
            "machine": "M4",
            "at": "2026-03-02T06:15:00+01:00",
            "kind": "state",
            "state": "down",
            "reason": "jam",
            "comment": "belt 2",
        }
    ]
}


def name_types(schema: Any) -> Any:
    """The schema with a type at each list of texts: msgspec leaves it out where OpenAPI tools look for it."""
    if isinstance(schema, dict):
        typed = {"type": "string"} if "enum" in schema and "type" not in schema else {}
        return typed | {name: name_types(inner) for name, inner in schema.items()}
    return [name_types(inner) for inner in schema] if isinstance(schema, list) else schema


class BatchParser(BaseParser):
    """`{"events": [...]}`: each event is read or refused by itself."""

    media_type = "application/json"
    read = staticmethod(read_batch)

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The events in order; 400 when it is no batch at all, 413 above the limits."""
        encoding = (parser_context or {})["request"].headers.get("Content-Encoding", "identity")
        try:
            return self.read(read_body(stream, encoding=encoding), limit=settings.EVENTS_PER_REQUEST)
        except BatchRefused as refused:
            raise Problem(413 if refused.code == "too_many_events" else 400, refused.code, str(refused)) from refused


class LinesParser(BatchParser):
    """NDJSON: one event per line."""

    media_type = "application/x-ndjson"
    read = staticmethod(read_lines)


def read_body(stream: Any, *, encoding: str) -> bytes:
    """The body, unpacked; never more of it than the limit, whatever a packed one promises to become."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if encoding.lower() == "gzip":
        body = _unpack(body, limit)
    elif encoding.lower() not in {"", "identity"}:
        raise Problem(415, "unsupported_encoding", "Send the body as it is, or packed with gzip.")
    if len(body) > limit:
        raise Problem(413, "too_large", f"The events are over {limit} bytes. Send fewer at a time.")
    return body


def _unpack(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise ParseError("The body is not gzip. Pack it again, or send it as it is.") from error
    if len(unpacked) <= limit and (not unpacker.eof or unpacker.unused_data):
        raise ParseError("The gzip body is cut off, or something follows it. Pack it again.")
    return unpacked


class ProblemOfEvent(serializers.Serializer):
    """Why the event at `index` was not taken; it waits in quarantine."""

    index = serializers.IntegerField()
    event_id = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ReceiptSerializer(serializers.Serializer):
    """received = accepted + duplicate + quarantined, always."""

    received = serializers.IntegerField()
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    problems = ProblemOfEvent(many=True)


class InFlight:
    """Counts the requests that this process works on, in all and by tenant."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tenants: Counter[int] = Counter()

    @contextmanager
    def enter(self, tenant_id: int) -> Iterator[None]:
        """Be one of them, or be told to come back: a queue that only grows helps nobody."""
        with self.lock:
            at_once = self.tenants.total(), self.tenants[tenant_id]
            if at_once[0] >= settings.INGEST_AT_ONCE or at_once[1] >= settings.INGEST_AT_ONCE_PER_TENANT:
                detail = f"{at_once[1]} requests with events of yours are under way. Wait for them, then try again."
                raise Problem(429, "too_many_requests", detail, wait=1)
            self.tenants[tenant_id] += 1
        try:
            yield
        finally:
            with self.lock:
                self.tenants[tenant_id] -= 1


IN_FLIGHT = InFlight()


def name_source(request: Request) -> str:
    """The source of events that name none: the key's name, or the person's; never one that lends more authority."""
    key = request.auth if isinstance(request.auth, ApiKey) else None
    name = key.source or key.name if key else request.user.get_username()
    return f"sent by {name}"[:64] if is_reserved(name) else name[:64]


def claimed_source(event: Any) -> Any:
    """The source that an event names, also one that was refused: mended later, it would still name it."""
    if not isinstance(event, Refused):
        return event.source
    try:
        said = msgspec.json.decode(event.raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return said.get("source") if isinstance(said, dict) else None


def check_sources(events: Sequence[Incoming], key: Any) -> None:
    """Refuse events that claim another source than the one that the key is bound to; none of the request is taken."""
    if not isinstance(key, ApiKey) or not key.source:
        return
    for index, event in enumerate(events):
        claimed = claimed_source(event)
        if claimed not in (None, key.source):
            detail = f"Event {index} claims the source {str(claimed)[:64]!r}; this key sends for {key.source!r} only."
            raise Problem(403, "source_not_yours", detail)


class EventsDoor(TenantDoor):
    """Takes events. The request is taken as a whole; sending it again does no harm: what is known is a duplicate."""

    needs = {"POST": Scope.INGEST}
    parser_classes = (BatchParser, LinesParser)
    components = name_types(EVENT_SCHEMAS)

    @extend_schema(
        tags=["events"],
        operation_id="events_send",
        request={"application/json": BATCH_SCHEMA[0], "application/x-ndjson": {"type": "string"}},
        responses=ReceiptSerializer,
        examples=[OpenApiExample("a stop", EXAMPLE, request_only=True, media_type="application/json")],
    )
    def post(self, request: Request) -> Response:
        """Send up to 5,000 events, as JSON or NDJSON, gzip allowed."""
        with IN_FLIGHT.enter(self.tenant.pk):
            events: Sequence[Incoming] | Any = request.data
            if isinstance(events, Mapping):  # what REST framework makes of no body at all
                raise Problem(400, "invalid", 'Send {"events": [...]}.')
            check_sources(events, request.auth)
            receipt = store_events(events=events, source=name_source(request), now=timezone.now())
        return Response(describe_receipt(receipt))


def describe_receipt(receipt: Receipt) -> dict[str, Any]:
    """The receipt as `ReceiptSerializer` declares it."""
    return {
        "received": receipt.received,
        "accepted": receipt.accepted,
        "duplicate": receipt.duplicate,
        "quarantined": receipt.quarantined,
        "problems": [asdict(problem) for problem in receipt.problems],
    }
