"""App configuration of the tenants room."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Registers the room and its system checks."""

    name = "mesassist.tenants"
    label = "tenants"
    verbose_name = "Tenants and people"

    def ready(self) -> None:
        """Register the system checks; nothing else happens at start."""
        import mesassist.checks  # noqa: F401
