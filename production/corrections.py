"""Corrections: what people say over what was reported; each word marks the time that it touches, to be folded anew."""

import datetime as dt

from django.db.models import Max, Min
from django.db.models.functions import Coalesce, Greatest

from mesassist.tenants.models import User
from mesassist.tenants.scope import current_tenant, tenant_tx
from production.journal import events_of
from production.models import Correction, Event, Implausible, Machine, Reason, SourceRank
from production.ranks import DEFAULT
from production.rollups import mark_dirty


class CorrectionRefused(ValueError):
    """The correction says nothing that can be; the text says why and what to do."""


def make_correction(
    *,
    machine: Machine,
    from_at: dt.datetime,
    to_at: dt.datetime,
    state: str,
    reason: Reason | None,
    comment: str,
    made_by: User,
    now: dt.datetime,
) -> Correction:
    """Say that the machine was in `state` in [from_at, to_at), over all that was reported and corrected before.

    Without a reason the time is unclassified. Raises CorrectionRefused.
    """
    if not from_at < to_at:
        raise CorrectionRefused("The end must be later than the start.")
    if to_at > now:
        raise CorrectionRefused("This lies in the future. A correction says what was: choose an earlier end.")
    if not events_of(machine.pk).filter(at__lte=from_at).exists():
        raise CorrectionRefused("Nothing was reported of this machine by then. Choose a later start.")
    with tenant_tx():
        correction: Correction = Correction.objects.create(
            tenant=current_tenant(),
            machine=machine,
            from_at=from_at,
            to_at=to_at,
            state=state,
            reason=reason,
            comment=comment,
            made_by=made_by,
            made_at=now,
        )
        mark_dirty(machine_id=machine.pk, from_at=from_at, to_at=to_at)
    return correction


def undo_correction(*, correction: Correction, undone_by: User, now: dt.datetime) -> bool:
    """Let what was reported (or corrected otherwise) count again; False if somebody had undone it before."""
    standing = Correction.objects.filter(pk=correction.pk, undone_at__isnull=True)
    with tenant_tx():
        if not standing.update(undone_by=undone_by, undone_at=now):
            return False
        mark_dirty(machine_id=correction.machine_id, from_at=correction.from_at, to_at=correction.to_at)
    correction.refresh_from_db()
    return True


def trust_reading(*, reading: Implausible, trusted_by: User, now: dt.datetime) -> bool:
    """Let the pieces of a reading count that looked impossible; False if somebody had trusted it before."""
    doubted = Implausible.objects.filter(pk=reading.pk, trusted_at__isnull=True)
    with tenant_tx():
        if not doubted.update(trusted_by=trusted_by, trusted_at=now):
            return False
        mark_dirty(machine_id=reading.machine_id, from_at=reading.at, to_at=reading.at)
    reading.refresh_from_db()
    return True


def rank_source(*, source: str, rank: int) -> int:
    """Say how far a source is believed where several report on one machine; gives the number of machines touched.

    Looks through the tenant's events for those of the source: a matter of seconds per million.
    """
    ranked = SourceRank.objects.filter(source=source)
    with tenant_tx():
        old = ranked.values_list("rank", flat=True).first()
        if (old or DEFAULT) == rank:
            return 0
        SourceRank.objects.update_or_create(tenant=current_tenant(), source=source, defaults={"rank": rank})
        heard = Event.objects.filter(source=source).values("machine_id").order_by("machine_id")
        touched = heard.annotate(first=Min("at"), last=Max(Greatest("at", Coalesce("until", "at"))))
        spans = list(touched.values_list("machine_id", "machine__contact_timeout_s", "first", "last"))
        for machine_id, timeout_s, first, last in spans:
            # Its last word held for as long, if it was believed before.
            mark_dirty(machine_id=machine_id, from_at=first, to_at=last + dt.timedelta(seconds=timeout_s))
    return len(spans)
