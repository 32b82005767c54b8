"""Master data: sites, lines, machines, products, reasons, shifts, orders and file mappings of a tenant."""

import zoneinfo

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from mesassist.tenants.scope import TenantModel

CODE = 64
NAME = 120


def validate_zone(value: str) -> None:
    """Accept IANA names alone: an offset such as +01:00 knows nothing of summer time."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value!r} is not a time zone. Use an IANA name such as Europe/Warsaw.")


class Coded(TenantModel):
    """A thing that the plant knows by a code; the code is unique in the tenant, the name is for people."""

    code = models.CharField(max_length=CODE)
    name = models.CharField(max_length=NAME)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Site(Coded):
    """A place with one clock: its zone decides the production day and everything shown."""

    zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="site_code")]


class Line(Coded):
    """Machines that work together; its figures are those of its counting point, or else sums over its machines."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="lines")
    counting_point = models.ForeignKey(
        "Machine",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The machine (last station or bottleneck) whose figures stand for the line.",
    )

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="line_code")]

    def clean(self) -> None:
        """Another line's machine cannot stand for this one."""
        if self.counting_point is not None and self.counting_point.line_id != self.pk:
            raise ValidationError({"counting_point": "Choose a machine of this line."})


class Machine(Coded):
    """A machine or work place; events name it by its code, history belongs to its id."""

    line = models.ForeignKey(Line, on_delete=models.PROTECT, related_name="machines")
    micro_stop_s = models.PositiveIntegerField(
        "micro-stop threshold (s)", default=300, help_text="A shorter stop is a performance loss, not down time."
    )
    contact_timeout_s = models.PositiveIntegerField(
        "contact timeout (s)", default=28_800, help_text="After this long without an event the state is unknown."
    )
    implausible_factor = models.FloatField(
        "implausible above",
        default=3.0,
        validators=[MinValueValidator(1)],
        help_text="A counter that rises faster than the ideal cycle allows, times this, is not believed.",
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="machine_code")]


class Product(Coded):
    """What is made; quantities are in its unit."""

    unit = models.CharField(max_length=16, default="pcs")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="product_code")]


class IdealCycle(TenantModel):
    """Planned run time per item (PRI, seconds per piece) of a product on a machine; no product: any product."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="ideal_cycles")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    seconds = models.FloatField(validators=[MinValueValidator(0.001)])

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "machine", "product"], name="ideal_cycle_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=models.Q(seconds__gt=0), name="ideal_cycle_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.seconds} s per piece"


class LossClass(models.TextChoices):
    """What a reason stands for."""

    PLANNED = "planned", "planned stop"
    UNPLANNED = "unplanned", "unplanned stop"
    SETUP = "setup", "set-up"
    MICRO_STOP = "micro_stop", "micro-stop"
    QUALITY = "quality", "quality"


class Reason(Coded):
    """Why a machine stood or a piece was lost."""

    loss_class = models.CharField(max_length=12, choices=LossClass.choices, default=LossClass.UNPLANNED)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="reason_code")]


class Shift(TenantModel):
    """A shift of a site in its local time, on ISO weekdays of its start (1 = Monday); the end may be next day."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="shifts")
    name = models.CharField(max_length=NAME)
    starts = models.TimeField()
    ends = models.TimeField(help_text="Not later than the start: the shift ends on the next day.")
    weekdays = ArrayField(models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(7)]))

    class Meta:
        ordering = ["site", "starts"]
        constraints = [models.UniqueConstraint(fields=["tenant", "site", "name"], name="shift_name")]

    def __str__(self) -> str:
        return self.name


class WorkOrder(TenantModel):
    """An order; its quantity counts once, however many events name it."""

    code = models.CharField(max_length=CODE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    quantity = models.FloatField(null=True, blank=True, help_text="Pieces ordered; empty: not recorded.")

    class Meta:
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["tenant", "code"], name="order_code")]

    def __str__(self) -> str:
        return self.code


class FileMapping(TenantModel):
    """How the columns of a plant's file become events; the spec's shape is `ingest.files.MappingSpec`."""

    name = models.CharField(max_length=NAME)
    spec = models.JSONField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="mapping_name")]

    def __str__(self) -> str:
        return self.name
