"""Schema: what the OpenAPI document says of every tenant door: how to sign in, and how it refuses."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `detail` says what to do next.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "example": "about:blank"},
        "title": {"type": "string", "example": "Bad Request"},
        "status": {"type": "integer", "example": 400},
        "detail": {"type": "string", "example": "There is no such field here."},
        "code": {"type": "string", "example": "unknown_field"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": {"type": "string", "description": "Path in the body; empty: the whole body."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
REFUSALS = {
    "400": "The request is not right: `errors` names the fields.",
    "401": "Nobody is signed in, or the key is not valid.",
    "402": "The tenant's limit is spent.",
    "403": "The key's scope or the person's role does not allow this.",
    "404": "There is nothing here for this tenant.",
    "409": "It clashes with what is there.",
    "413": "Too large.",
    "415": "The content type is not understood.",
    "422": "Understood, and there is nothing to work on.",
    "429": "Too many for now; Retry-After says when to come back.",
    "502": "The model's endpoint did not answer as it should.",
    "503": "Not for now; Retry-After says when to come back.",
}
TENANT_HEADER = OpenApiParameter(
    "X-Tenant",
    str,
    OpenApiParameter.HEADER,
    description="The tenant's slug; needed by a signed-in person who belongs to several. A key has one tenant.",
)


def component_of(name: str, schema: dict[str, Any]) -> ResolvedComponent:
    """A schema that operations refer to by its name."""
    return ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, object=name)  # type: ignore[no-untyped-call]


class DoorSchema(AutoSchema):
    """Adds to each operation the refusals that its door can answer with, and the tenant header."""

    def get_override_parameters(self) -> list[Any]:
        """The header that chooses the tenant belongs to every operation."""
        return [*super().get_override_parameters(), TENANT_HEADER]

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation with its problem answers; a view adds its own in `refusals` by method."""
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        problem = component_of("Problem", PROBLEM)
        self.registry.register_on_missing(problem)
        for name, schema in getattr(self.view, "components", {}).items():
            self.registry.register_on_missing(component_of(name, schema))
        statuses = {"400", "401", "403", "404", "429"} | set(getattr(self.view, "refusals", {}).get(self.method, ()))
        if self.method in {"POST", "PATCH"}:
            statuses |= {"413", "415"}
        for status in sorted(statuses):
            content = {"application/problem+json": {"schema": problem.ref}}
            operation["responses"][status] = {"description": REFUSALS[status], "content": content}
        needed = getattr(self.view, "needs", {}).get(self.method)
        note = f"Needs a key with the scope `{needed.value}`." if needed else ""
        operation["description"] = "\n\n".join(filter(None, (operation.get("description", ""), note)))
        return operation


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Api-Key <key>`."""

    target_class = "mesassist.tenants.rest.ApiKeyAuthentication"
    name = "ApiKey"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """A header; OpenAPI has no word for schemes other than basic and bearer."""
        text = "Write `Api-Key`, a space and the key. Keys are made in the Django admin and shown once."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": text}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The browser's session."""

    target_class = "mesassist.tenants.rest.BrowserSession"
    name = "Session"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The session cookie."""
        text = "The session of a signed-in person; changes need the header X-CSRFToken too."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": text}
