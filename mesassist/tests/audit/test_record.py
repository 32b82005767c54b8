"""Record: what doors, tasks and commands change is in the trail, with before and after, and in whose name."""

import base64
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from contextvars import Context

import environ
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection, connections, transaction
from django.urls import reverse

from analyses.models import AssistantSettings
from mesassist.audit.chain import verify_chain
from mesassist.audit.models import Entry, PlatformEntry
from mesassist.tenants.actor import Actor, acting, because
from mesassist.tenants.models import ApiKey, Membership, Role, User
from mesassist.tenants.scope import platform_scope, tenant_scope, tenant_tx
from mesassist.tenants.secrets import seal
from mesassist.tenants.tasks import TenantTask
from production.models import Machine, Summary

ANA_BY_HAND = Actor(kind="person", name="ana'; DROP TABLE audit_entry; -- %s", why="100 % sure; really")


class TestWho:
    def test_a_page_records_the_person_the_door_and_the_address(self, client_of, boris, alfa, small_plant, entries_of):
        client = client_of(boris)
        page = reverse("dashboards:summary-new", args=["alfa"])
        sent = {"name": "Nights", "window": "today", "metrics": ["oee"], "group_by": "machine", "compare_to": ""}
        answer = client.post(page, sent, headers={"X-Request-Id": "0123456789abcdef"})
        assert answer.status_code == 302, answer.content[:2000]
        (entry,) = entries_of(alfa, subject="production.Summary")
        assert (entry.actor_kind, entry.actor, entry.door) == ("person", "boris", "page")
        assert (entry.ip, entry.request_id, entry.actor_id) == ("127.0.0.1", "0123456789abcdef", str(boris.pk))
        assert (entry.action, entry.object, entry.changes["name"]) == ("added", "Nights", [None, "Nights"])

    def test_a_request_id_that_is_none_is_not_believed(self, client_of, boris, alfa, small_plant, entries_of):
        sent = {"name": "Nights", "window": "today", "metrics": ["oee"], "group_by": "machine", "compare_to": ""}
        page = reverse("dashboards:summary-new", args=["alfa"])
        client_of(boris).post(page, sent, headers={"X-Request-Id": "<script>"})
        (entry,) = entries_of(alfa, subject="production.Summary")
        assert (len(entry.request_id), entry.request_id.isalnum()) == (32, True)

    def test_the_api_records_the_key(self, caller, api_key, alfa, small_plant, entries_of):
        with tenant_scope(alfa):
            machine = Machine.objects.get(code="M1")
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'read', 'configure')}"}
        answer = caller().patch(
            f"/api/v1/machines/{machine.pk}/",
            {"name": "Press One"},
            content_type="application/json",
            headers=headers,
        )
        assert answer.status_code == 200, answer.content
        *_, entry = entries_of(alfa, subject="production.Machine")
        assert (entry.actor_kind, entry.actor, entry.door) == ("key", "erp-7", "api")
        assert (entry.action, entry.changes) == ("changed", {"name": ["Press 1", "Press One"]})

    def test_a_task_is_named_and_so_is_what_it_did(self, alfa, small_plant, entries_of):
        from mesassist.celery import app

        @app.task(base=TenantTask, name="audit.rename")
        def rename(*, tenant_id):
            Machine.objects.filter(code="M1").update(name="Renamed")

        rename(tenant_id=alfa.pk)
        *_, entry = entries_of(alfa, subject="production.Machine")
        assert (entry.actor_kind, entry.actor, entry.door) == ("task", "audit.rename", "task")

    def test_a_reason_is_kept_and_no_name_ends_the_statement(self, alfa, small_plant, entries_of):
        with acting(ANA_BY_HAND), tenant_scope(alfa), because("the old one was wrong; 50 %"):
            Machine.objects.filter(code="M1").update(name="M-one")
        *_, entry = entries_of(alfa, subject="production.Machine")
        assert (entry.actor, entry.why) == (ANA_BY_HAND.name, "the old one was wrong; 50 %")

    def test_it_is_said_again_after_a_savepoint_was_rolled_back(self, alfa, small_plant, entries_of):
        with acting(ANA_BY_HAND), tenant_tx(alfa):
            point = transaction.savepoint()
            Machine.objects.filter(code="M1").update(name="M-two")
            transaction.savepoint_rollback(point)
            Machine.objects.filter(code="M1").update(name="M-three")
        *_, entry = entries_of(alfa, subject="production.Machine")
        assert (entry.actor, entry.changes) == (ANA_BY_HAND.name, {"name": ["Press 1", "M-three"]})

    def test_many_rows_of_one_statement_each_have_an_entry(self, alfa, small_plant, entries_of):
        with acting(ANA_BY_HAND), tenant_scope(alfa), connection.cursor() as cursor:
            names = [("one", "M1"), ("two", "M2")]
            cursor.executemany("UPDATE production_machine SET name = %s WHERE code = %s", names)
        entries = entries_of(alfa, subject="production.Machine", action="changed")
        assert [(entry.actor, entry.changes["name"][1]) for entry in entries] == [
            (ANA_BY_HAND.name, n) for n, _ in names
        ]

    def test_the_admin_records_platform_staff(self, client_of, staff, alfa, small_plant, entries_of):
        with tenant_scope(alfa):
            reason = small_plant and Machine.objects.get(code="M1")
        page = reverse("admin:production_machine_change", args=[reason.pk])
        client = client_of(staff)
        form = client.get(page).context["adminform"].form
        sent = {name: "" if value is None else value for name, value in form.initial.items()}
        rows = {"ideal_cycles-TOTAL_FORMS": "0", "ideal_cycles-INITIAL_FORMS": "0"}
        answer = client.post(page, sent | rows | {"name": "From the admin"})
        assert answer.status_code == 302, answer.content
        *_, entry = entries_of(alfa, subject="production.Machine")
        assert (entry.actor, entry.door, entry.changes) == ("admin", "admin", {"name": ["Press 1", "From the admin"]})


