"""Addresses of the audit room, under /t/<tenant>/audit/; who includes them brings the clock by which a plant reads."""

from collections.abc import Callable
from contextlib import ContextDecorator

from django.urls import URLPattern, path

from mesassist.audit import pages
from mesassist.tenants.doors import Page, door
from mesassist.tenants.models import Role


def addresses(clock: Callable[[], ContextDecorator]) -> tuple[list[URLPattern], str]:
    """The patterns and their namespace; `clock` is entered inside the door."""

    def opened(page: Page) -> Page:
        return door(Role.MANAGER)(clock()(page))

    patterns = [
        path("", opened(pages.trail), name="trail"),
        path("export/", opened(pages.export), name="export"),
        path("check/", opened(pages.check), name="check"),
        path("<int:number>/", opened(pages.entry), name="entry"),
    ]
    return patterns, "audit"
