"""Wire: what the API accepts as JSON, as fields and as pages; whatever is doubtful is refused, never guessed."""

import datetime as dt
import json
import math
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelFault
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from mesassist.tenants.problems import Problem
from mesassist.tenants.scope import current_tenant

BODY_BYTES = 1024 * 1024
DEPTH = 20


class StrictJSONParser(BaseParser):
    """Reads JSON that means the same to everybody: no NaN, no duplicate keys, no NUL, no depth over 20."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body as Python values; 400 `parse_error` says what is wrong with it, 413 that it is too large."""
        body = stream.read(BODY_BYTES + 1)
        if len(body) > BODY_BYTES:
            raise Problem(413, "too_large", f"The body is over {BODY_BYTES} bytes. Send less at a time.")
        return read_json(body)


def read_json(body: bytes) -> Any:
    """Parse `body` strictly; raises `ParseError`."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_unique_keys, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise exceptions.ParseError(f"The JSON is nested deeper than {DEPTH} levels.") from None
    except ValueError as error:
        raise exceptions.ParseError(f"This is not valid JSON: {error}") from error
    _check_texts(value)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key appears twice in one object.")
    return read


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a number that can be stored.")
    return number


def _check_texts(value: Any) -> None:
    """Refuse depth over the limit and texts that PostgreSQL cannot hold: NUL and lone surrogates."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > DEPTH:
            raise exceptions.ParseError(f"The JSON is nested deeper than {DEPTH} levels.")
        if isinstance(item, dict):
            waiting += [(inner, depth + 1) for pair in item.items() for inner in pair]
        elif isinstance(item, list):
            waiting += [(inner, depth + 1) for inner in item]
        elif isinstance(item, str) and ("\0" in item or not _encodes(item)):
            raise exceptions.ParseError("A text holds a NUL or half a character pair, which cannot be stored.")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- fields -----------------------------------------------------------------------------------------


class FiniteField(serializers.FloatField):
    """A number written as a number: no text, no true, no NaN."""

    def to_internal_value(self, data: Any) -> float:
        """The number; anything else is refused."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class MomentField(serializers.DateTimeField):
    """A time with its offset; a naive one is refused, since nobody knows which clock it was read from."""

    default_error_messages = {"naive_timestamp": "This time has no offset. Write 2026-03-02T06:15:00+01:00."}

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=dt.UTC, **options)

    def enforce_timezone(self, value: dt.datetime) -> dt.datetime:
        """The same moment in UTC."""
        if value.tzinfo is None:
            self.fail("naive_timestamp")
        return value.astimezone(dt.UTC)


# OpenAPI's own format `time` has an offset; these have none, the site's zone decides.
@extend_schema_field(
    {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$", "example": "06:00"}
)
class WallTimeField(serializers.TimeField):
    """A time of day on the site's clock."""


class TenantRelated(serializers.PrimaryKeyRelatedField):
    """The id of another row of the same tenant; a stranger's id reads exactly like one that never was."""

    default_error_messages = {
        "does_not_exist": "There is no such object.",
        "incorrect_type": "Give the object's id as a whole number.",
    }

    def to_internal_value(self, data: Any) -> Any:
        """The row; ids are whole numbers, and a number too large for an id is no such object."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("incorrect_type", data_type=type(data).__name__)
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer):
    """Refuses fields that it does not know, and values for those that only the portal sets."""

    def to_internal_value(self, data: Any) -> Any:
        """The values by field; unknown and read-only names are refused before anything else is looked at."""
        if isinstance(data, Mapping):
            faults = {name: fault for name in data if (fault := self._fault_of(str(name)))}
            if faults:
                raise serializers.ValidationError(faults)
        return super().to_internal_value(data)

    def _fault_of(self, name: str) -> exceptions.ErrorDetail | None:
        field = self.fields.get(name)
        if field is None:
            return exceptions.ErrorDetail("There is no such field here.", "unknown_field")
        if field.read_only:
            return exceptions.ErrorDetail("Only the portal sets this field; leave it out.", "read_only")
        return None


class TenantSerializer(StrictSerializer, serializers.ModelSerializer):
    """A row of the active tenant: the model's own rules decide, the tenant is set here and nowhere else."""

    serializer_related_field = TenantRelated
    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.FloatField: FiniteField,
        models.DateTimeField: MomentField,
        models.TimeField: WallTimeField,
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask the model: its validators, unique rules and check constraints, with the tenant in place."""
        model: Any = self.Meta.model
        many = {field.name for field in model._meta.many_to_many}
        draft = model(tenant=current_tenant())
        if self.instance is not None:
            draft = model(**{field.attname: getattr(self.instance, field.attname) for field in model._meta.fields})
            draft._state.adding = False
        for name, value in attrs.items():
            if name not in many:
                setattr(draft, name, value)
        ours = {field.source for field in self.fields.values()} | {"tenant"}
        try:
            draft.full_clean(exclude={field.name for field in model._meta.fields} - ours)
        except ModelFault as fault:
            raise serializers.ValidationError(_by_field(fault)) from fault
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Any:
        """Save a new row of the active tenant."""
        return super().create(validated_data | {"tenant": current_tenant()})


def _by_field(fault: ModelFault) -> dict[str, list[exceptions.ErrorDetail]]:
    """A model's faults by field; a code that is taken is told at the field that holds it."""
    faults: dict[str, list[exceptions.ErrorDetail]] = {}
    for name, inner in fault.update_error_dict({}).items():
        for one in inner:
            where = "non_field_errors" if name == NON_FIELD_ERRORS else name
            text = " ".join(one.messages)
            if one.code == "unique_together" and one.params:
                where = [part for part in one.params["unique_check"] if part != "tenant"][-1]
                text = "Another one has this already. Choose another."
            faults.setdefault(where, []).append(
                exceptions.ErrorDetail(text, "unique" if one.code == "unique_together" else one.code or "invalid")
            )
    return faults


# --- pages ------------------------------------------------------------------------------------------


class Pages(CursorPagination):
    """Lists as {"results": [...], "next": cursor or null}; `page_size` up to 500, `cursor` from the page before."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering: tuple[str, ...] = ("id",)

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """The view's own order, which must end in something unique; otherwise by id."""
        return getattr(view, "ordering", None) or tuple(self.ordering)

    def get_page_size(self, request: Request) -> int:
        """1 to 500; anything else is refused rather than cut down in silence."""
        text = request.query_params.get("page_size")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= self.max_page_size):
            raise Problem(400, "page_size", f"page_size is a whole number from 1 to {self.max_page_size}.")
        return int(text)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """One page of rows; a cursor that is not ours is refused."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, ValueError, ModelFault) as error:
            raise Problem(400, "cursor", "This cursor is not ours. Start from the first page.") from error

    def encode_cursor(self, cursor: Cursor) -> str:
        """The bare cursor: the caller knows the address it asked."""
        parts = {"o": cursor.offset or None, "r": 1 if cursor.reverse else None, "p": cursor.position}
        query = urlencode({name: value for name, value in parts.items() if value is not None})
        return b64encode(query.encode("ascii")).decode("ascii")

    def get_paginated_response(self, data: Any) -> Response:
        """The page and where the next one begins."""
        return Response({"results": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same as OpenAPI."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": {"type": ["string", "null"], "description": "Pass as cursor."}},
        }
