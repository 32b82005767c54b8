"""API keys: stored so that the database gives none away, closed in time, used from where they may be, rotated."""

import base64
import datetime as dt

import pytest
from django.utils import timezone

from mesassist.tenants.keys import (
    KeyRefused,
    check_source,
    comes_from,
    make_key,
    read_networks,
    revoke_key,
    rotate_key,
    set_enabled,
)
from mesassist.tenants.models import ApiKey
from mesassist.tenants.peppers import SHOWN, digest_of, fits

ONE, TWO = (base64.b64encode(bytes([n]) * 32).decode() for n in (3, 4))
MACHINES = "/api/v1/machines/"
WEEK = dt.timedelta(days=7)


@pytest.fixture
def call(caller):
    """A request with a key, from an address."""

    def get(text, address="10.1.2.3", path=MACHINES, **headers):
        return caller().get(path, headers={"Authorization": f"Api-Key {text}"} | headers, REMOTE_ADDR=address)

    return get


@pytest.fixture
def make(in_alfa, boris):
    """A key of Alfa, for which Boris answers, and its text."""

    def new(**fields):
        return make_key(tenant=in_alfa, made_by=boris, **({"name": "erp-7", "scopes": ["read", "ingest"]} | fields))

    return new


def stored():
    return ApiKey.objects.get()


class TestPeppers:
    def test_a_key_is_stored_as_its_hmac_under_the_newest_pepper(self, make, settings):
        settings.API_KEY_PEPPERS = f"p2:{TWO},p1:{ONE}"
        key, text = make()
        assert (text[:4], len(text)) == ("mes_", 68)
        assert (key.pepper, key.token_key, len(key.digest)) == ("p2", text[:SHOWN], 64)
        assert key.digest == digest_of(text, pepper="p2") != digest_of(text, pepper="p1")

    def test_nothing_in_the_row_gives_it_away(self, make, settings):
        settings.API_KEY_PEPPERS = f"p1:{ONE}"
        _, text = make()
        row = str(ApiKey.objects.values().get())
        assert text not in row
        assert text[SHOWN:] not in row
        # What anybody can compute from the text without the pepper is not there either.
        assert digest_of(text, pepper="") not in row

    def test_one_made_before_there_were_peppers_still_opens_and_is_stored_anew(self, make, call, settings):
        settings.API_KEY_PEPPERS = ""
        _, text = make()
        assert stored().pepper == ""
        settings.API_KEY_PEPPERS = f"p1:{ONE}"
        assert call(text).status_code == 200
        assert (stored().pepper, stored().digest) == ("p1", digest_of(text, pepper="p1"))
        assert call(text).status_code == 200

    def test_with_two_peppers_the_older_one_still_opens(self, make, call, settings):
        settings.API_KEY_PEPPERS = f"p1:{ONE}"
        _, text = make()
        settings.API_KEY_PEPPERS = f"p2:{TWO},p1:{ONE}"
        assert call(text).status_code == 200
        assert stored().pepper == "p2"

    def test_a_pepper_that_is_gone_opens_nothing_and_breaks_nothing(self, make, call, settings):
        settings.API_KEY_PEPPERS = f"p1:{ONE}"
        _, text = make()
        settings.API_KEY_PEPPERS = f"p2:{TWO}"
        assert call(text).status_code == 401

    def test_only_the_whole_text_fits(self, make):
        key, text = make()
        assert fits(text, digest=key.digest, pepper=key.pepper)
        for wrong in (text[:-1], text + "0", text[:SHOWN] + "0" * 53, ""):
            assert not fits(wrong, digest=key.digest, pepper=key.pepper)


