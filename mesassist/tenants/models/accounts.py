"""Accounts: plants, people and who belongs where; read before a tenant is active."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models


class Tenant(models.Model):
    """A plant, or the company it belongs to. The slug is in every address and never changes meaning."""

    slug = models.SlugField(max_length=40, unique=True, validators=[RegexValidator(r"^[a-z][a-z0-9-]*$")])
    name = models.CharField(max_length=120)
    creates_unknown_machines = models.BooleanField(
        default=False, help_text="An event of an unknown machine creates it; otherwise the event is quarantined."
    )
    events_kept_months = models.PositiveSmallIntegerField(
        "months of events kept",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Older events are dropped, their figures stay. Empty: all are kept.",
    )
    requires_second_factor = models.BooleanField(
        default=False, help_text="Members without a second factor set one up before they see anything."
    )
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Since when nobody enters any more; empty: open.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person. What a person may do comes from the memberships alone; `is_staff` is the platform's staff."""

    tenants: "models.ManyToManyField[Tenant, Membership]" = models.ManyToManyField(
        Tenant, through="Membership", related_name="people"
    )


class Role(models.IntegerChoices):
    """What a person may do in a tenant; each role may do what those below it may."""

    VIEWER = 10, "viewer"
    OPERATOR = 20, "operator"
    MANAGER = 30, "manager"
    TENANT_ADMIN = 40, "tenant admin"


class Membership(models.Model):
    """A person's role in one tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.VIEWER)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display()} of {self.tenant}"
