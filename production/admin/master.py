"""Master: the plant's own data in the admin, to edit; a change marks the history that it alters."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from mesassist.tenants.admin import TenantAdmin, TenantForm, TenantInline
from mesassist.tenants.models import User
from mesassist.tenants.scope import tenant_scope
from production.changes import mark_changed
from production.ingest.mapping import ImportRefused, read_mapping
from production.models import (
    FileMapping,
    IdealCycle,
    Line,
    Machine,
    Metric,
    Product,
    Reason,
    Shift,
    Site,
    Summary,
    WorkOrder,
)

WEEKDAYS = [(1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (7, "Sun")]


class ShiftForm(TenantForm):
    """A shift, with its weekdays to tick."""

    weekdays = forms.TypedMultipleChoiceField(
        choices=WEEKDAYS, coerce=int, widget=forms.CheckboxSelectMultiple, help_text="On which the shift starts."
    )


class SummaryForm(TenantForm):
    """A summary, with its metrics to tick."""

    metrics = forms.MultipleChoiceField(choices=Metric.choices, widget=forms.CheckboxSelectMultiple)


class MappingForm(TenantForm):
    """A file mapping: its spec is one that the import can read."""

    def clean(self) -> dict[str, Any]:
        """The part that is wrong is named at the spec."""
        chosen = super().clean() or {}
        if isinstance(chosen.get("spec"), dict):
            try:
                read_mapping({**chosen["spec"], "name": chosen.get("name") or "?"})
            except ImportRefused as refusal:
                self.add_error("spec", str(refusal))
        elif "spec" in chosen:
            self.add_error("spec", "A mapping is a JSON object, {...}.")
        return chosen


class ShiftInline(TenantInline):
    """The shifts of a site."""

    model = Shift
    form = ShiftForm


class CycleInline(TenantInline):
    """The ideal cycles of a machine."""

    model = IdealCycle


class MasterAdmin(TenantAdmin):
    """Rows that figures rest on: an edit marks the history that it alters, as the API does."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Mark before and after: what moved from one place to another alters both."""
        if change:
            mark_changed(row=type(obj).objects.get(pk=obj.pk), fields=form.changed_data)
        super().save_model(request, obj, form, change)
        mark_changed(row=obj, fields=form.changed_data if change else None)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """The same for the rows below."""
        super().save_formset(request, form, formset, change)
        for row in (*formset.new_objects, *(row for row, _ in formset.changed_objects), *formset.deleted_objects):
            mark_changed(row=row)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Mark while the row still says which machines it concerned."""
        with tenant_scope(obj.tenant):
            mark_changed(row=obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """One by one, so that each marks its history."""
        for row in queryset.select_related("tenant"):
            self.delete_model(request, row)


@admin.register(Site)
class SiteAdmin(MasterAdmin):
    """Places with one clock."""

    list_display = ("name", "code", "zone")
    search_fields = ("name", "code")
    inlines = (ShiftInline,)


@admin.register(Line)
class LineAdmin(MasterAdmin):
    """Machines that work together."""

    list_display = ("name", "code", "site", "counting_point")
    list_select_related = ("site", "counting_point")
    search_fields = ("name", "code")


@admin.register(Machine)
class MachineAdmin(MasterAdmin):
    """Machines, with the thresholds that sort their stops."""

    list_display = ("code", "name", "line", "micro_stop_s", "contact_timeout_s", "retired_at")
    list_select_related = ("line",)
    search_fields = ("name", "code")
    inlines = (CycleInline,)


@admin.register(Product)
class ProductAdmin(TenantAdmin):
    """What is made."""

    list_display = ("name", "code", "unit")
    search_fields = ("name", "code")


@admin.register(IdealCycle)
class CycleAdmin(MasterAdmin):
    """Seconds per piece."""

    list_display = ("machine", "product", "seconds")
    list_select_related = ("machine", "product")
    search_fields = ("machine__code", "product__code")


@admin.register(Reason)
class ReasonAdmin(TenantAdmin):
    """Why a machine stood."""

    list_display = ("name", "code", "loss_class")
    list_filter = ("loss_class",)
    search_fields = ("name", "code")


@admin.register(Shift)
class ShiftAdmin(MasterAdmin):
    """Shifts in the site's local time."""

    form = ShiftForm
    list_display = ("name", "site", "starts", "ends", "on_weekdays")
    list_select_related = ("site",)

    @admin.display(description="weekdays")
    def on_weekdays(self, shift: Shift) -> str:
        """Their short names."""
        return " ".join(name for number, name in WEEKDAYS if number in shift.weekdays)


@admin.register(WorkOrder)
class OrderAdmin(TenantAdmin):
    """Orders and their quantities."""

    list_display = ("code", "product", "quantity")
    list_select_related = ("product",)
    search_fields = ("code",)


@admin.register(FileMapping)
class MappingAdmin(TenantAdmin):
    """How a plant's file becomes events."""

    form = MappingForm
    list_display = ("name",)
    search_fields = ("name",)


@admin.register(Summary)
class SummaryAdmin(TenantAdmin):
    """What people chose to summarise."""

    form = SummaryForm
    list_display = ("name", "window", "group_by", "compare_to", "is_main")
    list_filter = ("window", "is_main")
    search_fields = ("name",)
    exclude = ("created_by",)
    filter_horizontal = ("lines", "machines")

    def save_model(self, request: HttpRequest, obj: Summary, form: Any, change: bool) -> None:
        """Note who made it."""
        if not change:
            obj.created_by = cast(User, request.user)
        super().save_model(request, obj, form, change)
