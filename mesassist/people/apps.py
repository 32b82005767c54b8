"""App configuration of the people room."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Names the room. Its rows live with the tenants', where row-level security is built."""

    name = "mesassist.people"
    label = "people"
