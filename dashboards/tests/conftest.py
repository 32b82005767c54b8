"""A morning of Alfa's two presses, and the clock standing in it."""

import datetime as dt

import pytest
import time_machine

from production.ingest.store import store_events
from production.rollups import fold_dirty


@pytest.fixture(autouse=True)
def monday(now):
    """Pages read the clock themselves: let it be the cast's Monday morning."""
    with time_machine.travel(now, tick=True):
        yield


@pytest.fixture
def morning(small_plant, now):
    """Since 06:00 both presses run; Press 2 stood from 07:10 to 08:00 because of a jam."""
    start = now.replace(hour=5, minute=0)

    def event(number, machine, minutes, **what):
        at = (start + dt.timedelta(minutes=minutes)).isoformat()
        return {"event_id": f"e{number}", "machine": machine, "at": at, **what}

    events = [
        event(1, "M1", 0, kind="state", state="running"),
        event(2, "M2", 0, kind="state", state="running"),
        event(3, "M2", 70, kind="state", state="down", reason="jam"),
        event(4, "M2", 120, kind="state", state="running"),
        event(5, "M1", 200, kind="count", good=1100, scrap=12, product="P1"),
        event(6, "M2", 200, kind="count", good=700, scrap=45, product="P1"),
    ]
    assert store_events(events=events, source="erp-7", now=now).accepted == len(events)
    fold_dirty(now=now)
    return small_plant
