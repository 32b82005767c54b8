"""App configuration of the analyses room."""

from django.apps import AppConfig


class AnalysesConfig(AppConfig):
    """Registers the room."""

    name = "analyses"
    verbose_name = "Analyses"
