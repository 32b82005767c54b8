"""Providers: the company sign-in (OpenID Connect) that a tenant's people may come through."""

from django.db import models

from mesassist.tenants.models.accounts import Role
from mesassist.tenants.scope import TenantModel
from mesassist.tenants.secrets import SealedField


class IdentityProvider(TenantModel):
    """One OpenID Connect issuer of one tenant. It vouches for addresses of its domains, in this tenant alone."""

    name = models.CharField(max_length=60, help_text="What the button says, such as the company's name.")
    issuer = models.URLField(max_length=300)
    client_id = models.CharField("client ID", max_length=191)
    client_secret = SealedField(editable=False)
    domains = models.JSONField(default=list)
    default_role = models.PositiveSmallIntegerField(
        choices=[choice for choice in Role.choices if choice[0] <= Role.MANAGER], default=Role.VIEWER
    )
    creates_members = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="provider_once"),
            # Who came through a provider never administers people by that alone: an admin is made by an admin.
            models.CheckConstraint(
                condition=models.Q(default_role__in=[Role.VIEWER, Role.OPERATOR, Role.MANAGER]),
                name="provider_role_below_admin",
            ),
        ]

    def __str__(self) -> str:
        return self.name
