"""The hall: wiring and tenancy; every room hangs off it."""

from mesassist.celery import app as celery_app

__all__ = ["celery_app"]
