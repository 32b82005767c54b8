"""Wording: entries of the trail in plain words: who did what to which thing, and each value as people read it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import apps
from django.db import models
from django.utils.translation import gettext as _

from mesassist.audit.models import Action, Trail
from mesassist.audit.values import Names, find_names, say_value

# Of these a tenant has one, so it needs no name.
ONLY_ONES = {"analyses.AssistantSettings", "tenants.Tenant"}
LONGEST = 60


@dataclass(frozen=True)
class Change:
    """A field with its values before and after, as people read them; "" is nothing."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Told:
    """An entry in words: `who`, what they did as a sentence about them, and each change."""

    entry: Trail
    who: str
    did: str
    changes: tuple[Change, ...]


def tell_entries(entries: Sequence[Trail]) -> list[Told]:
    """The entries in words, with a look-up per kind of thing that they name; inside the tenant's scope."""
    named = [(find_model(entry), entry.changes) for entry in entries]
    names = find_names([(model, changes) for model, changes in named if model is not None])
    return [_tell(entry, model, names) for entry, (model, _changes) in zip(entries, named, strict=True)]


def find_model(entry: Trail) -> type[models.Model] | None:
    """The model that the entry is about; None once the portal no longer has it."""
    try:
        return apps.get_model(entry.subject)
    except LookupError:
        return None


def name_subject(subject: str) -> str:
    """What rows of that model are called."""
    try:
        return str(apps.get_model(subject)._meta.verbose_name)
    except LookupError:
        return subject


def say_who(entry: Trail) -> str:
    """Who did it."""
    name = entry.actor
    return {
        "person": name or _("somebody who was not signed in"),
        "key": _("the key %(name)s") % {"name": name},
        "task": _("the task %(name)s") % {"name": name.rpartition(".")[2]},
        "command": _("the command %(name)s") % {"name": name},
        "database": _("%(role)s, directly in the database") % {"role": entry.database_role},
    }.get(entry.actor_kind, _("the portal"))


def _tell(entry: Trail, model: type[models.Model] | None, names: Names) -> Told:
    columns = {field.column: field for field in model._meta.concrete_fields} if model else {}
    changes = []
    for column, (before, after) in sorted(entry.changes.items()):
        field = columns.get(column)
        said = (say_value(before, field, names), say_value(after, field, names))
        changes.append(Change(str(field.verbose_name) if field else column, *said))
    told = tuple(changes)
    thing = _name_thing(entry, model, told)
    return Told(entry, say_who(entry), _say_deed(entry, thing, told), told)


def _name_thing(entry: Trail, model: type[models.Model] | None, changes: tuple[Change, ...]) -> str:
    kind = name_subject(entry.subject)
    if entry.subject in ONLY_ONES:
        return _("the %(kind)s") % {"kind": kind}
    if model is not None and model._meta.auto_created:
        # A row that joins two things is called by both.
        return " – ".join(f"{change.field} {change.after or change.before}" for change in changes)
    return _("the %(kind)s %(name)s") % {"kind": kind, "name": entry.object or f"#{entry.object_id}"}


def _say_deed(entry: Trail, thing: str, changes: tuple[Change, ...]) -> str:
    if entry.action == Action.ADDED:
        return _("added %(thing)s") % {"thing": thing}
    if entry.action == Action.REMOVED:
        return _("removed %(thing)s") % {"thing": thing}
    if len(changes) != 1:
        fields = ", ".join(change.field for change in changes)
        return _("changed %(thing)s: %(fields)s") % {"thing": thing, "fields": fields}
    change = changes[0]
    filled = {"thing": thing, "field": change.field, "before": _short(change.before), "after": _short(change.after)}
    if not change.before:
        return _("set %(field)s of %(thing)s to “%(after)s”") % filled
    if not change.after:
        return _("cleared %(field)s of %(thing)s, which was “%(before)s”") % filled
    return _("changed %(field)s of %(thing)s from “%(before)s” to “%(after)s”") % filled


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
