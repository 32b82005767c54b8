"""Summaries: what a person chose to summarise; the numbers come from `production.summaries`."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from mesassist.tenants.scope import TenantModel
from production.models.master import Line, Machine


class Window(models.TextChoices):
    """Which stretch of time, seen from now in the site's zone."""

    CURRENT_SHIFT = "current_shift", "current shift"
    LAST_SHIFT = "last_shift", "last shift"
    TODAY = "today", "today"
    YESTERDAY = "yesterday", "yesterday"
    LAST_7_DAYS = "last_7_days", "last 7 days"
    LAST_30_DAYS = "last_30_days", "last 30 days"
    CUSTOM = "custom", "from ... to ..."


class GroupBy(models.TextChoices):
    """What the rows of the table stand for."""

    MACHINE = "machine"
    LINE = "line"
    SHIFT = "shift"
    DAY = "day"


class Compare(models.TextChoices):
    """What the totals are compared with."""

    NOTHING = "", "nothing"
    PREVIOUS = "previous", "the stretch before"
    SAME_LAST_WEEK = "same_last_week", "the same stretch a week earlier"


class Metric(models.TextChoices):
    """What may be shown in tiles, table and prompt."""

    OEE = "oee", "OEE"
    AVAILABILITY = "availability", "availability"
    PERFORMANCE = "performance", "performance"
    QUALITY = "quality", "quality"
    GOOD = "good", "good pieces"
    SCRAP = "scrap", "scrap"
    REWORK = "rework", "rework"
    RUNNING = "running", "running time"
    DOWN = "down", "down time"
    SETUP = "setup", "set-up time"
    STOPS = "stops", "stops"
    MICRO_STOPS = "micro_stops", "micro-stops"


def every_metric() -> list[str]:
    """All metrics: what a new summary shows."""
    return list(Metric.values)


class Summary(TenantModel):
    """A definition: window, scope, metrics, grouping, comparison. Empty scope means every machine."""

    name = models.CharField(max_length=120)
    window = models.CharField(max_length=16, choices=Window.choices, default=Window.LAST_7_DAYS)
    from_at = models.DateTimeField("from", null=True, blank=True)
    to_at = models.DateTimeField("to", null=True, blank=True)
    lines = models.ManyToManyField(Line, blank=True, related_name="+")
    machines: "models.ManyToManyField[Machine, models.Model]" = models.ManyToManyField(
        Machine, blank=True, related_name="+"
    )
    metrics = ArrayField(models.CharField(max_length=16, choices=Metric.choices), default=every_metric)
    group_by = models.CharField(max_length=8, choices=GroupBy.choices, default=GroupBy.MACHINE)
    compare_to = models.CharField(max_length=16, choices=Compare.choices, default=Compare.PREVIOUS, blank=True)
    is_main = models.BooleanField("shown on the dashboard", default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-is_main", "name"]
        verbose_name_plural = "summaries"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="summary_name"),
            models.UniqueConstraint(fields=["tenant"], condition=models.Q(is_main=True), name="summary_one_main"),
            models.CheckConstraint(
                condition=~models.Q(window="custom")
                | models.Q(from_at__isnull=False, to_at__isnull=False, from_at__lt=models.F("to_at")),
                name="summary_custom_has_ends",
            ),
        ]

    def __str__(self) -> str:
        return self.name
