"""The assistant over the API: asked once, answered as contracted, and not there when it is hidden."""

import datetime as dt
import hashlib
import json
import threading
import time
from uuid import UUID, uuid4

import pytest

from analyses import runs
from analyses.api.history import read_wait
from analyses.gateway import canonical_bytes
from analyses.models import Analysis, AssistantSettings
from analyses.queries import describe
from mesassist.tenants.models import Tenant
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.models import Rollup, Summary

NOTHING = (
    b'{"type":"about:blank","title":"Not Found","status":404,'
    b'"detail":"There is nothing at this address.","code":"not_found"}'
)
PERIOD = {"from": "2026-03-02T06:00:00+01:00", "to": "2026-03-02T09:30:00+01:00"}


@pytest.fixture
def plant(morning, alfa):
    """A summary of the morning."""
    ends = {"from_at": "2026-03-02T05:00:00Z", "to_at": "2026-03-02T08:30:00Z"}
    return Summary.objects.create(tenant=alfa, name="Morning", window="custom", **ends)


@pytest.fixture
def done(call, plant, assistant):
    """An analysis that is finished."""
    pk = call("POST", "analyses/", {"summary": plant.pk}).json()["id"]
    runs.execute(analysis_id=pk)
    return Analysis.objects.get(pk=pk)


def problem_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def as_json(value):
    from rest_framework.utils.encoders import JSONEncoder

    return json.loads(json.dumps(value, cls=JSONEncoder))


class TestAsking:
    def test_a_summary_is_queued(self, call, plant, assistant):
        answer = call("POST", "analyses/", {"summary": plant.pk})
        row = Analysis.objects.get()
        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/api/v1/analyses/{row.pk}/"
        assert answer.json() == as_json(describe(row))
        assert (row.status, row.trigger, row.summary, row.question) == ("queued", "api", plant, assistant.query)

    def test_a_question_travels_byte_for_byte(self, call, plant, assistant):
        question = '  Wieso\t"M2"?\r\n\u00a0żółć \U0001f600  '
        answer = call("POST", "analyses/", {"summary": plant.pk, "question": question})
        assert answer.json()["question"] == question
        assert Analysis.objects.get().request["messages"][-1]["content"].endswith(f"Question:\n{question}")

    def test_another_period_may_be_asked_about(self, call, plant, assistant):
        answer = call("POST", "analyses/", {"summary": plant.pk, **PERIOD, "from": "2026-03-02T07:00:00+01:00"})
        assert answer.json()["data"]["from"] == "2026-03-02T06:00:00Z"
        assert answer.json()["data"]["to"] == "2026-03-02T08:30:00Z"

    def test_a_question_alone_is_about_the_main_summary(self, call, morning, assistant):
        answer = call("POST", "analyses/", {"question": "Why?", **PERIOD})
        assert answer.status_code == 202
        assert Analysis.objects.get().question == "Why?"

    def test_an_operator_may_ask_with_the_session(self, client_of, ana, plant, assistant):
        answer = client_of(ana).post("/api/v1/analyses/", {"summary": plant.pk}, content_type="application/json")
        assert (answer.status_code, answer.json()["requested_by"]) == (202, "ana")


