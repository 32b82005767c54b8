"""History: the analyses a person looks for, a page at a time, and the newest one about the figures on screen."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from analyses.asking import store_spec
from analyses.models import Analysis, Status, Trigger
from analyses.queries import find_analyses
from production.summaries import SummarySpec

PAGE = 25
# An older answer about "today" or "last 7 days" speaks of other figures than those on screen.
STILL_ABOUT_THIS = dt.timedelta(hours=12)
HEAVY = ("request", "data", "numbers", "answer", "left_out", "spec")


class FilterForm(forms.Form):
    """What to look for; every field may stay empty."""

    search = forms.CharField(label=_("Search in questions and answers"), required=False, max_length=200)
    status = forms.ChoiceField(label=_("Status"), required=False, choices=[("", _("any")), *Status.choices])
    trigger = forms.ChoiceField(label=_("Asked by"), required=False, choices=[("", _("anything")), *Trigger.choices])
    model = forms.CharField(label=_("Model"), required=False, max_length=120)


@dataclass(frozen=True)
class HistoryPage:
    """Rows, newest first; `older` is where the next page begins, "" on the last one."""

    rows: tuple[Analysis, ...]
    older: str


def read_history(*, wanted: dict[str, Any], before: str) -> HistoryPage:
    """The page of analyses that fit, beginning after the analysis `before` (its id; "" for the newest)."""
    found = _older_than(before, find_analyses(**wanted)).defer(*HEAVY)
    rows = list(found[: PAGE + 1])
    return HistoryPage(tuple(rows[:PAGE]), str(rows[PAGE - 1].pk) if len(rows) > PAGE else "")


def _older_than(before: str, found: QuerySet[Analysis]) -> QuerySet[Analysis]:
    """A keyset, not an offset: page 1,000 costs what page 1 does."""
    try:
        anchor = Analysis.objects.filter(pk=before).values_list("created_at", "pk").first() if before else None
    except (ValueError, ValidationError):  # a field's own word for what is no id
        anchor = None
    if anchor is None:
        return found
    created_at, pk = anchor
    return found.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk))


def find_latest(*, spec: SummarySpec, now: dt.datetime) -> Analysis | None:
    """The newest one-click analysis of exactly these figures, so that it survives a reload and is seen by all."""
    recent = find_analyses(trigger=Trigger.BUTTON, created_after=now - STILL_ABOUT_THIS)
    return recent.filter(spec=store_spec(spec)).first()
