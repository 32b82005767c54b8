"""Events page, as whole requests."""

import datetime as dt
import itertools

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from production.ingest.store import store_events
from production.models import Correction, Event, ImportRun, Machine


def page(**query):
    return reverse("dashboards:events", args=["alfa"], query=query or None)


def shown(response):
    return [one.event.event_id for one in response.context["events"]]


def report(now, *numbers, at=None, **changed):
    """Report that M1 runs, once per number, a minute apart."""
    events = [
        {
            "event_id": f"n{number:03}",
            "machine": "M1",
            "at": (at or now - dt.timedelta(minutes=number)).isoformat(),
            "kind": "state",
            "state": "running",
            **changed,
        }
        for number in numbers
    ]
    assert store_events(events=events, source="erp-8", now=now).accepted == len(events)


class TestEvents:
    def test_it_shows_the_newest_first_in_words(self, morning, client_of, ana):
        events = client_of(ana).get(page()).context["events"]
        assert [(one.event.event_id, one.what) for one in events] == [
            ("e6", "good 700, scrap 45, Gear"),
            ("e5", "good 1,100, scrap 12, Gear"),
            ("e4", "Running"),
            ("e3", "Down, Jam"),
            ("e2", "Running"),
            ("e1", "Running"),
        ]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"kind": "count"}, ["e6", "e5"]),
            ({"source": "erp-7", "kind": "count"}, ["e6", "e5"]),
            ({"source": "erp"}, []),
            ({"from": "2026-03-02T07:00", "to": "2026-03-02T07:30"}, ["e3"]),
            ({"to": "2026-03-02T06:00"}, ["e2", "e1"]),
            ({"from": "2026-03-02T08:00"}, ["e6", "e5", "e4"]),
            ({"from": "2026-03-03T00:00"}, []),
        ],
    )
    def test_it_is_narrowed_by_what_the_address_says(self, morning, client_of, ana, query, found):
        assert shown(client_of(ana).get(page(**query))) == found

    def test_a_machine_narrows_it(self, morning, client_of, ana):
        machine = Machine.objects.get(code="M1")
        assert shown(client_of(ana).get(page(machine=str(machine.pk)))) == ["e5", "e1"]

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"from": "2026-03-02T09:00", "to": "2026-03-02T08:00"}, "The end must be later than the start."),
            ({"machine": "99999"}, "Select a valid choice."),
            ({"from": "yesterday"}, "Enter a valid date/time."),
            ({"from": "0001-01-01T00:00"}, "Ensure this value is greater than or equal to"),
            ({"to": "9999-12-31T23:59"}, "Ensure this value is less than or equal to"),
        ],
    )
    def test_a_choice_that_makes_no_sense_is_told(self, morning, client_of, ana, query, said):
        response = client_of(ana).get(page(**query))
        assert (response.status_code, said in response.content.decode()) == (422, True)

    def test_going_on_shows_every_event_once_also_at_one_moment(self, small_plant, client_of, ana, now):
        report(now, *range(60))
        report(now, *range(100, 170), at=now - dt.timedelta(minutes=30))
        client, address, seen = client_of(ana), page(), []
        for _ in range(5):
            response = client.get(address)
            seen += [(one.event.at, one.event.source, one.event.event_id) for one in response.context["events"]]
            if not response.context["older"]:
                break
            address = f"{page()}?{response.context['older']}"
        assert seen == sorted(Event.objects.values_list("at", "source", "event_id"), reverse=True)
        assert len(seen) == 130

    @pytest.mark.parametrize("place", ["", "x", "[1,2,3]", '["2026-03-02T08:00:00", "a", "b"]', '["2026"]', "null"])
    def test_a_place_that_is_none_begins_at_the_start(self, morning, client_of, ana, place):
        assert len(shown(client_of(ana).get(page(before=place)))) == 6

    def test_late_ones_are_marked_and_those_of_files_are_not(self, small_plant, client_of, ana, now):
        report(now, 1, 5, 6, 180)
        late = {one.event.event_id: one.late for one in client_of(ana).get(page()).context["events"]}
        assert late == {"n001": "", "n005": "", "n006": "6 min", "n180": "3 h"}
        run = ImportRun.objects.create(
            tenant=ana.memberships.get().tenant, file_name="log.csv", sha256="0" * 64, mapping="m", zone="UTC",
            started_at=now,
        )  # fmt: skip
        Event.objects.update(import_run=run)
        response = client_of(ana).get(page())
        assert {one.late for one in response.context["events"]} == {""}
        assert "log.csv" in response.content.decode()

    def test_corrections_over_them_are_marked_and_lifted_ones_are_not(self, morning, client_of, ana, boris, now):
        machine = Machine.objects.get(code="M2")
        common = {"tenant": machine.tenant, "machine": machine, "comment": "why", "made_by": boris, "made_at": now}
        event = Event.objects.get(event_id="e3")
        ends = {"from_at": event.at, "to_at": event.at + dt.timedelta(minutes=1)}
        Correction.objects.create(**common, **ends, state="setup")
        Correction.objects.create(**common, **ends, state="idle", undone_at=now)
        events = client_of(ana).get(page()).context["events"]
        assert [(one.event.event_id, one.correction.state) for one in events if one.correction] == [("e3", "setup")]

    def test_three_rows_cost_the_same_queries_as_one(self, small_plant, client_of, ana, now):
        client, counts, numbers = client_of(ana), [], itertools.count()
        for rows in (1, 2):
            report(now, *itertools.islice(numbers, rows))
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page()).status_code == 200
            counts.append(len(queries))
        assert counts == [9, 9]

    def test_without_events_it_says_where_they_come_from(self, small_plant, client_of, ana):
        assert "Events come in by REST, Kafka or file." in client_of(ana).get(page()).content.decode()

    def test_another_plants_events_are_not_there(self, morning, client_of, carla):
        response = client_of(carla).get(reverse("dashboards:events", args=["beta"]))
        assert shown(response) == []
