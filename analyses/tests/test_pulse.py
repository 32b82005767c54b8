"""Pulse: what the database sees while a model thinks: a short write now and then, and no open transaction."""

import threading
import time

import pytest
from django.db import OperationalError, connection

from analyses import leases, runs
from analyses.models import Analysis, AssistantSettings
from analyses.pulse import Pulse
from mesassist.tenants.scope import tenant_scope

OTHERS = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def others():
    """The states of the other connections to this database."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
        return [state for (state,) in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
class TestWhileTheModelThinks:
    def test_no_transaction_is_open_and_the_connection_is_given_back(self, ask, assistant, alfa, clock):
        AssistantSettings.objects.update(model="offline-analyst-slow")
        analysis = ask()

        def work():
            with tenant_scope(alfa):
                runs.execute(analysis_id=analysis.pk, now_fn=clock)
            connection.close()

        thread = threading.Thread(target=work)
        thread.start()
        until = time.monotonic() + 20
        while not Analysis.objects.get().answer and time.monotonic() < until:
            time.sleep(0.02)
        seen = []
        while len(seen) < 60:
            seen.append(others())
            time.sleep(0.02)
        runs.cancel(analysis=analysis, now=clock())
        thread.join(timeout=20)
        assert not thread.is_alive()
        assert not any(str(state).startswith("idle in transaction") for states in seen for state in states)
        assert sum(not states for states in seen) > len(seen) / 2
        assert Analysis.objects.get().status == "cancelled"


class TestOutage:
    @pytest.fixture
    def pulse(self, ask, clock):
        analysis = leases.claim(analysis_id=ask().pk, now=clock())
        pulse = Pulse(analysis=analysis, now_fn=clock)
        pulse.hear("Half an")
        return pulse

    @pytest.fixture
    def away(self, monkeypatch):
        """The database is away: the connection itself cannot be cut inside a test's transaction."""

        def refuse(**_):
            raise OperationalError("the connection is lost")

        monkeypatch.setattr(leases, "renew", refuse)
        monkeypatch.setattr(connection, "close", lambda: None)

    def test_a_short_one_does_not_end_the_call(self, pulse, away):
        pulse.beat()
        assert pulse.text == "Half an"

    def test_one_longer_than_the_lease_does(self, pulse, away, settings):
        settings.ANALYSIS_LEASE_S = 0
        with pytest.raises(leases.LeaseLost):
            pulse.beat()

    def test_the_first_words_are_shown_at_once(self, pulse):
        pulse.beat()
        assert Analysis.objects.get().answer == "Half an"
        assert Analysis.objects.get().first_token_at is not None
        pulse.hear(" answer")
        pulse.beat()
        assert Analysis.objects.get().answer == "Half an"
