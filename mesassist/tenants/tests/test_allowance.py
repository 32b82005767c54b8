"""Allowance and guesses: a key that sends too fast, an address that guesses; and a Redis that is away."""

import uuid

import pytest
import redis
from django.core.cache import cache

from mesassist.tenants import allowance, guesses
from mesassist.tenants.allowance import take_allowance
from mesassist.tenants.problems import Problem

MACHINES = "/api/v1/machines/"
AT = 1_772_438_400.0  # a full minute


@pytest.fixture
def limits(settings):
    settings.KEY_REQUESTS_PER_MINUTE, settings.TENANT_REQUESTS_PER_MINUTE = 5, 8
    allowance._away_until = 0.0


@pytest.fixture
def who():
    """Somebody who sent nothing yet."""
    return f"key-{uuid.uuid4().hex}"


@pytest.fixture
def tenant_id():
    return uuid.uuid4().int % 10**9


class TestTaking:
    def test_it_counts_down_to_nothing_and_then_refuses(self, limits, who, tenant_id):
        taken = [take_allowance(who=who, tenant_id=tenant_id, now=AT) for _ in range(6)]
        assert [one.remaining for one in taken] == [4, 3, 2, 1, 0, -1]
        assert [one.spent for one in taken] == [False] * 5 + [True]
        assert (taken[0].limit, taken[0].reset_s) == (5, 60)

    def test_the_tenants_share_is_for_all_its_keys_together(self, limits, who, tenant_id):
        taken = [take_allowance(who=f"{who}-{number % 2}", tenant_id=tenant_id, now=AT) for number in range(9)]
        assert [one.spent for one in taken] == [False] * 8 + [True]
        assert taken[-1].limit == 8

    def test_another_tenant_has_a_share_of_its_own(self, limits, who, tenant_id):
        for number in range(9):
            take_allowance(who=f"{who}-{number % 2}", tenant_id=tenant_id, now=AT)
        assert not take_allowance(who=who, tenant_id=tenant_id + 1, now=AT).spent

    def test_the_last_minute_counts_as_far_as_it_lies_within_sixty_seconds(self, limits, who, tenant_id):
        for _ in range(5):
            take_allowance(who=who, tenant_id=tenant_id, now=AT)
        assert take_allowance(who=who, tenant_id=tenant_id, now=AT + 61).spent
        # 40 % of five requests still count: two of them.
        assert take_allowance(who=who, tenant_id=tenant_id, now=AT + 96).remaining == 2

    def test_what_was_refused_does_not_count(self, limits, who, tenant_id):
        for _ in range(50):
            take_allowance(who=who, tenant_id=tenant_id, now=AT)
        assert take_allowance(who=who, tenant_id=tenant_id, now=AT + 96).remaining == 2

    def test_zero_is_no_limit(self, settings, who, tenant_id):
        settings.KEY_REQUESTS_PER_MINUTE = settings.TENANT_REQUESTS_PER_MINUTE = 0
        assert take_allowance(who=who, tenant_id=tenant_id, now=AT) is None

    def test_while_redis_is_away_everything_is_let_through(self, limits, settings, who, tenant_id):
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        try:
            assert [take_allowance(who=who, tenant_id=tenant_id, now=AT) for _ in range(20)] == [None] * 20
        finally:
            allowance._away_until = 0.0


class TestDoor:
    @pytest.fixture
    def key(self, api_key, alfa, limits):
        return api_key(alfa, "read")

    def test_each_answer_says_what_is_left_and_the_last_one_when_to_come_back(self, key, caller):
        answers = [caller().get(MACHINES, headers={"Authorization": f"Api-Key {key}"}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert [int(answer.headers["RateLimit-Remaining"]) for answer in answers] == [4, 3, 2, 1, 0, 0]
        assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"5"}
        refused = answers[-1]
        assert refused.json()["code"] == "too_many_requests"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["RateLimit-Reset"] == refused.headers["Retry-After"]

    def test_a_persons_session_has_a_limit_too(self, client_of, ana, limits):
        client = client_of(ana)
        assert [client.get(MACHINES).status_code for _ in range(6)] == [200] * 5 + [429]


class TestGuessing:
    @pytest.fixture
    def guess(self, caller):
        def ask(address, text="mes_" + "0" * 64):
            return caller().get(MACHINES, headers={"Authorization": f"Api-Key {text}"}, REMOTE_ADDR=address)

        return ask

    @pytest.fixture
    def address(self):
        return f"10.{uuid.uuid4().int % 250}.{uuid.uuid4().int % 250}.{uuid.uuid4().int % 250}"

    def test_an_address_that_guesses_is_told_to_wait_and_a_right_key_is_let_in_all_the_same(
        self, guess, address, api_key, alfa, monkeypatch
    ):
        monkeypatch.setattr(guesses, "MOST", 3)
        key = api_key(alfa, "read")
        said = [guess(address).status_code for _ in range(5)]
        assert said == [401, 401, 401, 429, 429]
        assert guess(address).json()["code"] == "too_many_wrong_keys"
        assert guess(address, key).status_code == 200
        assert guess("192.0.2.7").status_code == 401

    def test_it_is_forgotten_after_a_while(self, address):
        cache.set(f"wrong-keys:{address}", guesses.MOST, 1)
        with pytest.raises(Problem):
            guesses.count_guess(address)
        with redis.Redis.from_url(allowance.settings.REDIS_URL) as client:
            names = list(client.scan_iter(f"*wrong-keys:{address}"))
            assert [0 < client.ttl(name) <= guesses.WITHIN_S for name in names] == [True]
