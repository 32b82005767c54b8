"""Corrections: what people say over what was reported, as a layer that can be lifted; events stay as they came."""

from django.conf import settings
from django.db import models

from mesassist.tenants.scope import TenantModel
from production.models.master import Machine, Reason
from production.models.rollup import State


class Correction(TenantModel):
    """From `from_at` to `to_at` the machine was in `state`, whatever was reported; undone ones no longer count.

    Of several that overlap the one made last wins.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="+")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.ForeignKey(Reason, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    comment = models.TextField(help_text="Why.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField()
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(to_at__gt=models.F("from_at")), name="correction_ends_after")
        ]
        indexes = [models.Index(fields=["tenant", "machine", "from_at"], name="correction_of_machine")]

    def __str__(self) -> str:
        return f"{self.state} of machine {self.machine_id} from {self.from_at:%Y-%m-%d %H:%M}"


class SourceRank(TenantModel):
    """Which source is believed where two report on one machine: the higher rank. Sources without a row have 0."""

    source = models.CharField(max_length=64)
    rank = models.SmallIntegerField(default=0)

    class Meta:
        ordering = ["-rank", "source"]
        constraints = [models.UniqueConstraint(fields=["tenant", "source"], name="source_rank_once")]

    def __str__(self) -> str:
        return f"{self.source} ({self.rank})"


class Implausible(TenantModel):
    """A counter reading that rose faster than the machine can produce; its pieces count once somebody trusts it.

    Derived by the fold, like the rollups; only `trusted_by` and `trusted_at` are people's.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=64)
    event_id = models.CharField(max_length=64)
    at = models.DateTimeField()
    name = models.CharField(max_length=64)
    value = models.FloatField()
    delta = models.FloatField(help_text="Pieces since the reading before.")
    most = models.FloatField(help_text="Pieces that the machine could have made at most.")
    trusted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    trusted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["tenant", "source", "event_id"], name="implausible_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.value:g} of machine {self.machine_id}"
