"""Budget: tokens of a tenant's day are held before a call and settled after it; nobody can outspend the limit."""

import datetime as dt

from django.db.models import F, Q
from django.db.models.functions import Greatest

from analyses.models import Spend
from mesassist.tenants.scope import current_tenant


class LimitReached(Exception):
    """The day's limit leaves no room for this many tokens; carries what is used and held."""

    def __init__(self, *, wanted: int, used: int, held: int, limit: int) -> None:
        self.wanted, self.used, self.held, self.limit = wanted, used, held, limit
        super().__init__(f"{used} used, {held} held, {wanted} wanted, {limit} allowed")


def spend_day(at: dt.datetime) -> dt.date:
    """The day that a moment counts for: the UTC day (see `Spend`)."""
    return at.astimezone(dt.UTC).date()


def reserve_tokens(*, tokens: int, limit: int | None, at: dt.datetime) -> None:
    """Hold tokens for a call that is about to be recorded; raises `LimitReached`. `limit` None: there is none.

    One conditional UPDATE decides, so calls that arrive together cannot both take the last tokens.
    """
    day = spend_day(at)
    Spend.objects.bulk_create([Spend(tenant=current_tenant(), day=day)], ignore_conflicts=True)
    rows = Spend.objects.filter(day=day)
    room = Q() if limit is None else Q(reserved_tokens__lte=limit - tokens - F("used_tokens"))
    if rows.filter(room).update(reserved_tokens=F("reserved_tokens") + tokens):
        return
    spend = rows.get()
    raise LimitReached(wanted=tokens, used=spend.used_tokens, held=spend.reserved_tokens, limit=limit or 0)


def charge_tokens(*, tokens: int, cost_micros: int = 0, at: dt.datetime) -> None:
    """Count tokens as used on the day of `at`; the hold stays until it is released."""
    Spend.objects.filter(day=spend_day(at)).update(
        used_tokens=F("used_tokens") + tokens, cost_micros=F("cost_micros") + cost_micros
    )


def release_tokens(*, tokens: int, at: dt.datetime) -> None:
    """Give back what was held: the analysis has reached its end, and what it used was charged."""
    Spend.objects.filter(day=spend_day(at)).update(reserved_tokens=Greatest(F("reserved_tokens") - tokens, 0))
