"""Viewing: which summary, period and line a person chose in the address, and the clock by which the plant reads it.

Dashboards and analyses both read the same address, so that a question is asked about exactly the figures on screen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from production.models import Line, Site, Summary, Window
from production.summaries import SummarySpec, main_summary, spec_of

UTC = "UTC"
# How a browser's date and time field writes and reads a moment; its zone is the active one.
WALL_CLOCK = "%Y-%m-%dT%H:%M"


@contextmanager
def plant_time() -> Iterator[None]:
    """Read and write wall-clock times in the plant's zone; also a decorator of pages, inside the door."""
    zone = Site.objects.order_by("pk").values_list("zone", flat=True).first()
    with timezone.override(zone or UTC):
        yield


class PeriodForm(forms.Form):
    """Period and line; the ends of a custom period are wall-clock times of the active (plant's) zone."""

    window = forms.ChoiceField(label=_("Period"), choices=Window.choices)
    line: "forms.ModelChoiceField[Line]" = forms.ModelChoiceField(
        label=_("Line"), queryset=None, required=False, empty_label=_("All lines")
    )
    from_at = forms.DateTimeField(label=_("From"), required=False)
    to_at = forms.DateTimeField(label=_("To"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["line"].queryset = Line.objects.all()  # type: ignore[attr-defined]

    def add_prefix(self, field_name: str) -> str:
        """The address says `from` and `to`, as the API does."""
        return {"from_at": "from", "to_at": "to"}.get(field_name, field_name)

    def clean(self) -> dict[str, Any]:
        """A custom period needs both ends, in order."""
        chosen = super().clean() or {}
        if chosen.get("window") == Window.CUSTOM:
            refuse_bad_ends(self, chosen)
        return chosen


def refuse_bad_ends(form: forms.BaseForm, chosen: dict[str, Any]) -> None:
    """Say at the right field which end is missing or the wrong way round."""
    from_at, to_at = chosen.get("from_at"), chosen.get("to_at")
    for name, value in (("from_at", from_at), ("to_at", to_at)):
        if value is None and name not in form.errors:
            form.add_error(name, _("Enter date and time."))
    if from_at and to_at and from_at >= to_at:
        form.add_error("to_at", _("The end must be later than the start."))


@dataclass(frozen=True)
class View:
    """What is looked at, out of `summaries`. `form` shows the choice and its mistakes; `query` is the choice for the
    page's fragments."""

    summary: Summary
    summaries: tuple[Summary, ...]
    spec: SummarySpec
    form: PeriodForm
    query: str


def read_view(address: QueryDict) -> View:
    """The view an address asks for; a choice that makes no sense falls back to the summary's own.

    Raises `Http404` for a summary that the plant does not have.
    """
    summaries = tuple(Summary.objects.order_by("-is_main", "name"))
    summary = pick_summary(summaries, address.get("summary", ""))
    named = {"summary": str(summary.pk)}
    if "window" not in address:
        start = {"window": summary.window, "from_at": summary.from_at, "to_at": summary.to_at}
        return View(summary, summaries, spec_of(summary), PeriodForm(initial=start), urlencode(named))
    form = PeriodForm(address)
    if not form.is_valid():
        return View(summary, summaries, spec_of(summary), form, urlencode(named))
    chosen = form.cleaned_data
    line_id = chosen["line"].pk if chosen["line"] else None
    spec = spec_of(summary, window=chosen["window"], from_at=chosen["from_at"], to_at=chosen["to_at"], line_id=line_id)
    return View(summary, summaries, spec, form, urlencode(named | _as_query(chosen)))


def pick_summary(summaries: Sequence[Summary], named: str) -> Summary:
    """The summary of that id, or the plant's main one when none is named; made if there is none."""
    if not named:
        return summaries[0] if summaries and summaries[0].is_main else main_summary()
    found = next((one for one in summaries if str(one.pk) == named), None)
    if found is None:
        raise Http404("No such summary.")
    return found


def _as_query(chosen: dict[str, Any]) -> dict[str, str]:
    query = {"window": chosen["window"], "line": str(chosen["line"].pk) if chosen["line"] else ""}
    if chosen["window"] == Window.CUSTOM:
        query |= {name: timezone.localtime(chosen[f"{name}_at"]).strftime(WALL_CLOCK) for name in ("from", "to")}
    return query
