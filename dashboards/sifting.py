"""Sifting: which rows of the quarantine an address asks for."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from production.models import ImportRun, Quarantined, QuarantineStatus

ANY = "any"


class SiftForm(forms.Form):
    """What narrows the list. `why`, `row` and `until` are set by links alone."""

    code = forms.CharField(label=_("Cause"), required=False, max_length=40)
    source = forms.CharField(label=_("Source"), required=False, max_length=64)
    search = forms.CharField(label=_("Text, machine or id"), required=False, max_length=100)
    status = forms.ChoiceField(label=_("Status"), required=False, choices=[*QuarantineStatus.choices, (ANY, _("any"))])
    file: "forms.ModelChoiceField[ImportRun]" = forms.ModelChoiceField(
        label=_("File"), queryset=None, required=False, empty_label=_("any")
    )
    why = forms.CharField(required=False, max_length=2000, strip=False)
    row = forms.IntegerField(required=False, max_value=2**62)
    # Rows that came after the person looked are not among those that were agreed to.
    until = forms.DateTimeField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].queryset = ImportRun.objects.filter(quarantined__gt=0)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Sift:
    """Rows that an address asks for. `chosen` has its values as they stand in an address, `query` is that address."""

    rows: QuerySet[Quarantined]
    chosen: dict[str, str]
    query: str

    @property
    def narrowed(self) -> bool:
        """Whether anything but the usual is asked for."""
        return set(self.chosen) - {"status", "until"} != set()

    def without(self, name: str) -> str:
        """The address with one thing less."""
        return urlencode({key: value for key, value in self.chosen.items() if key != name})


def sift_rows(address: QueryDict) -> Sift:
    """The rows that the address asks for, newest first; a value that makes no sense finds nothing."""
    form = SiftForm(address)
    rows = Quarantined.objects.select_related("import_run", "kafka_source").order_by("-received_at", "-pk")
    chosen = {name: str(address[name]) for name in form.fields if address.get(name)}
    if not form.is_valid():
        return Sift(rows.none(), chosen, urlencode(chosen))
    return Sift(rows.filter(_wanted(form.cleaned_data)), chosen, urlencode(chosen))


def _wanted(chosen: dict[str, Any]) -> Q:
    wanted = Q()
    for field, name in (("code", "code"), ("source", "source"), ("detail", "why"), ("pk", "row")):
        if chosen[name]:
            wanted &= Q(**{field: chosen[name]})
    if chosen["file"]:
        wanted &= Q(import_run=chosen["file"])
    # One row is shown whatever became of it.
    if chosen["status"] != ANY and not chosen["row"]:
        wanted &= Q(status=chosen["status"] or QuarantineStatus.WAITING)
    if text := chosen["search"].strip():
        wanted &= Q(raw__icontains=text) | Q(detail__icontains=text) | Q(event_id__icontains=text)
    return wanted & Q(received_at__lte=chosen["until"]) if chosen["until"] else wanted


def seen_at(now: dt.datetime) -> str:
    """`now` as an address says it."""
    return now.isoformat()
