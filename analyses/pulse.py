"""Pulse: while a model answers, the lease is renewed and the text so far is shown, several times a second at most."""

import datetime as dt
import threading
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from analyses import leases
from analyses.aliases import book_of
from analyses.answers import storable
from analyses.models import Analysis

log = structlog.get_logger(__name__)
EVERY_S = 0.7
LONGEST_SHOWN = 200_000
# Set when this worker is asked to leave: threads can be neither interrupted nor timed, so they look.
STOPPING = threading.Event()


class Stopped(Exception):
    """This worker is leaving; the analysis is handed back."""


class Pulse:
    """The life signs of one call. `beat` is called by the socket layer, also while nothing arrives."""

    def __init__(self, *, analysis: Analysis, now_fn: Callable[[], dt.datetime]) -> None:
        self._analysis, self._now_fn = analysis, now_fn
        self._book = book_of(analysis.aliases)
        self._parts: list[str] = []
        self._first_token_at: dt.datetime | None = None
        self._beaten_at = time.monotonic()
        self._due_at = self._beaten_at + EVERY_S
        # The connection goes back to the pool before the model thinks: hundreds of threads share a handful.
        give_back_connection()

    @property
    def text(self) -> str:
        """What arrived so far, as it can be stored; of a flood the beginning will do."""
        return storable("".join(self._parts)[:LONGEST_SHOWN])

    @property
    def shown(self) -> str:
        """The same as people see it, with the plant's names again."""
        return self._book.restore_growing(self.text)

    def hear(self, text: str) -> None:
        """Note a piece of the answer; the first one is shown at the next beat, without waiting."""
        if not self._parts:
            self._first_token_at = self._now_fn()
            self._due_at = 0.0
        self._parts.append(text)

    def beat(self) -> None:
        """Renew the lease when it is time; raises `Stopped`, `LeaseLost`, `CancelAsked` or `Halted`."""
        if STOPPING.is_set():
            raise Stopped
        if time.monotonic() < self._due_at:
            return
        try:
            leases.renew(analysis=self._analysis, answer=self.shown, first_token_at=self._first_token_at)
            self._beaten_at = time.monotonic()
        except (OperationalError, InterfaceError):
            # A short outage of the database need not drop a paid answer: the lease still holds.
            connection.close()
            if time.monotonic() - self._beaten_at > settings.ANALYSIS_LEASE_S:
                raise leases.LeaseLost from None
            log.warning("pulse_missed", analysis=str(self._analysis.pk))
        finally:
            self._due_at = time.monotonic() + EVERY_S
            give_back_connection()


def give_back_connection() -> None:
    """Close the thread's connection, or return it to the pool; within a transaction it is left alone."""
    if not connection.in_atomic_block:
        connection.close()
