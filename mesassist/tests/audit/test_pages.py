"""Pages: what managers read of the trail, how they narrow it, and the files that they take with them."""

import csv
import hashlib
import io
import json

import pytest
from django.urls import reverse

from analyses.models import AssistantSettings
from mesassist.audit import pages
from mesassist.audit.models import Entry, PlatformEntry
from mesassist.tenants.actor import Actor, acting
from mesassist.tenants.models import Membership, Role
from mesassist.tenants.scope import platform_scope, tenant_scope
from mesassist.tests.audit.conftest import commit
from production.models import Machine

BY_BORIS = Actor(kind="person", id="7", name="boris", door="page", ip="10.0.0.7")


@pytest.fixture
def history(alfa, small_plant, boris):
    """Boris has a new model for Alfa's assistant, and Machine 1 a name that a spreadsheet would run."""
    with tenant_scope(alfa):
        AssistantSettings.objects.create(tenant=alfa, model="model-a")
        commit()
        with acting(BY_BORIS):
            AssistantSettings.objects.update(model="model-b")
            Machine.objects.filter(code="M1").update(name="=1+1")
            commit()


@pytest.fixture
def read(client_of, boris, history):
    """Boris reads an address of the audit pages; `number`, if any, before the query."""
    client = client_of(boris)

    def get(name="trail", *args, **query):
        return client.get(reverse(f"audit:{name}", args=["alfa", *args]), query)

    return get


class TestTrail:
    def test_it_says_in_plain_words_what_was_changed(self, read):
        said = read().content.decode()
        assert "<strong>boris</strong> changed model of the assistant from “model-a” to “model-b”" in said
        assert "<strong>boris</strong> changed name of the machine =1+1 from “Press 1” to “=1+1”" in said
        assert "the portal</strong> added the line Line 1" in said

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"who": "BORIS"}, 2),
            ({"who": "nobody"}, 0),
            ({"what": "production.Machine"}, 3),
            ({"what": "production.Machine", "action": "changed"}, 1),
            ({"from": "2020-01-01T00:00", "to": "2020-01-02T00:00"}, 0),
            ({"from": "2020-01-01T00:00", "who": "boris"}, 2),
        ],
    )
    def test_it_is_narrowed_by_the_address(self, read, query, found):
        answer = read(**query)
        assert (answer.status_code, len(answer.context["entries"])) == (200, found)
        assert ("No change like that" in answer.content.decode()) == (found == 0)

    @pytest.mark.parametrize(
        "query", [{"from": "soon"}, {"what": "auth.Group"}, {"from": "2026-02-01T00:00", "to": "2026-01-01T00:00"}]
    )
    def test_a_question_without_sense_is_answered_with_a_sentence(self, read, query):
        answer = read(**query)
        assert (answer.status_code, answer.context["entries"]) == (422, [])

    def test_it_is_read_a_page_at_a_time(self, read, monkeypatch):
        monkeypatch.setattr(pages, "SHOWN", 4)
        numbers, query = [], {"action": "added"}
        while True:
            answer = read(**query)
            numbers += [one.entry.number for one in answer.context["entries"]]
            if not answer.context["older"]:
                break
            query = dict(part.split("=") for part in answer.context["older"].split("&"))
            assert query["action"] == "added"
        assert numbers == sorted(set(numbers), reverse=True)
        assert len(numbers) == len(read(action="added").context["sift"].rows)

    @pytest.mark.parametrize("before", ["", "x", "-1", "9" * 30, "٣"])
    def test_a_place_that_is_none_is_the_beginning(self, read, before):
        assert len(read(before=before).context["entries"]) == len(read().context["entries"])

    def test_an_empty_trail_says_so(self, client_of, boris, alfa):
        said = client_of(boris).get(reverse("audit:trail", args=["alfa"])).content.decode()
        assert "Nothing was changed yet" in said

    def test_it_costs_as_many_queries_for_three_as_for_one(self, read, django_assert_num_queries):
        read(what="production.Machine", action="changed")
        with django_assert_num_queries(READS):
            assert len(read(what="production.Machine", action="changed").context["entries"]) == 1
        with django_assert_num_queries(READS):
            assert len(read(what="production.Reason").context["entries"]) == 3

    def test_operators_do_not_read_it(self, client_of, ana, history):
        assert client_of(ana).get(reverse("audit:trail", args=["alfa"])).status_code == 403

    def test_it_is_not_there_for_carla(self, client_of, carla, history):
        for name, args in (("trail", []), ("entry", [1]), ("export", [])):
            assert client_of(carla).get(reverse(f"audit:{name}", args=["alfa", *args])).status_code == 404

    def test_carla_reads_nothing_of_it_at_her_own_plant(self, client_of, carla, history):
        answer = client_of(carla).get(reverse("audit:trail", args=["beta"]))
        assert [one.entry.subject for one in answer.context["entries"]] == ["tenants.Membership"]
        assert client_of(carla).get(reverse("audit:entry", args=["beta", 3])).status_code == 404


