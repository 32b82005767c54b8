"""The admin as a whole: every page of every registered row opens for staff, in bounded queries, and for nobody else."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from mesassist.people.admin import EndOnlyAdmin
from mesassist.tenants.admin import ReadOnly, TenantAdmin
from mesassist.tenants.scope import TenantModel

ROWS = sorted(admin.site._registry, key=lambda row: row._meta.label)
OF_TENANTS = [row for row in ROWS if issubclass(row, TenantModel)]


def name_of(row):
    return row._meta.label_lower


def address(row, page, *args):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=args)


@pytest.fixture
def desk(client_of, staff):
    return client_of(staff)


class TestEveryRow:
    @pytest.mark.parametrize("row", ROWS, ids=name_of)
    def test_its_list_opens_for_staff_and_costs_little(self, desk, row, small_plant, django_assert_max_num_queries):
        with django_assert_max_num_queries(12):
            answer = desk.get(address(row, "changelist"))
        assert answer.status_code == 200

    @pytest.mark.parametrize("row", ROWS, ids=name_of)
    def test_its_list_can_be_searched(self, desk, row, db):
        if admin.site._registry[row].search_fields:
            assert desk.get(address(row, "changelist"), {"q": "x y"}).status_code == 200

    @pytest.mark.parametrize("row", ROWS, ids=name_of)
    def test_its_pages_send_ana_to_the_staffs_sign_in(self, client_of, ana, row):
        client = client_of(ana)
        for page, args in (
            ("changelist", ()),
            ("add", ()),
            ("change", ("1",)),
            ("delete", ("1",)),
            ("history", ("1",)),
        ):
            path = address(row, page, *args)
            answer = client.get(path)
            assert (answer.status_code, answer.url) == (302, f"/admin/login/?next={path}")

    @pytest.mark.parametrize("row", OF_TENANTS, ids=name_of)
    def test_it_is_administered_by_tenant(self, row):
        assert isinstance(admin.site._registry[row], TenantAdmin)

    @pytest.mark.parametrize("row", ROWS, ids=name_of)
    def test_it_is_added_in_one_tenant_or_not_at_all(self, desk, row, alfa):
        answer = desk.get(address(row, "add"), {"tenant": "alfa"})
        if isinstance(admin.site._registry[row], ReadOnly | EndOnlyAdmin):
            assert answer.status_code == 403
            return
        assert answer.status_code == 200
        if row in OF_TENANTS:
            assert "Alfa Works" in answer.content.decode()
            asked = desk.get(address(row, "add")).content.decode()
            assert 'href="?tenant=alfa"' in asked
            assert "csrfmiddlewaretoken" not in asked.split('id="content-main"')[1]


class TestWithoutInlineCode:
    @pytest.mark.parametrize("row", ROWS, ids=name_of)
    def test_its_pages_carry_no_inline_script_or_style(self, desk, row, small_plant):
        texts = [desk.get(address(row, "changelist")).content.decode()]
        if not isinstance(admin.site._registry[row], ReadOnly | EndOnlyAdmin):
            texts.append(desk.get(address(row, "add"), {"tenant": "alfa"}).content.decode())
        for text in texts:
            assert "<style" not in text
            assert not re.search(r"\s(style|on[a-z]+)=", text)
            assert all("src=" in tag.split(">")[0] or "application/json" in tag for tag in text.split("<script")[1:])
