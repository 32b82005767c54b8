"""Endpoint admin: staff approve what may be called inside a plant's network, and answer what tenants proposed."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from mesassist.tenants.admin import RecordAdmin
from mesassist.tenants.egress.approvals import (
    NotApprovable,
    check_authority,
    read_approved_host,
    read_approved_network,
)
from mesassist.tenants.egress.proposals import decline_proposal, settle_proposals
from mesassist.tenants.models import ApprovedEndpoint, EndpointProposal, ProposalState


class ApprovedEndpointForm(forms.ModelForm):
    """One host, one port, and where the host may lead; what is never to be called is refused here already."""

    class Meta:
        model = ApprovedEndpoint
        fields = ("tenant", "purpose", "host", "port", "network", "ca_pem", "note")

    def clean_ca_pem(self) -> str:
        """Certificates that can be read, or nothing."""
        text: str = self.cleaned_data["ca_pem"].strip()
        if text:
            try:
                check_authority(text)
            except NotApprovable as error:
                raise forms.ValidationError(str(error)) from error
        return text

    def clean(self) -> dict[str, Any]:
        """Host, port and address belong together."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        # The model's own look at the port comes later; it is told there.
        if {"host", "port", "network"} <= said.keys() and 0 < said["port"] < 65_536:
            field = "host"
            try:
                target = read_approved_host(host=said["host"], port=said["port"])
                field = "network"
                said |= {"host": target.host, "network": read_approved_network(text=said["network"], target=target)}
            except NotApprovable as error:
                self.add_error(field, str(error))
        return said


@admin.register(ApprovedEndpoint)
class ApprovedEndpointAdmin(admin.ModelAdmin):
    """What may be called besides public services: exactly this host, port and address, for this purpose."""

    form = ApprovedEndpointForm
    list_display = ("host", "port", "network", "purpose", "for_whom", "approved_by", "approved_at", "note")
    list_filter = ("purpose", "tenant")
    list_select_related = ("tenant", "approved_by")
    search_fields = ("host", "network", "note")

    @admin.display(description="for")
    def for_whom(self, row: ApprovedEndpoint) -> str:
        """The tenant, or all of them."""
        return str(row.tenant or "every tenant")

    def save_model(self, request: HttpRequest, obj: ApprovedEndpoint, form: forms.ModelForm, change: bool) -> None:
        """Note who approved it, and answer the proposals that asked for it."""
        obj.approved_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        settle_proposals(approved=obj, decided_by=obj.approved_by, now=timezone.now())


@admin.register(EndpointProposal)
class EndpointProposalAdmin(RecordAdmin):
    """What tenants ask to be approved. Approve it by an approved endpoint; the link fills the form."""

    list_display = ("__str__", "addresses", "proposed_by", "proposed_at", "state", "decided_by", "answer")
    list_select_related = ("proposed_by", "decided_by")
    list_filter = ("state", "purpose")
    search_fields = ("host",)
    actions = ("decline",)

    @admin.display(description="")
    def answer(self, row: EndpointProposal) -> str:
        """The way to the approval, with what was asked for filled in."""
        if row.state != ProposalState.OPEN:
            return ""
        wanted = {"tenant": row.tenant_id, "purpose": row.purpose, "host": row.host, "port": row.port}
        wanted["network"] = row.addresses[0] if row.addresses else ""
        address = f"{reverse('admin:tenants_approvedendpoint_add')}?{urlencode(wanted)}"
        return format_html('<a href="{}">Look and approve</a>', address)

    @admin.action(description="Decline")
    def decline(self, request: HttpRequest, queryset: models.QuerySet[EndpointProposal]) -> None:
        """Answer no; what is decided already stays as it is."""
        decided_by: Any = request.user
        declined = sum(decline_proposal(proposal=row, decided_by=decided_by, now=timezone.now()) for row in queryset)
        self.message_user(request, f"{declined} declined.")
