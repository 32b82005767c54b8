"""Logs: one line per fact, ids and never contents; no secret, no sign that a terminal or a reader could trip over."""

import logging
import re
import sys
from contextlib import suppress
from typing import Any

import structlog

from mesassist.tenants.scrubbing import scrub

# Control characters begin new lines, colour terminals or hide text: what people typed must not forge an entry.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Of uvicorn's access lines: address, method, path with query, HTTP version, status.
ACCESS_PARTS = 5

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]

structlog.configure(
    processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    cache_logger_on_first_use=True,
)


def escape_controls(_logger: Any, _name: str, event: Any) -> Any:
    """Every text on one line; the lines of a traceback are kept, each set in, so that none looks like an entry."""
    for name, value in event.items():
        if name == "exception":
            lines = (escape(line) for line in str(value).split("\n"))
            event[name] = "\n    ".join(lines)
        elif isinstance(value, str):
            event[name] = escape(value)
        elif not isinstance(value, int | float | None):
            event[name] = escape(repr(value))
    return event


def escape(text: str) -> str:
    """Control characters as they are written in Python."""
    return CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


class Lines(structlog.stdlib.ProcessorFormatter):
    """Renders a record and takes secrets out of the finished line, whatever they were part of."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return scrub(super().format(record))


class Sink(logging.StreamHandler):  # type: ignore[type-arg]
    """Standard error. Python's own words about a line that cannot be rendered repeat all of its parts: not here."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Say that a line was lost, and whose."""
        kind = sys.exc_info()[0]
        with suppress(OSError, ValueError):
            sys.stderr.write(f"a line of {record.name} could not be logged: {kind.__name__ if kind else 'unknown'}\n")


class NoQueries(logging.Filter):
    """Access lines without the query, which may hold what was searched for, or a key that does not belong there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == ACCESS_PARTS:
            caller, method, path, version, status = record.args
            record.args = (caller, method, str(path).partition("?")[0], version, status)
        return True


def logging_config(*, debug: bool) -> dict[str, Any]:
    """The `LOGGING` setting: everything to standard error, rendered by one formatter."""
    plain = structlog.dev.plain_traceback
    console = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
    renderer = console if debug else structlog.processors.JSONRenderer()
    ours: dict[str, Any] = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"access": {"()": NoQueries}},
        "formatters": {
            "lines": {
                "()": Lines,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, escape_controls, renderer],
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"stderr": {"()": Sink, "formatter": "lines", "filters": ["access"]}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # httpx2 logs whole URLs of tenants' endpoints at INFO.
            "httpx2": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
            # These bring handlers of their own, which print what we have not looked at.
            **dict.fromkeys(("django", "django.server", "uvicorn", "uvicorn.access", "uvicorn.error"), ours),
        },
    }
