"""Uploads: a file that somebody handed in, kept in pieces in the database until its import is done."""

import datetime as dt
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.db.models import Q
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from mesassist.tenants.models import User
from mesassist.tenants.scope import current_tenant, tenant_tx
from production.ingest.refusals import storable
from production.models import ImportRun, ImportStatus, Upload, UploadChunk

PIECE_BYTES = 1 << 20
KEPT_FOR = dt.timedelta(hours=24)
# What lives on: an import that is waiting or at work needs its file, however old that is.
AT_WORK = (ImportStatus.WAITING, ImportStatus.RUNNING)
# File systems count bytes, and 255 of them at most.
LONGEST_NAME = 120


class UploadRefused(Exception):
    """The file is not kept; the message says why and what to do. `status` is the HTTP status that fits."""

    def __init__(self, message: str, *, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def keep_upload(*, file: File, uploaded_by: User | None, now: dt.datetime) -> Upload:
    """Keep the file in pieces of 1 MB, all or nothing; raises `UploadRefused`."""
    most = settings.IMPORT_MAX_BYTES
    name = storable(Path(file.name or "").name)[:255] or "file"
    if not file.size:
        raise UploadRefused(_("%(name)s is empty. Export it again, then choose it here.") % {"name": name})
    if file.size > most:
        sizes = {"name": name, "size": filesizeformat(file.size), "most": filesizeformat(most)}
        said = _("%(name)s has %(size)s; at most %(most)s are taken. Cut it into several files.")
        raise UploadRefused(said % sizes, status=413)
    tenant, digest = current_tenant(), hashlib.sha256()
    with tenant_tx():
        upload = Upload.objects.create(
            tenant=tenant,
            file_name=name,
            size=file.size,
            sha256="",
            uploaded_by=uploaded_by,
            uploaded_at=now,
            used_at=now,
        )
        # One piece at a time: the whole file is never in memory.
        file.seek(0)
        for number, piece in enumerate(iter(partial(file.read, PIECE_BYTES), b"")):
            digest.update(piece)
            UploadChunk.objects.create(tenant=tenant, upload=upload, number=number, content=piece)
        upload.sha256 = digest.hexdigest()
        upload.save(update_fields=["sha256"])
    return upload


@contextmanager
def open_upload(upload: Upload, *, most_bytes: int | None = None) -> Iterator[Path]:
    """The file under its own name in a folder of its own, gone afterwards.

    With `most_bytes` only its beginning, cut after a whole line: enough for a look at text, never at a workbook.
    """
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        path = Path(folder, safe_name(upload.file_name))
        with path.open("wb") as file:
            for piece in _pieces(upload):
                file.write(piece)
                if most_bytes is not None and file.tell() >= most_bytes:
                    break
        if most_bytes is not None and upload.size > path.stat().st_size:
            _cut_after_line(path)
        yield path


def safe_name(name: str) -> str:
    """The file's name as a file system takes it: mappings may read the day from it, so it stays recognisable."""
    plain = re.sub(r"[^\w.() +-]", "_", Path(name).name).strip(". ") or "file"
    stem, suffix = os.path.splitext(plain)
    return f"{stem[: LONGEST_NAME // 2]}{suffix[:12]}"


def find_earlier(*, upload: Upload) -> ImportRun | None:
    """The last import of exactly this file, if it was taken before."""
    runs = ImportRun.objects.filter(sha256=upload.sha256, status=ImportStatus.DONE, dry_run=False)
    found: ImportRun | None = runs.select_related("requested_by").order_by("-started_at").first()
    return found


def find_at_work(*, upload: Upload) -> ImportRun | None:
    """The import or trial of this upload that is not finished."""
    found: ImportRun | None = upload.runs.filter(status__in=AT_WORK).first()
    return found


def drop_old_uploads(*, now: dt.datetime) -> int:
    """Drop the active tenant's files a day after somebody last worked with them; gives how many."""
    old = Upload.objects.filter(used_at__lt=now - KEPT_FOR).exclude(Q(runs__status__in=AT_WORK))
    ids = list(old.values_list("pk", flat=True))
    UploadChunk.objects.filter(upload__in=ids).delete()
    Upload.objects.filter(pk__in=ids).delete()
    return len(ids)


def _pieces(upload: Upload) -> Iterator[bytes]:
    chunks = UploadChunk.objects.filter(upload=upload)
    # One query each: a cursor over all of them would hold the whole file on the server's side.
    for number in range(chunks.count()):
        yield bytes(chunks.values_list("content", flat=True).get(number=number))


def _cut_after_line(path: Path) -> None:
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end:
        with path.open("r+b") as file:
            file.truncate(end)
