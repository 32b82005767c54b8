"""seed_demo: two tenants with their people, assistants, summaries and eight weeks of production; safe to repeat."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analyses.credentials import put_token
from analyses.models import AssistantSettings
from mesassist.tenants.models import Membership, Role, Tenant, User
from mesassist.tenants.scope import tenant_scope
from production.models import Compare, GroupBy, Line, Summary, Window
from production.simulator import ALFA, BETA, PlantPlan, fill_plant

PASSWORD = "demo"  # noqa: S105 - known to everybody, and refused where DEBUG is off
OFFLINE_MODEL = "offline-analyst"
OPENAI_URL, OPENAI_MODEL = "https://api.openai.com/v1", "gpt-4.1-mini"
SEED = 7
WEEKS = 8


@dataclass(frozen=True)
class Cast:
    """A demo tenant: its plant and its people with their roles."""

    slug: str
    name: str
    plan: PlantPlan
    people: dict[str, Role]


CASTS = (
    Cast("alfa", "Alfa Bottling", ALFA, {"ana": Role.OPERATOR, "boris": Role.MANAGER}),
    Cast("beta", "Beta Foundry", BETA, {"carla": Role.MANAGER}),
)


class Command(BaseCommand):
    """Door: no arguments, one call per tenant, one line per step."""

    help = "Make the demo tenants, or bring them up to now. What people changed meanwhile is left alone."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, and say what was new; refused where DEBUG is off, because the demo's password is public."""
        if not settings.DEBUG:
            raise CommandError("The demo has public passwords. It is refused unless DEBUG=true.")
        now = timezone.now()
        self.stdout.write(seed_staff())
        for cast in CASTS:
            for line in seed_tenant(cast=cast, now=now):
                self.stdout.write(f"{cast.slug}: {line}")


def seed_staff() -> str:
    """The platform's staff."""
    if User.objects.filter(username="admin").exists():
        return "platform staff: admin, as before"
    User.objects.create_superuser("admin", password=PASSWORD)
    return "platform staff: admin, new"


def seed_tenant(*, cast: Cast, now: dt.datetime) -> Iterator[str]:
    """Bring one tenant to where the demo needs it; a sentence per step."""
    tenant, is_new = Tenant.objects.get_or_create(slug=cast.slug, defaults={"name": cast.name})
    yield f"tenant {tenant.name}, {'new' if is_new else 'as before'}"
    with tenant_scope(tenant):
        yield seed_people(tenant=tenant, people=cast.people)
        yield seed_assistant(tenant=tenant)
        filled = fill_plant(tenant=tenant, plan=cast.plan, seed=SEED, weeks=WEEKS, now=now)
        since = f" since {filled.from_at:%Y-%m-%d %H:%M} UTC" if filled.from_at else ""
        yield f"plant with {filled.machines} machines, {filled.events:,} new events{since}"
        yield seed_summaries(tenant=tenant)


def seed_people(*, tenant: Tenant, people: dict[str, Role]) -> str:
    """Accounts and memberships; an account that exists keeps its password and role."""
    new = 0
    for username, role in people.items():
        user = User.objects.filter(username=username).first()
        if user is None:
            user = User.objects.create_user(username, password=PASSWORD)
            new += 1
        Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    return f"{len(people)} people ({', '.join(people)}), {new} new"


def seed_assistant(*, tenant: Tenant) -> str:
    """Where the assistant asks. One that asks an offline analyst follows the environment; any other was chosen by
    somebody and stays."""
    assistant = AssistantSettings.objects.filter(tenant=tenant).first() or AssistantSettings(tenant=tenant)
    wanted = _wanted_endpoint()
    is_ours = not assistant.configured or assistant.model.startswith(OFFLINE_MODEL)
    if assistant.pk and (not is_ours or (assistant.base_url, assistant.model) == wanted):
        return f"assistant asks {assistant.model} at {assistant.base_url}, as before"
    assistant.base_url, assistant.model = wanted
    put_token(assistant=assistant, token=settings.OPENAI_API_KEY)
    assistant.save()
    return f"assistant asks {assistant.model} at {assistant.base_url}"


def _wanted_endpoint() -> tuple[str, str]:
    if settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL:
        return settings.OPENAI_BASE_URL or OPENAI_URL, settings.OPENAI_MODEL or OPENAI_MODEL
    return settings.OFFLINE_ANALYST_URL, OFFLINE_MODEL


def seed_summaries(*, tenant: Tenant) -> str:
    """The main summary and two more; a main summary that somebody chose stays the main one."""
    line = Line.objects.order_by("pk").first()
    has_main = Summary.objects.filter(is_main=True).exists()
    wanted: dict[str, dict[str, Any]] = {
        "Plant, last 7 days": {"window": Window.LAST_7_DAYS, "is_main": not has_main},
        "Shifts of yesterday": {
            "window": Window.YESTERDAY,
            "group_by": GroupBy.SHIFT,
            "compare_to": Compare.SAME_LAST_WEEK,
        },
    }
    if line is not None:
        wanted[f"{line.name}, day by day"] = {"window": Window.LAST_30_DAYS, "group_by": GroupBy.DAY}
    new = 0
    for name, values in wanted.items():
        summary, is_new = Summary.objects.get_or_create(tenant=tenant, name=name, defaults=values)
        new += is_new
        if is_new and line is not None and name.startswith(line.name):
            summary.lines.add(line)
    return f"{len(wanted)} summaries, {new} new"
