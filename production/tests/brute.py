"""Brute force: the same answers as timeline and rollups, moment by moment, straight from the rules and slow."""

import datetime as dt
from collections import Counter, defaultdict
from itertools import pairwise

from production.entries import CounterReading, StateEvent
from production.models import Correction, Event, SourceRank
from production.timeline import SEVERITY

SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)


def believed(e):
    standing = -(10**6) if e.until is None and e.state == "unknown" else e.rank
    tail = (e.reason_id is not None, e.at, e.source, e.event_id)
    return (e.authority, standing, e.until is not None, SEVERITY[e.state], *tail)


def claim_at(events, stamps, now, timeout, corrections=()):
    """(state, reason) at one moment; `stamps` of each rank (a list: of rank 0)."""
    for one in reversed(corrections):
        if one.from_at <= now < one.to_at:
            return one.state, one.reason_id
    claims = [e for e in events if e.until is not None and e.at <= now < e.until]
    for rank, times in (stamps if isinstance(stamps, dict) else {0: stamps}).items():
        heard = [stamp for stamp in times if stamp <= now]
        if heard and (now - heard[-1]).total_seconds() < timeout:
            points = [e for e in events if e.until is None and e.at <= now and e.rank == rank]
            points.sort(key=lambda e: (e.at, believed(e)))
            claims += [e for e in points if e.authority > 0][-1:]
            claims += [e for e in points[-1:] if e.authority == 0]
    best = max(claims, key=believed, default=None)
    return (best.state, best.reason_id) if best else ("unknown", None)


def stretches_by_minute(events, stamps, timeout, first, last, corrections=()):
    """[(start, [(state, reason) of each minute])] of equal states in a row; all times are whole minutes."""
    runs = []
    now = first
    while now < last:
        claim = claim_at(events, stamps, now, timeout, corrections)
        if runs and runs[-1][1][-1][0] == claim[0]:
            runs[-1][1].append(claim)
        else:
            runs.append((now, [claim]))
        now += MINUTE
    return runs


def sum_time(runs, threshold, slot_of):
    """{slot: Counter of seconds and stops} and the same by (slot, state, reason, micro)."""
    rows, losses = defaultdict(Counter), defaultdict(Counter)
    for start, claims in runs:
        state = claims[0][0]
        micro = state == "down" and len(claims) * 60 < threshold
        for number, (_, reason) in enumerate(claims):
            slot = slot_of(start + number * MINUTE)
            rows[slot]["micro_stop_s" if micro else f"{state}_s"] += 60
            if state in ("down", "setup", "idle", "planned_stop"):
                losses[(*slot, state, reason, micro)]["seconds"] += 60
                losses[(*slot, state, reason, micro)]["stops"] += number == 0
        counted = {"down": "micro_stops" if micro else "stops", "setup": "setups"}.get(state)
        if counted:
            rows[slot_of(start)][counted] += 1
    return rows, losses


def settle(entries):
    """Numbered point states and readings at the time when they take effect, pair by pair: [(entry, heard)]."""

    def earlier_seen(one):
        """What its source saw before, though stamped later, by no more than a clock can be wrong."""
        return [
            other
            for other in entries
            if None not in (one.sequence, other.sequence)
            and getattr(one, "until", None) is getattr(other, "until", None) is None
            and (other.source, one.source) == (one.source, other.source)
            and other.sequence < one.sequence
            and one.at < other.at <= one.at + 5 * MINUTE
        ]

    settled = []
    for one in entries:
        before = earlier_seen(one)
        heard = max([one.at, *(other.at for other in before)])
        if isinstance(one, CounterReading):
            if not any(getattr(o, "name", None) == one.name and o.value > one.value for o in before):
                settled.append((one._replace(at=heard, stamped=one.at), heard))
        else:
            waits = max([one.at, *(other.at for other in before if isinstance(other, StateEvent))])
            settled.append((one._replace(at=waits), heard))
    return settled


def states_in_line(settled):
    """The states; of one source's numbered ones of one moment only the last."""
    states = [one for one, _ in settled if isinstance(one, StateEvent)]

    def beaten(one):
        return any(
            other is not one
            and (other.source, other.at, other.until) == (one.source, one.at, None)
            and (other.sequence or -1, other.event_id) > (one.sequence or -1, one.event_id)
            and None not in (other.sequence, one.sequence)
            for other in states
        )

    return [one for one in states if one.until is not None or not beaten(one)]


