"""Key admin: API keys in the Django admin; a key is shown on the page that answers its making, and nowhere else."""

import datetime as dt
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from mesassist.tenants.admin import TenantAdmin, TenantForm
from mesassist.tenants.keys import KeyRefused, check_source, read_networks, rotate_key
from mesassist.tenants.models import ApiKey, Scope, User
from mesassist.tenants.peppers import SHOWN, digest_of, new_text, newest_pepper
from mesassist.tenants.scope import current_tenant, tenant_scope

OVERLAP = dt.timedelta(days=7)


class ApiKeyForm(TenantForm):
    """A key: whose system, what it may do, from where, until when, and who answers for it."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="ingest: send events. read: figures and history. analyse: ask. configure: change settings.",
    )
    networks = forms.CharField(
        required=False, help_text="Addresses or networks like 10.20.0.0/16, with commas between. Empty: anywhere."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["networks"] = ", ".join(self.instance.networks)

    def clean_name(self) -> str:
        """Refuse names that would lend the key's events a person's authority, or take a machine's from them."""
        name: str = _tell(check_source, self.cleaned_data["name"])
        return name

    def clean_source(self) -> str:
        """The same."""
        source: str = _tell(check_source, self.cleaned_data["source"])
        return source

    def clean_networks(self) -> list[str]:
        """Networks in their usual form."""
        networks: list[str] = _tell(read_networks, self.cleaned_data["networks"])
        return networks

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "source", "networks", "user", "expiry", "enabled")
        labels = {"user": "responsible person"}
        help_texts = {
            "user": "The key stops when this person is deactivated.",
            "expiry": "Empty: until it is deleted.",
        }


@admin.register(ApiKey)
class ApiKeyAdmin(TenantAdmin):
    """Keys of other systems."""

    form = ApiKeyForm
    list_display = ("name", "token_key", "may", "source", "user", "last_used_at", "expiry", "enabled")
    list_filter = ("enabled",)
    list_select_related = ("user",)
    search_fields = ("name", "token_key")
    readonly_fields = ("last_used_at", "last_used_ip", "made_by")
    actions = ("rotate",)

    @admin.display(description="scopes")
    def may(self, key: ApiKey) -> str:
        """What the key may do."""
        return ", ".join(key.scopes)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A responsible person is one of the tenant's, or whoever makes the key."""
        if db_field.name == "user":
            members = models.Q(memberships__tenant=current_tenant())
            kwargs["queryset"] = User.objects.filter(members | models.Q(pk=request.user.pk)).distinct()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        """Make the key's text on adding; only its hash and first characters are stored."""
        if not change:
            text = new_text()
            obj.pepper = newest_pepper()
            obj.digest, obj.token_key = digest_of(text, pepper=obj.pepper), text[:SHOWN]
            obj.made_by = request.user
            obj.text = text  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key in this answer alone: a message would keep it in a cookie or the session table."""
        return self.show_once(request, obj, obj.text)  # type: ignore[attr-defined]

    @admin.action(description="Rotate: a second key; this one works for another week")
    def rotate(self, request: HttpRequest, queryset: models.QuerySet[ApiKey]) -> HttpResponse | None:
        """One at a time, since the new key is shown once."""
        chosen = list(queryset.select_related("tenant")[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one key: the new one is shown once.", messages.WARNING)
            return None
        key = chosen[0]
        try:
            with tenant_scope(key.tenant):
                made = rotate_key(key=key, by=cast(User, request.user), overlap=OVERLAP, now=timezone.now())
        except KeyRefused as refusal:
            self.message_user(request, str(refusal), messages.WARNING)
            return None
        return self.show_once(request, *made)

    def show_once(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        """The page with the key."""
        title = f"Key {key.name} of {key.tenant}"
        context = self.admin_site.each_context(request) | {"title": title, "opts": self.opts, "key": text}
        return TemplateResponse(request, "admin/new_key.html", context)


def _tell(check: Any, value: str) -> Any:
    try:
        return check(value)
    except KeyRefused as refusal:
        raise forms.ValidationError(str(refusal)) from refusal
