"""Real worker processes, killed and sent home in mid-answer: the analysis finishes, once."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from django.db import connection
from django.utils import timezone

from analyses import runs
from analyses.models import Analysis, Attempt, Spend
from offline_analyst.process import clear_log, read_log

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 6
pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


def database_url():
    """The test's own database, as the app role."""
    known = connection.settings_dict
    password = quote(known["PASSWORD"])
    return f"postgresql://{known['USER']}:{password}@{known['HOST']}:{known['PORT']}/{known['NAME']}"


@contextmanager
def worker():
    """A worker of the model queue, as it is deployed: threads."""
    command = (
        "-m celery -A mesassist worker -Q model -P threads -c 2 --loglevel error --without-mingle --without-gossip"
    )
    environment = os.environ | {"DATABASE_URL": database_url(), "ANALYSIS_LEASE_S": str(LEASE_S)}
    process = subprocess.Popen([sys.executable, *command.split()], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture
def slow(ask, assistant, settings):
    """An analysis whose answer takes some seven seconds, due for years."""
    settings.ANALYSIS_LEASE_S = LEASE_S
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("model")
    clear_log(assistant.base_url)
    type(assistant).objects.update(model="offline-analyst-slow")
    analysis = ask()
    Analysis.objects.update(expires_at=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    return analysis


def wait_until(analysis, holds, *, within_s=120):
    """Poll the row, playing the beat, until `holds(row)`."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        runs.reap(now=timezone.now())
        runs.ring(now=timezone.now())
        analysis.refresh_from_db()
        if holds(analysis):
            return
        time.sleep(0.1)
    raise AssertionError(f"still {analysis.status}, attempt {analysis.attempts}, {len(analysis.answer)} characters")


class TestKilled:
    def test_the_analysis_finishes_once_with_another_worker(self, slow, analyst):
        with worker() as first:
            wait_until(slow, lambda row: row.answer)
            first.kill()
            first.wait(timeout=10)
        with worker():
            wait_until(slow, lambda row: row.finished_at)
        assert (slow.status, slow.attempts, slow.error_code) == ("done", 2, "")
        assert len(read_log(analyst)) == 2
        assert list(Attempt.objects.values_list("outcome", flat=True)) == ["lost", "answered"]
        assert slow.numbers["unknown"] == 0
        spend = Spend.objects.get()
        assert (spend.reserved_tokens, spend.used_tokens) == (0, sum(Attempt.objects.values_list("tokens", flat=True)))


class TestSentHome:
    def test_the_row_comes_back_at_once_and_the_attempt_does_not_count(self, slow):
        with worker() as first:
            wait_until(slow, lambda row: row.answer)
            first.send_signal(signal.SIGTERM)
            began = time.monotonic()
            first.wait(timeout=40)
            assert time.monotonic() - began < 30
        slow.refresh_from_db()
        assert (slow.status, slow.attempts, slow.owner) == ("queued", 0, None)
        with worker():
            wait_until(slow, lambda row: row.finished_at)
        assert (slow.status, slow.attempts) == ("done", 1)
