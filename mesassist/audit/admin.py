"""Admin of the trail: every tenant's and the platform's own, to be read."""

from django.contrib import admin

from mesassist.audit.models import Entry, PlatformEntry
from mesassist.tenants.admin import ReadOnly, RecordAdmin

LISTED = ("number", "at", "actor", "door", "action", "subject", "object")
FILTERS = ("action", "actor_kind", "subject")
SEARCHED = ("actor", "object", "request_id")


@admin.register(Entry)
class EntryAdmin(RecordAdmin):
    """What was changed in tenants."""

    list_display = LISTED
    list_filter = FILTERS
    search_fields = SEARCHED
    ordering = ("-at",)


@admin.register(PlatformEntry)
class PlatformEntryAdmin(ReadOnly):
    """What was changed on the platform: accounts, tenants, approved endpoints."""

    list_display = LISTED
    list_filter = FILTERS
    search_fields = SEARCHED
    ordering = ("-number",)
