"""Brute force: the same answers as timeline and rollups, moment by moment, straight from the rules and slow."""

import datetime as dt
from collections import Counter, defaultdict
from itertools import pairwise

from production.timeline import SEVERITY

MINUTE = dt.timedelta(minutes=1)


def rank(e):
    return (e.authority, e.until is not None, SEVERITY[e.state], e.reason_id is not None, e.at, e.source, e.event_id)


def claim_at(events, stamps, now, timeout):
    """(state, reason) at one moment."""
    heard = [stamp for stamp in stamps if stamp <= now]
    claims = [e for e in events if e.until is not None and e.at <= now < e.until]
    if heard and (now - heard[-1]).total_seconds() < timeout:
        points = sorted((e for e in events if e.until is None and e.at <= now), key=lambda e: (e.at, rank(e)))
        claims += [e for e in points if e.authority > 0][-1:]
        claims += [e for e in points[-1:] if e.authority == 0]
    best = max(claims, key=rank, default=None)
    return (best.state, best.reason_id) if best else ("unknown", None)


def stretches_by_minute(events, stamps, timeout, first, last):
    """[(start, [(state, reason) of each minute])] of equal states in a row; all times are whole minutes."""
    runs = []
    now = first
    while now < last:
        claim = claim_at(events, stamps, now, timeout)
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


def counter_pieces(readings, stamps, lost, timeout):
    """[(at, delta)] of one counter's (at, value), without roll-over."""
    made = []
    last = None
    for at, value in sorted(readings):
        if last is not None:
            between = [stamp for stamp in stamps if last[0] <= stamp <= at]
            gap = any((b - a).total_seconds() > timeout for a, b in pairwise(between))
            if not gap and not any(last[0] < moment <= at for moment in lost):
                made.append((at, value - last[1] if value >= last[1] else value))
        last = (at, value)
    return made
