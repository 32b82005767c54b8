"""Shapes: what the doors of the assistant take and give, field by field, for checking and for the schema."""

from typing import Any

from rest_framework import serializers

from analyses.models import AssistantSettings, Status, Trigger
from mesassist.tenants.wire import FiniteField, MomentField, StrictSerializer, TenantRelated
from production.models import Summary

LONGEST_QUESTION = 8000


def with_period(fields: dict[str, serializers.Field]) -> dict[str, serializers.Field]:
    """The fields and a period: `from` is a keyword of Python and so cannot be an attribute."""
    ends = {name: MomentField(required=False, allow_null=True, default=None) for name in ("from", "to")}
    return fields | ends


class AskSerializer(StrictSerializer):
    """A summary, a question or both, and possibly another period than the summary's own."""

    # Resolved per request: outside a tenant's scope this queryset holds nothing.
    summary = TenantRelated(queryset=Summary.objects, required=False, allow_null=True, default=None)
    question = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        trim_whitespace=False,
        max_length=LONGEST_QUESTION,
        help_text="Travels to the model byte for byte.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `from` and `to`."""
        return with_period(super().get_fields())


class HistoryFilter(serializers.Serializer):
    """What to look for in the history."""

    status = serializers.ChoiceField(choices=Status.choices, required=False)
    trigger = serializers.ChoiceField(choices=Trigger.choices, required=False)
    model = serializers.CharField(required=False, max_length=120, help_text="How the model's name begins.")
    search = serializers.CharField(required=False, max_length=200, help_text="In questions and answers.")
    created_after = MomentField(required=False)
    created_before = MomentField(required=False)


class AssistantSerializer(StrictSerializer, serializers.ModelSerializer):
    """The assistant's settings. The token goes in and never comes out: `token_set` and `token_hint` tell of it."""

    token = serializers.CharField(
        write_only=True,
        required=False,
        allow_null=True,
        allow_blank=False,
        help_text="Null removes it. Another `base_url` removes it too, unless a new token comes along.",
    )
    token_set = serializers.SerializerMethodField()
    token_hint = serializers.CharField(read_only=True, help_text="Its last four characters.")
    temperature = FiniteField(min_value=0, max_value=2)

    class Meta:
        model = AssistantSettings
        fields = (
            "model",
            "base_url",
            "role",
            "query",
            "temperature",
            "max_answer_tokens",
            "max_summary_facts",
            "max_prompt_tokens",
            "daily_token_limit",
            "on_unknown",
            "language",
            "aliases_enabled",
            "alias_kinds",
            "hidden",
            "token",
            "token_set",
            "token_hint",
        )

    def get_token_set(self, assistant: AssistantSettings) -> bool:
        """Whether a token is stored."""
        return bool(assistant.token)


# --- answers, for the schema ------------------------------------------------------------------------------


class FindingShape(serializers.Serializer):
    """One finding of a structured answer."""

    title = serializers.CharField()
    severity = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())
    recommendation = serializers.CharField()


class UsageShape(serializers.Serializer):
    """Tokens of all attempts; `estimated` when the endpoint did not say."""

    prompt_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    estimated = serializers.BooleanField()


class CostShape(serializers.Serializer):
    """Money in millionths of the currency."""

    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    price_version = serializers.CharField()


class DataShape(serializers.Serializer):
    """Which figures the answer rests on."""

    newest_event_at = serializers.DateTimeField(allow_null=True)
    sha256 = serializers.CharField()
    changed_since = serializers.BooleanField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """With `from` and `to`."""
        return {name: serializers.DateTimeField() for name in ("from", "to")} | super().get_fields()


class LeftOutShape(serializers.Serializer):
    """What did not fit into the limits."""

    what = serializers.CharField()
    count = serializers.IntegerField()
    detail = serializers.CharField()


class FaultShape(serializers.Serializer):
    """Why it failed, and what to do next."""

    code = serializers.CharField()
    message = serializers.CharField()
    next_step = serializers.CharField()


class AnalysisShape(serializers.Serializer):
    """One analysis: what was asked, what came, what it cost, and whether its numbers hold."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    trigger = serializers.ChoiceField(choices=Trigger.choices)
    summary = serializers.IntegerField(allow_null=True)
    question = serializers.CharField()
    model_requested = serializers.CharField()
    model_answered = serializers.CharField(allow_null=True)
    answer = serializers.CharField(help_text="Markdown.")
    findings = FindingShape(many=True)
    numbers = serializers.DictField(allow_null=True, help_text="found, derived, unknown, contradicted, marks[]")
    finish_reason = serializers.CharField(allow_null=True)
    truncated = serializers.BooleanField()
    usage = UsageShape(allow_null=True)
    cost = CostShape(allow_null=True, help_text="Null: the price is unknown.")
    temperature = serializers.FloatField()
    data = DataShape(allow_null=True)  # type: ignore[assignment]
    left_out = LeftOutShape(many=True)
    attempts = serializers.IntegerField()
    provider_request_id = serializers.CharField(allow_null=True)
    error = FaultShape(allow_null=True)
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class AnalysisPageShape(serializers.Serializer):
    """A page of the history."""

    results = AnalysisShape(many=True)
    next = serializers.CharField(allow_null=True)


class SlipShape(serializers.Serializer):
    """Exactly what is sent, where, and the SHA-256 of its bytes on the wire."""

    destination = serializers.CharField()
    request: Any = serializers.DictField()  # type: ignore[assignment]
    sha256 = serializers.CharField()
    tokens_estimated = serializers.IntegerField()
    left_out = LeftOutShape(many=True)


class DoubtShape(serializers.Serializer):
    """Why the figures are doubtful."""

    code = serializers.CharField()
    text = serializers.CharField()


class GateShape(serializers.Serializer):
    """`green`: nothing against it; `amber`: the figures are doubtful, and the model is told so."""

    level = serializers.ChoiceField(choices=["green", "amber"])
    reasons = DoubtShape(many=True)


class PreviewShape(serializers.Serializer):
    """What would be sent, where, for how much at most, what would be left out, and which names would stay."""

    request: Any = serializers.DictField()  # type: ignore[assignment]
    destination = serializers.CharField()
    tokens_estimated = serializers.IntegerField()
    cost_estimated = CostShape(allow_null=True, help_text="Null: unknown. For an answer as long as may be.")
    left_out = LeftOutShape(many=True)
    aliases = serializers.DictField(child=serializers.CharField(), help_text="What stands for which name.")
    gate = GateShape()


class ModelShape(serializers.Serializer):
    """A model that the endpoint offers."""

    model = serializers.CharField()


class ModelsShape(serializers.Serializer):
    """All of them."""

    results = ModelShape(many=True)
    next = serializers.CharField(allow_null=True)


class TrialShape(serializers.Serializer):
    """What one tiny request to the endpoint brought."""

    ok = serializers.BooleanField()
    model = serializers.CharField(allow_null=True)
    latency_ms = serializers.IntegerField()
    error = FaultShape(required=False)
