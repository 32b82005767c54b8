"""Keys: how other systems show who they are; read before a tenant is active."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken

from mesassist.tenants.models.accounts import Tenant
from mesassist.tenants.peppers import SHOWN, digest_of, new_text, newest_pepper


class Scope(models.TextChoices):
    """What an API key may do."""

    INGEST = "ingest"
    READ = "read"
    ANALYSE = "analyse"
    CONFIGURE = "configure"


class KeyManager(models.Manager["ApiKey"]):
    """Makes keys as knox would: the row, and the text that nobody can read again."""

    def create(self, user: Any, expiry: Any = None, **fields: Any) -> Any:  # type: ignore[override]
        """(row, text); `expiry` is a duration from now, None: it does not end."""
        text, pepper = new_text(), newest_pepper()
        fields |= {"digest": digest_of(text, pepper=pepper), "pepper": pepper, "token_key": text[:SHOWN]}
        return super().create(user=user, expiry=expiry and timezone.now() + expiry, **fields), text


class ApiKey(AbstractAuthToken):
    """A key of another system: hashed, shown once. Its source, or else its name, is that of the events it sends.

    `digest` is the HMAC-SHA256 of the text under the pepper of that id; without a pepper it is the SHA-512.
    """

    tenant: "models.ForeignKey[Tenant, Tenant]" = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="api_keys"
    )
    name: "models.CharField[str, str]" = models.CharField(
        max_length=64, help_text="The name of the system that holds the key."
    )
    scopes = models.JSONField(default=list, help_text="Any of: ingest, read, analyse, configure.")
    source: "models.CharField[str, str]" = models.CharField(
        max_length=64, blank=True, help_text="The only source whose events it may send. Empty: any."
    )
    networks: Any = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="Where it may be used from. Empty: anywhere.",
    )
    enabled: Any = models.BooleanField(default=True)
    pepper: Any = models.CharField(max_length=40, blank=True, editable=False)
    made_by: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    last_used_at: Any = models.DateTimeField(null=True, editable=False)
    last_used_ip: Any = models.GenericIPAddressField(null=True, editable=False)

    objects = KeyManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "digest"], name="apikey_of_tenant"),
            # What is shown of a key names it: in the address of its page, in the log.
            models.UniqueConstraint(fields=["token_key"], name="apikey_shown_once"),
        ]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}...)"
