#!/usr/bin/env python
"""Management commands; where no database or broker is configured, the embedded ones are there while they run."""

import os
import sys

from django.core.management import execute_from_command_line

from mesassist.embedded import EmbeddedError, Terminated
from mesassist.launch import command_environment
from mesassist.tenants.actor import Actor, name_process


def main() -> None:
    """Run the command of this command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")
    try:
        with command_environment(sys.argv, os.environ):
            name_process(
                Actor(
                    "command",
                    os.environ.get("USER") or str(os.getuid()),
                    sys.argv[1] if sys.argv[1:] else "",
                    "command",
                )
            )
            execute_from_command_line(sys.argv)
    except EmbeddedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt as stop:
        sys.exit(128 + (stop.number if isinstance(stop, Terminated) else 2))


if __name__ == "__main__":
    main()