class TestClosed:
    @pytest.mark.parametrize(
        "change",
        [{"enabled": False}, {"expiry": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, {"networks": ["192.168.0.0/16"]}],
        ids=["paused", "ended", "elsewhere"],
    )
    def test_it_opens_nothing_and_looks_like_any_wrong_key(self, make, call, change):
        _, text = make()
        assert call(text).status_code == 200
        ApiKey.objects.update(**change)
        refused, wrong = call(text), call("mes_" + "0" * 64)
        assert refused.status_code == wrong.status_code == 401
        assert refused.json() == wrong.json()

    def test_pausing_and_resuming(self, make, call):
        key, text = make()
        set_enabled(key=key, enabled=False)
        assert call(text).status_code == 401
        set_enabled(key=key, enabled=True)
        assert call(text).status_code == 200

    def test_a_revoked_one_is_gone(self, make, call):
        key, text = make()
        revoke_key(key=key)
        assert call(text).status_code == 401


class TestNetworks:
    @pytest.mark.parametrize(
        ("address", "is_in"),
        [("10.20.3.4", True), ("::ffff:10.20.3.4", True), ("10.21.0.1", False), ("2001:db8::9", True), ("", False)],
    )
    def test_an_address_is_in_one_of_them_or_not(self, address, is_in):
        assert comes_from(address, ["10.20.0.0/16", "2001:db8::/32"]) is is_in

    def test_none_named_means_anywhere(self):
        assert comes_from("", [])

    def test_they_are_read_in_their_usual_form(self):
        assert read_networks("10.20.0.0/16, 192.168.1.7\n2001:DB8::/32") == [
            "10.20.0.0/16",
            "192.168.1.7/32",
            "2001:db8::/32",
        ]

    @pytest.mark.parametrize("text", ["10.20.0.1/16", "300.1.1.1", "example.com", "10.0.0.0/33"])
    def test_what_is_none_is_refused_by_name(self, text):
        with pytest.raises(KeyRefused, match="is no address"):
            read_networks(text)

    def test_behind_a_proxy_the_address_that_it_saw_counts(self, make, call, settings):
        _, text = make(networks=["192.168.0.0/16"])
        forwarded = {"X-Forwarded-For": "192.168.1.9"}
        assert call(text, **forwarded).status_code == 401
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
        assert call(text, **forwarded).status_code == 200
        assert call(text, **{"X-Forwarded-For": "192.168.1.9, 10.9.9.9"}).status_code == 401


class TestLastUse:
    def test_it_is_noted_once_a_minute(self, make, call):
        _, text = make()
        call(text, "10.1.2.3")
        first = stored()
        assert first.last_used_ip == "10.1.2.3"
        call(text, "10.1.2.4")
        assert (stored().last_used_at, stored().last_used_ip) == (first.last_used_at, "10.1.2.3")
        ApiKey.objects.update(last_used_at=timezone.now() - dt.timedelta(seconds=61))
        call(text, "10.1.2.4")
        assert stored().last_used_ip == "10.1.2.4"

    def test_a_key_costs_one_query_more_once_a_minute_and_none_otherwise(self, make, call, django_assert_num_queries):
        _, text = make()
        with django_assert_num_queries(3):
            call(text)
        with django_assert_num_queries(2):
            call(text)

    def test_a_refused_use_is_not_noted(self, make, call):
        make()
        call("mes_" + "0" * 64)
        assert stored().last_used_at is None


class TestRotation:
    def test_both_are_live_until_the_first_one_ends(self, make, call, boris):
        key, first = make(networks=["10.0.0.0/8"], source="line-3")
        fresh, second = rotate_key(key=key, by=boris, overlap=WEEK, now=timezone.now())
        assert [call(text).status_code for text in (first, second)] == [200, 200]
        same = ("name", "scopes", "source", "networks", "tenant_id")
        assert [getattr(key, name) for name in same] == [getattr(fresh, name) for name in same]
        ApiKey.objects.filter(token_key=key.token_key).update(expiry=timezone.now())
        assert [call(text).status_code for text in (first, second)] == [401, 200]

    def test_under_load_nothing_is_refused(self, make, call, boris):
        key, text = make()
        answers = []
        for number in range(30):
            answers.append(call(text).status_code)
            if number % 10 == 5:
                # The other system is given the new key a little later than it is made.
                key, fresh = rotate_key(key=key, by=boris, overlap=WEEK, now=timezone.now())
                answers.append(call(text).status_code)
                text = fresh
        assert set(answers) == {200}

    def test_it_never_prolongs_a_key(self, make, boris):
        ends = timezone.now() + dt.timedelta(hours=1)
        key, _ = make(expiry=ends)
        rotate_key(key=key, by=boris, overlap=WEEK, now=timezone.now())
        assert key.expiry == ends

    def test_one_that_ended_is_not_rotated(self, make, boris):
        key, _ = make(expiry=timezone.now() - dt.timedelta(hours=1))
        with pytest.raises(KeyRefused, match="has ended"):
            rotate_key(key=key, by=boris, overlap=WEEK, now=timezone.now())


class TestSources:
    @pytest.mark.parametrize("name", ["manual", "manual:ana", "inference"])
    def test_the_portals_own_are_refused(self, name):
        with pytest.raises(KeyRefused, match="kept for the portal"):
            check_source(name)


class TestInAddress:
    def test_a_key_in_the_address_is_refused_with_a_sentence(self, make, call):
        _, text = make()
        answer = call(text, path=f"{MACHINES}?key={text}")
        assert answer.status_code == 401
        assert "never in an address" in answer.json()["detail"]
        assert text not in answer.content.decode()
