"""Imports: files that people hand in, and what became of each."""

from django.conf import settings
from django.db import models

from mesassist.tenants.scope import TenantModel


class Upload(TenantModel):
    """A file as it was handed in, until its import is done; kept in the database, so that any worker can read it.

    `draft` is the mapping as far as the wizard has come, with what was detected: {"spec": ..., "detected": ...}.
    """

    file_name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    draft = models.JSONField(default=dict)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    uploaded_at = models.DateTimeField()
    used_at = models.DateTimeField(help_text="When somebody last worked with it; it is dropped a day later.")

    class Meta:
        ordering = ["-uploaded_at"]

    def __str__(self) -> str:
        return self.file_name


class UploadChunk(TenantModel):
    """A piece of an uploaded file, in order from 0."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["tenant", "upload", "number"], name="upload_chunk_once")]

    def __str__(self) -> str:
        return f"piece {self.number} of upload {self.upload_id}"


class ImportStatus(models.TextChoices):
    """Where an import is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ImportRun(TenantModel):
    """One reading of a file, with its result: received = accepted + duplicate + quarantined (rows)."""

    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    mapping = models.CharField(max_length=120)
    zone = models.CharField(max_length=64)
    received = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=ImportStatus.choices, default=ImportStatus.DONE)
    # How far it has come, for the progress bar; `rows_total` is empty while nobody has counted.
    rows_done = models.PositiveIntegerField(default=0)
    rows_total = models.PositiveIntegerField(null=True)
    error = models.TextField(blank=True)
    dry_run = models.BooleanField(default=False, help_text="Tried only: nothing was taken.")
    # How often a worker began; names the one at work, whose signs of life alone count.
    attempts = models.PositiveSmallIntegerField(default=0)
    # What the counts do not say: when work began, first and last stamp, what was created, examples of problems.
    report = models.JSONField(default=dict)
    upload = models.ForeignKey(Upload, on_delete=models.SET_NULL, null=True, related_name="runs")
    heartbeat_at = models.DateTimeField(null=True)
    # [{"line": 334, "column": "Span", "code": "...", "detail": "...", "raw": "..."}]: the row was taken all the same
    warnings = models.JSONField(default=list)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(received=models.F("accepted") + models.F("duplicate") + models.F("quarantined")),
                name="import_adds_up",
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.started_at:%Y-%m-%d %H:%M})"
