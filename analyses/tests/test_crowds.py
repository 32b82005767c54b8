"""Crowds: five hundred clicks at once, and sixteen models that think at once, on real connections."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from analyses import runs
from analyses.models import Analysis, Attempt, Spend
from analyses.pulse import STOPPING
from mesassist.tenants.scope import tenant_scope
from offline_analyst.process import clear_log, read_log

pytestmark = pytest.mark.django_db(transaction=True)
IDLE = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
"""
CLICKS = 500


@pytest.fixture
def fresh(analyst):
    clear_log(analyst)
    return analyst


class TestFiveHundredClicks:
    def test_no_more_calls_than_the_days_tokens_allow(self, ask, assistant, alfa, fresh, settings):
        one = ask(question="How much?")
        room = 5
        type(assistant).objects.update(daily_token_limit=one.reserved_tokens * (room + 1) + 50)
        assistant.refresh_from_db()
        settings.ANALYSES_AT_ONCE_PER_TENANT = 50

        def click(number):
            try:
                with tenant_scope(alfa):
                    # As long as the first question, so that each needs as much.
                    return ask(question=f"{number:08d}?")
            except runs.BudgetSpent:
                return None
            finally:
                connection.close()

        with ThreadPoolExecutor(16) as pool:
            asked = [analysis for analysis in pool.map(click, range(CLICKS)) if analysis]
        assert len(asked) <= room
        assert len(asked) >= room - 1

        def work(analysis):
            with tenant_scope(alfa):
                runs.execute(analysis_id=analysis.pk, now_fn=lambda: analysis.created_at)
            connection.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, [one, *asked]))
        assert set(Analysis.objects.values_list("status", flat=True)) == {"done"}
        assert len(read_log(fresh)) == 1 + len(asked)
        spend = Spend.objects.get()
        assert spend.reserved_tokens == 0
        assert spend.used_tokens <= assistant.daily_token_limit
        assert spend.used_tokens == sum(Attempt.objects.values_list("tokens", flat=True))


class TestSixteenThinking:
    def test_none_of_them_keeps_a_transaction_open(self, ask, assistant, alfa, settings):
        settings.ANALYSES_AT_ONCE_PER_TENANT = 16
        type(assistant).objects.update(model="offline-analyst-slow")
        analyses = [ask(question=f"{number}?") for number in range(16)]

        def work(analysis):
            with tenant_scope(alfa):
                runs.execute(analysis_id=analysis.pk, now_fn=lambda: analysis.created_at)
            connection.close()

        threads = [threading.Thread(target=work, args=[analysis]) for analysis in analyses]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: Analysis.objects.exclude(answer="").count() == 16)
            longest = 0.0
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                with connection.cursor() as cursor:
                    cursor.execute(IDLE)
                    longest = max(longest, cursor.fetchone()[0])
                time.sleep(0.05)
            assert Analysis.objects.filter(status="running").count() == 16
            assert longest < 1.0
        finally:
            STOPPING.set()
            for thread in threads:
                thread.join(timeout=30)
            STOPPING.clear()


def wait_for(holds, *, within_s=30):
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)
