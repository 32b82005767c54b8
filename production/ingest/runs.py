"""Runs: an import from waiting to its end; the row is the truth, and who works on it shows signs of life."""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from production.ingest.files import ImportReport, take_file
from production.ingest.mapping import ImportRefused, MappingSpec, read_mapping
from production.ingest.uploads import AT_WORK, UploadRefused, find_at_work, open_upload
from production.models import ImportRun, ImportStatus, Upload

log = structlog.get_logger(__name__)
STALE_AFTER = dt.timedelta(seconds=90)
# A trial is one transaction that is undone: its signs of life cannot be seen from outside.
TRIAL_STALE_AFTER = dt.timedelta(minutes=30)
# Nobody took it up: the message was lost, or the workers are busy.
RING_AGAIN_AFTER = dt.timedelta(seconds=15)
MOST_ATTEMPTS = 3
COUNTS = ("received", "accepted", "duplicate", "quarantined")
PROBLEMS_KEPT = 200
CREATED_KEPT = 100


class RunLost(Exception):
    """Another worker has this import by now: stop, and write nothing."""


# --- asked for and cancelled --------------------------------------------------------------------------


def record_run(
    *, upload: Upload, spec: MappingSpec, zone: str, dry_run: bool, requested_by: Any, now: dt.datetime
) -> ImportRun:
    """The waiting row of an import, with the mapping as it is now; raises `UploadRefused` while another is at work.

    Belongs into a transaction: of two clicks the second waits here, and then finds the first one's row.
    """
    locked = Upload.objects.select_for_update().get(pk=upload.pk)
    if find_at_work(upload=locked):
        raise UploadRefused(_("This file is being read already."), status=409)
    locked.draft = {**locked.draft, "spec": spec.model_dump(mode="json", exclude_defaults=True) | {"version": 2}}
    locked.used_at = now
    locked.save(update_fields=["draft", "used_at"])
    run: ImportRun = ImportRun.objects.create(
        tenant=upload.tenant,
        file_name=upload.file_name,
        sha256=upload.sha256,
        mapping=spec.name,
        zone=zone,
        status=ImportStatus.WAITING,
        dry_run=dry_run,
        upload=upload,
        heartbeat_at=now,
        requested_by=requested_by,
        started_at=now,
    )
    return run


def cancel_import(*, run: ImportRun, now: dt.datetime) -> bool:
    """Stop an import between two batches; False when it is finished already. What was taken stays."""
    rows = ImportRun.objects.filter(pk=run.pk, status__in=AT_WORK)
    return bool(rows.update(status=ImportStatus.CANCELLED, finished_at=now))


def find_stale(*, now: dt.datetime) -> QuerySet[ImportRun]:
    """Imports that nobody took up, or whose worker shows no sign of life."""
    waiting = Q(status=ImportStatus.WAITING, heartbeat_at__lt=now - RING_AGAIN_AFTER)
    rows: QuerySet[ImportRun] = ImportRun.objects.filter(waiting | _abandoned(now))
    return rows


def fail_poisonous(*, now: dt.datetime) -> int:
    """End imports that took their worker with them again and again; gives how many."""
    said = _("The import was begun %(times)s times and each time its worker was gone before the end.")
    said += " " + _("Cut the file into smaller ones and import those.")
    rows = ImportRun.objects.filter(_abandoned(now), attempts__gte=MOST_ATTEMPTS)
    return int(rows.update(status=ImportStatus.FAILED, error=said % {"times": MOST_ATTEMPTS}, finished_at=now))


def _abandoned(now: dt.datetime) -> Q:
    silent = Q(dry_run=False, heartbeat_at__lt=now - STALE_AFTER) | Q(
        dry_run=True, heartbeat_at__lt=now - TRIAL_STALE_AFTER
    )
    return Q(status=ImportStatus.RUNNING) & silent


# --- claimed and worked on ------------------------------------------------------------------------------


