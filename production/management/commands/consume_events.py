"""consume_events: reads every enabled Kafka source until it is stopped."""

import signal
from argparse import SUPPRESS, ArgumentParser
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from mesassist.tenants.canary import stop_unless_fit
from production.ingest.fleet import consume_sources


class Command(BaseCommand):
    """Door: arguments and signals in, one call."""

    help = "Read the Kafka sources of all tenants. Sources are set up in the administration and noticed while it runs."
    # The database may still be starting; a consumer waits for it.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """[--source NAME] [--tenant SLUG]."""
        parser.add_argument("--source", default="", metavar="NAME", help="Only the sources of this name.")
        parser.add_argument("--tenant", default="", metavar="SLUG", help="Only the sources of this tenant.")
        parser.add_argument("--once-empty", action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Consume until SIGTERM or Ctrl-C; a batch under way is finished first."""
        stop_unless_fit()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        consume_sources(
            stop=stop,
            source_name=options["source"],
            tenant_slug=options["tenant"],
            until_empty=options["once_empty"],
        )
