"""Events: what was reported, once, unchanged."""

from django.db import models

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import TenantModel
from production.models.imports import ImportRun
from production.models.master import Machine, Product, Reason, WorkOrder
from production.models.rollup import State


class EventKind(models.TextChoices):
    """What an event says."""

    STATE = "state"
    COUNT = "count"
    COUNTER = "counter"
    MEASUREMENT = "measurement"


class Event(TenantModel):
    """One reported fact. `at` is the source's clock, `received_at` ours; `until` ends a state that the source
    reported as an interval (job reports do), otherwise the state holds until the machine's next state event."""

    # No index per foreign key: each would cost every insert, and the indexes below answer every question that is asked.
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False)
    source = models.CharField(max_length=64)
    event_id = models.CharField(max_length=64)
    content_hash = models.BinaryField(max_length=16)
    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=12, choices=EventKind.choices)
    state = models.CharField(max_length=12, choices=State.choices, blank=True)
    reason = models.ForeignKey(Reason, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    comment = models.TextField(blank=True)
    operator = models.CharField(max_length=64, blank=True)
    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    good = models.FloatField(null=True)
    scrap = models.FloatField(null=True)
    rework = models.FloatField(null=True)
    name = models.CharField(max_length=64, blank=True)
    value = models.FloatField(null=True)
    maximum = models.FloatField(null=True)
    unit = models.CharField(max_length=16, blank=True)
    # The source's own order of arrival: it decides between events of one moment, where the source gives it.
    sequence = models.BigIntegerField(null=True)
    import_run = models.ForeignKey(
        ImportRun, on_delete=models.PROTECT, null=True, related_name="events", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "source", "event_id"], name="event_once"),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gte=models.F("at")), name="event_ends_after"
            ),
            models.CheckConstraint(condition=~models.Q(kind="state") | ~models.Q(state=""), name="event_state_given"),
        ]
        indexes = [
            models.Index(fields=["tenant", "machine", "kind", "at"], name="event_of_machine"),
            models.Index(fields=["import_run"], condition=models.Q(import_run__isnull=False), name="event_of_import"),
            # Intervals under way at a moment, without reading the machine's history.
            models.Index(
                fields=["tenant", "machine", "until"],
                name="event_interval",
                condition=models.Q(until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"
