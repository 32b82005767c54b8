"""Records: what the portal itself writes, in the admin to be read: imports, rollups and what was refused."""

from django.contrib import admin

from mesassist.tenants.admin import RecordAdmin
from production.models import (
    Coverage,
    DirtyRange,
    ImportRun,
    LossRollup,
    Quarantined,
    Rollup,
)


@admin.register(Quarantined)
class QuarantineAdmin(RecordAdmin):
    """What was not taken, and why."""

    list_display = ("code", "source", "event_id", "position", "detail", "received_at")
    list_filter = ("code",)
    search_fields = ("=event_id", "source")


@admin.register(ImportRun)
class ImportAdmin(RecordAdmin):
    """Files that were read."""

    list_display = ("file_name", "mapping", "received", "accepted", "duplicate", "quarantined", "started_at")
    search_fields = ("file_name",)


class SliceAdmin(RecordAdmin):
    """Derived rows: a machine and a quarter hour."""

    search_fields = ("=machine__code",)
    ordering = ("-bucket", "-id")


@admin.register(Rollup)
class RollupAdmin(SliceAdmin):
    """Seconds and pieces of a quarter hour."""

    list_select_related = ("machine", "shift")
    list_display = ("bucket", "machine", "shift", "running_s", "down_s", "good", "scrap", "provisional", "folded_at")
    list_filter = ("provisional",)


@admin.register(LossRollup)
class LossAdmin(SliceAdmin):
    """Losses of a quarter hour."""

    list_display = ("bucket", "machine", "shift", "state", "reason", "seconds", "stops")
    list_select_related = ("machine", "shift", "reason")
    list_filter = ("state",)


@admin.register(DirtyRange)
class DirtyAdmin(RecordAdmin):
    """Stretches whose rollups wait to be folded again."""

    list_display = ("machine", "from_at", "to_at")
    list_select_related = ("machine",)
    ordering = ("-id",)


@admin.register(Coverage)
class CoverageAdmin(RecordAdmin):
    """How far each machine's rollups reach."""

    list_display = ("machine", "first_event_at", "newest_event_at", "folded_to", "folded_at")
    list_select_related = ("machine",)
    ordering = ("-id",)
