"""Events page: what was reported, newest first, exactly as it came, with what people said over it."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Max, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from dashboards.forms import IN_CALENDAR, moment_input, set_out_fields
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import Role
from production.formats import format_count, format_duration
from production.models import Correction, Coverage, Event, EventKind, Machine, State
from production.viewing import WALL_CLOCK, plant_time

EVENTS_SHOWN = 50
DAY = dt.timedelta(days=1)
# The same tolerance that a stamp ahead of our clock gets.
LATE_AFTER = dt.timedelta(minutes=5)


class EventForm(forms.Form):
    """What narrows the events; the ends are wall-clock times of the plant."""

    machine: "forms.ModelChoiceField[Machine]" = forms.ModelChoiceField(
        label=gettext_lazy("Machine"), queryset=None, required=False, empty_label=gettext_lazy("All machines")
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), required=False, choices=[("", gettext_lazy("all")), *EventKind.choices]
    )
    source = forms.CharField(label=gettext_lazy("Source"), required=False, max_length=64)
    from_at = forms.DateTimeField(
        label=gettext_lazy("From"), required=False, widget=moment_input(), validators=IN_CALENDAR
    )
    to_at = forms.DateTimeField(label=gettext_lazy("To"), required=False, widget=moment_input(), validators=IN_CALENDAR)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["machine"].queryset = Machine.objects.all()  # type: ignore[attr-defined]
        set_out_fields(self)

    def add_prefix(self, field_name: str) -> str:
        """The address says `from` and `to`, as elsewhere."""
        return {"from_at": "from", "to_at": "to"}.get(field_name, field_name)

    def clean(self) -> dict[str, Any]:
        """The end is later than the start."""
        chosen = super().clean() or {}
        if chosen.get("from_at") and chosen.get("to_at") and chosen["from_at"] >= chosen["to_at"]:
            self.add_error("to_at", _("The end must be later than the start."))
        return chosen


@dataclass(frozen=True)
class Seen:
    """An event as people read it: `what` it says, how `late` it came ("" if in time), and what lies over it."""

    event: Event
    what: str
    late: str
    correction: Correction | None


@dataclass(frozen=True)
class Stretch:
    """The stretch of time that is looked at, [from_at, to_at]."""

    from_at: dt.datetime
    to_at: dt.datetime

    def query(self, chosen: dict[str, str], shift: dt.timedelta = dt.timedelta(0)) -> str:
        """The address of the same choice, that much later."""
        ends = {"from": self.from_at + shift, "to": self.to_at + shift}
        return urlencode(chosen | {name: f"{timezone.localtime(at):{WALL_CLOCK}}" for name, at in ends.items()})


@require_safe
@door(Role.OPERATOR)
@plant_time()
def events(request: TenantRequest) -> HttpResponse:
    """The events of a stretch, newest first, fifty at a time; without a choice, the last day that has any."""
    form = EventForm(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    stretch = pick_stretch(chosen, now=timezone.now())
    rows = find_events(chosen, stretch, before=read_place(request.GET.get("before", "")))
    found = list(rows[: EVENTS_SHOWN + 1])
    kept = {name: request.GET[name] for name in ("machine", "kind", "source") if request.GET.get(name)}
    ends = {"from_at": stretch.from_at, "to_at": stretch.to_at}
    shown = form if form.errors else EventForm(initial={**kept, **ends})
    context = {
        "form": shown,
        "events": describe_events(found[:EVENTS_SHOWN]),
        "stretch": stretch,
        "newest": stretch.query(kept),
        "earlier": stretch.query(kept, shift=stretch.from_at - stretch.to_at),
        "older": f"{stretch.query(kept)}&{write_place(found[EVENTS_SHOWN - 1])}" if len(found) > EVENTS_SHOWN else "",
        "paged": "before" in request.GET,
        "narrowed": bool(kept),
    }
    return render(request, "dashboards/events.html", context, status=422 if form.errors else 200)


def pick_stretch(chosen: dict[str, Any], *, now: dt.datetime) -> Stretch:
    """The chosen stretch; an open end is a day long, the last one with events where neither is given."""
    from_at: dt.datetime | None = chosen.get("from_at")
    to_at: dt.datetime | None = chosen.get("to_at")
    if from_at is not None:
        return Stretch(from_at, to_at or from_at + DAY)
    if to_at is None:
        newest = Coverage.objects.aggregate(newest=Max("newest_event_at"))["newest"] or now
        # To the full minute: the browser's field shows no seconds.
        to_at = newest.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    return Stretch(to_at - DAY, to_at)


def find_events(chosen: dict[str, Any], stretch: Stretch, *, before: tuple[Any, ...] | None) -> QuerySet[Event]:
    """The events of the stretch, newest first, after the place `before` (at, source, id)."""
    rows = Event.objects.select_related("machine", "reason", "product", "order", "import_run")
    rows = rows.filter(at__gte=stretch.from_at, at__lte=stretch.to_at)
    for name in ("machine", "kind", "source"):
        rows = rows.filter(**{name: chosen[name]}) if chosen.get(name) else rows
    if before is not None:
        at, source, event_id = before
        later = Q(at=at) & (Q(source__gt=source) | Q(source=source, event_id__gte=event_id))
        rows = rows.filter(at__lte=at).exclude(later)
    return rows.order_by("-at", "-source", "-event_id")


def read_place(written: str) -> tuple[dt.datetime, str, str] | None:
    """The place that an address names, None where it names none."""
    try:
        at, source, event_id = json.loads(written)
        moment = dt.datetime.fromisoformat(at)
    except (ValueError, TypeError):
        return None
    named = isinstance(source, str) and isinstance(event_id, str) and "\x00" not in source + event_id
    return (moment, source, event_id) if named and moment.tzinfo else None


def write_place(event: Event) -> str:
    """The place of an event, as an address names it."""
    return urlencode({"before": json.dumps([event.at.isoformat(), event.source, event.event_id])})


# --- what an event says -----------------------------------------------------------------------------------


def describe_events(rows: Sequence[Event]) -> tuple[Seen, ...]:
    """The events in words, with the corrections over them."""
    if not rows:
        return ()
    over: dict[int, list[Correction]] = defaultdict(list)
    # One look for the whole page: the newest correction first, which is the one that counts.
    reaching = Correction.objects.filter(undone_at=None, from_at__lte=rows[0].at, to_at__gt=rows[-1].at)
    for correction in reaching.filter(machine__in={row.machine_id for row in rows}).order_by("-made_at"):
        over[correction.machine_id].append(correction)
    return tuple(Seen(row, say_event(row), say_late(row), _over(row, over[row.machine_id])) for row in rows)


def _over(row: Event, corrections: Sequence[Correction]) -> Correction | None:
    reached = (one for one in corrections if row.kind == EventKind.STATE and one.from_at <= row.at < one.to_at)
    return next(reached, None)


def say_event(row: Event) -> str:
    """What the event says, in a line."""
    if row.kind == EventKind.STATE:
        words = [str(State(row.state).label).capitalize(), str(row.reason or ""), str(row.product or ""), row.comment]
    elif row.kind == EventKind.COUNT:
        pieces = (("good", row.good), ("scrap", row.scrap), ("rework", row.rework))
        words = [*(f"{name} {format_count(number)}" for name, number in pieces if number is not None)]
        words += [str(row.product or ""), str(row.reason or "")]
    else:
        words = [f"{row.name} {row.value:g} {row.unit}".rstrip() if row.value is not None else row.name]
    return ", ".join(word for word in words if word)


def say_late(row: Event) -> str:
    """How long after its end the event came; what a file brings is late by nature."""
    late = row.received_at - (row.until or row.at)
    return format_duration(late.total_seconds()) if late > LATE_AFTER and not row.import_run_id else ""
