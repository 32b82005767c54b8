"""Summaries door: what to summarise, and the numbers of it: the same that charts and prompts use."""

import datetime as dt
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from mesassist.tenants.problems import Problem
from mesassist.tenants.wire import MomentField, TenantSerializer
from production.api.master import MasterDoor
from production.facts import as_dict, number_facts
from production.models import Summary, Window
from production.summaries import read_summary, spec_of

LONGEST = dt.timedelta(days=366)


class SummarySerializer(TenantSerializer):
    """A definition. Empty `lines` and `machines` mean every machine; `from` and `to` belong to the window `custom`."""

    class Meta:
        model = Summary
        fields = ("id", "name", "window", "lines", "machines", "metrics", "group_by", "compare_to", "is_main")
        read_only_fields = ("is_main",)
        extra_kwargs = {"lines": {"required": False}, "machines": {"required": False}}

    def get_fields(self) -> dict[str, serializers.Field]:
        """The model's fields, and the two whose names Python keeps for itself."""
        left_out: dict[str, Any] = {} if self.partial else {"default": None}
        ends = {n: MomentField(source=f"{n}_at", required=False, allow_null=True, **left_out) for n in ("from", "to")}
        return super().get_fields() | ends

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A custom window has both ends, in order."""
        given = {name: attrs.get(name, getattr(self.instance, name, None)) for name in ("window", "from_at", "to_at")}
        if given["window"] == Window.CUSTOM:
            fault = find_fault(given["from_at"], given["to_at"])
            if fault:
                raise serializers.ValidationError({"from": ErrorDetail(fault, "invalid_window")})
        return super().validate(attrs)


def find_fault(from_at: dt.datetime | None, to_at: dt.datetime | None) -> str:
    """What is wrong with the ends of a window, or nothing."""
    if from_at is None or to_at is None:
        return "Give both ends, from and to."
    if from_at >= to_at:
        return "The window ends before it begins. Give from before to."
    if to_at - from_at > LONGEST:
        return f"The window is over {LONGEST.days} days. Ask for less at a time."
    return ""


class Ends(serializers.Serializer):
    """The period in the address of `data/`."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` and `to`: keywords of Python, so not attributes here."""
        return {"from": MomentField(required=False, default=None), "to": MomentField(required=False, default=None)}


@extend_schema(tags=["summaries"])
class SummaryDoor(MasterDoor):
    """What to summarise: a window of time, machines, metrics, grouping and comparison."""

    queryset = Summary.objects.none()
    serializer_class = SummarySerializer

    def get_queryset(self) -> Any:
        """With their machines and lines, in three queries however many."""
        return super().get_queryset().prefetch_related("lines", "machines")

    def known_parameters(self) -> set[str]:
        """A period may be asked for with the data."""
        return {"from", "to"} if self.action == "data" else super().known_parameters()

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        """Note who made it."""
        serializer.save(created_by=self.request.user)

    @extend_schema(
        operation_id="summaries_data",
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATETIME, description="With an offset; with `to`."),
            OpenApiParameter("to", OpenApiTypes.DATETIME, description="With an offset; with `from`."),
        ],
        responses={200: OpenApiTypes.OBJECT},
        filters=False,
    )
    @action(detail=True, pagination_class=None, filter_backends=())
    def data(self, request: Request, pk: str) -> Response:
        """The numbers: window, zone, freshness, totals, groups, pareto, trend, numbered facts and warnings."""
        ends = Ends(data=request.query_params)
        ends.is_valid(raise_exception=True)
        from_at, to_at = ends.validated_data["from"], ends.validated_data["to"]
        chosen: dict[str, Any] = {}
        if from_at or to_at:
            if fault := find_fault(from_at, to_at):
                raise Problem(400, "invalid_window", fault)
            chosen = {"window": Window.CUSTOM, "from_at": from_at, "to_at": to_at}
        spec = spec_of(self.get_object(), **chosen)
        data = read_summary(spec=spec, now=timezone.now())
        return Response(as_dict(data, number_facts(data)))
