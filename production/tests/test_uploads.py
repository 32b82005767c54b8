"""Uploads and imports: a file handed in is kept whole, read once, and taken up again by whoever comes when a worker is
gone."""

import datetime as dt
import hashlib
from contextvars import Context

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mesassist.tenants.scope import tenant_scope
from production.imports import start_import
from production.ingest import runs
from production.ingest.mapping import ImportRefused, read_mapping
from production.ingest.uploads import (
    PIECE_BYTES,
    UploadRefused,
    drop_old_uploads,
    find_earlier,
    keep_upload,
    open_upload,
    safe_name,
)
from production.models import Event, ImportRun, ImportStatus, Quarantined, Upload, UploadChunk
from production.tasks import import_upload

CSV = b"Machine,Start,End,State\nM1,2026-03-02 06:00,2026-03-02 07:00,run\nM1,2026-03-02 07:00,2026-03-02 07:30,jam\n"
SPEC = {
    "version": 2,
    "name": "presses",
    "columns": {"machine": "Machine", "start": "Start", "end": "End", "state": "State"},
    "timestamps": ["%Y-%m-%d %H:%M"],
    "states": {"run": {"state": "running"}, "jam": {"state": "down", "reason": "jam"}},
}


def keep(content=CSV, name="day.csv", *, now, by=None):
    return keep_upload(file=SimpleUploadedFile(name, content), uploaded_by=by, now=now)


def ask(upload, *, now, **options):
    options = {"spec": read_mapping(SPEC), "zone": "Europe/Warsaw", "requested_by": None, **options}
    return start_import(upload=upload, now=now, **options)


def work(run):
    """What a worker does: it starts without a scope."""
    Context().run(import_upload, tenant_id=run.tenant_id, run_id=run.pk)
    run.refresh_from_db()
    return run


class TestKeep:
    def test_it_keeps_the_file_in_pieces_and_gives_it_back_whole(self, in_alfa, now):
        content = bytes(range(256)) * 10_000
        upload = keep(content, now=now)
        assert [len(chunk.content) for chunk in upload.chunks.all()] == [PIECE_BYTES, PIECE_BYTES, 462_848]
        assert upload.sha256 == hashlib.sha256(content).hexdigest()
        with open_upload(upload) as path:
            assert (path.name, path.read_bytes()) == ("day.csv", content)
        assert not path.exists()

    def test_a_beginning_ends_with_a_whole_line(self, in_alfa, now):
        upload = keep(b"0123456789\n" * 200_000, now=now)
        with open_upload(upload, most_bytes=PIECE_BYTES) as path:
            assert path.read_bytes() == b"0123456789\n" * (PIECE_BYTES // 11)

    def test_it_refuses_an_empty_file(self, in_alfa, now):
        with pytest.raises(UploadRefused, match=r"day\.csv is empty"):
            keep(b"", now=now)

    def test_it_refuses_one_that_is_too_large(self, in_alfa, now, settings):
        settings.IMPORT_MAX_BYTES = len(CSV) - 1
        with pytest.raises(UploadRefused, match="at most") as refused:
            keep(now=now)
        assert (refused.value.status, Upload.objects.count(), UploadChunk.objects.count()) == (413, 0, 0)

    def test_it_takes_one_of_exactly_the_limit(self, in_alfa, now, settings):
        settings.IMPORT_MAX_BYTES = len(CSV)
        assert keep(now=now).size == len(CSV)

    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("../../etc/passwd", "passwd"),
            ("Hurco01-20170207.txt", "Hurco01-20170207.txt"),
            ("a\x01b:*?.csv", "a_b___.csv"),
            ("...", "file"),
            ("日" * 200 + ".csv", "日" * 60 + ".csv"),
        ],
    )
    def test_its_name_is_safe_for_a_file_system(self, name, safe):
        assert safe_name(name) == safe


