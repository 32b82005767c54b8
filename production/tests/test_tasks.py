"""Tasks: the rings reach the tenants that have something to fold, and those alone."""

import base64
import datetime as dt
import json
from contextvars import Context

import pytest
import redis
from django.utils import timezone

from mesassist.celery import app
from production.models import DirtyRange, ImportRun, ImportStatus, Rollup, Upload
from production.rollups import mark_dirty
from production.tasks import drop_uploads, fold_all, fold_open, fold_tenant, resume_stale_imports
from production.tests.plant import fold, machine_of, state


@pytest.fixture
def marked(small_plant):
    """Alfa's first machine with one event of an hour ago, marked."""
    machine = machine_of()
    event = state(machine, timezone.now() - dt.timedelta(hours=1), "running")
    mark_dirty(machine_id=machine.pk, from_at=event.at, to_at=event.at)
    return machine


@pytest.fixture
def rung(settings):
    """The task and arguments of each message that waits for the computing workers."""

    def read():
        found = [json.loads(message) for message in client.lrange("compute", 0, -1)]
        return [(one["headers"]["task"], json.loads(base64.b64decode(one["body"]))[1]) for one in found]

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("compute")
        yield read
        client.delete("compute")


def work(task, **ids):
    """Run a task as a worker does: no scope is open yet."""
    return Context().run(task, **ids)


class TestFoldTenant:
    def test_it_folds_the_marks_of_its_tenant(self, marked, alfa):
        work(fold_tenant, tenant_id=alfa.pk)
        assert (DirtyRange.objects.count(), Rollup.objects.exists()) == (0, True)

    def test_it_does_nothing_the_second_time(self, marked, alfa):
        work(fold_tenant, tenant_id=alfa.pk)
        before = list(Rollup.objects.order_by("pk").values_list("pk"))
        work(fold_tenant, tenant_id=alfa.pk)
        assert list(Rollup.objects.order_by("pk").values_list("pk")) == before

    def test_it_leaves_another_tenants_marks_alone(self, marked, beta):
        work(fold_tenant, tenant_id=beta.pk)
        assert (DirtyRange.objects.count(), Rollup.objects.exists()) == (1, False)

    def test_it_lets_open_states_grow_when_asked(self, marked, alfa):
        fold(marked, timezone.now() - dt.timedelta(minutes=40), from_at=timezone.now() - dt.timedelta(hours=1))
        DirtyRange.objects.all().delete()
        before = Rollup.objects.count()
        work(fold_tenant, tenant_id=alfa.pk, open_states=True)
        assert Rollup.objects.count() > before

    def test_a_tenant_that_is_gone_is_no_error(self, db):
        assert work(fold_tenant, tenant_id=0) is None


class TestRings:
    def test_it_rings_for_tenants_with_marks(self, marked, alfa, beta, rung):
        work(fold_all)
        assert rung() == [("production.tasks.fold_tenant", {"tenant_id": alfa.pk})]

    def test_it_rings_for_tenants_with_open_states(self, marked, alfa, beta, rung):
        fold(marked, timezone.now(), from_at=timezone.now() - dt.timedelta(hours=1))
        work(fold_open)
        assert rung() == [("production.tasks.fold_tenant", {"tenant_id": alfa.pk, "open_states": True})]

    def test_it_is_quiet_when_there_is_nothing_to_do(self, alfa, beta, rung):
        work(fold_all)
        work(fold_open)
        assert rung() == []

    def test_the_timetable_knows_both(self):
        timetable = {entry["task"] for entry in app.conf.beat_schedule.values()}
        assert {fold_all.name, fold_open.name} <= timetable


class TestImports:
    @pytest.fixture
    def waiting(self, in_alfa):
        """An import that was asked for a minute ago, and the message that was lost."""
        then = timezone.now() - dt.timedelta(minutes=1)
        upload = Upload.objects.create(tenant=in_alfa, file_name="x.csv", size=1, uploaded_at=then, used_at=then)
        return ImportRun.objects.create(
            tenant=in_alfa,
            file_name="x.csv",
            status=ImportStatus.WAITING,
            upload=upload,
            started_at=then,
            heartbeat_at=then,
        )

    def test_it_rings_again_for_an_import_that_nobody_took(self, waiting, alfa, rung):
        work(resume_stale_imports)
        assert rung() == [("production.tasks.import_upload", {"tenant_id": alfa.pk, "run_id": waiting.pk})]

    def test_it_leaves_one_that_is_new_to_its_own_message(self, waiting, rung):
        ImportRun.objects.update(heartbeat_at=timezone.now())
        work(resume_stale_imports)
        assert rung() == []

    def test_it_rings_for_tenants_with_files(self, waiting, alfa, beta, rung):
        work(drop_uploads)
        assert rung() == [("production.tasks.drop_uploads_of_tenant", {"tenant_id": alfa.pk})]
