"""Summaries over the API: definitions to keep, and their numbers, the same as everywhere."""

import json
from contextvars import Context

import pytest
from rest_framework.utils.encoders import JSONEncoder

from mesassist.tenants.scope import tenant_scope
from production.facts import as_dict, number_facts
from production.ingest.store import store_events
from production.models import Line, Machine, Summary
from production.rollups import fold_dirty
from production.scopes import spec_of
from production.summaries import read_summary

PERIOD = {"from": "2026-03-02T06:00:00+01:00", "to": "2026-03-02T09:30:00+01:00"}


@pytest.fixture
def ask(caller, api_key, alfa):
    """A request with Alfa's key, or another, that may read and configure."""
    usual = api_key(alfa, "read", "configure")

    def send(method, path, body=None, key=usual):
        content = "" if body is None else json.dumps(body)
        headers = {"Authorization": f"Api-Key {key}"}
        return caller().generic(method, f"/api/v1/{path}", content, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def worked(small_plant, now):
    """Press 1 ran from 06:00, stood from 07:00 to 08:00 for a jam, and made 900 good and 10 scrap pieces."""
    events = [
        {"event_id": "1", "machine": "M1", "at": "2026-03-02T06:00:00+01:00", "kind": "state", "state": "running"},
        {
            "event_id": "2",
            "machine": "M1",
            "at": "2026-03-02T07:00:00+01:00",
            "kind": "state",
            "state": "down",
            "reason": "jam",
        },
        {"event_id": "3", "machine": "M1", "at": "2026-03-02T08:00:00+01:00", "kind": "state", "state": "running"},
        {
            "event_id": "4",
            "machine": "M1",
            "at": "2026-03-02T09:00:00+01:00",
            "kind": "count",
            "good": 900,
            "scrap": 10,
        },
    ]
    assert store_events(events=events, source="erp-7", now=now).accepted == 4
    fold_dirty(now=now)


def faults_of(answer):
    assert answer.status_code == 400
    return [(one["field"], one["code"]) for one in answer.json()["errors"]]


class TestDefinitions:
    def test_one_is_made_with_what_was_left_open_filled_in(self, ask, small_plant):
        machine = Machine.objects.get(code="M1")
        answer = ask("POST", "summaries/", {"name": "Presses", "machines": [machine.pk], "metrics": ["oee", "down"]})
        assert answer.status_code == 201
        row = Summary.objects.get()
        assert answer.json() == {
            "id": row.pk,
            "name": "Presses",
            "window": "last_7_days",
            "from": None,
            "to": None,
            "lines": [],
            "machines": [machine.pk],
            "metrics": ["oee", "down"],
            "group_by": "machine",
            "compare_to": "previous",
            "is_main": False,
        }
        assert row.created_by.username == "keys-alfa"

    def test_one_is_changed_and_removed(self, ask, small_plant):
        pk = ask("POST", "summaries/", {"name": "Presses"}).json()["id"]
        changed = ask(
            "PATCH", f"summaries/{pk}/", {"window": "custom", **PERIOD, "lines": [Line.objects.get().pk]}
        ).json()
        assert (changed["from"], changed["to"]) == ("2026-03-02T05:00:00Z", "2026-03-02T08:30:00Z")
        kept = ask("PATCH", f"summaries/{pk}/", {"name": "Early presses"}).json()
        assert (kept["window"], kept["from"]) == ("custom", "2026-03-02T05:00:00Z")
        assert ask("DELETE", f"summaries/{pk}/").status_code == 204
        assert Summary.objects.count() == 0

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({}, ("name", "required")),
            ({"name": "x", "window": "custom"}, ("from", "invalid_window")),
            ({"name": "x", "window": "custom", "from": PERIOD["from"]}, ("from", "invalid_window")),
            ({"name": "x", "window": "custom", "from": PERIOD["to"], "to": PERIOD["from"]}, ("from", "invalid_window")),
            ({"name": "x", "from": "2026-03-02T06:00:00"}, ("from", "naive_timestamp")),
            ({"name": "x", "metrics": ["luck"]}, ("metrics.0", "invalid_choice")),
            ({"name": "x", "machines": [10**30]}, ("machines", "does_not_exist")),
            ({"name": "x", "machines": ["1"]}, ("machines", "incorrect_type")),
            ({"name": "x", "is_main": True}, ("is_main", "read_only")),
            ({"name": "x", "created_by": 1}, ("created_by", "unknown_field")),
        ],
    )
    def test_one_that_cannot_be_is_refused(self, ask, small_plant, body, fault):
        assert faults_of(ask("POST", "summaries/", body)) == [fault]

    def test_a_name_is_used_once(self, ask, small_plant):
        ask("POST", "summaries/", {"name": "Presses"})
        assert faults_of(ask("POST", "summaries/", {"name": "Presses"})) == [("name", "unique")]

    def test_a_strangers_machine_reads_like_one_that_never_was(self, ask, small_plant, beta, api_key):
        key = api_key(beta, "configure")
        machine = Machine.objects.get(code="M1")
        answers = [ask("POST", "summaries/", {"name": "x", "machines": [pk]}, key=key) for pk in (machine.pk, 999_999)]
        assert answers[0].content == answers[1].content
        assert faults_of(answers[0]) == [("machines", "does_not_exist")]

    def test_a_list_costs_the_same_however_long_it_is(self, ask, alfa, small_plant, django_assert_num_queries):
        ask("GET", "summaries/")  # the key's first use in a minute is noted, which is a query more
        for name in ("one", "two", "three"):
            row = Summary.objects.create(tenant=alfa, name=name)
            row.machines.set(Machine.objects.all())
            with django_assert_num_queries(4):
                ask("GET", "summaries/")