READS = 8


class TestEntry:
    def test_it_shows_before_and_after_and_from_where(self, read):
        number = read(who="boris", what="analyses.AssistantSettings").context["entries"][0].entry.number
        said = read("entry", number).content.decode()
        for part in ("model-a", "model-b", "10.0.0.7", "boris"):
            assert part in said

    def test_references_are_shown_by_name(self, read, alfa, ana, history):
        commit()
        entry = read(what="tenants.Membership").context["entries"][0]
        assert entry.did == "added the membership ana"
        role = next(change for change in entry.changes if change.field == "role")
        assert (role.before, role.after) == ("", "operator")

    def test_a_number_that_nobody_has_is_not_there(self, read):
        assert read("entry", 10**9).status_code == 404


class TestCheck:
    def test_it_says_how_far_and_when(self, read, client_of, boris):
        assert "was not checked yet" in read().content.decode()
        answer = client_of(boris).post(reverse("audit:check", args=["alfa"]), follow=True)
        said = answer.content.decode()
        assert ("The chain is unbroken." in said, "entries, unbroken" in said) == (True, True)

    def test_reading_does_not_check(self, read):
        assert read("check").status_code == 405


class TestExport:
    def test_the_csv_has_a_line_per_field_and_no_formula(self, read):
        answer = read("export", format="csv", who="boris")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        assert [(row["actor"], row["field"], row["before"], row["after"]) for row in rows] == [
            ("boris", "model", "model-a", "model-b"),
            ("boris", "name", "Press 1", "'=1+1"),
        ]
        assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-alfa.csv"'

    def test_the_json_lines_can_be_verified_by_anybody(self, read):
        lines = [json.loads(line) for line in read("export", format="jsonl").content.decode().splitlines()]
        before = "0" * 64
        for line in lines:
            assert hashlib.sha256(line["sealed"].encode()).hexdigest() == line["hash"]
            assert line["sealed"].startswith(f"64:{before}")
            before = line["hash"]
        assert len(lines) > 5

    def test_an_unknown_form_is_refused(self, read):
        assert read("export", format="pdf").status_code == 422

    def test_it_never_leaves_entries_out_in_silence(self, read, monkeypatch):
        monkeypatch.setattr(pages, "MOST_EXPORTED", 3)
        answer = read("export", format="csv")
        assert (answer.status_code, "ask for a shorter time" in answer.content.decode()) == (422, True)


class TestAdmin:
    def test_platform_staff_read_every_trail_and_change_none(self, client_of, staff, history):
        client = client_of(staff)
        said = client.get(reverse("admin:audit_entry_changelist")).content.decode()
        assert "boris" in said
        assert "admin" in client.get(reverse("admin:audit_platformentry_changelist")).content.decode()
        with platform_scope("test"):
            entry, other = Entry.objects.first(), PlatformEntry.objects.first()
        for page in (
            reverse("admin:audit_entry_change", args=[entry.pk]),
            reverse("admin:audit_entry_delete", args=[entry.pk]),
            reverse("admin:audit_platformentry_change", args=[other.pk]),
        ):
            assert client.post(page, {"actor": "carla"}).status_code == 403

    def test_a_role_that_changes_is_told(self, read, alfa, boris):
        Membership.objects.filter(user=boris).update(role=Role.TENANT_ADMIN)
        commit()
        assert read(what="tenants.Membership").context["entries"][0].did.startswith("changed role of the membership")
