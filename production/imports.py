"""Imports: a file that was handed in is asked to be read; the workers hear of it once that is committed."""

import datetime as dt
from functools import partial

import structlog
from django.db import transaction

from mesassist.tenants.models import User
from mesassist.tenants.scope import tenant_tx
from production import tasks
from production.ingest.mapping import MappingSpec, read_zone
from production.ingest.runs import record_run
from production.models import ImportRun, Upload

log = structlog.get_logger(__name__)


def start_import(
    *,
    upload: Upload,
    spec: MappingSpec,
    zone: str,
    requested_by: User | None,
    now: dt.datetime,
    dry_run: bool = False,
) -> ImportRun:
    """Ask for an import, or with `dry_run` for a trial. Raises `ImportRefused` for a zone that there is not, and
    `UploadRefused` while this file is being read already."""
    read_zone(zone)
    with tenant_tx():
        run = record_run(upload=upload, spec=spec, zone=zone, dry_run=dry_run, requested_by=requested_by, now=now)
        transaction.on_commit(partial(ring_for, tenant_id=upload.tenant_id, run_id=run.pk))
    return run


def ring_for(*, tenant_id: int, run_id: int) -> None:
    """Tell the workers; a broker that is down costs nothing: the row waits, and is rung for again."""
    try:
        tasks.import_upload.apply_async(kwargs={"tenant_id": tenant_id, "run_id": run_id}, retry=False)
    except Exception as error:
        log.warning("ring_failed", run=run_id, error=type(error).__name__)