class TestWhat:
    def test_each_kind_of_change_has_before_and_after(self, alfa, small_plant, entries_of):
        with tenant_scope(alfa):
            machine = Machine.objects.create(tenant=alfa, code="M9", name="Nine", line=Machine.objects.first().line)
            Machine.objects.filter(pk=machine.pk).update(micro_stop_s=60)
            Machine.objects.filter(pk=machine.pk).update(micro_stop_s=60)
            pk = str(machine.pk)
            machine.delete()
        added, changed, removed = entries_of(alfa, subject="production.Machine", object_id=pk)
        assert (added.action, added.changes["micro_stop_s"], added.changes["code"]) == (
            "added",
            [None, 300],
            [None, "M9"],
        )
        assert (changed.action, changed.changes) == ("changed", {"micro_stop_s": [300, 60]})
        assert (removed.action, removed.changes["micro_stop_s"]) == ("removed", [60, None])

    def test_a_secret_is_set_and_changed_and_nothing_else(self, alfa, entries_of):
        sealed = [seal(f"sk-very-secret-{n}", tenant_id=alfa.pk, column="assistantsettings.token") for n in "ab"]
        with tenant_scope(alfa):
            row = AssistantSettings.objects.create(tenant=alfa, token=sealed[0])
            AssistantSettings.objects.filter(pk=row.pk).update(token=sealed[1])
            AssistantSettings.objects.filter(pk=row.pk).update(token="")
        entries = entries_of(alfa, subject="analyses.AssistantSettings")
        assert [entry.changes["token"] for entry in entries] == [[None, "set"], ["set", "changed"], ["set", None]]
        kept = json.dumps([entry.changes for entry in entries])
        for secret in ("sk-very-secret", base64.b64encode(b"sk-very-secret").decode()[:16], *sealed):
            assert secret not in kept

    def test_neither_a_keys_text_nor_its_hash_nor_a_password_is_kept(self, alfa, boris, entries_of):
        person = User.objects.get(pk=boris.pk)
        with tenant_scope(alfa):
            key, text = ApiKey.objects.create(person, tenant=alfa, name="mes", scopes=["read"])
        (entry,) = entries_of(alfa, subject="tenants.ApiKey")
        assert entry.changes["digest"] == [None, "set"]
        with platform_scope("test"):
            people = list(PlatformEntry.objects.filter(subject="tenants.User").values_list("changes", flat=True))
        kept = json.dumps([entry.changes, people])
        assert (text in kept, key.digest in kept, person.password in kept) == (False, False, False)
        assert person.password

    def test_what_summaries_reach_is_recorded_too(self, alfa, small_plant, entries_of):
        with tenant_scope(alfa):
            summary = Summary.objects.create(tenant=alfa, name="Presses")
            machine = Machine.objects.get(code="M1")
            summary.machines.add(machine)
        (entry,) = entries_of(alfa, subject="production.Summary_machines")
        assert (entry.action, entry.changes["machine_id"]) == ("added", [None, machine.pk])

    def test_events_and_figures_are_not_recorded(self, alfa, morning, entries_of):
        assert {entry.subject for entry in entries_of(alfa)} <= {
            *("production.Site", "production.Line", "production.Machine", "production.Product"),
            *("production.IdealCycle", "production.Reason", "production.Shift", "production.Summary"),
        }

    def test_accounts_are_on_the_platforms_chain(self, boris, entries_of, alfa):
        User.objects.filter(pk=boris.pk).update(is_active=False)
        assert {entry.subject for entry in entries_of(alfa)} == {"tenants.Membership"}
        with platform_scope("test"):
            *_, entry = PlatformEntry.objects.filter(subject="tenants.User").order_by("number")
        assert (entry.object, entry.changes) == ("boris", {"is_active": [True, False]})


