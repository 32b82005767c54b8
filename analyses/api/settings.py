"""Settings doors: the assistant's settings, what its endpoint offers, and whether it answers.

Open while the assistant is hidden, as its page is: nobody could show it again otherwise.
"""

from dataclasses import asdict
from typing import Any

from django.forms.models import model_to_dict
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analyses.api.shapes import AssistantSerializer, ModelsShape, TrialShape
from analyses.credentials import open_token
from analyses.forms import AssistantForm
from analyses.gateway import GatewayError, list_models
from analyses.models import AssistantSettings
from analyses.queries import assistant_of
from analyses.trials import try_assistant
from mesassist.tenants.apidoor import TenantDoor
from mesassist.tenants.models import Scope
from mesassist.tenants.problems import Problem
from mesassist.tenants.secrets import SecretUnreadable


@extend_schema(tags=["assistant"])
class AssistantDoor(TenantDoor):
    """The tenant's assistant."""

    needs = {"GET": Scope.CONFIGURE, "PATCH": Scope.CONFIGURE}

    @extend_schema(operation_id="assistant_get", responses=AssistantSerializer)
    def get(self, request: Request) -> Response:
        """Its settings, without the token."""
        return Response(AssistantSerializer(assistant_of(self.tenant)).data)

    @extend_schema(
        operation_id="assistant_change", request=AssistantSerializer(partial=True), responses=AssistantSerializer
    )
    def patch(self, request: Request) -> Response:
        """Change some of them, by the rules of the settings page."""
        assistant = assistant_of(self.tenant)
        wanted = AssistantSerializer(assistant, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        change_assistant(assistant=assistant, wanted=wanted.validated_data)
        return Response(AssistantSerializer(assistant_of(self.tenant)).data)


def change_assistant(*, assistant: AssistantSettings, wanted: dict[str, Any]) -> None:
    """Save the wanted values through the settings form, which decides what goes together; 400 with its sentences."""
    token = wanted.pop("token", "")
    present = model_to_dict(assistant, fields=AssistantForm.Meta.fields)
    form = AssistantForm(present | wanted | {"token": token or "", "clear_token": token is None}, instance=assistant)
    if not form.is_valid():
        raise serializers.ValidationError({name: [str(text) for text in texts] for name, texts in form.errors.items()})
    form.save()


@extend_schema(tags=["assistant"])
class ModelsDoor(TenantDoor):
    """What there is to choose from."""

    needs = {"GET": Scope.CONFIGURE}
    refusals = {"GET": ("409", "502")}

    @extend_schema(operation_id="assistant_models", responses=ModelsShape)
    def get(self, request: Request) -> Response:
        """The models that the endpoint offers to this tenant's token."""
        assistant = assistant_of(self.tenant)
        if not assistant.base_url:
            raise Problem(409, "assistant_not_configured", "The assistant has no endpoint yet. Set base_url first.")
        try:
            token = open_token(assistant=assistant, purpose="models")
            names = list_models(endpoint=assistant.base_url, token=token)
        except SecretUnreadable as error:
            raise Problem(409, "credentials", "The stored token cannot be opened. Set it again.") from error
        except GatewayError as error:
            sentence = f"{error.failure.message} {error.failure.next_step}".strip()
            raise Problem(502, error.failure.code, sentence) from error
        return Response({"results": [{"model": name} for name in names], "next": None})


@extend_schema(tags=["assistant"])
class TrialDoor(TenantDoor):
    """Whether it answers."""

    needs = {"POST": Scope.CONFIGURE}
    refusals = {"POST": ("409",)}

    @extend_schema(operation_id="assistant_test", request=None, responses=TrialShape)
    def post(self, request: Request) -> Response:
        """Try the endpoint with one tiny request; it costs a few tokens."""
        assistant = assistant_of(self.tenant)
        if not assistant.configured:
            text = "The assistant has no endpoint or no model yet. Set base_url and model first."
            raise Problem(409, "assistant_not_configured", text)
        trial = try_assistant(assistant=assistant)
        answer = {"ok": trial.ok, "model": trial.model or None, "latency_ms": trial.latency_ms}
        return Response(answer | ({"error": asdict(trial.error)} if trial.error else {}))
