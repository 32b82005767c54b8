"""API door: a view that an API key or a signed-in person opens inside one tenant's scope."""

import time
from contextlib import ExitStack
from typing import Any, ClassVar, NoReturn

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mesassist.tenants.allowance import Allowance, take_allowance
from mesassist.tenants.gates import second_factor_missing, sign_in_leads_to
from mesassist.tenants.keys import note_use
from mesassist.tenants.models import ApiKey, Membership, Scope, Tenant, User
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.problems import Problem
from mesassist.tenants.schema import DoorSchema
from mesassist.tenants.scope import platform_scope, tenant_scope


class TenantDoor(APIView):
    """A view of one tenant. `needs` names the least scope per method; a method that is not named is not there.

    From authentication to the answer everything runs inside the tenant's scope; `tenant` and `person` say who asks.
    """

    needs: ClassVar[dict[str, Scope]] = {}
    http_method_names = ["get", "head", "post", "patch", "delete"]
    schema = DoorSchema()
    metadata_class = None
    tenant: Tenant
    person: User
    membership: Membership | None = None
    allowance: Allowance | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer inside the scope that `perform_authentication` enters."""
        with ExitStack() as self.places:
            return super().dispatch(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks and enter that tenant's scope."""
        super().perform_authentication(request)
        if not isinstance(request.user, User):
            return
        self.person = request.user
        if isinstance(request.auth, ApiKey):
            self.tenant = place_of_key(request, request.auth)
            who = f"key-{request.auth.token_key}"
        else:
            self.membership = place_of_person(request, person=self.person)
            check_gates(request, self.membership)
            self.tenant = self.membership.tenant
            who = f"person-{self.person.pk}"
        self.places.enter_context(tenant_scope(self.tenant))
        self.allowance = take_allowance(who=who, tenant_id=self.tenant.pk, now=time.time())
        if self.allowance and self.allowance.spent:
            text = f"More than {self.allowance.limit} requests came within a minute. Wait, then go on more slowly."
            raise Problem(429, "too_many_requests", text, wait=self.allowance.reset_s)
        if isinstance(request.auth, ApiKey):
            used = request.auth.used  # type: ignore[attr-defined]
            note_use(key=request.auth, address=used.address, text=used.text, now=timezone.now())

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse query parameters that would be ignored: a misspelt filter must not look like an answer."""
        super().initial(request, *args, **kwargs)
        for name in request.query_params:
            if name not in self.known_parameters():
                raise Problem(400, "unknown_parameter", f"There is no parameter {name[:60]!r} here.")

    def known_parameters(self) -> set[str]:
        """The query parameters: none, but for a list those of its pages and filters."""
        if getattr(self, "action", "") != "list":
            return set()
        filters = getattr(self, "filterset_class", None)
        return {"cursor", "page_size", *(filters.base_filters if filters else ())}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Keep answers out of shared caches: the next reader may belong to another tenant."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        for name, value in self.allowance.headers().items() if self.allowance else ():
            answer.headers[name] = value
        return answer

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        """Only nobody gets here: say how to become somebody."""
        raise NotAuthenticated("Send Authorization: Api-Key <key>, or sign in first.")


class NothingHere(APIView):
    """Answers every address under the API that is none, whoever asks."""

    authentication_classes = ()
    permission_classes = ()
    schema = None  # type: ignore[assignment]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """404, for any method."""
        raise Http404


def check_gates(request: Request, membership: Membership) -> None:
    """Refuse a session that another tenant vouched for, and one without the second factor that the tenant asks for."""
    if not sign_in_leads_to(request.session, membership.tenant):
        raise Problem(403, "other_sign_in", "You came in through another plant's sign-in. Sign in here to go on.")
    if second_factor_missing(request.session, membership):
        raise Problem(403, "second_factor_required", "This plant asks for a second factor. Set one up in your account.")


def place_of_key(request: Request, key: ApiKey) -> Tenant:
    """The key's own tenant; naming another one finds nothing."""
    asked = request.headers.get("X-Tenant")
    if asked is not None and asked != key.tenant.slug:
        raise Http404
    tenant: Tenant = key.tenant
    return tenant


def place_of_person(request: Request, person: User) -> Membership:
    """The membership that `X-Tenant` names, or the person's only one; 404 for a tenant that is not theirs."""
    asked = request.headers.get("X-Tenant")
    memberships = Membership.objects.select_related("tenant").filter(user=person, tenant__closed_at=None)
    with platform_scope("who asks", role=PlatformRole.DOOR):
        own = list((memberships.filter(tenant__slug=asked) if asked is not None else memberships)[:2])
    if asked is not None and not own:
        raise Http404
    if len(own) != 1:
        raise Problem(400, "tenant_required", "Name the tenant in the header X-Tenant: you do not have just one.")
    return own[0]
