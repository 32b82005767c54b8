"""Quarantine pages, as whole requests."""

import csv
import io
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboards.tests.test_pages import HOSTILE, Markup
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from production.ingest.quarantine import Kept, keep
from production.ingest.store import store_events
from production.models import Event, ImportRun, KafkaSource, Line, Machine, Quarantined, QuarantineStatus, Site


def page(name, *args, **query):
    return reverse(f"dashboards:{name}", args=["alfa", *args], query=query or None)


def event(number=1, **changed):
    at = f"2026-03-02T06:{number % 60:02}:00+00:00"
    return {"event_id": f"e{number}", "machine": "M1", "at": at, "kind": "state", "state": "running", **changed}


@pytest.fixture
def three_strangers(small_plant, now):
    """Three events of the unknown machine M9, one of M8, and one that is no event."""
    events = [*(event(number, machine="M9") for number in (1, 2, 3)), event(4, machine="M8"), event(5, state="on fire")]
    store_events(events=events, source="erp-7", now=now)
    return Quarantined.objects.order_by("pk")


@pytest.fixture
def file_row(in_alfa, now):
    """A row of a file with a broken number."""
    run = ImportRun.objects.create(
        tenant=in_alfa, file_name="log.csv", sha256="0" * 64, mapping="4tu", zone="UTC", received=1, quarantined=1,
        started_at=now,
    )  # fmt: skip
    raw = json.dumps({"Machine": "M1", "Span": HOSTILE})
    keep(entries=[Kept("invalid_number", "Span is 'x'.", "", 7, raw)], source="file:4tu", now=now, import_run=run)
    return Quarantined.objects.get()


def shown(response):
    return [row.event_id for row in response.context["page"].object_list]


class TestList:
    def test_it_says_what_to_do_about_each_cause(self, three_strangers, client_of, ana):
        response = client_of(ana).get(page("quarantine"))
        assert [(cause.code, cause.rows) for cause in response.context["causes"]] == [
            ("unknown_machine", 4),
            ("unknown_state", 1),
        ]
        assert [(one.code, one.rows) for one in response.context["strangers"]] == [("M9", 3), ("M8", 1)]
        assert "Create the machine, or correct its code where it is sent" in response.content.decode()

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, {"e1", "e2", "e3", "e4", "e5"}),
            ({"code": "unknown_state"}, {"e5"}),
            ({"code": "conflict"}, set()),
            ({"source": "erp-7"}, {"e1", "e2", "e3", "e4", "e5"}),
            ({"source": "erp-8"}, set()),
            ({"search": "m8"}, {"e4"}),
            ({"search": "on fire"}, {"e5"}),
            ({"search": "%"}, set()),
            ({"status": "discarded"}, set()),
            ({"status": "any", "search": "e3"}, {"e3"}),
            ({"status": "nonsense"}, set()),
            ({"file": "12345"}, set()),
            ({"row": "x"}, set()),
            ({"until": "2026-03-02T08:00:00+00:00"}, set()),
            ({"until": "2026-03-02T09:00:00+00:00"}, {"e1", "e2", "e3", "e4", "e5"}),
        ],
    )
    def test_it_is_narrowed_by_what_the_address_says(self, three_strangers, client_of, ana, query, found):
        assert set(shown(client_of(ana).get(page("quarantine", **query)))) == found

    def test_a_file_narrows_it(self, file_row, client_of, ana):
        response = client_of(ana).get(page("quarantine", file=str(file_row.import_run_id)))
        assert list(response.context["page"].object_list) == [file_row]
        assert "log.csv, line 7" in response.content.decode()

    def test_what_came_is_text_and_nothing_else(self, file_row, client_of, ana):
        text = client_of(ana).get(page("quarantine")).content.decode()
        assert (Markup(text).active, "img" in Markup(text).tags) == ([], False)

    def test_without_rows_it_says_so(self, small_plant, client_of, ana):
        assert "Everything that came was taken" in client_of(ana).get(page("quarantine")).content.decode()

    def test_operators_see_it_and_managers_decide(self, three_strangers, client_of, ana, boris):
        offers = re.compile(r"Send these 5 rows again|Discard them|>Create<")
        assert offers.findall(client_of(ana).get(page("quarantine")).content.decode()) == []
        found = offers.findall(client_of(boris).get(page("quarantine")).content.decode())
        assert found == [">Create<", ">Create<", "Send these 5 rows again", "Discard them"]

    def test_three_rows_cost_the_same_queries_as_one(self, small_plant, client_of, boris, now):
        client, counts = client_of(boris), []
        client.get(page("quarantine"))
        for numbers in ([1], [2, 3]):
            store_events(events=[event(number, machine=f"X{number}") for number in numbers], source="erp-7", now=now)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page("quarantine")).status_code == 200
            counts.append(len(queries))
        assert counts == [11, 11]

    def test_another_plants_rows_are_not_there(self, three_strangers, client_of, carla):
        response = client_of(carla).get(reverse("dashboards:quarantine", args=["beta"]))
        assert shown(response) == []