class TestRefusing:
    @pytest.mark.parametrize("body", [{}, {"question": ""}, {"question": " \n"}, {"summary": None}, PERIOD])
    def test_nothing_asked_is_refused(self, call, morning, assistant, body):
        assert problem_of(call("POST", "analyses/", body)) == (400, "empty_question")

    def test_a_blank_question_about_a_summary_is_refused(self, call, plant, assistant):
        body = {"summary": plant.pk, "question": "  "}
        assert problem_of(call("POST", "analyses/", body)) == (400, "empty_question")

    def test_an_assistant_that_is_not_configured_says_so(self, call, plant):
        assert problem_of(call("POST", "analyses/", {"summary": plant.pk})) == (409, "assistant_not_configured")

    def test_a_spent_day_is_refused(self, call, plant, assistant):
        AssistantSettings.objects.update(daily_token_limit=10)
        assert problem_of(call("POST", "analyses/", {"summary": plant.pk})) == (402, "budget_spent")
        assert Analysis.objects.count() == 0

    def test_a_period_without_events_is_refused(self, call, plant, assistant):
        body = {"summary": plant.pk, "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}
        assert problem_of(call("POST", "analyses/", body)) == (422, "nothing_to_analyse")

    @pytest.mark.parametrize("ends", [{"from": PERIOD["from"]}, {"from": PERIOD["to"], "to": PERIOD["from"]}])
    def test_half_a_period_is_refused(self, call, plant, assistant, ends):
        assert problem_of(call("POST", "analyses/", {"summary": plant.pk} | ends)) == (400, "invalid_window")

    def test_a_naive_time_is_refused(self, call, plant, assistant):
        body = {"summary": plant.pk, "from": "2026-03-02T06:00:00", "to": PERIOD["to"]}
        answer = call("POST", "analyses/", body)
        assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [("from", "naive_timestamp")]

    def test_a_strangers_summary_reads_like_one_that_never_was(self, call, plant, assistant, beta, caller):
        with platform_scope("test", role=PlatformRole.STAFF):
            theirs = Summary.objects.create(tenant=beta, name="Theirs")
        answers = [call("POST", "analyses/", {"summary": pk}) for pk in (theirs.pk, 999_999)]
        assert answers[0].content == answers[1].content
        assert answers[0].json()["errors"] == [
            {"field": "summary", "code": "does_not_exist", "detail": "There is no such object."}
        ]

    def test_unknown_fields_are_refused(self, call, plant, assistant):
        body = {"summary": plant.pk, "model": "gpt-4.1", "status": "done"}
        assert problem_of(call("POST", "analyses/", body)) == (400, "unknown_field")


class TestIdempotency:
    def test_the_same_request_twice_is_one_analysis(self, call, plant, assistant):
        first, second = (call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1") for _ in range(2))
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["id"] == second.json()["id"]
        assert second.headers["Location"] == first.headers["Location"]

    def test_a_finished_one_is_given_back(self, call, plant, assistant):
        first = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1")
        runs.execute(analysis_id=first.json()["id"])
        second = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1")
        assert (second.status_code, second.json()["status"]) == (200, "done")
        assert Analysis.objects.count() == 1

    def test_the_same_key_for_another_question_is_refused(self, call, plant, assistant):
        call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1")
        answer = call("POST", "analyses/", {"summary": plant.pk, "question": "Why?"}, Idempotency_Key="k1")
        assert problem_of(answer) == (422, "idempotency_key_reused")

    def test_two_systems_that_choose_the_same_word_do_not_meet(self, call, plant, assistant, api_key, alfa):
        other = api_key(alfa, "analyse", name="bi-1")
        first = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1")
        second = call("POST", "analyses/", {"summary": plant.pk, "question": "Why?"}, key=other, Idempotency_Key="k1")
        assert (first.status_code, second.status_code) == (202, 202)

    def test_the_same_question_is_not_asked_twice_at_a_time(self, call, plant, assistant):
        first, second = (call("POST", "analyses/", {"summary": plant.pk}) for _ in range(2))
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json()["id"] == second.json()["id"]

    def test_another_key_is_another_wish(self, call, plant, assistant):
        first, second = (call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key=f"k{n}") for n in range(2))
        assert (first.status_code, second.status_code) == (202, 202)

    def test_another_key_asks_again_once_it_is_answered(self, call, plant, assistant):
        first = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k1")
        runs.execute(analysis_id=first.json()["id"])
        second = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k2")
        assert second.status_code == 202
        assert first.json()["id"] != second.json()["id"]

    def test_a_key_that_is_too_long_is_refused(self, call, plant, assistant):
        answer = call("POST", "analyses/", {"summary": plant.pk}, Idempotency_Key="k" * 101)
        assert problem_of(answer) == (400, "idempotency_key")


class TestWaiting:
    @pytest.mark.parametrize(
        ("prefer", "seconds"),
        [
            ("wait=10", 10),
            ("WAIT = 5", 5),
            ("respond-async, wait=7", 7),
            ("wait=9999", 30),
            ("", 0),
            ("wait=", 0),
            ("await=3", 0),
            ("wait=-1", 0),
        ],
    )
    def test_the_wait_is_read_and_capped(self, prefer, seconds):
        assert read_wait(prefer) == seconds

    @pytest.mark.django_db(transaction=True)
    def test_the_answer_comes_within_the_wait(self, call, plant, assistant):
        worker = threading.Thread(target=work_on_one, args=(assistant.tenant,))
        worker.start()
        answer = call("POST", "analyses/", {"summary": plant.pk}, Prefer="wait=20")
        worker.join()
        assert (answer.status_code, answer.json()["status"]) == (200, "done")

    def test_a_wait_that_is_over_answers_as_usual(self, call, plant, assistant):
        answer = call("POST", "analyses/", {"summary": plant.pk}, Prefer="wait=1")
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def work_on_one(tenant):
    """A worker: waits for something to do, does it."""
    from django.db import connection

    deadline = time.monotonic() + 15
    with tenant_scope(Tenant.objects.get(pk=tenant.pk)):
        while time.monotonic() < deadline:
            pk = Analysis.objects.filter(status="queued").values_list("pk", flat=True).first()
            if pk:
                runs.execute(analysis_id=pk)
                break
            time.sleep(0.05)
    connection.close()


class TestHistory:
    def test_a_finished_analysis_is_given_in_full(self, call, done):
        answer = call("GET", f"analyses/{done.pk}/")
        assert answer.json() == as_json(describe(done))
        assert answer.json()["usage"]["total_tokens"] > 0
        assert answer.json()["model_answered"]

    def test_the_list_holds_the_same(self, call, done):
        assert call("GET", "analyses/").json() == {"results": [as_json(describe(done))], "next": None}

    def test_late_figures_are_told_in_the_list_and_in_full(self, call, done):
        for was_folded, changed in ((done.created_at, False), (done.created_at + dt.timedelta(seconds=1), True)):
            Rollup.objects.update(folded_at=was_folded, provisional=False)
            assert call("GET", f"analyses/{done.pk}/").json()["data"]["changed_since"] is changed
            assert call("GET", "analyses/").json()["results"][0]["data"]["changed_since"] is changed

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status=done", 1),
            ("status=failed", 0),
            ("trigger=api", 1),
            ("trigger=button", 0),
            ("model=offline", 1),
            ("model=gpt", 0),
            ("search=stands+out", 1),
            ("search=bananas", 0),
            ("created_after=2026-01-01T00:00:00Z", 1),
            ("created_before=2026-01-01T00:00:00Z", 0),
        ],
    )
    def test_it_is_filtered(self, call, done, query, found):
        assert len(call("GET", f"analyses/?{query}").json()["results"]) == found

    @pytest.mark.parametrize(
        "query", ["status=happy", "created_after=2026-01-01T00:00:00", "created_after=x", "trigger=me"]
    )
    def test_a_filter_that_means_nothing_is_refused(self, call, assistant, query):
        assert problem_of(call("GET", f"analyses/?{query}")) == (400, "invalid")

    def test_it_comes_newest_first_in_pages(self, call, plant, assistant):
        ids = [call("POST", "analyses/", {"summary": plant.pk, "question": f"{n}?"}).json()["id"] for n in range(3)]
        first = call("GET", "analyses/?page_size=2").json()
        second = call("GET", f"analyses/?page_size=2&cursor={first['next']}").json()
        assert [one["id"] for one in first["results"] + second["results"]] == ids[::-1]
        assert second["next"] is None

    def test_a_page_costs_the_same_however_long_it_is(self, call, plant, assistant, django_assert_num_queries):
        for asked in range(1, 4):
            call("POST", "analyses/", {"summary": plant.pk, "question": f"{asked}?"})
            with django_assert_num_queries(5):
                assert len(call("GET", "analyses/").json()["results"]) == asked


