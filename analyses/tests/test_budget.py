"""Budget: what is held and used stays within the day's limit, also when many ask at once."""

import datetime as dt
import threading

import pytest
from django.db import connection

from analyses.budget import LimitReached, charge_tokens, release_tokens, reserve_tokens
from analyses.models import Spend
from mesassist.tenants.scope import tenant_scope

AT = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)


def spent():
    spend = Spend.objects.get(day=AT.date())
    return spend.reserved_tokens, spend.used_tokens


class TestReserve:
    def test_it_holds_within_the_limit(self, in_alfa):
        reserve_tokens(tokens=60, limit=100, at=AT)
        reserve_tokens(tokens=40, limit=100, at=AT)
        assert spent() == (100, 0)

    def test_it_refuses_above_the_limit_and_holds_nothing(self, in_alfa):
        reserve_tokens(tokens=60, limit=100, at=AT)
        with pytest.raises(LimitReached) as caught:
            reserve_tokens(tokens=41, limit=100, at=AT)
        assert spent() == (60, 0)
        assert (caught.value.wanted, caught.value.used, caught.value.held, caught.value.limit) == (41, 0, 60, 100)

    def test_what_is_used_counts_too(self, in_alfa):
        reserve_tokens(tokens=60, limit=100, at=AT)
        charge_tokens(tokens=50, at=AT)
        release_tokens(tokens=60, at=AT)
        assert spent() == (0, 50)
        with pytest.raises(LimitReached):
            reserve_tokens(tokens=51, limit=100, at=AT)
        reserve_tokens(tokens=50, limit=100, at=AT)

    def test_without_a_limit_it_still_counts(self, in_alfa):
        reserve_tokens(tokens=10**9, limit=None, at=AT)
        assert spent() == (10**9, 0)

    def test_the_next_utc_day_begins_anew(self, in_alfa):
        reserve_tokens(tokens=100, limit=100, at=AT)
        late = dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-2)))
        reserve_tokens(tokens=100, limit=100, at=late)
        assert sorted(Spend.objects.values_list("day", flat=True)) == [dt.date(2026, 3, 2), dt.date(2026, 3, 3)]

    def test_tenants_do_not_share_a_day(self, alfa, beta):
        for tenant in (alfa, beta):
            with tenant_scope(tenant):
                reserve_tokens(tokens=100, limit=100, at=AT)


@pytest.mark.django_db(transaction=True)
class TestTwentyAtOnce:
    def test_exactly_those_five_pass_that_fit(self, alfa):
        outcomes = []
        start = threading.Barrier(20)

        def ask():
            with tenant_scope(alfa):
                start.wait(timeout=20)
                try:
                    reserve_tokens(tokens=100, limit=500, at=AT)
                    outcomes.append("held")
                except LimitReached:
                    outcomes.append("refused")
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(outcomes) == ["held"] * 5 + ["refused"] * 15
        with tenant_scope(alfa):
            assert spent() == (500, 0)
