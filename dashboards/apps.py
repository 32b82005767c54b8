"""App configuration of the dashboards room."""

from django.apps import AppConfig


class DashboardsConfig(AppConfig):
    """Registers the room."""

    name = "dashboards"
    verbose_name = "Dashboards"
