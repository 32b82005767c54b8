"""Quarantine: what could not be taken, with the reason and exactly what came, until somebody decides about it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import MD5

from mesassist.tenants.scope import TenantModel
from production.models.imports import ImportRun
from production.models.kafka import KafkaSource


class QuarantineStatus(models.TextChoices):
    """What was decided about a row in quarantine."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class Quarantined(TenantModel):
    """A row or event that was not taken: why, and exactly what came.

    `content` holds the bytes of a Kafka record that is no text. `mended` is what was replayed in its place.
    """

    source = models.CharField(max_length=64)
    event_id = models.CharField(max_length=200, blank=True)
    position = models.PositiveIntegerField(help_text="Line of the file, or index in the batch.")
    code = models.CharField(max_length=40)
    detail = models.TextField()
    raw = models.TextField()
    content = models.BinaryField(null=True)
    received_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, help_text="How often exactly this came.")
    status = models.CharField(max_length=10, choices=QuarantineStatus.choices, default=QuarantineStatus.WAITING)
    mended = models.TextField(blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)
    kafka_source = models.ForeignKey(KafkaSource, on_delete=models.SET_NULL, null=True, related_name="+")
    partition = models.PositiveIntegerField(null=True)
    offset = models.PositiveBigIntegerField(null=True)
    schema_id = models.PositiveIntegerField(null=True)
    import_run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, null=True, related_name="quarantined_rows")

    class Meta:
        ordering = ["-received_at", "position"]
        # The same bad line of the same file is one problem, however often the file is imported.
        constraints = [
            models.UniqueConstraint(
                models.F("tenant"),
                models.F("source"),
                models.F("code"),
                MD5("raw"),
                name="quarantined_once",
            )
        ]
        # The list, newest first, and how many wait for each cause, without reading what came.
        indexes = [
            models.Index(fields=["tenant", "status", "-received_at", "-id"], include=["code"], name="quarantine_newest")
        ]
        verbose_name = "quarantined row"

    def __str__(self) -> str:
        return f"{self.code} at {self.source}:{self.position}"
