"""Correcting: one machine's day to pick a stretch from, who may say what about it, and what would change."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboards.forms import DAY_IN_CALENDAR, IN_CALENDAR, set_out_fields
from dashboards.timelines import Tick, Track, draw_axis, draw_track
from mesassist.tenants.models import Role, User
from mesassist.tenants.scope import tenant_tx
from production.corrections import make_correction
from production.models import Machine, Reason, State
from production.strips import Segment, Strip
from production.timeline import Interval, read_timeline

# To the second: events stamp seconds, and a stretch that is cut to minutes leaves slivers.
TO_THE_SECOND = "%Y-%m-%dT%H:%M:%S"
# What an operator may say of a stop: why it stood, not that it ran.
STOPS = (State.DOWN, State.IDLE, State.SETUP, State.PLANNED_STOP)


def moment_field(label: Any) -> forms.DateTimeField:
    """A browser's own date and time field, with seconds."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=TO_THE_SECOND)
    return forms.DateTimeField(label=label, widget=widget, validators=IN_CALENDAR)


class DayForm(forms.Form):
    """Which machine's day is looked at."""

    machine: "forms.ModelChoiceField[Machine]" = forms.ModelChoiceField(
        label=gettext_lazy("Machine"), queryset=None, required=False, empty_label=None
    )
    day = forms.DateField(
        label=gettext_lazy("Day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=DAY_IN_CALENDAR,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["machine"].queryset = Machine.objects.all()  # type: ignore[attr-defined]
        set_out_fields(self)


class CorrectionForm(forms.Form):
    """What was, from when to when, in whose judgement and why."""

    machine: "forms.ModelChoiceField[Machine]" = forms.ModelChoiceField(
        label=gettext_lazy("Machine"), queryset=None, empty_label=None
    )
    from_at = moment_field(gettext_lazy("From"))
    to_at = moment_field(gettext_lazy("To"))
    state = forms.ChoiceField(label=gettext_lazy("It was"), choices=State.choices)
    reason: "forms.ModelChoiceField[Reason]" = forms.ModelChoiceField(
        label=gettext_lazy("Reason"), queryset=None, required=False, empty_label=gettext_lazy("none")
    )
    comment = forms.CharField(
        label=gettext_lazy("Why it is corrected"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Others read this beside the correction."),
    )

    def __init__(self, *args: Any, now: dt.datetime, role: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now, self.role = now, role
        self.fields["machine"].queryset = Machine.objects.all()  # type: ignore[attr-defined]
        self.fields["reason"].queryset = Reason.objects.all()  # type: ignore[attr-defined]
        if role < Role.MANAGER:
            self.fields["state"].choices = [(state.value, state.label) for state in STOPS]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The stretch lies in the past; an operator's is a stop throughout."""
        chosen = super().clean() or {}
        if not self.errors:
            self._check_stretch(chosen)
        return chosen

    def _check_stretch(self, chosen: dict[str, Any]) -> None:
        if chosen["from_at"] >= chosen["to_at"]:
            self.add_error("to_at", _("The end must be later than the start."))
        elif chosen["to_at"] > self.now:
            self.add_error("to_at", _("This lies in the future. A correction says what was: choose an earlier end."))
        elif self.role < Role.MANAGER and not is_stop(chosen, now=self.now):
            said = _("Operators say why a machine stood. In this stretch it did not only stand: ask a manager.")
            self.add_error(None, said)


def is_stop(chosen: dict[str, Any], *, now: dt.datetime) -> bool:
    """Whether the machine stood throughout the stretch, as it is known now."""
    known = read_timeline(machine=chosen["machine"], from_at=chosen["from_at"], to_at=chosen["to_at"], now=now)
    return all(interval.state in STOPS for interval in known)


# --- a machine's day --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A stretch of the day in one state; `query` fills the form with it."""

    segment: Segment
    label: str
    seconds: float
    query: str


@dataclass(frozen=True)
class Day:
    """A machine's day as a strip and as a list."""

    machine: Machine
    day: dt.date
    parts: tuple[Part, ...]
    track: Track
    axis: tuple[Tick, ...]


def read_day(*, machine: Machine, day: dt.date, now: dt.datetime) -> Day:
    """The machine's states from midnight to midnight of the plant, as far as it has come."""
    zone = timezone.get_current_timezone_name()
    midnight = dt.datetime.combine(day, dt.time(), ZoneInfo(zone))
    # Wall-clock arithmetic on purpose: a day is 23 or 25 hours long where the clocks change.
    from_at, to_at = midnight.astimezone(dt.UTC), (midnight + dt.timedelta(days=1)).astimezone(dt.UTC)
    known = read_timeline(machine=machine, from_at=from_at, to_at=to_at, now=now)
    reasons = dict(Reason.objects.values_list("pk", "name"))
    segments = tuple(_segments(known, reasons))
    strip = Strip(machine.pk, machine.name, from_at, to_at, segments)
    parts = tuple(_part(machine, segment) for segment in segments)
    return Day(machine, day, parts, draw_track(strip, zone=zone), draw_axis([strip], zone=zone))


def _segments(known: Sequence[Interval], reasons: dict[int, str]) -> list[Segment]:
    segments: list[Segment] = []
    for interval in known:
        reason = reasons.get(interval.reason_id, "") if interval.reason_id else ""
        new = Segment(interval.start, interval.end, interval.state, reason, interval.open)
        last = segments[-1] if segments else None
        # What looks the same is one stretch, whatever was made meanwhile.
        if last and (last.state, last.reason) == (new.state, new.reason):
            segments[-1] = Segment(last.start, new.end, new.state, new.reason, new.open)
        else:
            segments.append(new)
    return segments


def _part(machine: Machine, segment: Segment) -> Part:
    ends = {"from": segment.start, "to": segment.end}
    local = {name: f"{timezone.localtime(at):{TO_THE_SECOND}}" for name, at in ends.items()}
    query = urlencode({"machine": machine.pk, "state": segment.state, **local})
    return Part(
        segment, str(State(segment.state).label).capitalize(), (segment.end - segment.start).total_seconds(), query
    )


# --- what would change ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A state's seconds in the stretch, before and after."""

    label: str
    before_s: float
    after_s: float


def preview_correction(*, chosen: dict[str, Any], made_by: User, now: dt.datetime) -> tuple[Change, ...]:
    """What the correction would change, state by state: it is made, read, and undone, so that the answer is the
    timeline's own."""
    stretch = {name: chosen[name] for name in ("machine", "from_at", "to_at")}
    before = _seconds(read_timeline(**stretch, now=now))
    with tenant_tx():
        make_correction(**_as_arguments(chosen), made_by=made_by, now=now)
        after = _seconds(read_timeline(**stretch, now=now))
        transaction.set_rollback(True)
    return tuple(
        Change(str(state.label).capitalize(), before.get(state, 0.0), after.get(state, 0.0))
        for state in State
        if before.get(state) or after.get(state)
    )


def _as_arguments(chosen: dict[str, Any]) -> dict[str, Any]:
    return {name: chosen[name] for name in ("machine", "from_at", "to_at", "state", "reason", "comment")}


def save_correction(*, chosen: dict[str, Any], made_by: User, now: dt.datetime) -> None:
    """Make the correction that the form describes."""
    make_correction(**_as_arguments(chosen), made_by=made_by, now=now)


def _seconds(known: Sequence[Interval]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for interval in known:
        seconds[interval.state] = seconds.get(interval.state, 0.0) + interval.seconds
    return seconds