class TestRow:
    def test_it_shows_what_came_with_the_fault_marked(self, three_strangers, client_of, ana):
        row = three_strangers.last()
        response = client_of(ana).get(page("quarantined", row.pk))
        lines = response.context["lines"]
        assert [line.text for line in lines if line.fault] == ['state: "on fire"']
        assert '<mark class="fault">state: &quot;on fire&quot;</mark>' in response.content.decode()

    def test_it_says_who_decided(self, three_strangers, client_of, boris, ana):
        row = three_strangers.first()
        client_of(boris).post(page("quarantine-discard", row=row.pk))
        text = client_of(ana).get(page("quarantined", row.pk)).content.decode()
        assert "discarded by boris, Mon 2 Mar 2026 09:30" in re.sub(r"\s+", " ", text).lower().replace(
            "mon 2 mar", "Mon 2 Mar"
        )

    def test_the_row_of_another_plant_is_not_there(self, three_strangers, client_of, carla, boris, beta):
        row = three_strangers.first()
        with platform_scope("test", role=PlatformRole.STAFF):
            Quarantined.objects.filter(pk=row.pk).update(tenant=beta)
        for name in ("quarantined", "quarantined-mend"):
            assert client_of(boris).get(page(name, row.pk)).status_code == 404

    def test_a_record_shows_where_it_lay_and_its_bytes(self, in_alfa, now, client_of, ana):
        topic = KafkaSource.objects.create(
            tenant=in_alfa, name="press", topic="plant.press", bootstrap_servers="broker:9092"
        )
        entry = Kept("undecodable", "No.", "", 0, "00ff", content=b"\x00\xffAB", partition=3, offset=99, schema_id=7)
        keep(entries=[entry], source="press", now=now, kafka_source=topic)
        response = client_of(ana).get(page("quarantined", Quarantined.objects.get().pk))
        assert "plant.press, partition 3, offset 99" in response.content.decode()
        assert [line.text.split() for line in response.context["lines"]] == [["0000", "00", "ff", "41", "42", "..AB"]]


class TestMend:
    def test_it_takes_what_was_mended(self, three_strangers, client_of, boris):
        row = three_strangers.last()
        client = client_of(boris)
        assert json.loads(client.get(page("quarantined-mend", row.pk)).context["text"])["state"] == "on fire"
        response = client.post(page("quarantined-mend", row.pk), {"mended": json.dumps(event(5))}, follow=True)
        assert response.redirect_chain == [(page("quarantined", row.pk), 302)]
        assert "The row was taken." in response.content.decode()
        assert Event.objects.get().event_id == "e5"

    def test_what_is_still_refused_stands_beside_the_text(self, three_strangers, client_of, boris):
        row, mended = three_strangers.last(), json.dumps(event(5, state="burning"))
        response = client_of(boris).post(page("quarantined-mend", row.pk), {"mended": mended})
        assert (response.status_code, response.context["text"]) == (422, mended)
        assert str(response.context["refusal"]).endswith("this is 'burning'. Map the source's states to these.")
        assert (Event.objects.count(), Quarantined.objects.get(pk=row.pk).status) == (0, "waiting")

    def test_the_second_is_told_that_somebody_was_quicker(self, three_strangers, client_of, boris):
        row, client = three_strangers.last(), client_of(boris)
        client.post(page("quarantine-discard", row=row.pk))
        response = client.post(page("quarantined-mend", row.pk), {"mended": json.dumps(event(5))}, follow=True)
        assert "somebody decided about this row meanwhile" in response.content.decode()
        assert Event.objects.count() == 0

    def test_two_equal_keys_are_both_shown(self, small_plant, client_of, boris, now):
        raw = b'{"event_id": "e1", "event_id": "e2", "machine": "M1"}'
        store_events(events=[raw], source="erp-7", now=now)
        row = Quarantined.objects.get()
        assert client_of(boris).get(page("quarantined-mend", row.pk)).context["text"] == raw.decode()

    def test_a_files_row_has_a_field_for_each_cell(self, file_row, client_of, boris):
        cells = client_of(boris).get(page("quarantined-mend", file_row.pk)).context["cells"]
        assert cells == [
            {"column": "Machine", "text": "M1", "fault": False},
            {"column": "Span", "text": HOSTILE, "fault": True},
        ]


