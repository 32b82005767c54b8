"""Sifting: which entries of the trail an address asks for."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mesassist.audit.models import Action, Entry
from mesassist.audit.wording import name_subject

# Years that every database and calendar agree about.
CALENDAR = [
    MinValueValidator(dt.datetime(1980, 1, 1, tzinfo=dt.UTC)),
    MaxValueValidator(dt.datetime(2200, 1, 1, tzinfo=dt.UTC)),
]
NAMES = {"from_at": "from", "to_at": "to"}


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "form-control"})


class SiftForm(forms.Form):
    """Who, what and when."""

    who = forms.CharField(label=gettext_lazy("Who"), required=False, max_length=100)
    what = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    action = forms.ChoiceField(
        label=gettext_lazy("Action"), required=False, choices=[("", gettext_lazy("any")), *Action.choices]
    )
    from_at = forms.DateTimeField(label=gettext_lazy("From"), required=False, widget=_moment(), validators=CALENDAR)
    to_at = forms.DateTimeField(label=gettext_lazy("To"), required=False, widget=_moment(), validators=CALENDAR)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        subjects = Entry.objects.order_by("subject").values_list("subject", flat=True).distinct()
        named = sorted((name_subject(subject), subject) for subject in subjects)
        choices = [("", _("anything")), *((subject, name) for name, subject in named)]
        self.fields["what"].choices = choices  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs.setdefault(
                "class", "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            )

    def add_prefix(self, field_name: str) -> str:
        """The address says `from` and `to`, as elsewhere."""
        return NAMES.get(field_name, field_name)

    def clean(self) -> dict[str, Any]:
        """The end is later than the start."""
        chosen = super().clean() or {}
        if chosen.get("from_at") and chosen.get("to_at") and chosen["from_at"] >= chosen["to_at"]:
            self.add_error("to_at", _("The end must be later than the start."))
        return chosen


@dataclass(frozen=True)
class Sift:
    """Entries that an address asks for, newest first; `query` is that address without its place in the list."""

    form: SiftForm
    rows: QuerySet[Entry]
    query: str

    @property
    def narrowed(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.query)


def sift_entries(address: QueryDict) -> Sift:
    """The entries of the active tenant that the address asks for; a value that makes no sense finds nothing."""
    form = SiftForm(address)
    asked = [form.add_prefix(name) for name in form.fields]
    query = urlencode({name: address[name] for name in asked if address.get(name)})
    rows = Entry.objects.order_by("-number")
    return Sift(form, rows.filter(_wanted(form.cleaned_data)) if form.is_valid() else rows.none(), query)


def _wanted(chosen: dict[str, Any]) -> Q:
    wanted = Q()
    if chosen["who"]:
        wanted &= Q(actor__icontains=chosen["who"])
    for name, lookup in (("what", "subject"), ("action", "action"), ("from_at", "at__gte"), ("to_at", "at__lt")):
        if chosen[name]:
            wanted &= Q(**{lookup: chosen[name]})
    return wanted
