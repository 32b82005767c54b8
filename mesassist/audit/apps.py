"""App configuration of the audit room."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Registers the room."""

    name = "mesassist.audit"
    label = "audit"
    verbose_name = "Audit trail"