class TestWall:
    def test_a_stranger_sees_nothing_of_it(self, alfa, beta, small_plant, entries_of):
        assert entries_of(alfa)
        assert Context().run(entries_of, beta) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET actor = 'carla'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
            "INSERT INTO audit_entry SELECT * FROM audit_entry",
            "SELECT audit_forget(1)",
        ],
    )
    def test_the_portal_cannot_write_it(self, alfa, small_plant, entries_of, statement):
        entries_of(alfa)
        with (
            pytest.raises(ProgrammingError, match=r"permission denied|never changed"),
            tenant_tx(alfa),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    @pytest.mark.parametrize("statement", ["SELECT FROM", "DELETE FROM", "UPDATE", "INSERT"])
    def test_the_platforms_chain_is_not_there_for_a_tenant(self, alfa, boris, entries_of, statement):
        entries_of(alfa)
        rest = {"UPDATE": "SET actor = 'x'", "INSERT": ""}.get(statement, "")
        into = "INSERT INTO audit_platformentry SELECT * FROM" if statement == "INSERT" else statement
        with tenant_scope(alfa), connection.cursor() as cursor, suppress(ProgrammingError):
            # Refused for want of a right, or of a row to be seen.
            cursor.execute(f"{into} audit_platformentry {rest}")
            assert cursor.rowcount == 0


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_fifty_at_once_leave_one_chain(self, alfa, small_plant):
        machine = Machine.objects.get(code="M1")
        start = threading.Barrier(50)

        def change(number):
            try:
                start.wait(30)
                with acting(Actor(kind="person", name=f"p{number}")), tenant_tx(alfa):
                    Machine.objects.create(tenant=alfa, code=f"X{number}", name="x", line_id=machine.line_id)
                    Membership.objects.filter(tenant=alfa).update(role=Role.VIEWER)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=change, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        verdict = verify_chain()
        assert verdict.broken == []
        made = Entry.objects.filter(subject="production.Machine", action="added", object="x")
        assert {entry.actor for entry in made} == {f"p{number}" for number in range(50)}

    def test_what_is_rolled_back_leaves_no_entry_and_no_gap(self, alfa, small_plant, entries_of):
        before = len(entries_of(alfa))
        with tenant_tx(alfa):
            Machine.objects.filter(code="M1").update(name="never")
            transaction.set_rollback(True)
        Machine.objects.filter(code="M1").update(name="yes")
        assert [entry.number for entry in entries_of(alfa)] == list(range(1, before + 2))
        assert verify_chain().broken == []
        call_command("audit_verify")


@pytest.mark.django_db(transaction=True)
class TestCommand:
    def test_it_is_named_with_the_account_that_ran_it(self, alfa, entries_of):
        line = "from mesassist.tenants.models import Tenant; Tenant.objects.filter(slug='alfa').update(name='By hand')"
        place = {**environ.Env.db_url_config(os.environ["DATABASE_URL"]), "NAME": connection.settings_dict["NAME"]}
        address = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**place)
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "shell", "-c", line],
            env={**os.environ, "DATABASE_URL": address, "USER": "root-of-test"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (entry,) = entries_of(alfa, subject="tenants.Tenant")
        assert (entry.actor_kind, entry.actor, entry.actor_id) == ("command", "shell", "root-of-test")
        assert entry.changes == {"name": ["Alfa Works", "By hand"]}
