"""Dispatch: who is rung for next among many, how many at once, and what several dispatchers at once do not do twice."""

import datetime as dt
import threading
from contextvars import Context
from itertools import chain

import pytest
from django.db import connection
from django.utils import timezone

from analyses import admission, dispatch, runs
from analyses.models import Analysis, AssistantSettings, Breaker, KillSwitch
from mesassist.tenants.models import Tenant
from mesassist.tenants.scope import platform_scope, tenant_scope, tenant_tx

ENDPOINT = "http://model.example:8000/v1"
NOW = timezone.now()


@pytest.fixture(autouse=True)
def roomy(settings):
    settings.MODEL_SLOTS = 50
    settings.ANALYSES_AT_ONCE_PER_TENANT = 8
    settings.ANALYSES_AT_ONCE_PER_ENDPOINT = 64


def plant(slug, **more):
    tenant = Tenant.objects.create(slug=slug, name=slug)
    with tenant_scope(tenant):
        AssistantSettings.objects.create(tenant=tenant, base_url=ENDPOINT, model="m", **more)
    return tenant


def queue(tenant, number, *, since_s=60, endpoint=ENDPOINT, **more):
    """That many analyses wait, in the order in which they were asked for."""
    began = NOW - dt.timedelta(seconds=since_s)
    rows = [
        Analysis(
            **{
                "tenant": tenant,
                "trigger": "api",
                "endpoint": endpoint,
                "model_requested": "m",
                "temperature": 0,
                "request": {},
                "created_at": began + dt.timedelta(milliseconds=step),
                "next_attempt_at": began,
                "expires_at": NOW + dt.timedelta(hours=1),
            }
            | more
        )
        for step in range(number)
    ]
    with tenant_scope(tenant):
        return [row.pk for row in Analysis.objects.bulk_create(rows)]


def choose(most=50, now=NOW):
    """The slugs of those who are rung for, in order."""

    def look():
        with platform_scope("test"), tenant_tx():
            return dispatch.choose_waiting(now=now, most=most)

    slugs = dict(Tenant.objects.values_list("pk", "slug"))
    return [slugs[one.tenant_id] for one in Context().run(look)]


@pytest.mark.django_db
class TestFairness:
    def test_one_comes_before_the_second_of_a_thousand(self):
        queue(plant("a"), 1000, since_s=600)
        queue(plant("b"), 1)
        assert choose(most=2) == ["a", "b"]

    def test_tenants_take_turns(self):
        for slug, number in (("a", 5), ("b", 3), ("c", 1)):
            queue(plant(slug), number)
        assert choose() == ["a", "b", "c", "a", "b", "a", "b", "a", "a"]

    def test_what_is_under_way_counts_for_its_tenant(self):
        a, b = plant("a"), plant("b")
        begin(queue(a, 4, since_s=300)[:2], a)
        queue(b, 3)
        assert choose(most=3) == ["b", "b", "a"]

    def test_nobody_has_more_than_a_share(self, settings):
        settings.ANALYSES_AT_ONCE_PER_TENANT = 3
        a, b = plant("a"), plant("b", at_once=5)
        queue(a, 10)
        queue(b, 10)
        assert sorted(choose()) == ["a"] * 3 + ["b"] * 5

    def test_twice_as_many_as_there_are_slots_are_on_their_way_at_most(self, settings):
        settings.MODEL_SLOTS = 3
        for slug in "abcd":
            queue(plant(slug), 5)
        assert len(choose()) == 6
        assert choose() == []
        assert len(choose(now=NOW + dt.timedelta(seconds=13))) == 6

    def test_an_endpoint_that_several_tenants_use_gets_no_more_than_its_share(self, settings):
        settings.ANALYSES_AT_ONCE_PER_ENDPOINT = 3
        for slug in "ab":
            queue(plant(slug), 5)
        queue(plant("c"), 5, endpoint="HTTP://Other.example/v1")
        assert sorted(choose()) == ["a", "a", "b", "c", "c", "c"]