class TestReplay:
    def test_it_asks_and_then_tells_the_counts(self, three_strangers, client_of, boris):
        client, address = client_of(boris), page("quarantine-replay", code="unknown_machine")
        asked = client.get(address)
        assert (asked.context["rows"], Event.objects.count()) == (4, 0)
        machine = Machine.objects.get(code="M1")
        Machine.objects.create(tenant=machine.tenant, code="M9", name="New", line=machine.line)
        response = client.post(asked.context["action"], follow=True)
        said = "3 taken, 0 known already, 1 still refused (unknown_machine 1)."
        assert said in response.content.decode()
        assert Event.objects.filter(machine__code="M9").count() == 3

    def test_what_came_after_the_question_is_not_sent(self, three_strangers, client_of, boris, now):
        client = client_of(boris)
        action = client.get(page("quarantine-replay")).context["action"]
        later = now.replace(hour=23)
        store_events(events=[event(9, machine="M7")], source="erp-7", now=later)
        client.post(action.replace("replay", "discard"))
        waiting = Quarantined.objects.filter(status=QuarantineStatus.WAITING)
        assert [row.event_id for row in waiting] == ["e9"]

    def test_what_is_left_is_offered_again(self, three_strangers, client_of, boris, monkeypatch):
        monkeypatch.setattr("production.ingest.decisions.MOST_AT_ONCE", 2)
        client, rows = client_of(boris), list(three_strangers)
        action = client.get(page("quarantine-replay")).context["action"]
        response = client.post(action, follow=True)
        assert "3 more were not tried yet." in response.content.decode()
        assert (response.context["rows"], f"after={rows[1].pk}" in response.context["action"]) == (3, True)

    def test_when_none_waits_it_says_so(self, small_plant, client_of, boris):
        for name in ("quarantine-replay", "quarantine-discard"):
            assert "None of these rows waits" in client_of(boris).get(page(name)).content.decode()


class TestDiscard:
    def test_it_asks_and_keeps_what_it_discards(self, three_strangers, client_of, boris):
        client = client_of(boris)
        asked = client.get(page("quarantine-discard", code="unknown_machine"))
        assert asked.context["rows"] == 4
        client.post(asked.context["action"])
        assert dict(Quarantined.objects.values_list("event_id", "status")) == {
            **dict.fromkeys(("e1", "e2", "e3", "e4"), "discarded"),
            "e5": "waiting",
        }

    def test_without_its_token_it_does_nothing(self, three_strangers, caller, boris):
        client = caller(enforce_csrf_checks=True)
        client.force_login(boris)
        assert client.post(page("quarantine-discard")).status_code == 403
        assert not Quarantined.objects.exclude(status="waiting")


class TestNewMachine:
    def test_it_creates_the_machine_and_offers_its_rows(self, three_strangers, client_of, boris):
        client, why = client_of(boris), three_strangers.first().detail
        line = Machine.objects.first().line
        form = client.get(page("quarantine-machine", why=why)).context["form"]
        assert (form.initial["code"], form.initial["name"]) == ("M9", "M9")
        sent = {"code": "M9", "name": "Press 9", "line": line.pk}
        response = client.post(page("quarantine-machine", why=why), sent, follow=True)
        assert (response.context["rows"], Machine.objects.get(code="M9").name) == (3, "Press 9")
        client.post(response.context["action"])
        assert Event.objects.filter(machine__code="M9").count() == 3

    def test_a_code_is_taken_once(self, three_strangers, client_of, boris):
        sent = {"code": "M1", "name": "Again", "line": Machine.objects.first().line_id}
        response = client_of(boris).post(page("quarantine-machine"), sent)
        assert response.status_code == 422
        assert "There is a machine with this code already." in response.content.decode()

    def test_the_line_of_another_plant_is_no_choice(self, three_strangers, client_of, boris, beta):
        with platform_scope("test", role=PlatformRole.STAFF):
            site = Site.objects.create(tenant=beta, code="b", name="Beta")
            foreign = Line.objects.create(tenant=beta, code="B", name="Foreign", site=site)
        sent = {"code": "M9", "name": "M9", "line": foreign.pk}
        assert client_of(boris).post(page("quarantine-machine"), sent).status_code == 422
        assert not Machine.objects.filter(code="M9")

    def test_without_a_line_it_says_who_enters_one(self, alfa, client_of, boris):
        text = client_of(boris).get(page("quarantine-machine")).content.decode()
        assert "An administrator enters site and line first." in text


class TestExport:
    def test_a_spreadsheet_finds_no_formula(self, in_alfa, now, client_of, ana):
        keep(entries=[Kept("invalid", "=1+1", "@e", 0, "=cmd|' /C calc'!A0")], source="+erp", now=now)
        response = client_of(ana).get(page("quarantine-export"))
        (row,) = csv.DictReader(io.StringIO(response.content.decode()))
        assert [row[name] for name in ("detail", "event_id", "raw", "source")] == [
            "'=1+1",
            "'@e",
            "'=cmd|' /C calc'!A0",
            "'+erp",
        ]
        assert response["Content-Disposition"] == 'attachment; filename="not-taken-alfa.csv"'

    def test_lines_of_json_hold_exactly_what_came(self, three_strangers, client_of, ana):
        response = client_of(ana).get(page("quarantine-export", format="ndjson", search="M8"))
        (line,) = response.content.decode().splitlines()
        row = json.loads(line)
        assert (row["event_id"], json.loads(row["raw"])["machine"], row["times"]) == ("e4", "M8", 1)

    def test_bytes_travel_as_base64(self, in_alfa, now, client_of, ana):
        keep(entries=[Kept("undecodable", "No.", "", 0, "00ff", content=b"\x00\xff")], source="p", now=now)
        line = client_of(ana).get(page("quarantine-export", format="ndjson")).content.decode()
        assert json.loads(line)["content_base64"] == "AP8="
