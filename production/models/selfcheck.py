"""Self-check: what the last nightly check of a tenant's rows against their invariants has found."""

from django.db import models

from mesassist.tenants.scope import TenantModel


class SelfCheck(TenantModel):
    """The last check of a tenant; `found` is the number of offending rows by check, those without any left out."""

    checked_at = models.DateTimeField()
    found = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="selfcheck_once")]

    def __str__(self) -> str:
        return f"tenant {self.tenant_id} at {self.checked_at:%Y-%m-%d %H:%M}"
