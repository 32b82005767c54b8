"""Topics: Kafka sources in the admin: where a topic is, who we are there, and what to do when it stands still."""

import re
import ssl
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest

from mesassist.tenants.admin import RecordAdmin, TenantAdmin, TenantForm
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tenants.sealed import put_secret
from production.ingest import brokers
from production.ingest.admission import BrokerRefuses
from production.ingest.contract import is_reserved
from production.ingest.progress import resume_partition
from production.ingest.registry import Registry, RegistryAway
from production.models import KafkaPartition, KafkaSource, KnownSchema, PartitionState, Payload

TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
KEPT = "Empty: the stored one is kept."


class KafkaSourceForm(TenantForm):
    """A source; its passwords go in here and never come out."""

    name = forms.CharField(max_length=64, required=False, help_text="The events' source. Empty: the topic.")
    broker_password = forms.CharField(required=False, strip=False, widget=forms.PasswordInput, help_text=KEPT)
    registry_secret = forms.CharField(
        label="Registry password", required=False, strip=False, widget=forms.PasswordInput, help_text=KEPT
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stored_servers = set(self.instance.bootstrap_servers.split(","))
        self._stored_registry = origin_of(self.instance.registry_url)

    def clean_bootstrap_servers(self) -> str:
        """host:port, several with commas between."""
        servers = [one.strip() for one in self.cleaned_data["bootstrap_servers"].split(",")]
        for one in servers:
            found = SERVER.fullmatch(one)
            if not found or not 0 < int(found.group(2)) < 65_536:
                raise forms.ValidationError(f"{one!r} is not host:port. Write it like kafka.example:9092.")
        return ",".join(servers)

    def clean_topic(self) -> str:
        """A name that Kafka allows."""
        return _check_topic(self.cleaned_data["topic"])

    def clean_dead_letter_topic(self) -> str:
        """The same, or nothing."""
        name = self.cleaned_data["dead_letter_topic"]
        return _check_topic(name) if name else ""

    def clean_ca_pem(self) -> str:
        """Certificates that can be read."""
        text: str = self.cleaned_data["ca_pem"]
        if text:
            try:
                ssl.create_default_context(cadata=text)
            except (ssl.SSLError, ValueError) as error:
                raise forms.ValidationError("This is no certificate in PEM form.") from error
        return text

    def clean_registry_url(self) -> str:
        """http or https, a host, and no password in it."""
        text: str = self.cleaned_data["registry_url"]
        try:
            parts = urlsplit(text)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if text and not is_address:
            raise forms.ValidationError("Write it like https://registry.example:8081.")
        if text and (parts.username or parts.password or parts.query or parts.fragment):
            raise forms.ValidationError("Only the address belongs here; name and password have fields of their own.")
        return text

    def clean(self) -> dict[str, Any]:
        """What depends on several fields."""
        said = super().clean() or self.cleaned_data
        topic = self._said("topic") or ""
        said["name"] = self._said("name") or topic[:64]
        if is_reserved(said["name"]):
            self.add_error("name", "This name is kept for corrections by people. Choose another.")
        if str(said.get("security", "")).startswith("SASL"):
            for needed in ("sasl_mechanism", "sasl_username"):
                if not said.get(needed):
                    self.add_error(needed, "A password needs this too.")
            if not said.get("broker_password") and not self.instance.sasl_password:
                self.add_error("broker_password", "Enter the password.")
            elif not said.get("broker_password") and self._has_other_brokers():
                self.add_error("broker_password", "These are other brokers: enter the password for them.")
        if said.get("payload") == Payload.AVRO and not said.get("registry_url") and "registry_url" not in self.errors:
            self.add_error("registry_url", "Avro records name their schema by id; the registry knows it.")
        if topic and said.get("dead_letter_topic") == topic:
            self.add_error("dead_letter_topic", "Dead letters would be read again. Choose another topic.")
        if "bootstrap_servers" in said and self._feeds_another(said["bootstrap_servers"], topic):
            self.add_error("topic" if "topic" in self.fields else None, "This topic of this broker has a source.")
        return said

    def save(self, commit: bool = True) -> Any:
        """Seal what was entered; forget what is no longer used, or was entered for another address."""
        row = self.instance
        has_moved = origin_of(row.registry_url) != self._stored_registry
        for entered, column, is_used, is_elsewhere in (
            ("broker_password", "sasl_password", row.security.startswith("SASL"), self._has_other_brokers()),
            ("registry_secret", "registry_password", bool(row.registry_username), has_moved),
        ):
            plain = self.cleaned_data[entered] if is_used else ""
            if plain or is_elsewhere or not is_used:
                put_secret(row, column, plain)
        return super().save(commit)

    def _has_other_brokers(self) -> bool:
        return not set(self.cleaned_data.get("bootstrap_servers", "").split(",")) <= self._stored_servers

    def _said(self, name: str) -> str:
        """What the form says, or the row where the field is not to be edited any more."""
        return str(self.cleaned_data.get(name, "") if name in self.fields else getattr(self.instance, name))

    def _feeds_another(self, servers: str, topic: str) -> bool:
        with platform_scope("a topic feeds one tenant only", role=PlatformRole.STAFF):
            rows = KafkaSource.objects.filter(bootstrap_servers=servers, topic=topic)
            return rows.exclude(pk=self.instance.pk).exists()


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a password was entered for."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def _check_topic(name: str) -> str:
    if not TOPIC.fullmatch(name) or name in (".", ".."):
        raise forms.ValidationError("A topic's name has letters, digits, dots, dashes and underscores.")
    return name


@admin.register(KafkaSource)
class KafkaSourceAdmin(TenantAdmin):
    """Topics that are read. A running consumer notices a change within seconds."""

    form = KafkaSourceForm
    list_display = ("name", "topic", "bootstrap_servers", "payload", "enabled", "looked_at", "problem")
    list_filter = ("enabled", "payload")
    search_fields = ("name", "topic")
    actions = ("look", "switch_on", "switch_off", "resume")
    fields = (
        *("name", "topic", "bootstrap_servers", "payload", "enabled"),
        *("security", "sasl_mechanism", "sasl_username", "broker_password", "ca_pem"),
        *("registry_url", "registry_username", "registry_secret", "subjects", "dead_letter_topic"),
        *("looked_at", "problem"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: KafkaSource | None = None) -> list[Any]:
        """Name and topic are in the events' ids and the group's offsets: they are set once."""
        fixed = ["name", "topic"] if obj else []
        return [*super().get_readonly_fields(request, obj), *fixed, "looked_at", "problem"]

    @admin.action(description="Test the connection")
    def look(self, request: HttpRequest, queryset: Any) -> None:
        """Ask broker and registry now, and say what they answer."""
        for source in queryset.select_related("tenant"):
            with tenant_scope(source.tenant):
                self._look(request, source)

    @admin.action(description="Switch on")
    def switch_on(self, request: HttpRequest, queryset: Any) -> None:
        """Read them."""
        self._switch(request, queryset, to=True)

    @admin.action(description="Switch off")
    def switch_off(self, request: HttpRequest, queryset: Any) -> None:
        """Read them no more; they go on where they are when they are switched on again."""
        self._switch(request, queryset, to=False)

    @admin.action(description="Resume stopped partitions")
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        """Let them be read on after their bad records were looked at."""
        stopped = KafkaPartition.objects.filter(source__in=queryset, state=PartitionState.STOPPED)
        _resume(self, request, stopped)

    def _look(self, request: HttpRequest, source: KafkaSource) -> None:
        try:
            found = brokers.list_partitions(source)
            numbers = ", ".join(map(str, found))
            self.message_user(request, f"{source}: the topic has {len(found)} partitions ({numbers}).")
        except BrokerRefuses as error:
            self.message_user(request, f"{source}: {error}", messages.ERROR)
        if source.payload == Payload.AVRO:
            self._look_at_registry(request, source)

    def _look_at_registry(self, request: HttpRequest, source: KafkaSource) -> None:
        asked = Registry(source)
        wanted = source.subjects or [f"{source.topic}-value"]
        try:
            known = set(asked.ask("/subjects") or ())
        except RegistryAway as error:
            self.message_user(request, f"{source}: {error}", messages.ERROR)
            return
        finally:
            asked.close()
        missing = ", ".join(name for name in wanted if name not in known)
        said = f"the schema registry knows no {missing}" if missing else "the schema registry has its subjects"
        self.message_user(request, f"{source}: {said}.", messages.WARNING if missing else messages.INFO)

    def _switch(self, request: HttpRequest, queryset: Any, *, to: bool) -> None:
        changed = queryset.exclude(enabled=to).update(enabled=to)
        self.message_user(request, f"{changed} switched {'on' if to else 'off'}.")


@admin.register(KafkaPartition)
class KafkaPartitionAdmin(RecordAdmin):
    """How far each partition is read."""

    list_display = (
        *("source", "partition", "state", "committed", "newest", "rate"),
        *("accepted", "duplicate", "quarantined", "reader", "updated_at", "detail"),
    )
    list_select_related = ("source",)
    list_filter = ("state",)
    search_fields = ("source__name",)
    actions = ("resume",)

    @admin.action(description="Resume stopped partitions")
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        """Let them be read on after their bad records were looked at."""
        _resume(self, request, queryset)


@admin.register(KnownSchema)
class KnownSchemaAdmin(RecordAdmin):
    """Schemas that a registry gave out."""

    list_display = ("schema_id", "source", "subject", "refused", "fetched_at")
    list_select_related = ("source",)
    search_fields = ("subject",)
    ordering = ("-id",)


def _resume(page: Any, request: HttpRequest, rows: Any) -> None:
    resumed = sum(resume_partition(row=row) for row in rows)
    page.message_user(request, f"{resumed} stopped partitions are read on.")