class TestData:
    @pytest.fixture
    def pk(self, ask, worked, now, time_machine):
        # The age of the newest event is one of the facts.
        time_machine.move_to(now, tick=False)
        return ask("POST", "summaries/", {"name": "Presses", "window": "custom", **PERIOD}).json()["id"]

    def test_they_are_the_numbers_of_the_summary(self, ask, pk, alfa, now):
        answer = ask("GET", f"summaries/{pk}/data/").json()
        data = read_summary(spec=spec_of(Summary.objects.get(pk=pk)), now=now)
        ours = json.loads(json.dumps(as_dict(data, number_facts(data)), cls=JSONEncoder))
        assert answer == ours
        assert {"window", "zone", "totals", "groups", "pareto", "trend", "facts", "warnings"} <= set(answer)

    def test_the_jam_is_told(self, ask, pk):
        answer = ask("GET", f"summaries/{pk}/data/").json()
        assert answer["pareto"][0]["reason"] == "Jam"
        assert answer["pareto"][0]["seconds"] == 3600
        assert answer["totals"]["good"] == 900
        assert answer["facts"][0]["id"] == "F1"

    def test_another_period_may_be_asked_for(self, ask, pk):
        query = "from=2026-03-02T07:00:00%2B01:00&to=2026-03-02T07:30:00%2B01:00"
        answer = ask("GET", f"summaries/{pk}/data/?{query}").json()
        assert answer["pareto"][0]["seconds"] == 1800

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("from=2026-03-02T07:00:00Z", "invalid_window"),
            ("from=2026-03-02T07:00:00Z&to=2026-03-02T06:00:00Z", "invalid_window"),
            ("from=1000-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "invalid_window"),
            ("from=2026-03-02T07:00:00&to=2026-03-02T08:00:00", "invalid"),
            ("from=yesterday&to=today", "invalid"),
            ("line=1", "unknown_parameter"),
        ],
    )
    def test_a_period_that_cannot_be_is_refused(self, ask, pk, query, code):
        answer = ask("GET", f"summaries/{pk}/data/?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)

    def test_it_is_not_there_for_a_stranger(self, ask, pk, beta, api_key):
        key = api_key(beta, "read")
        theirs, nobodys = (ask("GET", f"summaries/{one}/data/", key=key) for one in (pk, 999_999))
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content

    def test_a_strangers_events_change_nothing(self, ask, pk, beta, now):
        before = ask("GET", f"summaries/{pk}/data/").json()

        def work():
            with tenant_scope(beta):
                event = {"event_id": "1", "machine": "M1", "at": PERIOD["from"], "kind": "count", "good": 5}
                store_events(events=[event], source="x", now=now)

        Context().run(work)
        after = ask("GET", f"summaries/{pk}/data/").json()
        assert before == after
