"""Metrics: what came in, what waits and what stands still, for Prometheus, from the rows at the moment of asking."""

import hmac
import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Max, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesassist.tenants.scope import platform_scope
from production.models import (
    Coverage,
    DirtyRange,
    ImportRun,
    KafkaPartition,
    KafkaSource,
    PartitionState,
    Quarantined,
    QuarantineStatus,
    SelfCheck,
)

OUTCOMES = ("accepted", "duplicate", "quarantined")


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The figures for whoever scrapes; to everybody else there is no such page."""
    if not may_scrape(request):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    with platform_scope("metrics"):
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def may_scrape(request: HttpRequest) -> bool:
    """Whether the request shows the token, or comes from this machine and through no proxy."""
    if settings.METRICS_TOKEN:
        wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
        if hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted):
            return True
    try:
        is_local = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        is_local = False
    # Through a proxy on this machine everybody would look local.
    return is_local and not {"X-Forwarded-For", "Forwarded"} & set(request.headers)


class Figures(Collector):
    """Every family, read when it is asked for. Tenants by slug; needs a scope that sees them all."""

    def collect(self) -> Iterator[Metric]:
        """The families in order."""
        yield from _kafka()
        yield from _sources()
        yield from _quarantine()
        yield from _imports()
        yield from _freshness()
        yield from _selfchecks()


def _kafka() -> Iterator[Metric]:
    labels = ["tenant", "source", "partition"]
    records = CounterMetricFamily("mesassist_kafka_records", "Records read.", labels=labels)
    events = CounterMetricFamily("mesassist_kafka_events", "What became of them.", labels=[*labels, "outcome"])
    lag = GaugeMetricFamily("mesassist_kafka_lag", "Records still to be read.", labels=labels)
    rate = GaugeMetricFamily("mesassist_kafka_rate", "Records per second, lately.", labels=labels)
    state = GaugeMetricFamily("mesassist_kafka_state", "1 for the state that it is in.", labels=[*labels, "state"])
    updated = GaugeMetricFamily("mesassist_kafka_updated_seconds", "When its reader last said so.", labels=labels)
    for row in KafkaPartition.objects.select_related("tenant", "source").order_by("pk"):
        names = [row.tenant.slug, row.source.name, str(row.partition)]
        records.add_metric(names, row.records)
        for outcome in OUTCOMES:
            events.add_metric([*names, outcome], getattr(row, outcome))
        lag.add_metric(names, max(row.newest - row.committed, 0))
        rate.add_metric(names, row.rate)
        for known in PartitionState.values:
            state.add_metric([*names, known], float(row.state == known))
        updated.add_metric(names, row.updated_at.timestamp())
    yield from (records, events, lag, rate, state, updated)


def _sources() -> Iterator[Metric]:
    labels = ["tenant", "source"]
    enabled = GaugeMetricFamily("mesassist_kafka_source_enabled", "1 when it is switched on.", labels=labels)
    problem = GaugeMetricFamily("mesassist_kafka_source_problem", "1 when its broker is in the way.", labels=labels)
    for row in KafkaSource.objects.select_related("tenant").order_by("pk"):
        names = [row.tenant.slug, row.name]
        enabled.add_metric(names, float(row.enabled))
        problem.add_metric(names, float(bool(row.problem)))
    yield from (enabled, problem)


def _quarantine() -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "mesassist_quarantine_waiting", "Rows that wait for a decision.", labels=["tenant", "code"]
    )
    rows = Quarantined.objects.filter(status=QuarantineStatus.WAITING).order_by()
    for slug, code, number in rows.values_list("tenant__slug", "code").annotate(number=Count("pk")):
        waiting.add_metric([slug, code], number)
    yield waiting


def _imports() -> Iterator[Metric]:
    rows = CounterMetricFamily("mesassist_import_rows", "Rows of imported files.", labels=["tenant", "outcome"])
    runs = ImportRun.objects.order_by().values("tenant__slug")
    for said in runs.annotate(**{outcome: Sum(outcome) for outcome in OUTCOMES}):
        for outcome in OUTCOMES:
            rows.add_metric([said["tenant__slug"], outcome], said[outcome] or 0)
    yield rows


def _freshness() -> Iterator[Metric]:
    newest = GaugeMetricFamily("mesassist_newest_event_seconds", "The stamp of the newest event.", labels=["tenant"])
    for slug, at in Coverage.objects.order_by().values_list("tenant__slug").annotate(at=Max("newest_event_at")):
        if at is not None:
            newest.add_metric([slug], at.timestamp())
    dirty = GaugeMetricFamily("mesassist_dirty_ranges", "Stretches that wait to be folded.", labels=["tenant"])
    for slug, number in DirtyRange.objects.order_by().values_list("tenant__slug").annotate(number=Count("pk")):
        dirty.add_metric([slug], number)
    yield from (newest, dirty)


def _selfchecks() -> Iterator[Metric]:
    broken = GaugeMetricFamily(
        "mesassist_selfcheck_broken", "Rows that break an invariant.", labels=["tenant", "check"]
    )
    checked = GaugeMetricFamily("mesassist_selfcheck_seconds", "When that was last checked.", labels=["tenant"])
    for row in SelfCheck.objects.select_related("tenant").order_by("tenant_id"):
        checked.add_metric([row.tenant.slug], row.checked_at.timestamp())
        for name, rows in row.found.items():
            broken.add_metric([row.tenant.slug, name], rows)
    yield from (broken, checked)
