"""Company sign-in settings: for tenant admins: which issuer vouches for whom; its secret is written, never read."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from mesassist.people.oidc import callback_url, read_discovery
from mesassist.people.oidc_wire import IssuerAway
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.models import IdentityProvider, Role
from mesassist.tenants.sealed import put_secret


class ProviderForm(forms.ModelForm):
    """The issuer and its rules. Another issuer needs its own secret."""

    issuer = forms.URLField(label=_("Issuer's address"), max_length=300, assume_scheme="https")
    secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    domains = forms.CharField(
        label=_("Domains"),
        help_text=_("Addresses of these domains may come in, such as alfa.example; several with commas."),
    )

    class Meta:
        model = IdentityProvider
        fields = ("name", "issuer", "client_id", "default_role", "creates_members", "enabled")
        labels = {"default_role": _("Role of new members")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.before = self.instance.issuer
        self.initial.setdefault("domains", ", ".join(self.instance.domains))

    def clean_domains(self) -> list[str]:
        """The domains in lower case, each with a dot."""
        names = [part.strip().lower().removeprefix("@") for part in self.cleaned_data["domains"].split(",")]
        found = [name for name in names if name]
        if not found or any("." not in name or " " in name or "@" in name for name in found):
            raise forms.ValidationError(_("Write domains such as alfa.example, with commas between them."))
        return found

    def clean_issuer(self) -> str:
        """An issuer that answers like one, asked through the guard."""
        issuer: str = self.cleaned_data["issuer"].rstrip("/")
        if issuer != self.before:
            try:
                read_discovery(issuer)
            except IssuerAway as away:
                raise forms.ValidationError(str(away)) from away
        return issuer

    def clean(self) -> dict[str, Any]:
        """A secret for this very issuer."""
        cleaned: dict[str, Any] = super().clean() or {}
        is_new = "issuer" in cleaned and cleaned["issuer"] != self.before
        if is_new and not cleaned.get("secret"):
            self.add_error("secret", _("Enter the secret of this issuer: that of another is not sent to it."))
        return cleaned


@never_cache
@require_http_methods(["GET", "POST"])
@door(Role.TENANT_ADMIN)
def company_sign_in(request: TenantRequest) -> HttpResponse:
    """Show and save the tenant's own sign-in."""
    row = IdentityProvider.objects.select_related("tenant").first() or IdentityProvider(tenant=request.tenant)
    form = ProviderForm(request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and form.is_valid():
        row.domains = form.cleaned_data["domains"]
        if form.cleaned_data["secret"]:
            put_secret(row, "client_secret", form.cleaned_data["secret"])
        form.save()
        messages.success(request, _("Saved."))
        return redirect("people:company-sign-in", request.tenant.slug)
    context = {"form": form, "provider": row, "callback": callback_url(request, row)}
    return render(request, "people/company_settings.html", context, status=400 if form.errors else 200)