class TestDrop:
    def test_it_drops_what_nobody_used_for_a_day(self, in_alfa, now):
        keep(now=now - dt.timedelta(hours=25))
        kept = keep(now=now - dt.timedelta(hours=23))
        assert drop_old_uploads(now=now) == 1
        assert list(Upload.objects.all()) == [kept]
        assert set(UploadChunk.objects.values_list("upload", flat=True)) == {kept.pk}

    def test_it_keeps_what_an_import_waits_for(self, in_alfa, now):
        upload = keep(now=now - dt.timedelta(hours=25))
        ask(upload, now=now - dt.timedelta(hours=25))
        assert drop_old_uploads(now=now) == 0

    def test_it_leaves_another_tenants_files_alone(self, alfa, beta, now):
        with tenant_scope(beta):
            keep(now=now - dt.timedelta(hours=25))
        with tenant_scope(alfa):
            assert drop_old_uploads(now=now) == 0


class TestImport:
    def test_it_reads_the_file_once(self, small_plant, now):
        run = ask(keep(now=now), now=now)
        assert (run.status, run.mapping, run.zone) == (ImportStatus.WAITING, "presses", "Europe/Warsaw")
        work(run)
        assert (run.status, run.received, run.accepted, run.attempts) == (ImportStatus.DONE, 2, 2, 1)
        assert Event.objects.filter(import_run=run).count() == 2
        assert run.report["first_at"] == "2026-03-02T05:00:00+00:00"

    def test_a_second_delivery_does_nothing(self, small_plant, now):
        run = work(ask(keep(now=now), now=now))
        before = ImportRun.objects.filter(pk=run.pk).values().get()
        work(run)
        assert ImportRun.objects.filter(pk=run.pk).values().get() == before

    def test_the_same_file_adds_nothing_and_is_known(self, small_plant, now):
        first = work(ask(keep(now=now), now=now))
        upload = keep(now=now)
        assert find_earlier(upload=upload) == first
        second = work(ask(upload, now=now))
        assert (second.accepted, second.duplicate, Event.objects.count()) == (0, 2, 2)

    def test_a_trial_changes_nothing_but_its_report(self, small_plant, now):
        run = work(ask(keep(CSV + b"M1,never,,run\n", now=now), now=now, dry_run=True))
        assert (run.status, run.received, run.accepted, run.quarantined) == (ImportStatus.DONE, 3, 2, 1)
        assert run.report["by_code"] == {"invalid_timestamp": 1}
        assert (Event.objects.count(), Quarantined.objects.count(), ImportRun.objects.count()) == (0, 0, 1)
        assert find_earlier(upload=run.upload) is None

    def test_a_double_click_asks_once(self, in_alfa, now):
        upload = keep(now=now)
        ask(upload, now=now)
        with pytest.raises(UploadRefused, match="read already"):
            ask(upload, now=now)
        assert ImportRun.objects.count() == 1

    def test_it_refuses_a_zone_that_there_is_not(self, in_alfa, now):
        with pytest.raises(ImportRefused, match="not a time zone"):
            ask(keep(now=now), now=now, zone="+01:00")
        assert ImportRun.objects.count() == 0

    def test_a_file_that_cannot_be_read_fails_with_its_sentence(self, in_alfa, now):
        run = work(ask(keep(b"Other,Columns\n1,2\n", now=now), now=now))
        assert (run.status, run.accepted) == (ImportStatus.FAILED, 0)
        assert "needs the columns Machine, Start, End, State" in run.error

    def test_a_mistake_of_ours_fails_without_its_details(self, in_alfa, now):
        upload = keep(now=now)
        run = ask(upload, now=now)
        UploadChunk.objects.filter(upload=upload).update(content=b"\xff\xfe\x00")
        Upload.objects.filter(pk=upload.pk).update(draft={})
        work(run)
        assert (run.status, run.error.startswith("Something went wrong in the portal")) == (ImportStatus.FAILED, True)

    def test_a_file_that_is_gone_fails_with_what_to_do(self, in_alfa, now):
        upload = keep(now=now)
        run = ask(upload, now=now)
        UploadChunk.objects.all().delete()
        Upload.objects.filter(pk=upload.pk).delete()
        work(run)
        assert run.error == "The file is not kept any more. Hand it in again."


