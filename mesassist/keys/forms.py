"""Forms: what a new key may do, and how long an old one stays beside it."""

import datetime as dt
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from mesassist.tenants.keys import KeyRefused, check_source, read_networks
from mesassist.tenants.models import Scope

SCOPES = [
    (Scope.INGEST, _("ingest: send events")),
    (Scope.READ, _("read: figures, master data and analyses")),
    (Scope.ANALYSE, _("analyse: ask the assistant")),
    (Scope.CONFIGURE, _("configure: change settings and master data")),
]
ENDS = [("30", _("in 30 days")), ("90", _("in 90 days")), ("365", _("in a year")), ("", _("never"))]
OVERLAPS = [("0", _("ends at once")), ("1", _("works for another day")), ("7", _("works for another week"))]
OVERLAPS += [("30", _("works for another 30 days"))]


class KeyForm(forms.Form):
    """A new key."""

    name = forms.CharField(
        label=_("Name"),
        max_length=64,
        help_text=_("The system that will hold it. Its events have this source unless you name another."),
    )
    scopes = forms.MultipleChoiceField(label=_("What it may do"), choices=SCOPES, widget=forms.CheckboxSelectMultiple)
    source = forms.CharField(
        label=_("Only for this source"),
        max_length=64,
        required=False,
        help_text=_("Events that claim another source are refused. Empty: it may name any."),
    )
    networks = forms.CharField(
        label=_("Only from these addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=_("Addresses or networks like 10.20.0.0/16, one per line. Empty: from anywhere."),
    )
    ends = forms.ChoiceField(label=_("Ends"), choices=ENDS, required=False, initial="365")

    def clean_name(self) -> str:
        """A name that lends no authority."""
        return _checked(self.cleaned_data["name"].strip())

    def clean_source(self) -> str:
        """The same."""
        return _checked(self.cleaned_data["source"].strip())

    def clean_networks(self) -> list[str]:
        """Networks in their usual form."""
        try:
            return read_networks(self.cleaned_data["networks"])
        except KeyRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal

    def wanted(self, *, now: dt.datetime) -> dict[str, Any]:
        """The fields of the key."""
        fields: dict[str, Any] = {name: self.cleaned_data[name] for name in ("name", "scopes", "source", "networks")}
        days = self.cleaned_data["ends"]
        return fields | {"expiry": now + dt.timedelta(days=int(days)) if days else None}


class RotateForm(forms.Form):
    """How long both keys are live."""

    overlap = forms.ChoiceField(label=_("The present key"), choices=OVERLAPS, initial="7")

    def clean_overlap(self) -> dt.timedelta:
        """As a duration."""
        return dt.timedelta(days=int(self.cleaned_data["overlap"]))


def _checked(name: str) -> str:
    try:
        return check_source(name)
    except KeyRefused as refusal:
        raise forms.ValidationError(str(refusal)) from refusal
