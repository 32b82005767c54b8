"""Corrections pages, as whole requests."""

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboards.tests.test_pages import HOSTILE, Markup
from production.models import Correction, Event, Machine, Reason
from production.timeline import read_timeline


def page(name="corrections", *args, **query):
    return reverse(f"dashboards:{name}", args=["alfa", *args], query=query or None)


@pytest.fixture
def press(morning):
    """Press 2: it ran from 06:00, stood from 07:10 to 08:00 because of a jam, and runs since."""
    return Machine.objects.get(code="M2")


@pytest.fixture
def sent(press):
    """The jam was a tool change."""
    return {
        "machine": press.pk,
        "from_at": "2026-03-02T07:10:00",
        "to_at": "2026-03-02T08:00:00",
        "state": "setup",
        "reason": Reason.objects.get(code="tool").pk,
        "comment": "The fitter changed the tool.",
        "step": "save",
    }


def states(machine, now):
    known = read_timeline(machine=machine, from_at=now.replace(hour=5, minute=0), to_at=now, now=now)
    seconds = {}
    for interval in known:
        seconds[interval.state] = seconds.get(interval.state, 0) + interval.seconds
    return seconds


REPORTED = {"running": 9600.0, "down": 3000.0}
CORRECTED = {"running": 9600.0, "setup": 3000.0}


class TestDay:
    def test_it_shows_a_machines_day(self, press, client_of, vic):
        day = client_of(vic).get(page(machine=str(press.pk), day="2026-03-02")).context["day"]
        shown = [(part.segment.state, part.seconds, part.segment.reason, part.segment.open) for part in day.parts]
        assert shown == [
            ("unknown", 21600.0, "", False),
            ("running", 4200.0, "", False),
            ("down", 3000.0, "Jam", False),
            ("running", pytest.approx(5400.0, abs=60), "", True),
        ]

    def test_a_stretch_leads_to_the_form_with_its_ends_and_state(self, press, client_of, ana):
        client = client_of(ana)
        day = client.get(page(machine=str(press.pk))).context["day"]
        form = client.get(f"{page('correction-new')}?{day.parts[2].query}").context["form"]
        assert form.initial == {
            "machine": str(press.pk),
            "from_at": "2026-03-02T07:10:00",
            "to_at": "2026-03-02T08:00:00",
            "state": "down",
        }

    def test_a_viewer_sees_and_is_offered_nothing(self, press, client_of, vic):
        text = client_of(vic).get(page(machine=str(press.pk))).content.decode()
        assert page("correction-new") not in text

    @pytest.mark.parametrize(
        "query", [{"machine": "99999"}, {"machine": "x"}, {"day": "soon"}, {"day": "0001-01-01"}, {"day": "9999-12-31"}]
    )
    def test_a_choice_that_makes_no_sense_shows_a_day_all_the_same(self, press, client_of, vic, query):
        response = client_of(vic).get(page(**query))
        assert (response.status_code, response.context["day"].machine.code) == (200, "M1")

    def test_a_day_when_the_clocks_change_has_its_true_length(self, press, client_of, vic, time_machine_at):
        with time_machine_at(dt.datetime(2026, 10, 27, 12, tzinfo=dt.UTC)):
            day = client_of(vic).get(page(machine=str(press.pk), day="2026-10-25")).context["day"]
        assert sum(part.seconds for part in day.parts) == 25 * 3600

    def test_a_day_to_come_has_no_states(self, press, client_of, vic):
        text = client_of(vic).get(page(machine=str(press.pk), day="2027-01-01")).content.decode()
        assert "This day has not begun." in text

    def test_without_a_machine_there_is_no_day(self, alfa, client_of, boris):
        response = client_of(boris).get(page())
        assert (response.status_code, response.context["day"]) == (200, None)

    def test_a_machine_of_another_plant_is_not_shown(self, press, client_of, carla):
        response = client_of(carla).get(reverse("dashboards:corrections", args=["beta"]), {"machine": press.pk})
        assert response.context["day"] is None


@pytest.fixture
def time_machine_at():
    import time_machine

    return lambda moment: time_machine.travel(moment, tick=True)


