"""Alfa's assistant asks the offline analyst about a morning of Alfa's two presses."""

import datetime as dt
import json

import pytest

from analyses import wire
from analyses.credentials import put_token
from analyses.models import AssistantSettings
from analyses.runs import request_analysis
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
