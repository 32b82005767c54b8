"""Unguarded consumer: consume_events with the look at schemas switched off, to prove that a crash is survived."""

import sys

import django

if __name__ == "__main__":
    django.setup()
    from django.core.management import call_command

    from production.ingest import registry

    registry.check_definition = lambda definition: None
    call_command("consume_events", "--once-empty", *sys.argv[1:])
