"""Pages: a plant's API keys: which there are, when each was used, a new one shown once, rotated, paused, revoked."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mesassist.keys.forms import KeyForm, RotateForm
from mesassist.tenants.doors import TenantRequest, door
from mesassist.tenants.keys import KeyRefused, make_key, revoke_key, rotate_key, set_enabled
from mesassist.tenants.models import ApiKey, Role


@require_safe
@door(Role.TENANT_ADMIN)
def keys(request: TenantRequest) -> HttpResponse:
    """The list."""
    rows = ApiKey.objects.filter(tenant=request.tenant).select_related("user", "made_by").order_by("name", "-created")
    now = timezone.now()
    listed = [(key, key.expiry is not None and key.expiry <= now) for key in rows]
    return render(request, "keys/keys.html", {"keys": listed})


@require_http_methods(["GET", "POST"])
@never_cache
@door(Role.TENANT_ADMIN)
def new(request: TenantRequest) -> HttpResponse:
    """Make a key; the answer to making it is the one page that ever shows it."""
    form = KeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        made = make_key(tenant=request.tenant, made_by=request.user, **form.wanted(now=timezone.now()))
        return show_once(request, *made)
    return render(request, "keys/new.html", {"form": form}, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@never_cache
@door(Role.TENANT_ADMIN)
def rotate(request: TenantRequest, shown: str) -> HttpResponse:
    """Make a second key beside one that is to end."""
    key = find_key(request, shown)
    form = RotateForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = rotate_key(key=key, by=request.user, overlap=form.cleaned_data["overlap"], now=timezone.now())
        except KeyRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return show_once(request, *made, before=key)
    return render(request, "keys/rotate.html", {"key": key, "form": form}, status=400 if form.errors else 200)


@require_POST
@door(Role.TENANT_ADMIN)
def pause(request: TenantRequest, shown: str) -> HttpResponse:
    """Pause a key, or let a paused one be used again."""
    key = find_key(request, shown)
    set_enabled(key=key, enabled=not key.enabled)
    said = _("%(name)s may be used again.") if key.enabled else _("%(name)s is paused: it opens nothing until resumed.")
    messages.success(request, said % {"name": key.name})
    return redirect("keys:keys", request.tenant.slug)


@require_http_methods(["GET", "POST"])
@door(Role.TENANT_ADMIN)
def revoke(request: TenantRequest, shown: str) -> HttpResponse:
    """Ask, then end a key for good."""
    key = find_key(request, shown)
    if request.method == "POST":
        revoke_key(key=key)
        messages.success(request, _("The key %(key)s is revoked.") % {"key": key})
        return redirect("keys:keys", request.tenant.slug)
    return render(request, "keys/revoke.html", {"key": key})


@sensitive_variables("text")
def show_once(request: TenantRequest, key: ApiKey, text: str, before: ApiKey | None = None) -> HttpResponse:
    """The key itself. Neither message nor session nor redirect: each would store it somewhere."""
    return render(request, "keys/made.html", {"key": key, "text": text, "before": before})


def find_key(request: TenantRequest, shown: str) -> ApiKey:
    """A key of the tenant by what is shown of it; 404 for anybody else's."""
    key = ApiKey.objects.select_related("tenant", "user").filter(tenant=request.tenant, token_key=shown).first()
    if key is None:
        raise Http404("No such key.")
    return key
