"""App configuration of the tenants room."""

from collections.abc import Iterator

from django.apps import AppConfig
from django.conf import settings

from mesassist.tenants.scrubbing import guard_uncaught, remember


class TenantsConfig(AppConfig):
    """Registers the room and its system checks."""

    name = "mesassist.tenants"
    label = "tenants"
    verbose_name = "Tenants and people"

    def ready(self) -> None:
        """Register the system checks; keep the process's own secrets out of what it prints."""
        import mesassist.checks  # noqa: F401

        guard_uncaught()
        for secret in secrets_of_settings():
            remember(secret)


def secrets_of_settings() -> Iterator[str]:
    """What the environment told this process and nobody else."""
    for name in ("SECRET_KEY", "METRICS_TOKEN", "OPENAI_API_KEY", "EMAIL_HOST_PASSWORD"):
        yield getattr(settings, name, "") or ""
    for ring in (settings.TOKEN_KEYS, settings.API_KEY_PEPPERS):
        yield from (entry.partition(":")[2].strip() for entry in ring.split(","))
    yield settings.DATABASES["default"].get("PASSWORD") or ""