def execute_import(*, run_id: int, now_fn: Callable[[], dt.datetime] = timezone.now) -> ImportReport | None:
    """Work on an import if it waits or was abandoned; a second delivery of the same message finds nothing to do."""
    run = claim(run_id=run_id, now=now_fn())
    if run is None:
        return None
    try:
        report = _take(run, now_fn)
    except (RunLost, OperationalError, InterfaceError) as interruption:
        # Without the database nothing can be written; the row goes stale and is taken up again.
        log.warning("import_interrupted", run=run.pk, error=type(interruption).__name__)
        return None
    except (ImportRefused, UploadRefused) as refusal:
        _end(run, now_fn(), status=ImportStatus.FAILED, error=str(refusal))
        return None
    except Exception:
        log.exception("import_failed", run=run.pk)
        said = _("Something went wrong in the portal. Try again; if it happens again, tell your administrator.")
        _end(run, now_fn(), status=ImportStatus.FAILED, error=said)
        return None
    _finish(run, report, now_fn())
    return report


def claim(*, run_id: int, now: dt.datetime) -> ImportRun | None:
    """Take a run that waits or was abandoned; None when somebody else was faster, or it is finished."""
    free = ImportRun.objects.filter(Q(status=ImportStatus.WAITING) | _abandoned(now), pk=run_id)
    taken = free.filter(attempts__lt=MOST_ATTEMPTS).update(
        status=ImportStatus.RUNNING,
        attempts=F("attempts") + 1,
        heartbeat_at=now,
        rows_done=0,
        report={"began_at": now.isoformat()},
    )
    if not taken:
        return None
    row: ImportRun = ImportRun.objects.select_related("upload", "requested_by").get(pk=run_id)
    return row


def _take(run: ImportRun, now_fn: Callable[[], dt.datetime]) -> ImportReport:
    if run.upload is None:
        raise UploadRefused(_("The file is not kept any more. Hand it in again."))
    spec = read_mapping(run.upload.draft["spec"])
    with open_upload(run.upload) as path:
        return take_file(
            path=path,
            mapping_name=None,
            spec=spec,
            zone=run.zone,
            dry_run=run.dry_run,
            requested_by=run.requested_by,
            now=now_fn(),
            # A trial is undone with all it wrote, also its run: it gets one of its own.
            run=None if run.dry_run else run,
            on_progress=lambda done, total: _sign_of_life(run, done, total, now_fn()),
        )


def _sign_of_life(run: ImportRun, done: int, total: int | None, now: dt.datetime) -> None:
    mine = ImportRun.objects.filter(pk=run.pk, attempts=run.attempts)
    if run.dry_run:
        # Writing here would lock the row until the trial is undone, and nobody could cancel it.
        alive = mine.filter(status=ImportStatus.RUNNING).exists()
    else:
        alive = bool(mine.update(rows_done=done, rows_total=total, heartbeat_at=now))
    if not alive:
        raise RunLost


def _finish(run: ImportRun, report: ImportReport, now: dt.datetime) -> None:
    """Write the counts, also of an import that was cancelled half-way: what it took stays."""
    fields: dict[str, Any] = {name: getattr(report, name) for name in COUNTS}
    fields |= {"rows_done": report.received + report.left, "report": {**run.report, **describe_report(report)}}
    if run.dry_run:
        fields["warnings"] = [asdict(warned) for warned in report.warnings]
    ImportRun.objects.filter(pk=run.pk, attempts=run.attempts).update(**fields)
    _end(run, now, status=ImportStatus.DONE)


def _end(run: ImportRun, now: dt.datetime, **fields: Any) -> None:
    mine = ImportRun.objects.filter(pk=run.pk, attempts=run.attempts, status=ImportStatus.RUNNING)
    mine.update(finished_at=now, heartbeat_at=now, **fields)
    Upload.objects.filter(runs=run).update(used_at=now)


def describe_report(report: ImportReport) -> dict[str, Any]:
    """What of a report is kept beside the counts: JSON."""
    created = {name: list(codes) for name, codes in asdict(report.created).items() if codes}
    return {
        "events": report.events,
        "copies": report.copies,
        "left": report.left,
        "first_at": report.first_at.isoformat() if report.first_at else None,
        "last_at": report.last_at.isoformat() if report.last_at else None,
        "created": {name: {"count": len(codes), "codes": codes[:CREATED_KEPT]} for name, codes in created.items()},
        "by_code": dict(sorted(report.by_code.items(), key=lambda one: (-one[1], one[0]))),
        "problems": [asdict(problem) for problem in report.problems[:PROBLEMS_KEPT]],
        "more_warnings": report.more_warnings,
    }
