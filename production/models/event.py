"""Events: what was reported, once, unchanged; and the ids that are taken, with what each of them said."""

from django.contrib.postgres.indexes import BrinIndex
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


class EventKey(TenantModel):
    """An id that is taken: when its event happened and the hash of what it said.

    Events are partitioned by month, so no index of theirs can see an id twice under two stamps; this table can.
    Whoever inserts the key may insert the event, in the same statement; a batch that comes second waits and finds it.
    """

    # The source last: ids seldom agree, so that it is hardly ever compared.
    pk = models.CompositePrimaryKey("tenant", "event_id", "source")
    # Compared byte by byte: ids that grow with time then stay at the end of the index, whatever the database's locale.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False, db_constraint=False
    )
    source = models.CharField(max_length=64, db_collation="C")
    event_id = models.CharField(max_length=64, db_collation="C")
    at = models.DateTimeField()
    content_hash = models.BinaryField(max_length=16)

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"


class Event(TenantModel):
    """One reported fact. `at` is the source's clock, `received_at` ours; `until` ends a state that the source
    reported as an interval (job reports do), otherwise the state holds until the machine's next state event."""

    # What makes an event unique is its `EventKey`; an index of its own would say the same a second time.
    pk = models.CompositePrimaryKey("tenant", "at", "source", "event_id")
    # No index per reference: each would cost every insert, and the indexes below answer every question that is asked.
    # No constraint either: six of them cost more than the insert itself. Ingest locks the few rows that a batch names,
    # and a trigger on their tables refuses to delete a row that events name (docs/decisions/005).
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False, db_constraint=False
    )
    source = models.CharField(max_length=64)
    event_id = models.CharField(max_length=64)
    machine = models.ForeignKey(
        Machine, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    at = models.DateTimeField()
    until = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=12, choices=EventKind.choices)
    state = models.CharField(max_length=12, choices=State.choices, blank=True)
    reason = models.ForeignKey(
        Reason, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    comment = models.TextField(blank=True)
    operator = models.CharField(max_length=64, blank=True)
    order = models.ForeignKey(
        WorkOrder, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
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
        ImportRun, on_delete=models.PROTECT, null=True, related_name="events", db_index=False, db_constraint=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gte=models.F("at")), name="event_ends_after"
            ),
            models.CheckConstraint(condition=~models.Q(kind="state") | ~models.Q(state=""), name="event_state_given"),
        ]
        indexes = [
            models.Index(fields=["tenant", "machine", "kind", "at"], name="event_of_machine"),
            models.Index(fields=["import_run"], condition=models.Q(import_run__isnull=False), name="event_of_import"),
            # Whatever asks for a stretch of time alone: a hundredth of a btree's size, and next to nothing per insert.
            BrinIndex(fields=["at"], name="event_of_time", pages_per_range=16, autosummarize=True),
            # Intervals under way at a moment, without reading the machine's history.
            models.Index(
                fields=["tenant", "machine", "until"],
                name="event_interval",
                condition=models.Q(until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"
