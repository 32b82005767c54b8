"""Clock: the database's time, so that processes whose own clocks differ agree on what is due and what has run out."""

import datetime as dt
import time
from collections.abc import Callable

from django.db import connection


def read_clock() -> dt.datetime:
    """The database's time now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    return moment


def start_clock() -> Callable[[], dt.datetime]:
    """A clock that asks the database once and then counts by itself, also while the database is away."""
    began, at = time.monotonic(), read_clock()
    return lambda: at + dt.timedelta(seconds=time.monotonic() - began)
