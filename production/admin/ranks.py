"""Ranks: which source is believed where several report on one machine, in the admin; a change marks the history."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from mesassist.tenants.admin import TenantAdmin, TenantForm
from mesassist.tenants.scope import tenant_scope
from production.corrections import rank_source
from production.models import SourceRank


class SourceRankForm(TenantForm):
    """A source's rank. Every source without a row has 0."""

    def clean_rank(self) -> int:
        """Anything but what it would be anyhow."""
        rank: int = self.cleaned_data["rank"]
        if rank == 0 and self.instance.pk is None:
            raise forms.ValidationError("0 is the rank of every source that has no row. Enter another.")
        return rank


@admin.register(SourceRank)
class SourceRankAdmin(TenantAdmin):
    """Ranks of sources: the higher one is believed."""

    form = SourceRankForm
    list_display = ("source", "rank")
    search_fields = ("source",)

    def get_readonly_fields(self, request: HttpRequest, obj: SourceRank | None = None) -> list[Any]:
        """Another source is another row."""
        return [*super().get_readonly_fields(request, obj), *(["source"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: SourceRank, form: Any, change: bool) -> None:
        """Rank, and mark what the source reported."""
        rank_source(source=obj.source, rank=obj.rank)
        obj.pk = SourceRank.objects.get(source=obj.source).pk

    def delete_model(self, request: HttpRequest, obj: SourceRank) -> None:
        """Back to 0, which alters the same history."""
        with tenant_scope(obj.tenant):
            rank_source(source=obj.source, rank=0)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """One by one, so that each marks its history."""
        for row in queryset.select_related("tenant"):
            self.delete_model(request, row)
