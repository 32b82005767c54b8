"""Fleet: every enabled source has its consumer; one that is added, changed or disabled is noticed within seconds."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event, Thread

import structlog
from django.db import DatabaseError, connection

from mesassist.tenants.scope import platform_scope
from production.ingest.consumer import consume_source
from production.models import KafkaSource

log = structlog.get_logger(__name__)
LOOK_S = 5.0
# A batch under way is finished first, and the partitions are handed over in order.
LEAVE_S = 30.0
# What a consumer writes itself; everything else of a row is how to read it.
NOT_SETTINGS = {"problem", "looked_at", "created_at"}


@dataclass
class Member:
    """A source's consumer in its thread."""

    settings: tuple[object, ...]
    stop: Event
    thread: Thread


def consume_sources(*, stop: Event, source_name: str = "", tenant_slug: str = "", until_empty: bool = False) -> None:
    """Keep one consumer for each enabled source until `stop` is set, or all are read to their ends."""
    members: dict[int, Member] = {}
    try:
        while not stop.is_set():
            sources = _read_sources(source_name, tenant_slug)
            if sources is not None:
                _adjust(members, sources, until_empty)
                if until_empty:
                    return _wait_for(members, stop)
            stop.wait(LOOK_S)
    finally:
        _dismiss(members.values())


def settings_of(source: KafkaSource) -> tuple[object, ...]:
    """Everything that says how a source is read: a consumer lives as long as it stays the same."""
    names = (field.attname for field in source._meta.concrete_fields if field.name not in NOT_SETTINGS)
    return tuple(str(getattr(source, name)) for name in names)


def _read_sources(source_name: str, tenant_slug: str) -> list[KafkaSource] | None:
    """The enabled sources; None where the database cannot be asked: what runs goes on."""
    try:
        with platform_scope("consume events"):
            rows = KafkaSource.objects.filter(enabled=True, tenant__closed_at=None).select_related("tenant")
            rows = rows.filter(name=source_name) if source_name else rows
            return list(rows.filter(tenant__slug=tenant_slug) if tenant_slug else rows)
    except DatabaseError as error:
        log.warning("sources_unreadable", why=type(error).__name__)
        return None
    finally:
        connection.close()


def _adjust(members: dict[int, Member], sources: list[KafkaSource], until_empty: bool) -> None:
    wanted = {source.pk: source for source in sources}
    gone = [
        key
        for key, member in members.items()
        if key not in wanted or member.settings != settings_of(wanted[key]) or not member.thread.is_alive()
    ]
    _dismiss([members.pop(key) for key in gone])
    for key, source in wanted.items():
        if key not in members:
            members[key] = _start(source, until_empty)


def _start(source: KafkaSource, until_empty: bool) -> Member:
    stop = Event()
    arguments = {"source": source, "stop": stop, "until_empty": until_empty}
    thread = Thread(target=_guarded(consume_source), kwargs=arguments, name=source.name)
    log.info("source_taken", source=source.pk, tenant=source.tenant_id)
    thread.start()
    return Member(settings_of(source), stop, thread)


def _guarded(work: Callable[..., None]) -> Callable[..., None]:
    """A thread that ends with an error says so in the log; the next look starts another."""

    def run(**arguments: object) -> None:
        try:
            work(**arguments)
        except Exception:
            log.exception("source_dropped")
        finally:
            connection.close()

    return run


def _wait_for(members: dict[int, Member], stop: Event) -> None:
    while not stop.is_set() and any(member.thread.is_alive() for member in members.values()):
        stop.wait(0.1)


def _dismiss(members: Iterable[Member]) -> None:
    """Tell them all to stop, then wait for each."""
    leaving = list(members)
    for member in leaving:
        member.stop.set()
    until = time.monotonic() + LEAVE_S
    for member in leaving:
        member.thread.join(max(0.0, until - time.monotonic()))
