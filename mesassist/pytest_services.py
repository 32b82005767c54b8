"""Pytest plugin: gives the tests a real PostgreSQL and Redis of their own where none is configured.

Loaded with `-p` (pyproject.toml) before pytest-django reads the settings; the workers of pytest-xdist
inherit the environment and so share the controller's servers.
"""

import base64
import os
from contextlib import ExitStack

STACK = ExitStack()

os.environ.setdefault("SECRET_KEY", "only for tests")
os.environ.setdefault("TOKEN_KEYS", "test:" + base64.b64encode(b"only for tests, 32 bytes long...").decode())
os.environ.setdefault("BEHIND_TLS", "false")
# Tests see what a person sees in the demo; DEBUG itself is switched off by pytest-django.
os.environ.setdefault("DEBUG", "true")

if "DATABASE_URL" not in os.environ or "REDIS_URL" not in os.environ:
    from mesassist.embedded import environment, temporary_services

    os.environ.update(environment(STACK.enter_context(temporary_services())))


def pytest_unconfigure() -> None:
    """Stop what this process started."""
    STACK.close()
