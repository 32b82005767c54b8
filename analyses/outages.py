"""Outages: a database that is away for some seconds is waited for, because what is to be stored is paid for."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

log = structlog.get_logger(__name__)
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
P = ParamSpec("P")
R = TypeVar("R")


def wait_out(step: Callable[P, R]) -> Callable[P, R]:
    """Try a step of storing again for some seconds while the database is away.

    The step is a transaction of its own that tells by the row's state what was done before: whether a commit whose
    answer was lost took place, nobody knows.
    """

    @wraps(step)
    def patient(*args: P.args, **kwargs: P.kwargs) -> R:
        for pause in PAUSES_S:
            try:
                return step(*args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                if connection.in_atomic_block:
                    raise
                log.warning("database_away", step=step.__name__, error=type(error.__cause__ or error).__name__)
                connection.close()
                time.sleep(pause)
        return step(*args, **kwargs)

    return patient
