"""rotate_keys: every stored secret sealed under the newest key of TOKEN_KEYS; or which keys are in use."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mesassist.tenants.canary import leave_canary
from mesassist.tenants.keys import count_peppers
from mesassist.tenants.rotation import count_keys, forget_key, rotate_all
from mesassist.tenants.secrets import newest_key, read_key_ring


class Command(BaseCommand):
    """Door of `mesassist.tenants.rotation`."""

    help = "Seal every stored secret under the newest key of TOKEN_KEYS. Safe to stop and to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """[--check | --forget KEY_ID]."""
        parser.add_argument(
            "--check", action="store_true", help="only say which keys are in use; exit 1 if an older one is"
        )
        parser.add_argument("--forget", metavar="KEY_ID", help="empty what a lost key sealed, to be entered anew")

    def handle(self, *_args: Any, check: bool, forget: str | None, **_options: Any) -> None:
        """Rotate, then say what is in use; exit 1 while an older key is needed."""
        if forget is not None:
            self.forget(forget)
        elif not check:
            done = rotate_all()
            leave_canary()
            self.stdout.write(f"{done.resealed} secrets sealed under {newest_key()!r}.")
            if done.overtaken:
                self.stdout.write(f"{done.overtaken} were changed by somebody meanwhile and left as they are.")
            if done.unreadable:
                self.stdout.write(f"{done.unreadable} cannot be opened; the log names them.")
        if not self.report():
            sys.exit(1)

    def forget(self, key_id: str) -> None:
        """Empty what a key sealed that nobody has any more."""
        if key_id in read_key_ring(settings.TOKEN_KEYS):
            raise CommandError(f"The key {key_id!r} is in TOKEN_KEYS, so it is not lost. Run rotate_keys instead.")
        self.stdout.write(f"{forget_key(key_id)} secrets sealed with {key_id!r} are gone. Enter them anew.")

    def report(self) -> bool:
        """Print which keys are in use and which may go; whether only the newest is in use."""
        used, newest = count_keys(), newest_key()
        for key_id, columns in sorted(used.items()):
            where = ", ".join(f"{name}: {texts}" for name, texts in sorted(columns.items()))
            word = "newest" if key_id == newest else "older: keep it in TOKEN_KEYS"
            self.stdout.write(f"{key_id!r} ({word}) sealed {columns.total()}: {where}")
        for key_id in read_key_ring(settings.TOKEN_KEYS):
            if key_id != newest and key_id not in used:
                self.stdout.write(f"{key_id!r} sealed nothing: it may be removed from TOKEN_KEYS.")
        for pepper, keys in sorted(count_peppers().items()):
            self.stdout.write(f"{keys} API keys are stored with {f'the pepper {pepper!r}' if pepper else 'no pepper'}.")
        return set(used) <= {newest}