class TestSlip:
    def test_it_shows_exactly_what_was_sent(self, call, done):
        slip = call("GET", f"analyses/{done.pk}/slip/").json()
        assert slip == {
            "destination": done.endpoint,
            "request": done.request,
            "sha256": done.request_sha256,
            "tokens_estimated": done.prompt_tokens_estimated,
            "left_out": done.left_out,
        }
        assert hashlib.sha256(canonical_bytes(slip["request"])).hexdigest() == slip["sha256"]


class TestStopping:
    def test_one_that_waits_is_cancelled_at_once(self, call, plant, assistant):
        pk = call("POST", "analyses/", {"summary": plant.pk}).json()["id"]
        answer = call("POST", f"analyses/{pk}/cancel/")
        assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (
            200,
            "cancelled",
            "cancelled",
        )

    def test_one_that_is_done_stays_done(self, call, done):
        assert call("POST", f"analyses/{done.pk}/cancel/").json()["status"] == "done"

    def test_one_is_asked_again(self, call, done):
        answer = call("POST", f"analyses/{done.pk}/rerun/")
        assert answer.status_code == 202
        fresh = Analysis.objects.get(pk=answer.json()["id"])
        assert fresh.pk != done.pk
        assert (fresh.question, fresh.summary, fresh.trigger) == (done.question, done.summary, "api")


ADDRESSES = [("GET", "{}/"), ("GET", "{}/slip/"), ("POST", "{}/cancel/"), ("POST", "{}/rerun/")]


class TestWhoIsNotThere:
    @pytest.mark.parametrize(("method", "address"), ADDRESSES)
    def test_another_tenants_analysis_reads_like_none(self, call, done, api_key, beta, method, address):
        key = api_key(beta, "read", "analyse")
        theirs, nobodys = (
            call(method, "analyses/" + address.format(pk), key=key) for pk in (done.pk, UUID(str(uuid4())))
        )
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content == NOTHING

    def test_another_tenants_list_is_empty(self, call, done, api_key, beta):
        assert call("GET", "analyses/", key=api_key(beta, "read")).json() == {"results": [], "next": None}

    @pytest.mark.parametrize(("method", "address"), [*ADDRESSES, ("GET", ""), ("POST", "")])
    def test_a_hidden_assistant_is_not_there(self, call, done, method, address):
        AssistantSettings.objects.update(hidden=True)
        answer = call(method, "analyses/" + address.format(done.pk), {"question": "Why?"} if not address else None)
        assert (answer.status_code, answer.content) == (404, NOTHING)
        assert Analysis.objects.count() == 1
