"""Partitions: the months that events lie in, made before events need them and emptied when a tenant keeps no more.

The app role may not create tables: two functions of migration 0003 act for the owner. Events whose month is not there
yet are taken all the same: they wait in the default partition until `make_months` moves them.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import Min

from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import platform_scope
from production.models import Event, EventKey

log = structlog.get_logger(__name__)

AHEAD = 3
# Whoever writes into the default partition holds this shared, whoever moves rows out of it alone.
GUARD = "hashtextextended('production.partitions', 0)"

# Months that were seen to have a partition. One that is dropped later holds nothing that is taken any more, and what
# is taken all the same lands in the default partition.
_known: set[dt.date] = set()


def month_of(moment: dt.datetime) -> dt.date:
    """The first day of the moment's month, in UTC."""
    utc = moment.astimezone(dt.UTC)
    return dt.date(utc.year, utc.month, 1)


def add_months(month: dt.date, months: int) -> dt.date:
    """The month so many months later, or earlier."""
    years, rest = divmod(month.year * 12 + month.month - 1 + months, 12)
    return dt.date(years, rest + 1, 1)


def months_of(moments: Sequence[dt.datetime]) -> set[dt.date]:
    """The months of moments in UTC; a batch lies in one month nearly always."""
    if not moments:
        return set()
    first, last = month_of(min(moments)), month_of(max(moments))
    if add_months(first, 1) >= last:
        return {first, last}
    return {dt.date(moment.year, moment.month, 1) for moment in moments}


def prepare_months(*, months: Iterable[dt.date]) -> None:
    """See to it that events of these months can be inserted now; call it before the transaction that does so.

    Inside a transaction nothing is created: a partition locks readers out of the default one until the commit. Its
    rows wait there until then.
    """
    missing = sorted(set(months) - _known)
    if missing and connection.in_atomic_block:
        missing = [month for month in missing if not _exists(month)]
        transaction.on_commit(lambda: _make_quietly(missing))
    elif missing:
        _make_quietly(missing)
    if set(missing) - _known and connection.in_atomic_block:
        enter_default()


def enter_default() -> None:
    """Wait for whoever moves rows out of the default partition, and keep them off to the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock_shared({GUARD})")


def are_ready(*, months: Iterable[dt.date]) -> bool:
    """Whether each month is known to have a partition."""
    return _known.issuperset(months)


def make_months(*, months: Iterable[dt.date]) -> int:
    """Make the partitions that are missing; gives their number. One that cannot be made now is left for later."""
    made = 0
    for month in months:
        with connection.cursor() as cursor:
            cursor.execute("SELECT production_make_month(%s)", [month])
            answer = cursor.fetchone()[0]
        if answer is None:
            log.info("partition_postponed", month=month.isoformat())
        else:
            _known.add(month)
            made += answer
    return made


def make_months_ahead(*, now: dt.datetime) -> int:
    """Make this month's partition, the next ones', and those of what waits in the default partition."""
    this = month_of(now)
    with platform_scope("make partitions"), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT date_trunc('month', at, 'UTC') FROM production_event_default")
        waiting = {month_of(moment) for (moment,) in cursor.fetchall()}
    return make_months(months=sorted(waiting | {add_months(this, months) for months in range(AHEAD + 1)}))


def count_strays() -> int:
    """How many events wait in the default partition, of all tenants; more than none for long is an alarm."""
    with platform_scope("count strays"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM production_event_default")
        strays: int = cursor.fetchone()[0]
    return strays


def list_months() -> list[dt.date]:
    """The months that have a partition, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM') FROM pg_inherits "
            "WHERE inhparent = 'production_event'::regclass "
            "AND inhrelid <> 'production_event_default'::regclass ORDER BY 1"
        )
        return [month for (month,) in cursor.fetchall()]


# --- retention --------------------------------------------------------------------------------------------


def kept_from(*, tenant: Tenant, now: dt.datetime) -> dt.datetime | None:
    """Since when the tenant's events are kept, the start of a month; None keeps all.

    Events before it are refused and their time is not folded again: its figures stay as they are.
    """
    months = tenant.events_kept_months
    if months is None:
        return None
    first = add_months(month_of(now), -months)
    return dt.datetime(first.year, first.month, 1, tzinfo=dt.UTC)


def drop_old_events(*, tenant: Tenant, now: dt.datetime) -> int:
    """Delete what the tenant (in its scope) no longer keeps; gives the number of events.

    A month more stays than is folded: the first kept day is understood from what was in force before it.
    """
    horizon = kept_from(tenant=tenant, now=now)
    if horizon is None:
        return 0
    last = add_months(month_of(horizon), -1)
    horizon = dt.datetime(last.year, last.month, 1, tzinfo=dt.UTC)
    deleted = 0
    old = Event.objects.filter(at__lt=horizon)
    while (oldest := old.aggregate(oldest=Min("at"))["oldest"]) is not None:
        # Month by month: one partition and one short transaction each.
        following = add_months(month_of(oldest), 1)
        ends = min(horizon, dt.datetime(following.year, following.month, 1, tzinfo=dt.UTC))
        deleted += Event.objects.filter(at__lt=ends).delete()[0]
    if deleted:
        EventKey.objects.filter(at__lt=horizon).delete()
        log.info("events_dropped", tenant=tenant.pk, events=deleted, before=horizon.isoformat())
    return deleted


def drop_empty_months(*, now: dt.datetime) -> int:
    """Drop the partitions of past months that hold no event of any tenant; gives their number."""
    dropped = 0
    for month in list_months():
        if month < add_months(month_of(now), -1):
            with connection.cursor() as cursor:
                cursor.execute("SELECT production_drop_month(%s)", [month])
                dropped += cursor.fetchone()[0]
            _known.discard(month)
    return dropped


# --- the steps ----------------------------------------------------------------------------------------------


def _exists(month: dt.date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"production_event_{month:%Y_%m}"])
        exists: bool = cursor.fetchone()[0]
    if exists:
        _known.add(month)
    return exists


def _make_quietly(months: Sequence[dt.date]) -> None:
    """Ingest does not fail because a partition could not be made: the default one takes its events."""
    try:
        make_months(months=months)
    except OperationalError as error:
        log.warning("partition_failed", error=type(error).__name__, months=[month.isoformat() for month in months])
