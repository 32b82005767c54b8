"""Models: the trail, one row per change, written by the database alone; and when each chain was last checked."""

from django.db import models

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import TenantModel


class Action(models.TextChoices):
    """What happened to a row."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Trail(models.Model):
    """One change of one row: what, who, when, from where, and its place in the chain.

    `changes` is {column: [before, after]}; a secret appears as "set" and "changed" only. `hash` is the SHA-256 of
    `chain.canonical`, which begins with `previous`, the hash of the entry before.
    """

    number = models.BigIntegerField()
    at = models.DateTimeField()
    subject = models.CharField(max_length=80, help_text="The model, such as production.Machine.")
    object_id = models.CharField("id", max_length=64)
    object = models.TextField("name", blank=True)
    action = models.CharField(max_length=8, choices=Action.choices)
    changes = models.JSONField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64, blank=True)
    actor = models.TextField(blank=True)
    door = models.CharField(max_length=16, blank=True)
    ip = models.CharField("IP address", max_length=45, blank=True)
    request_id = models.CharField("request", max_length=64, blank=True)
    why = models.TextField(blank=True)
    database_role = models.CharField(max_length=64)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.number}: {self.action} {self.subject} {self.object_id}"


class Entry(Trail, TenantModel):
    """A change of a tenant's row. The entries of a tenant go when the tenant is gone, and no earlier."""

    # Without constraint: the trail is the last of a tenant that goes, after the tenant itself.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, related_name="+", editable=False, db_index=False, db_constraint=False
    )

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "entries"
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="audit_entry_number")]


class PlatformEntry(Trail):
    """A change of what belongs to no tenant: people's accounts, tenants that come and go, approved endpoints."""

    class Meta:
        ordering = ["-number"]
        verbose_name_plural = "platform entries"
        constraints = [models.UniqueConstraint(fields=["number"], name="audit_platform_number")]


class ChainCheck(TenantModel):
    """When the tenant's chain was last checked, how far it reached, and what was wrong: a sentence per row."""

    checked_at = models.DateTimeField()
    entries = models.BigIntegerField()
    head = models.CharField(max_length=64, blank=True)
    broken = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="audit_check_once")]

    def __str__(self) -> str:
        return f"chain of tenant {self.tenant_id}, checked {self.checked_at:%Y-%m-%d %H:%M}"
