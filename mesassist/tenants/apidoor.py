"""API door: a view that an API key or a signed-in person opens inside one tenant's scope."""

from contextlib import ExitStack
from typing import Any, ClassVar, NoReturn

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mesassist.tenants.models import ApiKey, Membership, Scope, Tenant, User
from mesassist.tenants.problems import Problem
from mesassist.tenants.schema import DoorSchema
from mesassist.tenants.scope import tenant_scope


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
        else:
            self.membership = place_of_person(request, person=self.person)
            self.tenant = self.membership.tenant
        self.places.enter_context(tenant_scope(self.tenant))

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
    memberships = Membership.objects.select_related("tenant").filter(user=person)
    if asked is not None:
        found = memberships.filter(tenant__slug=asked).first()
        if found is None:
            raise Http404
        return found
    own = list(memberships[:2])
    if len(own) != 1:
        raise Problem(400, "tenant_required", "Name the tenant in the header X-Tenant: you do not have just one.")
    return own[0]
