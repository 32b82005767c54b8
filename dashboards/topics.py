"""Topics page: how far each Kafka topic of the plant is read, and in plain words what its reader is doing."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.models import KafkaPartition, KafkaSource, PartitionState
from production.viewing import plant_time

# A reader writes down how far it is every few seconds; after this long nobody is at work.
SILENT_AFTER = dt.timedelta(minutes=2)
# (word, sign, what to do) of each state; the sign is the badge's class.
STATES = {
    PartitionState.PAUSED: (
        _("paused"),
        "care",
        _("The database was out of reach. Reading goes on by itself; nothing is lost."),
    ),
    PartitionState.WAITING: (
        _("waiting"),
        "care",
        _("The schema registry is out of reach. Reading goes on by itself; nothing is lost."),
    ),
    PartitionState.STOPPED: (
        _("stopped"),
        "failed",
        _("Too many records could not be taken. See what was not taken; an administrator sets it going again."),
    ),
    PartitionState.LEFT: (
        _("not read"),
        "care",
        _("The reader left it and nobody has taken it over. Ask an administrator whether a consumer is running."),
    ),
}
SILENT = (_("silent"), "failed", _("No consumer has been heard of lately. Ask an administrator to start one."))


@dataclass(frozen=True)
class Reading:
    """How far a partition is read: `lag` records are still to come; `word`, `sign` and `advice` say how it goes."""

    row: KafkaPartition
    lag: int
    word: str
    sign: str
    advice: str


@dataclass(frozen=True)
class Topic:
    """A topic with its partitions; `rate` is records per second, the counts are since the beginning."""

    source: KafkaSource
    readings: tuple[Reading, ...]
    lag: int
    rate: float
    records: int
    quarantined: int


@require_safe
@door(Role.VIEWER)
@plant_time()
def topics(request: TenantRequest) -> HttpResponse:
    """Every topic of the plant; the page asks for its inner part again every few seconds."""
    context = {"topics": read_topics(now=timezone.now()), "read_at": timezone.now()}
    template = "dashboards/_topics.html" if request.htmx else "dashboards/topics.html"
    return render(request, template, context)


def read_topics(*, now: dt.datetime) -> tuple[Topic, ...]:
    """The topics by name, each with its partitions in order."""
    by_source: dict[int, list[Reading]] = defaultdict(list)
    for row in KafkaPartition.objects.order_by("partition"):
        by_source[row.source_id].append(describe_partition(row, now=now))
    return tuple(_add_up(source, by_source[source.pk]) for source in KafkaSource.objects.all())


def describe_partition(row: KafkaPartition, *, now: dt.datetime) -> Reading:
    """What its numbers and its silence mean."""
    lag = max(row.newest - row.committed, 0)
    # A partition that somebody stopped on purpose stays stopped, also when its reader is gone.
    if row.state != PartitionState.STOPPED and now - row.updated_at > SILENT_AFTER:
        return Reading(row, lag, *map(str, SILENT))
    if row.state in STATES:
        return Reading(row, lag, *map(str, STATES[PartitionState(row.state)]))
    return Reading(row, lag, str(_("catching up") if lag else _("up to date")), "running" if lag else "done", "")


def _add_up(source: KafkaSource, readings: list[Reading]) -> Topic:
    return Topic(
        source=source,
        readings=tuple(readings),
        lag=sum(reading.lag for reading in readings),
        rate=sum(reading.row.rate for reading in readings if reading.sign in {"running", "done"}),
        records=sum(reading.row.records for reading in readings),
        quarantined=sum(reading.row.quarantined for reading in readings),
    )
