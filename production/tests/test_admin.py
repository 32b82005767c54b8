"""The plant's admin: each row is kept in its tenant, by the same rules as everywhere."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope, tenant_scope
from production.models import FileMapping, IdealCycle, Line, Machine, Metric, Product, Shift, Site, Summary


@pytest.fixture
def desk(client_of, staff):
    return client_of(staff)


@pytest.fixture
def betas_line(beta):
    with platform_scope("test", role=PlatformRole.STAFF):
        site = Site.objects.create(tenant=beta, code="ber", name="Berlin", zone="Europe/Berlin")
        return Line.objects.create(tenant=beta, code="B1", name="Betas Line", site=site)


def machine(line, **changes):
    return {
        "code": "M9",
        "name": "Nine",
        "line": line.pk,
        "micro_stop_s": 300,
        "contact_timeout_s": 28800,
        "implausible_factor": 3,
        "retired_at_0": "",
        "retired_at_1": "",
        "ideal_cycles-TOTAL_FORMS": 0,
        "ideal_cycles-INITIAL_FORMS": 0,
    } | changes


class TestAdding:
    def test_a_machine_is_added_to_the_chosen_tenant(self, desk, alfa, small_plant):
        page = f"{reverse('admin:production_machine_add')}?tenant=alfa"
        assert desk.post(page, machine(Line.objects.get())).status_code == 302
        assert Machine.objects.get(code="M9").tenant == alfa

    def test_its_picker_offers_no_other_tenants_lines(self, desk, small_plant, betas_line):
        text = desk.get(f"{reverse('admin:production_machine_add')}?tenant=alfa").content.decode()
        assert "Line 1" in text
        assert "Betas Line" not in text

    def test_another_tenants_line_is_refused_like_one_that_never_was(self, desk, small_plant, betas_line):
        page = f"{reverse('admin:production_machine_add')}?tenant=alfa"
        answers = [desk.post(page, machine(betas_line) | {"line": pk}) for pk in (betas_line.pk, 999_999)]
        faults = [answer.context["adminform"].form.errors for answer in answers]
        assert (
            faults[0]
            == faults[1]
            == {"line": ["Select a valid choice. That choice is not one of the available choices."]}
        )

    def test_a_code_that_is_taken_is_told_in_the_form(self, desk, small_plant):
        answer = desk.post(
            f"{reverse('admin:production_machine_add')}?tenant=alfa", machine(Line.objects.get(), code="M1")
        )
        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()

    def test_both_tenants_may_use_the_same_code(self, desk, small_plant, betas_line):
        page = f"{reverse('admin:production_machine_add')}?tenant=beta"
        assert desk.post(page, machine(betas_line, code="M1")).status_code == 302

    def test_a_tenant_that_does_not_exist_is_asked_for_again(self, desk, small_plant):
        page = f"{reverse('admin:production_machine_add')}?tenant=nowhere"
        assert "to which tenant?" in desk.post(page, machine(Line.objects.get())).content.decode()
        assert Machine.objects.count() == 2

    def test_a_cycle_below_a_machine_belongs_to_the_machines_tenant(self, desk, alfa, small_plant):
        form = machine(Line.objects.get()) | {
            "ideal_cycles-TOTAL_FORMS": 1,
            "ideal_cycles-0-product": "",
            "ideal_cycles-0-seconds": "12.5",
        }
        desk.post(f"{reverse('admin:production_machine_add')}?tenant=alfa", form)
        cycle = Machine.objects.get(code="M9").ideal_cycles.get()
        assert (cycle.tenant, cycle.seconds) == (alfa, 12.5)


class TestChanging:
    def test_it_stays_in_its_tenant(self, desk, alfa, small_plant, betas_line):
        row = Machine.objects.get(code="M1")
        page = reverse("admin:production_machine_change", args=[row.pk])
        desk.post(f"{page}?tenant=beta", machine(row.line, tenant=betas_line.tenant_id, **cycles_of(row)))
        row.refresh_from_db()
        assert (row.code, row.tenant) == ("M9", alfa)

    def test_its_page_asks_as_often_with_many_cycles_as_with_one(
        self, desk, alfa, small_plant, django_assert_num_queries
    ):
        row = Machine.objects.get(code="M1")
        page = reverse("admin:production_machine_change", args=[row.pk])
        with CaptureQueriesContext(connection) as few:
            desk.get(page)
        for n in range(10):
            product = Product.objects.create(tenant=alfa, code=f"X{n}", name="x")
            IdealCycle.objects.create(tenant=alfa, machine=row, product=product, seconds=5)
        with django_assert_num_queries(len(few)):
            desk.get(page)

    def test_what_is_in_use_is_not_removed(self, desk, small_plant):
        line = Line.objects.get()
        desk.post(reverse("admin:production_line_delete", args=[line.pk]), {"post": "yes"})
        assert Line.objects.filter(pk=line.pk).exists()

    def test_a_row_that_is_not_there_leads_to_the_index(self, desk, db):
        answer = desk.get(reverse("admin:production_machine_change", args=[999_999]))
        assert (answer.status_code, answer.url) == (302, "/admin/")


def cycles_of(row):
    cycle = row.ideal_cycles.get()
    return {
        "ideal_cycles-TOTAL_FORMS": 1,
        "ideal_cycles-INITIAL_FORMS": 1,
        "ideal_cycles-0-id": cycle.pk,
        "ideal_cycles-0-machine": row.pk,
        "ideal_cycles-0-product": cycle.product_id,
        "ideal_cycles-0-seconds": cycle.seconds,
    }


class TestTicking:
    def test_weekdays_are_ticked(self, desk, small_plant):
        form = {"site": small_plant.pk, "name": "Late", "starts": "14:00", "ends": "22:00", "weekdays": ["1", "5"]}
        desk.post(f"{reverse('admin:production_shift_add')}?tenant=alfa", form)
        assert Shift.objects.get(name="Late").weekdays == [1, 5]

    def test_metrics_are_ticked(self, desk, staff, small_plant):
        form = {
            "name": "Losses",
            "window": "last_7_days",
            "group_by": "machine",
            "compare_to": "",
            "metrics": [Metric.DOWN.value, Metric.STOPS.value],
            "machines": [Machine.objects.get(code="M1").pk],
        }
        answer = desk.post(f"{reverse('admin:production_summary_add')}?tenant=alfa", form)
        assert answer.status_code == 302
        row = Summary.objects.get()
        assert (row.metrics, row.created_by, row.machines.get().code) == (["down", "stops"], staff, "M1")

    def test_a_custom_window_needs_its_ends(self, desk, small_plant):
        form = {"name": "Losses", "window": "custom", "group_by": "machine", "compare_to": "", "metrics": ["down"]}
        answer = desk.post(f"{reverse('admin:production_summary_add')}?tenant=alfa", form)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert Summary.objects.count() == 0


class TestLists:
    def test_the_tenant_is_seen_and_filtered(self, desk, small_plant, betas_line):
        page = reverse("admin:production_line_changelist")
        both = desk.get(page).content.decode()
        assert "Line 1" in both
        assert "Betas Line" in both
        text = desk.get(page, {"tenant__id__exact": betas_line.tenant_id}).content.decode()
        assert "Betas Line" in text
        assert "Line 1" not in text.split('id="result_list"')[1]

    def test_a_list_asks_as_often_for_many_as_for_one(self, desk, alfa, small_plant, django_assert_num_queries):
        page, line = reverse("admin:production_machine_changelist"), Line.objects.get()
        with CaptureQueriesContext(connection) as few:
            desk.get(page)
        with tenant_scope(alfa):
            Machine.objects.bulk_create(Machine(tenant=alfa, code=f"X{n}", name="x", line=line) for n in range(30))
        with django_assert_num_queries(len(few)):
            desk.get(page)


class TestMappings:
    SPEC = '{"version": 2, "columns": {"machine": "Machine", "start": "Start"}, "default_state": "running"}'

    def add(self, desk, spec):
        return desk.post(f"{reverse('admin:production_filemapping_add')}?tenant=alfa", {"name": "log", "spec": spec})

    def test_one_that_can_be_read_is_kept(self, desk, alfa):
        assert self.add(desk, self.SPEC).status_code == 302
        with tenant_scope(alfa):
            assert FileMapping.objects.get().spec["default_state"] == "running"

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            (SPEC.replace("start", "begin"), "columns.begin: Extra inputs are not permitted"),
            (SPEC.replace("running", "flying"), "default_state: Input should be"),
            ("[1]", "A mapping is a JSON object"),
            ("{", "Enter a valid JSON"),
        ],
    )
    def test_one_that_cannot_says_why_at_its_spec(self, desk, alfa, spec, said):
        errors = self.add(desk, spec).context["adminform"].form.errors
        assert list(errors) == ["spec"]
        assert said in errors["spec"][0]
