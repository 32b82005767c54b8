"""REST settings: the portal's own, with the doors of the peer and of the limit beside the real one."""

from mesassist.settings import *  # noqa: F403 - a settings module is its names

ROOT_URLCONF = "bench.rest_doors"
INSTALLED_APPS = [*INSTALLED_APPS, "bench"]  # noqa: F405