def counter_pieces(readings, stamps, lost, timeout, cycle=None, factor=3.0):
    """[(at, delta, event id, whether it counts)] of one counter; `lost` as (at, source, sequence)."""
    line = sorted(readings, key=lambda r: (r.at, -1 if r.sequence is None else r.sequence, r.event_id))

    def told(moment, source, sequence):
        return moment, sequence if source == line[0].source and sequence is not None else -1

    def in_contact(a, b):
        begin, end = (told(r.at, r.source, r.sequence) for r in (a, b))
        silent = any(y - x > timeout * SECOND and x + timeout * SECOND < b.at and y > a.at for x, y in pairwise(stamps))
        return not silent and not any(begin < told(*one) <= end for one in lost)

    def follow(a, b, seconds):
        rolled = a.maximum and a.value >= 0.9 * a.maximum
        delta = b.value - a.value if b.value >= a.value else a.maximum - a.value + b.value if rolled else b.value
        return delta, cycle is None or delta <= factor * (max(0, seconds) / cycle + 1)

    def step(n):
        a, b = line[n - 1], line[n]
        other = max([k for k in range(n) if line[k].value != a.value], default=-1)
        begun = max(b.stamp - 15 * MINUTE, line[other + 1].stamp)
        return follow(a, b, (b.stamp - min(a.stamp, begun)).total_seconds())

    made = []
    for n, this in enumerate(line):
        if n == 0 or not in_contact(line[n - 1], this):
            continue
        delta, counts = step(n)
        if n > 1 and in_contact(line[n - 2], line[n - 1]) and not (counts and this.value >= line[n - 1].value):
            odd = line[n - 1].value < line[n - 2].value or not step(n - 1)[1]
            onward = follow(line[n - 2], this, (this.stamp - line[n - 2].stamp).total_seconds())
            if odd and cycle and this.value >= line[n - 2].value and onward[1]:
                delta, counts = onward
        made.append((this.at, delta, this.event_id, counts))
    return made


def meant(event):
    """A stop for a planned reason or a set-up is just that."""
    planned = {"planned": "planned_stop", "setup": "setup"}
    named = event.state == "down" and event.reason
    return planned.get(event.reason.loss_class, "down") if named else event.state


def rows_by_hand(machine, now, slot_of, cycle=None):
    """What rollups, losses and implausibles must say, straight from every event and correction of the machine."""
    ranks = dict(SourceRank.objects.values_list("source", "rank"))
    events = list(Event.objects.filter(machine=machine).order_by("at", "event_id"))
    entries = []
    stamps = defaultdict(list)
    for e in events:
        rank = ranks.get(e.source, 0)
        stamps[rank].append(e.at)
        if e.kind == "state":
            entries.append(
                StateEvent(e.at, e.until, meant(e), e.reason_id, None, e.source, e.event_id, e.sequence, rank)
            )
        elif e.kind == "counter":
            entries.append(
                CounterReading(e.at, e.source, e.event_id, None, e.name, e.value, e.maximum, e.sequence, rank)
            )
    settled = settle(entries)
    corrections = list(Correction.objects.filter(machine=machine, undone_at=None).order_by("made_at", "pk"))
    first = events[0].at
    runs = stretches_by_minute(
        states_in_line(settled), stamps, machine.contact_timeout_s, first, now, corrections=corrections
    )
    rows, losses = sum_time(runs, machine.micro_stop_s, slot_of)
    pieces = [(e.at, e.good, e.scrap) for e in events if e.kind == "count"]
    implausible = set()
    readings = [one for one, _ in settled if isinstance(one, CounterReading)]
    for source, name in {(r.source, r.name) for r in readings}:
        line = [r for r in readings if (r.source, r.name) == (source, name)]
        lost = [
            (heard, one.source, one.sequence)
            for one, heard in settled
            if isinstance(one, StateEvent) and one.until is None and one.state == "unknown" and one.rank == line[0].rank
        ]
        for when, delta, event_id, counts in counter_pieces(
            line, stamps[line[0].rank], lost, machine.contact_timeout_s, cycle, machine.implausible_factor
        ):
            pieces.append((when, delta if counts else 0, 0))
            implausible |= set() if counts or when >= now else {(source, event_id, delta)}
    for when, good, scrap in pieces:
        if when < now:
            rows[slot_of(when)].update({"good": good, "scrap": scrap, "uncycled": good + scrap})
    return rows, losses, implausible