class TestCancel:
    def test_one_that_waits_is_never_read(self, small_plant, now):
        run = ask(keep(now=now), now=now)
        assert runs.cancel_import(run=run, now=now) is True
        work(run)
        assert (run.status, run.attempts, Event.objects.count()) == (ImportStatus.CANCELLED, 0, 0)

    def test_one_under_way_stops_between_batches_and_keeps_what_it_took(self, small_plant, now, monkeypatch):
        monkeypatch.setattr("production.ingest.files.ROWS_AT_ONCE", 1)
        run = ask(keep(now=now), now=now)
        real = runs._sign_of_life

        def stop_after_the_first(run, done, *rest):
            real(run, done, *rest)
            runs.cancel_import(run=run, now=now)

        monkeypatch.setattr(runs, "_sign_of_life", stop_after_the_first)
        work(run)
        assert (run.status, run.received, run.accepted) == (ImportStatus.CANCELLED, 2, 2)

    def test_one_that_is_finished_stays_so(self, small_plant, now):
        run = work(ask(keep(now=now), now=now))
        assert runs.cancel_import(run=run, now=now) is False


class TestResume:
    @pytest.fixture
    def abandoned(self, small_plant, now):
        """A run whose worker was killed after the first of two rows."""
        run = ask(keep(now=now), now=now)
        claimed = runs.claim(run_id=run.pk, now=now)
        ImportRun.objects.filter(pk=run.pk).update(rows_done=1)
        return claimed

    def test_nobody_takes_it_while_it_lives(self, abandoned, now):
        assert runs.claim(run_id=abandoned.pk, now=now + runs.STALE_AFTER) is None

    def test_another_takes_it_when_it_is_silent(self, abandoned, now):
        later = now + runs.STALE_AFTER + dt.timedelta(seconds=1)
        assert list(runs.find_stale(now=later)) == [abandoned]
        report = runs.execute_import(run_id=abandoned.pk, now_fn=lambda: later)
        abandoned.refresh_from_db()
        assert (report.accepted, abandoned.status, abandoned.attempts) == (2, ImportStatus.DONE, 2)
        assert list(runs.find_stale(now=later + dt.timedelta(days=1))) == []

    def test_the_first_one_writes_nothing_when_it_wakes_up(self, abandoned, now):
        later = now + runs.STALE_AFTER + dt.timedelta(seconds=1)
        runs.claim(run_id=abandoned.pk, now=later)
        with pytest.raises(runs.RunLost):
            runs._sign_of_life(abandoned, 2, 2, later)

    def test_a_trial_may_be_silent_for_longer(self, in_alfa, now):
        run = ask(keep(now=now), now=now, dry_run=True)
        runs.claim(run_id=run.pk, now=now)
        assert runs.claim(run_id=run.pk, now=now + dt.timedelta(minutes=29)) is None
        assert runs.claim(run_id=run.pk, now=now + dt.timedelta(minutes=31)).attempts == 2

    def test_one_that_takes_its_workers_along_is_given_up(self, abandoned, now):
        later = now
        for _ in range(runs.MOST_ATTEMPTS - 1):
            later += runs.STALE_AFTER + dt.timedelta(seconds=1)
            assert runs.claim(run_id=abandoned.pk, now=later)
        later += runs.STALE_AFTER + dt.timedelta(seconds=1)
        assert runs.claim(run_id=abandoned.pk, now=later) is None
        assert runs.fail_poisonous(now=later) == 1
        abandoned.refresh_from_db()
        assert (abandoned.status, "smaller ones" in abandoned.error) == (ImportStatus.FAILED, True)
