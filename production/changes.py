"""Changes: an edit of the master data that alters what was counted marks the affected history to be folded again."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model, QuerySet

from production.models import IdealCycle, Line, Machine, Shift, Site
from production.rollups import mark_history

# The fields that figures rest on; a new name alone costs nothing.
COUNTED: dict[type[Model], frozenset[str]] = {
    Site: frozenset({"zone"}),
    Line: frozenset({"site"}),
    Machine: frozenset({"line", "micro_stop_s", "contact_timeout_s"}),
    Shift: frozenset({"site", "starts", "ends", "weekdays"}),
    IdealCycle: frozenset({"machine", "product", "seconds"}),
}


def mark_changed(*, row: Any, fields: Iterable[str] | None = None) -> int:
    """Mark the history that `row` had a say in; gives the number of machines marked.

    `fields` are those that were edited; none given means that the row is new or goes away. Call it before and after
    an edit: a shift that moves to another site alters both. Needs an active tenant scope.
    """
    counted = COUNTED.get(type(row), frozenset())
    if not counted or (fields is not None and not counted & set(fields)):
        return 0
    return mark_history(machines=find_affected(row=row))


def find_affected(*, row: Any) -> QuerySet[Machine]:
    """The machines whose figures rest on `row`."""
    machines: QuerySet[Machine] = Machine.objects.all()
    if isinstance(row, Machine):
        return machines.filter(pk=row.pk)
    if isinstance(row, IdealCycle):
        return machines.filter(pk=row.machine_id)
    if isinstance(row, Line):
        return machines.filter(line_id=row.pk)
    return machines.filter(line__site_id=row.pk if isinstance(row, Site) else row.site_id)
