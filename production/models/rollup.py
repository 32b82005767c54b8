"""Rollups: what the intervals and counts of a machine add up to by quarter hour and by day. Derived, never edited."""

from django.db import models
from django.db.models.functions import Now

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import TenantModel
from production.models.master import Machine, Reason, Shift


class State(models.TextChoices):
    """The closed set of machine states (DOMAIN.md 2); other vocabularies are mapped to it on the way in."""

    RUNNING = "running"
    IDLE = "idle", "idle (starved, blocked, no operator)"
    SETUP = "setup", "set-up"
    PLANNED_STOP = "planned_stop", "planned stop"
    DOWN = "down"
    UNKNOWN = "unknown", "unknown (no contact)"


class Slice(TenantModel):
    """The key of a rollup: a machine, a quarter hour, and the shift it belongs to.

    `shift` and `production_day` are empty outside shift time. A quarter hour that a shift boundary cuts
    has two rows. The production day is that of the shift's start.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="+")
    bucket = models.DateTimeField(help_text="Start of the quarter hour, UTC.")
    shift = models.ForeignKey(Shift, on_delete=models.CASCADE, null=True, related_name="+")
    production_day = models.DateField(null=True)

    class Meta:
        abstract = True


class Rollup(Slice):
    """Seconds per state, pieces, and ideal seconds of one slice.

    `down_s` holds stops of the machine's threshold or longer, `micro_stop_s` the shorter ones; a stop is
    counted where it starts, its seconds where they pass. `ideal_produced_s` is the sum of PRI x PQ and
    `ideal_good_s` of PRI x GQ over the products with a known cycle; `uncycled` are pieces without one.
    """

    running_s = models.FloatField(default=0)
    idle_s = models.FloatField(default=0)
    setup_s = models.FloatField(default=0)
    planned_stop_s = models.FloatField(default=0)
    down_s = models.FloatField(default=0)
    micro_stop_s = models.FloatField(default=0)
    unknown_s = models.FloatField(default=0)
    stops = models.PositiveIntegerField(default=0)
    micro_stops = models.PositiveIntegerField(default=0)
    setups = models.PositiveIntegerField(default=0)
    good = models.FloatField(default=0)
    scrap = models.FloatField(default=0)
    rework = models.FloatField(default=0)
    ideal_produced_s = models.FloatField(default=0)
    ideal_good_s = models.FloatField(default=0)
    uncycled = models.FloatField(default=0)
    provisional = models.BooleanField(default=False, help_text="An open state was counted up to now.")
    folded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "machine", "bucket", "shift", "production_day"],
                name="rollup_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["tenant", "bucket"], name="rollup_of_window")]

    def __str__(self) -> str:
        return f"machine {self.machine_id} at {self.bucket:%Y-%m-%d %H:%M}"


class LossRollup(Slice):
    """Seconds and stops of one slice by state and reason (no reason: unclassified); feeds the Pareto."""

    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.ForeignKey(Reason, on_delete=models.CASCADE, null=True, related_name="+")
    micro = models.BooleanField(default=False)
    seconds = models.FloatField()
    stops = models.PositiveIntegerField(help_text="Stops that start in this slice.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "machine", "bucket", "shift", "production_day", "state", "reason", "micro"],
                name="loss_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["tenant", "bucket"], name="loss_of_window")]

    def __str__(self) -> str:
        return f"{self.state} of machine {self.machine_id} at {self.bucket:%Y-%m-%d %H:%M}"


class Block(TenantModel):
    """The key of a daily row: a machine and a production day's stretch of whole quarter hours [starts_at, ends_at).

    Every quarter hour with a rollup lies in exactly one block, and blocks of a machine never overlap; so a long
    window is the blocks that lie in it and the quarter hours at its edges. `zone` is the clock they were cut by.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="+", db_index=False)
    starts_at = models.DateTimeField(help_text="Start of the first quarter hour, UTC.")
    ends_at = models.DateTimeField(help_text="End of the last quarter hour, UTC.")

    class Meta:
        abstract = True


class DailyRollup(Block):
    """The rollups of one block by shift and shown day: the production day, outside shifts the calendar day.

    Recounted from the quarter hours in the transaction that writes them, never added to.
    """

    shift = models.ForeignKey(Shift, on_delete=models.CASCADE, null=True, related_name="+")
    day = models.DateField()
    zone = models.CharField(max_length=64)
    running_s = models.FloatField()
    idle_s = models.FloatField()
    setup_s = models.FloatField()
    planned_stop_s = models.FloatField()
    down_s = models.FloatField()
    micro_stop_s = models.FloatField()
    unknown_s = models.FloatField()
    stops = models.PositiveIntegerField()
    micro_stops = models.PositiveIntegerField()
    setups = models.PositiveIntegerField()
    good = models.FloatField()
    scrap = models.FloatField()
    rework = models.FloatField()
    ideal_produced_s = models.FloatField()
    ideal_good_s = models.FloatField()
    uncycled = models.FloatField()
    provisional = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "machine", "starts_at", "shift", "day"], name="daily_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"machine {self.machine_id} on {self.day:%Y-%m-%d}"


class DailyLoss(Block):
    """The loss rollups of one block by state and reason: the Pareto of a long window, which is the dear part."""

    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.ForeignKey(Reason, on_delete=models.CASCADE, null=True, related_name="+")
    micro = models.BooleanField()
    seconds = models.FloatField()
    stops = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "machine", "starts_at", "state", "reason", "micro"],
                name="daily_loss_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.state} of machine {self.machine_id} from {self.starts_at:%Y-%m-%d}"


class Coverage(TenantModel):
    """How far a machine's rollups reach, and what its events record at all.

    The fold keeps it: pages learn from it how fresh the figures are without reading events, and the next
    fold starts at `folded_to`, so that time without any event is accounted for as well.
    `newest_event_at` is the latest time that an event speaks of (its end, where it has one).
    """

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, related_name="coverage")
    first_event_at = models.DateTimeField()
    newest_event_at = models.DateTimeField()
    folded_to = models.DateTimeField()
    folded_at = models.DateTimeField()
    records_good = models.BooleanField(default=False)
    records_scrap = models.BooleanField(default=False)
    records_rework = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "machine"], name="coverage_once")]

    def __str__(self) -> str:
        return f"machine {self.machine_id} up to {self.folded_to:%Y-%m-%d %H:%M}"


class DirtyRange(TenantModel):
    """A stretch of a machine's time whose rollups no longer tell what its events say."""

    # Made with every batch and gone within seconds: constraints and an index each would cost more than the mark.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="+", editable=False, db_index=False, db_constraint=False
    )
    machine = models.ForeignKey(
        Machine, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    # By the database's clock: marks are also made in SQL, and only their age is asked for.
    marked_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["tenant", "machine"], name="dirty_of_machine")]

    def __str__(self) -> str:
        return f"machine {self.machine_id} {self.from_at:%Y-%m-%d %H:%M} to {self.to_at:%Y-%m-%d %H:%M}"
