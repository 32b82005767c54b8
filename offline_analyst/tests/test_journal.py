"""The journal keeps each call's beginning and end, and a server that is killed leaves whole lines behind."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys

import httpx2
import pytest

from offline_analyst.app import OfflineAnalyst
from offline_analyst.journal import Journal
from offline_analyst.process import ROOT

from .conftest import ask


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def post(app, body, *, leave=False):
    """One request, straight into the application; with `leave` the client is gone at once."""
    sent, told = [], iter([{"type": "http.request", "body": body}])

    async def receive():
        try:
            return next(told)
        except StopIteration:
            if leave:
                return {"type": "http.disconnect"}
            return await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [],
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 54321),
    }
    asyncio.run(app(scope, receive, send))
    return sent


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "journal.jsonl"


BODY = json.dumps({"model": "offline-analyst", "messages": ask(), "stream": True}).encode()


class TestJournal:
    def test_it_notes_who_asked_what_and_that_it_was_answered(self, kept):
        app = OfflineAnalyst(delay=0, journal=Journal(kept))
        post(app, BODY)
        started, begun, answered = lines_of(kept)
        assert (started["what"], begun["what"], answered["what"]) == ("started", "begun", "answered")
        assert begun["body_sha256"] == hashlib.sha256(BODY).hexdigest()
        assert (begun["model"], begun["port"], begun["call"], answered["call"]) == ("offline-analyst", 54321, 1, 1)
        assert started["at"] <= begun["at"] <= answered["at"]

    def test_it_notes_that_the_caller_left(self, kept):
        post(OfflineAnalyst(delay=0.01, journal=Journal(kept)), BODY, leave=True)
        assert [line["what"] for line in lines_of(kept)] == ["started", "begun", "cut"]

    def test_without_a_file_nothing_is_kept(self, tmp_path):
        post(OfflineAnalyst(delay=0), BODY)
        assert list(tmp_path.iterdir()) == []


class TestKilled:
    def test_the_next_server_goes_on_in_the_same_file(self, kept):
        command = [sys.executable, "-m", "offline_analyst", "--port", "0", "--journal", str(kept), "--delay", "0.5"]
        for _ in range(2):
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as server:
                url = server.stdout.readline().decode().split()[-1]
                with httpx2.stream("POST", f"{url}/chat/completions", content=BODY, trust_env=False) as answer:
                    pieces = answer.iter_raw()  # kept: a reader that is gone hangs up
                    next(pieces)
                    os.kill(server.pid, signal.SIGKILL)
                    server.wait()
        assert [line["what"] for line in lines_of(kept)] == ["started", "begun", "started", "begun"]
