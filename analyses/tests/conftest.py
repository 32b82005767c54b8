"""Alfa's assistant asks the offline analyst about a morning of Alfa's two presses."""

import datetime as dt
import json

import pytest

from analyses import wire
from analyses.credentials import put_token
from analyses.models import AssistantSettings
from analyses.runs import request_analysis
from production.ingest.store import store_events
from production.rollups import fold_dirty
from production.summaries import main_summary

TOKEN = "sk-alfa-0123456789abcdefghij"


class Clock:
    """Time as the test says: call it for now, move it with `to` or `by`."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def to(self, moment):
        self.now = max(self.now, moment)

    def by(self, **span):
        self.now += dt.timedelta(**span)


@pytest.fixture
def clock(now):
    return Clock(now)


@pytest.fixture(autouse=True)
def hang_up():
    yield
    wire.close_lines()


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
    receipt = store_events(events=events, source="erp-7", now=now)
    assert receipt.accepted == len(events)
    fold_dirty(now=now)
    return small_plant


@pytest.fixture
def assistant(in_alfa, analyst):
    """Alfa's assistant, configured to ask the offline analyst with a token."""
    assistant = AssistantSettings(tenant=in_alfa, base_url=analyst, model="offline-analyst", max_answer_tokens=2000)
    put_token(assistant=assistant, token=TOKEN)
    assistant.save()
    return assistant


@pytest.fixture
def ask(morning, assistant, ana, clock):
    """Ana asks; anything may be said otherwise."""

    def request(**more):
        wish = {"summary": main_summary(), "asked_by": ana, "trigger": "button", "now": clock()} | more
        return request_analysis(tenant=assistant.tenant, **wish)

    return request


@pytest.fixture
def call(caller, api_key, alfa):
    """A request with Alfa's key that may read, analyse and configure, or with another one."""
    usual = api_key(alfa, "read", "analyse", "configure")

    def send(method, path, body=None, key=usual, **headers):
        content = "" if body is None else json.dumps(body)
        headers = {"Authorization": f"Api-Key {key}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return caller().generic(method, f"/api/v1/{path}", content, content_type="application/json", headers=headers)

    return send