class TestNew:
    def test_it_shows_what_would_change_and_changes_nothing(self, press, sent, client_of, boris, now):
        response = client_of(boris).post(page("correction-new"), sent | {"step": "preview"})
        changes = [(change.label.lower(), change.before_s, change.after_s) for change in response.context["changes"]]
        assert changes == [("set-up", 0.0, 3000.0), ("down", 3000.0, 0.0)]
        assert (Correction.objects.count(), states(press, now)) == (0, REPORTED)

    def test_it_is_saved_with_who_when_and_why(self, press, sent, client_of, boris, now):
        response = client_of(boris).post(page("correction-new"), sent)
        assert response.url == page(machine=press.pk, day="2026-03-02")
        row = Correction.objects.get()
        assert (row.made_by, row.comment, row.state, row.reason.code) == (
            boris,
            "The fitter changed the tool.",
            "setup",
            "tool",
        )
        assert (row.from_at, row.to_at) == (now.replace(hour=6, minute=10), now.replace(hour=7, minute=0))
        assert abs(row.made_at - now) < dt.timedelta(minutes=1)
        assert states(press, now) == CORRECTED

    def test_events_stay_as_they_came(self, press, sent, client_of, boris):
        before = list(Event.objects.order_by("event_id").values())
        client_of(boris).post(page("correction-new"), sent)
        assert list(Event.objects.order_by("event_id").values()) == before

    @pytest.mark.parametrize(
        ("changed", "field", "said"),
        [
            ({"to_at": "2026-03-02T07:00:00"}, "to_at", "The end must be later than the start."),
            ({"to_at": "2026-03-02T12:00:00"}, "to_at", "This lies in the future."),
            ({"from_at": "0001-01-01T00:00:00"}, "from_at", "Ensure this value is greater"),
            ({"comment": " "}, "comment", "This field is required."),
            ({"state": "dancing"}, "state", "Select a valid choice."),
            ({"machine": "99999"}, "machine", "Select a valid choice."),
            ({"reason": "99999"}, "reason", "Select a valid choice."),
        ],
    )
    def test_what_makes_no_sense_is_told_at_its_field(self, press, sent, client_of, boris, changed, field, said):
        response = client_of(boris).post(page("correction-new"), sent | changed)
        assert response.status_code == 422
        assert response.context["form"].errors[field][0].startswith(said)
        assert Correction.objects.count() == 0

    @pytest.mark.parametrize("step", ["look", "save"])
    def test_what_lies_before_the_first_report_is_refused_with_a_sentence(self, press, sent, client_of, boris, step):
        sent |= {"from_at": "2026-02-01T07:10:00", "to_at": "2026-02-01T08:00:00", "step": step}
        response = client_of(boris).post(page("correction-new"), sent)
        assert response.status_code == 422
        assert "Nothing was reported of this machine by then." in response.content.decode()
        assert Correction.objects.count() == 0

    def test_an_operator_says_why_a_machine_stood(self, press, sent, client_of, ana, now):
        assert client_of(ana).post(page("correction-new"), sent).status_code == 302
        assert states(press, now) == CORRECTED

    @pytest.mark.parametrize(
        ("changed", "field"),
        [({"state": "running"}, "state"), ({"from_at": "2026-03-02T07:00:00"}, "__all__")],
    )
    def test_an_operator_does_not_touch_running_time(self, press, sent, client_of, ana, changed, field):
        response = client_of(ana).post(page("correction-new"), sent | changed)
        assert (response.status_code, list(response.context["form"].errors)) == (422, [field])
        assert Correction.objects.count() == 0

    def test_a_manager_does(self, press, sent, client_of, boris, now):
        client_of(boris).post(page("correction-new"), sent | {"state": "running", "reason": ""})
        assert states(press, now) == {"running": 12600.0}


@pytest.fixture
def made(press, sent, client_of, ana):
    """Ana's correction of the jam."""
    client_of(ana).post(page("correction-new"), sent)
    return Correction.objects.get()


class TestUndo:
    def test_it_asks_and_then_what_was_reported_counts_again(self, made, press, client_of, boris, now):
        client = client_of(boris)
        assert "Lift this correction?" in client.get(page("correction-undo", made.pk)).content.decode()
        assert states(press, now) == CORRECTED
        client.post(page("correction-undo", made.pk))
        made.refresh_from_db()
        assert (made.undone_by, states(press, now)) == (boris, REPORTED)

    def test_twice_is_once(self, made, client_of, boris, ana):
        client_of(ana).post(page("correction-undo", made.pk))
        client_of(boris).post(page("correction-undo", made.pk))
        made.refresh_from_db()
        assert made.undone_by == ana
        assert "lifted already" in client_of(boris).get(page("correction-undo", made.pk)).content.decode()

    def test_an_operator_lifts_only_what_is_his_own(self, press, sent, client_of, ana, boris):
        client_of(boris).post(page("correction-new"), sent)
        row = Correction.objects.get()
        assert client_of(ana).post(page("correction-undo", row.pk)).status_code == 403
        assert "Lift<" not in client_of(ana).get(page()).content.decode()
        row.refresh_from_db()
        assert row.undone_at is None

    def test_that_of_another_plant_is_not_there(self, made, client_of, carla):
        address = page("correction-undo", made.pk).replace("/alfa/", "/beta/")
        assert client_of(carla).post(address).status_code == 404


class TestList:
    def test_it_says_who_why_and_whether_it_counts(self, made, client_of, vic, ana):
        Correction.objects.update(comment=HOSTILE)
        text = client_of(vic).get(page()).content.decode()
        assert (Markup(text).active, "img" in Markup(text).tags) == ([], False)
        assert re.search(r"Set-up, Tool change", text)
        assert "counts" in text

    def test_three_cost_the_same_queries_as_one(self, made, client_of, boris, ana):
        client, counts = client_of(boris), []
        for more in (0, 2):
            for _ in range(more):
                made.pk = None
                made.undone_by, made.undone_at = ana, made.made_at
                made.save(force_insert=True)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page(day="2026-03-01")).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]
