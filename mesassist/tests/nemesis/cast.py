"""Cast: the plants that report and ask; run as a process of its own on a stage's database, one line of JSON each."""

import datetime as dt
import json
import sys

import django

django.setup()

from mesassist.tenants.models import ApiKey, Membership, Role, Scope, Tenant, User  # noqa: E402 - it needs Django
from mesassist.tenants.scope import tenant_scope  # noqa: E402
from mesassist.tests.nemesis.clicks import MACHINES  # noqa: E402


def make_plant(*, slug: str, endpoint: str, now: dt.datetime) -> dict[str, str]:
    """A tenant with a night of events and an assistant that asks the endpoint; gives its slug and key."""
    tenant = Tenant.objects.create(slug=slug, name=f"Plant {slug}")
    user = User.objects.create_user(f"robot-{slug}")
    with tenant_scope(tenant):
        Membership.objects.create(user=user, tenant=tenant, role=Role.MANAGER)
        scopes = [Scope.READ, Scope.ANALYSE, Scope.INGEST]
        key = ApiKey.objects.create(user, tenant=tenant, name="nemesis", scopes=scopes)[1]
        make_machines(tenant)
        report_night(now=now)
        make_assistant(tenant, endpoint)
    return {"slug": slug, "key": key}


def make_machines(tenant: Tenant) -> None:
    """A site with one line and three machines in one shift, one product, two reasons."""
    from production.models import IdealCycle, Line, LossClass, Machine, Product, Reason, Shift, Site

    site = Site.objects.create(tenant=tenant, code="s", name="Site", zone="Europe/Warsaw")
    line = Line.objects.create(tenant=tenant, code="L1", name="Line 1", site=site)
    week = [1, 2, 3, 4, 5, 6, 7]
    Shift.objects.create(tenant=tenant, site=site, name="Day", starts=dt.time(6), ends=dt.time(18), weekdays=week)
    product = Product.objects.create(tenant=tenant, code="P1", name="Gear")
    for code in MACHINES:
        machine = Machine.objects.create(tenant=tenant, code=code, name=f"Press {code}", line=line)
        IdealCycle.objects.create(tenant=tenant, machine=machine, product=product, seconds=10)
    Reason.objects.create(tenant=tenant, code="jam", name="Jam", loss_class=LossClass.UNPLANNED)
    Reason.objects.create(tenant=tenant, code="tool", name="Tool change", loss_class=LossClass.SETUP)


def report_night(*, now: dt.datetime) -> None:
    """Ten hours in which each machine ran and stood in turn."""
    from production import partitions
    from production.ingest.store import store_events
    from production.rollups import fold_dirty

    partitions.make_months(months={at.date().replace(day=1) for at in (now, now - dt.timedelta(hours=10))})
    events = []
    for number, machine in enumerate(MACHINES):
        for half_hour in range(20):
            at = (now - dt.timedelta(minutes=600 - 30 * half_hour - number)).isoformat()
            stands = half_hour % 4 == number
            state = {"state": "down", "reason": "jam"} if stands else {"state": "running"}
            events.append(
                {"event_id": f"n{number}-{half_hour}", "machine": machine, "at": at, "kind": "state", **state}
            )
    receipt = store_events(events=events, source="night", now=now)
    if receipt.accepted != len(events):
        raise AssertionError(f"{receipt.accepted} of {len(events)} events were accepted")
    fold_dirty(now=now)


def make_assistant(tenant: Tenant, endpoint: str) -> None:
    """An assistant that asks the endpoint, without a limit of a day."""
    from analyses.credentials import put_token
    from analyses.models import AssistantSettings

    assistant = AssistantSettings(tenant=tenant, base_url=endpoint, model="offline-analyst", max_answer_tokens=600)
    put_token(assistant=assistant, token=f"sk-nemesis-{tenant.slug}-0123456789")
    assistant.save()


if __name__ == "__main__":
    for name in sys.argv[2:]:
        made = make_plant(slug=name, endpoint=sys.argv[1], now=dt.datetime.now(dt.UTC))
        sys.stdout.write(json.dumps(made) + "\n")