def begin(ids, tenant):
    """Those run."""
    with tenant_scope(tenant):
        rows = Analysis.objects.filter(pk__in=ids)
        rows.update(status="running", owner="01a1fd85-53de-76d9-8426-1227ac19cf86", lease_until=NOW)


@pytest.mark.django_db
class TestLeftAside:
    def test_an_open_circuit_until_its_time_has_come(self):
        a = plant("a")
        queue(a, 3)
        later = NOW + dt.timedelta(minutes=1)
        with tenant_scope(a):
            Breaker.objects.create(tenant=a, origin="http://model.example:8000", state="open", retry_at=later)
        assert choose() == []
        assert choose(now=later) == ["a"] * 3

    def test_a_circuit_that_only_people_close_is_rung_for_because_it_fails_at_once(self):
        a = plant("a")
        queue(a, 2)
        with tenant_scope(a):
            Breaker.objects.create(tenant=a, origin="http://model.example:8000", state="open", retry_at=None)
        assert choose() == ["a", "a"]

    def test_after_an_outage_few_at_once(self):
        a = plant("a")
        queue(a, 9)
        with tenant_scope(a):
            Breaker.objects.create(tenant=a, origin="http://model.example:8000", allowance=2)
        assert choose() == ["a", "a"]

    def test_a_suspended_tenant(self):
        queue(plant("a", suspended=True), 1)
        queue(plant("b"), 1)
        assert choose() == ["b"]

    def test_everybody_while_the_platform_is_stopped(self):
        queue(plant("a"), 1)
        KillSwitch.objects.create(pk=1, stopped=True)
        assert choose() == []
        KillSwitch.objects.update(stopped=False)
        assert choose() == ["a"]

    def test_what_is_not_due_or_was_rung_for_lately(self):
        a = plant("a")
        queue(a, 1, next_attempt_at=NOW + dt.timedelta(seconds=1))
        queue(a, 1, rung_at=NOW - dt.timedelta(seconds=11))
        queue(a, 1, rung_at=NOW - dt.timedelta(seconds=13))
        assert choose() == ["a"]


@pytest.mark.django_db
class TestAdmission:
    def test_a_claim_beyond_the_share_is_sent_back_to_the_dispatcher(self, settings):
        settings.ANALYSES_AT_ONCE_PER_TENANT = 2
        a = plant("a")
        ids = queue(a, 3, rung_at=NOW)
        with tenant_scope(a):
            taken = [admission.take(analysis_id=pk, now=NOW) for pk in ids]
            assert [one is not None for one in taken] == [True, True, False]
            assert Analysis.objects.get(pk=ids[2]).rung_at is None

    def test_an_endpoint_at_its_limit_takes_nobody(self, settings):
        settings.ANALYSES_AT_ONCE_PER_ENDPOINT = 1
        a, b = plant("a"), plant("b")
        begin(queue(a, 1), a)
        (waiting,) = queue(b, 1)
        with tenant_scope(b):
            assert admission.take(analysis_id=waiting, now=NOW) is None


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def at_once(self, number, work):
        start, results = threading.Barrier(number), []

        def run():
            start.wait(timeout=20)
            results.append(work())
            connection.close()

        threads = [threading.Thread(target=run) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(results) == number
        return results

    def test_three_dispatchers_ring_for_each_once(self):
        ids = queue(plant("a"), 8) + queue(plant("b"), 8)

        def ring():
            with platform_scope("test"), tenant_tx():
                return [one.analysis_id for one in dispatch.choose_waiting(now=NOW, most=50)]

        assert sorted(chain.from_iterable(self.at_once(3, ring))) == sorted(ids)

    def test_claims_at_the_same_moment_keep_to_the_share(self, settings):
        settings.ANALYSES_AT_ONCE_PER_TENANT = 2
        a = plant("a")
        ids = queue(a, 10)

        def take():
            with tenant_scope(a):
                return admission.take(analysis_id=ids.pop(), now=NOW)

        assert sum(one is not None for one in self.at_once(10, take)) == 2

    def test_three_reapers_free_each_once(self):
        a = plant("a")
        begin(queue(a, 5), a)
        assert sum(self.at_once(3, lambda: runs.reap(now=NOW))) == 5
