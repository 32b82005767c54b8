"""Admin: each tenant's assistant to configure, its analyses to read, cancel and ask again."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from analyses.forms import AssistantForm
from analyses.models import Analysis, AssistantSettings, Attempt, Breaker, KillSwitch, Spend, Trigger
from analyses.runs import AnalysisRefused, cancel, rerun
from analyses.switches import set_switch
from mesassist.tenants.admin import RecordAdmin, TenantAdmin, TenantForm
from mesassist.tenants.models import User
from mesassist.tenants.scope import tenant_scope

MICROS = 1_000_000
OF_STAFF = ("at_once", "queue_limit", "suspended")


class AssistantAdminForm(TenantForm, AssistantForm):
    """The settings page's own form, and what staff alone decide: the token is written here and never shown."""

    class Meta(AssistantForm.Meta):
        fields = [*AssistantForm.Meta.fields, *OF_STAFF]


@admin.register(AssistantSettings)
class AssistantAdmin(TenantAdmin):
    """Where each tenant's assistant asks, as whom, how much, and whether it is there at all."""

    form = AssistantAdminForm
    list_display = ("__str__", "model", "base_url", "token_state", "language", "daily_token_limit", "hidden")
    list_filter = ("hidden", "suspended", "model")
    readonly_fields = ("token_state",)
    fields = ("tenant", "base_url", "model", "token_state", *AssistantForm.Meta.fields[2:], *OF_STAFF)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A tenant has one assistant: adding leads to it where it is there already."""
        if object_id is None:
            present = AssistantSettings.objects.filter(tenant__slug=request.GET.get("tenant", "")).first()
            if present is not None:
                return redirect("admin:analyses_assistantsettings_change", present.pk)
        return super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description="token")
    def token_state(self, assistant: AssistantSettings) -> str:
        """Whether there is one, and its last four characters."""
        if not assistant.token:
            return "none"
        return f"set, ends in {assistant.token_hint}" if assistant.token_hint else "set"


class AttemptInline(admin.TabularInline):
    """The calls of the model that were made for an analysis."""

    model = Attempt
    extra = 0
    fields = ("number", "sent_at", "ended_at", "outcome", "retryable", "http_status")
    readonly_fields = fields
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the portal calls models."""
        return False


@admin.register(Analysis)
class AnalysisAdmin(RecordAdmin):
    """Every analysis with its model, tokens and end."""

    list_display = (
        "created_at",
        "status",
        "trigger",
        "model_requested",
        "model_answered",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cost",
        "requested_by",
        "error_code",
    )
    list_select_related = ("requested_by",)
    list_filter = ("status", "trigger", "model_requested")
    date_hierarchy = "created_at"
    search_fields = ("question", "answer", "=id")
    inlines = (AttemptInline,)
    actions = ("cancel_chosen", "ask_again")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Analysis]:
        """Lists leave the long columns where they are."""
        return super().get_queryset(request).defer("request", "data", "numbers", "answer", "left_out")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Cancelling and asking again are for staff who might change analyses, if anybody could."""
        return request.user.has_perm("analyses.change_analysis")

    @admin.display(description="tokens")
    def total_tokens(self, analysis: Analysis) -> int | None:
        """In and out."""
        if analysis.prompt_tokens is None or analysis.completion_tokens is None:
            return None
        return analysis.prompt_tokens + analysis.completion_tokens

    @admin.display(description="cost")
    def cost(self, analysis: Analysis) -> str:
        """In the price's currency; an unknown price is not 0."""
        if analysis.cost_micros is None:
            return "unknown price" if analysis.prompt_tokens is not None else ""
        return f"{analysis.cost_micros / MICROS:.6f} {analysis.currency}"

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_chosen(self, request: HttpRequest, queryset: models.QuerySet[Analysis]) -> None:
        """Stop those that are not finished."""
        for analysis in queryset.select_related("tenant"):
            with tenant_scope(analysis.tenant):
                stopped = cancel(analysis=analysis, now=timezone.now())
            self.message_user(request, f"{stopped} is {stopped.status}.")

    @admin.action(description="Ask again", permissions=["operate"])
    def ask_again(self, request: HttpRequest, queryset: models.QuerySet[Analysis]) -> None:
        """Queue the same questions again, with the figures as they are now."""
        for analysis in queryset.select_related("tenant", "summary"):
            with tenant_scope(analysis.tenant):
                try:
                    fresh = rerun(
                        analysis=analysis, asked_by=cast(User, request.user), trigger=Trigger.BUTTON, now=timezone.now()
                    )
                except AnalysisRefused as refusal:
                    self.message_user(request, f"{analysis}: {refusal}", messages.WARNING)
                    continue
            self.message_user(request, f"{fresh} is queued.")


@admin.register(Spend)
class SpendAdmin(RecordAdmin):
    """What each tenant's days used of their limits."""

    list_display = ("day", "used_tokens", "reserved_tokens", "cost_micros")
    date_hierarchy = "day"
    ordering = ("-day", "-id")


@admin.register(Breaker)
class BreakerAdmin(RecordAdmin):
    """Endpoints that are left alone for now, each tenant's own."""

    list_display = ("origin", "state", "code", "failures", "opened_at", "retry_at", "allowance")
    list_filter = ("state", "code")
    ordering = ("-opened_at", "-id")


@admin.register(KillSwitch)
class KillSwitchAdmin(admin.ModelAdmin):
    """The platform's switch: stops the assistant of every tenant within seconds."""

    list_display = ("__str__", "reason", "changed_at")
    fields = ("stopped", "reason")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one."""
        return super().has_add_permission(request) and not KillSwitch.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is switched, not thrown away."""
        return False

    def save_model(self, request: HttpRequest, obj: KillSwitch, form: Any, change: bool) -> None:
        """The one row."""
        set_switch(stopped=obj.stopped, reason=obj.reason)
        obj.pk = 1
