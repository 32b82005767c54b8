"""Approving: a test's own server counts as approved, as one in the installation's environment would."""

import os
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings


def server_of(address):
    """host:port of a URL, or of what is that already."""
    return urlsplit(address).netloc if "//" in address else address


def approve_in_environment(address):
    """For this process and those that it starts from now on; returns what `withdraw` takes."""
    server = server_of(address)
    settings.APPROVED_ENDPOINTS.append(server)
    os.environ["APPROVED_ENDPOINTS"] = ",".join(settings.APPROVED_ENDPOINTS)
    return server


def withdraw(server):
    settings.APPROVED_ENDPOINTS.remove(server)
    os.environ["APPROVED_ENDPOINTS"] = ",".join(settings.APPROVED_ENDPOINTS)


@contextmanager
def approved(*addresses):
    """The same for the length of a block."""
    servers = [approve_in_environment(address) for address in addresses]
    try:
        yield
    finally:
        for server in servers:
            withdraw(server)
