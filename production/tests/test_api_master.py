"""Master data over the API: kept by the tenant's own rules, invisible to everybody else's."""

import json

import pytest

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from production.models import Coverage, DirtyRange, Line, Machine, Reason, Shift, Site

ROWS = ("sites", "lines", "machines", "products", "cycles", "reasons", "shifts", "orders")


@pytest.fixture
def ask(caller, api_key, alfa):
    """A request with a key of Alfa (or `tenant`) that may read and configure."""
    keys = {}

    def send(method, path, body=None, tenant=alfa):
        keys[tenant.slug] = keys.get(tenant.slug) or api_key(tenant, "read", "configure")
        content = "" if body is None else json.dumps(body)
        headers = {"Authorization": f"Api-Key {keys[tenant.slug]}"}
        return caller().generic(method, f"/api/v1/{path}", content, content_type="application/json", headers=headers)

    return send


@pytest.fixture
def betas_plant(beta):
    with platform_scope("test", role=PlatformRole.STAFF):
        site = Site.objects.create(tenant=beta, code="ber", name="Berlin", zone="Europe/Berlin")
        line = Line.objects.create(tenant=beta, code="B1", name="Betas Line", site=site)
        machine = Machine.objects.create(tenant=beta, code="BM", name="Betas", line=line)
    return {"sites": site, "lines": line, "machines": machine}


def faults_of(answer):
    assert answer.status_code == 400
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


class TestReading:
    def test_a_machine_is_given_with_its_line_and_thresholds(self, ask, small_plant):
        machine = Machine.objects.get(code="M1")
        assert ask("GET", f"machines/{machine.pk}/").json() == {
            "id": machine.pk,
            "code": "M1",
            "name": "Press 1",
            "line": machine.line_id,
            "micro_stop_s": 300,
            "contact_timeout_s": 28800,
            "retired_at": None,
        }

    def test_a_shift_is_given_in_local_time(self, ask, small_plant):
        shift = Shift.objects.get()
        assert ask("GET", "shifts/").json()["results"] == [
            {
                "id": shift.pk,
                "site": small_plant.pk,
                "name": "Early",
                "starts": "06:00:00",
                "ends": "14:00:00",
                "weekdays": [1, 2, 3, 4, 5, 6, 7],
            }
        ]

    def test_it_is_found_by_code(self, ask, small_plant):
        assert [row["code"] for row in ask("GET", "machines/?code=M2").json()["results"]] == ["M2"]
        assert ask("GET", "machines/?code=M3").json()["results"] == []

    def test_a_strangers_line_filters_like_one_that_never_was(self, ask, small_plant, betas_plant):
        answers = [ask("GET", f"machines/?line={pk}") for pk in (betas_plant["lines"].pk, 999_999)]
        assert answers[0].content == answers[1].content == b'{"results":[],"next":null}'

    @pytest.mark.parametrize("rows", ROWS)
    def test_each_kind_can_be_listed(self, ask, small_plant, rows):
        answer = ask("GET", f"{rows}/")
        assert answer.status_code == 200
        assert set(answer.json()) == {"results", "next"}


class TestStrangers:
    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    @pytest.mark.parametrize("rows", ["sites", "lines", "machines"])
    def test_another_tenants_row_is_not_there(self, ask, beta, betas_plant, rows, method):
        row = betas_plant[rows]
        body = {"name": "mine now"} if method == "PATCH" else None
        theirs, nobodys = (ask(method, f"{rows}/{pk}/", body) for pk in (row.pk, 999_999))
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
        assert ask("GET", f"{rows}/{row.pk}/", tenant=beta).json()["name"] == row.name

    def test_another_tenants_line_in_a_body_reads_like_one_that_never_was(self, ask, small_plant, betas_plant):
        answers = [
            ask("POST", "machines/", {"code": "M9", "name": "Nine", "line": pk})
            for pk in (betas_plant["lines"].pk, 999_999, 10**30)
        ]
        assert answers[0].content == answers[1].content == answers[2].content
        assert faults_of(answers[0]) == [("line", "does_not_exist")]

    def test_both_tenants_may_use_the_same_code(self, ask, beta, small_plant, betas_plant):
        body = {"code": "M1", "name": "One", "line": betas_plant["lines"].pk}
        assert ask("POST", "machines/", body, tenant=beta).status_code == 201


