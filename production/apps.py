"""App configuration of the production room."""

from django.apps import AppConfig


class ProductionConfig(AppConfig):
    """Registers the room."""

    name = "production"
    verbose_name = "Production"
