"""Values: what a column held, as people read it; a reference by the name of what it points to, where that is there."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _

# By model, the name of each id.
Names = dict[type[models.Model], dict[Any, str]]


def find_names(named: Iterable[tuple[type[models.Model], dict[str, list[Any]]]]) -> Names:
    """The names of everything that the changes point to, a query per model; in the active scope."""
    wanted: dict[type[models.Model], set[Any]] = defaultdict(set)
    for model, changes in named:
        for field in model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey) and field.column in changes:
                wanted[field.remote_field.model].update(value for value in changes[field.column] if value is not None)
    return {model: {pk: str(row) for pk, row in _rows(model, ids)} for model, ids in wanted.items()}


def _rows(model: type[models.Model], ids: set[Any]) -> Iterable[tuple[Any, models.Model]]:
    return model._default_manager.in_bulk(list(ids)).items()


def say_value(value: Any, field: Any, names: Names) -> str:
    """The value in words; "" is nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(field, models.ForeignKey):
        return names.get(field.remote_field.model, {}).get(value, f"#{value}")
    if isinstance(field, models.DateTimeField) and isinstance(value, str) and (moment := parse_datetime(value)):
        return date_format(timezone.localtime(moment), "j M Y H:i")
    choices = dict(field.flatchoices) if field is not None and field.choices else {}
    if isinstance(value, list):
        return ", ".join(say_value(one, None, names) for one in value) or _("none")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(choices.get(value, value))