class TestChanging:
    def test_a_machine_is_added_changed_and_removed(self, ask, small_plant):
        line = Line.objects.get()
        made = ask("POST", "machines/", {"code": "M9", "name": "Nine", "line": line.pk})
        assert made.status_code == 201
        pk = made.json()["id"]
        assert ask("PATCH", f"machines/{pk}/", {"micro_stop_s": 60}).json()["micro_stop_s"] == 60
        assert ask("DELETE", f"machines/{pk}/").status_code == 204
        assert ask("GET", f"machines/{pk}/").status_code == 404

    def test_what_is_in_use_stays(self, ask, small_plant):
        answer = ask("DELETE", f"lines/{Line.objects.get().pk}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert answer.json()["detail"] == "This is in use by machines. Remove or change those first."
        assert Line.objects.count() == 1

    def test_a_code_that_is_taken_is_told_at_the_field(self, ask, small_plant):
        body = {"code": "M1", "name": "One", "line": Line.objects.get().pk}
        assert faults_of(ask("POST", "machines/", body)) == [("code", "unique")]
        two = Machine.objects.get(code="M2")
        assert faults_of(ask("PATCH", f"machines/{two.pk}/", {"code": "M1"})) == [("code", "unique")]
        assert ask("PATCH", f"machines/{two.pk}/", {"code": "M2"}).status_code == 200

    @pytest.mark.parametrize(
        ("rows", "body", "fault"),
        [
            ("sites", {"code": "s", "name": "S", "zone": "+01:00"}, "zone"),
            ("reasons", {"code": "r", "name": "R", "loss_class": "luck"}, "loss_class"),
            ("orders", {"code": "o", "quantity": "NaN"}, "quantity"),
            ("orders", {"code": "o", "quantity": True}, "quantity"),
            ("machines", {"code": "m", "name": "M", "line": "1"}, "line"),
            ("machines", {"code": "m", "name": "M", "line": True}, "line"),
            ("machines", {"code": "m", "name": "M", "line": None}, "line"),
            ("machines", {"code": "", "name": "M"}, "code"),
            ("machines", {"code": "x" * 65, "name": "M"}, "code"),
            ("machines", {"code": "m", "name": "M", "micro_stop_s": 10**12}, "micro_stop_s"),
            ("machines", {"code": "m", "name": "M", "retired_at": "2026-03-02T06:00:00"}, "retired_at"),
            ("shifts", {"name": "s", "starts": "06:00", "ends": "14:00", "weekdays": [0]}, "weekdays.0"),
            ("shifts", {"name": "s", "starts": "25:00", "ends": "14:00", "weekdays": [1]}, "starts"),
            ("cycles", {"seconds": 0}, "seconds"),
        ],
    )
    def test_a_value_that_cannot_be_is_refused_at_its_field(self, ask, small_plant, rows, body, fault):
        assert fault in [field for field, _ in faults_of(ask("POST", f"{rows}/", body))]

    def test_a_line_counts_at_a_machine_of_its_own(self, ask, small_plant):
        line, machine = Line.objects.get(), Machine.objects.get(code="M2")
        answer = ask("PATCH", f"lines/{line.pk}/", {"counting_point": machine.pk})
        assert (answer.status_code, answer.json()["counting_point"]) == (200, machine.pk)
        other = ask("POST", "lines/", {"code": "L2", "name": "Line 2", "site": small_plant.pk}).json()
        refused = ask("PATCH", f"lines/{other['id']}/", {"counting_point": machine.pk})
        assert faults_of(refused) == [("counting_point", "invalid")]

    def test_a_time_is_given_back_in_utc(self, ask, small_plant):
        machine = Machine.objects.get(code="M1")
        changed = ask("PATCH", f"machines/{machine.pk}/", {"retired_at": "2026-03-02T06:00:00+01:00"})
        assert changed.json()["retired_at"] == "2026-03-02T05:00:00Z"


class TestHistory:
    """What was counted by the old rules is folded again."""

    @pytest.fixture
    def counted(self, alfa, small_plant, now):
        for machine in Machine.objects.all():
            moments = dict.fromkeys(("first_event_at", "newest_event_at", "folded_to", "folded_at"), now)
            Coverage.objects.create(tenant=alfa, machine=machine, **moments)

    def marked(self):
        return sorted(DirtyRange.objects.values_list("machine__code", flat=True).distinct())

    def test_another_threshold_marks_the_machine(self, ask, counted):
        ask("PATCH", f"machines/{Machine.objects.get(code='M1').pk}/", {"micro_stop_s": 60})
        assert self.marked() == ["M1"]

    def test_another_name_marks_nothing(self, ask, counted):
        ask("PATCH", f"machines/{Machine.objects.get(code='M1').pk}/", {"name": "Big one"})
        assert self.marked() == []

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_another_shift_marks_its_site(self, ask, counted, method):
        ask(method, f"shifts/{Shift.objects.get().pk}/", {"ends": "15:00"} if method == "PATCH" else None)
        assert self.marked() == ["M1", "M2"]

    def test_a_new_cycle_marks_its_machine(self, ask, counted):
        ask("POST", "cycles/", {"machine": Machine.objects.get(code="M2").pk, "product": None, "seconds": 3})
        assert self.marked() == ["M2"]

    def test_a_new_reason_marks_nothing(self, ask, counted):
        ask("POST", "reasons/", {"code": "new", "name": "New"})
        assert Reason.objects.filter(code="new").exists()
        assert self.marked() == []
