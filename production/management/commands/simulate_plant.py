"""simulate_plant: live events of a tenant's machines through REST or Kafka, to watch the dashboard move."""

import datetime as dt
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mesassist.tenants.models import ApiKey, Membership, Scope, Tenant
from mesassist.tenants.scope import tenant_scope
from production.ingest.brokers import client_settings
from production.models import KafkaSource
from production.simulator.live import SOURCE, LivePlant, read_stations
from production.simulator.sending import AT_ONCE, KafkaSender, RestSender, Sender, SendingFailed

TICK_S = 0.5
REPORT_EVERY_S = 5.0


def positive(text: str) -> float:
    """A number above nothing."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


class Command(BaseCommand):
    """Door: arguments in, events out, until Ctrl-C or for so many seconds."""

    help = "Report live events of a tenant's machines, as many a second as wished. Ctrl-C ends it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--tenant SLUG --rate N [--seconds S] [--url URL --key KEY | --kafka NAME] [--seed N]."""
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--rate", required=True, type=positive, metavar="N", help="Events per second.")
        parser.add_argument("--seconds", type=positive, metavar="S", help="Stop by itself after that long.")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where the portal is (REST).")
        parser.add_argument("--key", help="API key with the scope ingest; without one a key is made for this run.")
        parser.add_argument("--kafka", metavar="NAME", help="Send to the topic of this Kafka source instead.")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        """Send until told to stop; the last word of every machine is that the contact ends."""
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            known = ", ".join(Tenant.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no tenant {options['tenant']!r}. There are: {known}.")
        with tenant_scope(tenant):
            stations = read_stations()
        if not stations:
            raise CommandError(f"{tenant} has no machine in use. Add some in the administration, or run seed_demo.")
        plant = LivePlant(stations, options["seed"], run=f"{timezone.now():%y%m%d%H%M%S}")
        try:
            with open_sender(tenant, options) as sender:
                self.drive(plant, sender, options["rate"], options["seconds"])
        except SendingFailed as failed:
            raise CommandError(str(failed)) from failed

    def drive(self, plant: LivePlant, sender: Sender, rate: float, seconds: float | None) -> None:
        """Tell `rate` events a second; what a slow door made us miss is not made up for."""
        began = reported = time.monotonic()
        owed, sent, accepted = 0.0, 0, 0
        self.stdout.write(f"{len(plant.stations)} machines, {rate:g} events a second. Ctrl-C ends it.")
        try:
            while seconds is None or time.monotonic() - began < seconds:
                owed += rate * TICK_S
                told = (
                    sender.send(plant.tell(events=min(int(owed), AT_ONCE), now=timezone.now())) if owed >= 1 else None
                )
                owed -= int(owed)
                if told:
                    sent, accepted = sent + told.events, accepted + (told.accepted or 0)
                if time.monotonic() - reported >= REPORT_EVERY_S:
                    reported = time.monotonic()
                    self.stdout.write(f"{sent:,} sent, {accepted:,} taken, {sent / (reported - began):,.1f} a second")
                time.sleep(max(0.0, TICK_S - (time.monotonic() - began) % TICK_S))
        except KeyboardInterrupt:
            pass
        sender.send(plant.fall_silent(now=timezone.now()))
        self.stdout.write(f"{sent:,} events sent, {accepted:,} taken. The machines have fallen silent.")


@contextmanager
def open_sender(tenant: Tenant, options: dict[str, Any]) -> Iterator[Sender]:
    """The door that the arguments name; a key that was made for this run is gone afterwards."""
    if options["kafka"]:
        with tenant_scope(tenant):
            source = KafkaSource.objects.filter(name=options["kafka"]).first()
            if source is None:
                known = ", ".join(KafkaSource.objects.values_list("name", flat=True)) or "none yet"
                raise CommandError(f"{tenant} has no Kafka source {options['kafka']!r}. There are: {known}.")
            if source.payload != "json":
                raise CommandError(f"{source} carries {source.get_payload_display()}; this sends JSON events.")
            sender: Sender = KafkaSender(source=source, config=client_settings(source))
        yield sender
        sender.close()
        return
    key, row = options["key"], None
    if not key:
        with tenant_scope(tenant):
            row, key = make_key(tenant)
    sender = RestSender(url=options["url"], key=key)
    try:
        yield sender
    finally:
        sender.close()
        if row is not None:
            with tenant_scope(tenant):
                row.delete()


def make_key(tenant: Tenant) -> tuple[ApiKey, str]:
    """A key for a day at most, in the name of the tenant's most trusted person."""
    member = Membership.objects.filter(tenant=tenant).order_by("-role", "pk").select_related("user").first()
    if member is None:
        raise CommandError(f"{tenant} has nobody in whose name a key could be made. Name one with --key.")
    made: tuple[ApiKey, str] = ApiKey.objects.create(
        member.user, expiry=dt.timedelta(days=1), tenant=tenant, name=SOURCE, scopes=[Scope.INGEST]
    )
    return made
