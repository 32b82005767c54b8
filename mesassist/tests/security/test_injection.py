"""Ids in bodies and queries: another plant's id is answered exactly like one that never was."""

import os
from pprint import pformat
from uuid import UUID, uuid4

import pytest
from django import forms
from django_filters import FilterSet
from rest_framework import serializers

from mesassist.tenants.wire import StrictSerializer
from mesassist.tests.security.figures import note
from mesassist.tests.security.knocking import differing, knock
from mesassist.tests.security.table import TABLE, pk
from mesassist.tests.security.walking import all_doors

pytestmark = pytest.mark.django_db
FULL = os.environ.get("WALLS") == "full"
DOORS = all_doors()
UNUSED = 799_999_999
# The doors whose view does not name its serializer as an attribute, by the serializer's name.
SERIALIZERS = {"AskSerializer": ["analyses", "analyses-preview"]}
# Where each form with a choice of rows is answered: {form: (door, method)}.
FORMS = {
    "dashboards.forms.SummaryForm": [("dashboards:summary-new", "POST"), ("dashboards:summary-preview", "POST")],
    "dashboards.forms.MachineForm": [("dashboards:quarantine-machine", "POST")],
    "dashboards.correcting.CorrectionForm": [("dashboards:correction-new", "POST")],
    "dashboards.correcting.DayForm": [("dashboards:corrections", "GET")],
    "dashboards.events.EventForm": [("dashboards:events", "GET")],
    "dashboards.sifting.SiftForm": [
        ("dashboards:quarantine", "GET"),
        ("dashboards:quarantine-export", "GET"),
        ("dashboards:quarantine-replay", "GET"),
        ("dashboards:quarantine-discard", "GET"),
    ],
    "production.viewing.PeriodForm": [
        ("dashboards:board", "GET"),
        ("dashboards:strips", "GET"),
        ("analyses:panel", "GET"),
    ],
    "analyses.forms.AskForm": [("analyses:ask", "POST"), ("analyses:slip", "POST")],
}
# Rooms whose forms only platform staff see.
ADMINS = (".admin", "endpoint_admin", "key_admin", "django.contrib", "allauth", "rest_framework")
# What the pages' addresses may name, beside what forms hold: {parameter: model}.
PARAMETERS = {
    "machine": "production.Machine", "line": "production.Line", "site": "production.Site",
    "product": "production.Product", "reason": "production.Reason", "order": "production.WorkOrder",
    "summary": "production.Summary", "analysis": "analyses.Analysis", "run": "production.ImportRun",
    "import": "production.ImportRun", "row": "production.Quarantined", "upload": "production.Upload",
    "source": "production.KafkaSource", "reading": "production.Implausible", "after": "production.Quarantined",
    "correction": "production.Correction", "file": "production.ImportRun",
}  # fmt: skip


def id_of(plant, model):
    """The plant's id of that model."""
    return next(row.pk for kind, row in plant.rows.items() if kind._meta.label == model)


def unused_like(one):
    """An id of the same kind that nobody has."""
    return str(uuid4()) if isinstance(one, UUID) else UNUSED


def subclasses(kind):
    """Every subclass, at any depth."""
    return {kind for child in kind.__subclasses__() for kind in (child, *subclasses(child))}


def related(serializer):
    """{field: (model, whether it takes several)} of a serializer's references."""
    found = {}
    for name, one in serializer().get_fields().items():
        inner = getattr(one, "child_relation", one)
        if isinstance(inner, serializers.RelatedField):
            found[name] = (inner.queryset.model._meta.label, inner is not one)
    return found


def doors_of_serializers():
    """(door, method, field, model, whether several) of every reference that the API takes."""
    for name, door in DOORS.items():
        serializer = getattr(getattr(door.view, "cls", None), "serializer_class", None)
        if serializer and door.needs:
            for one in ({"POST", "PATCH"} & set(TABLE[name].least)) or ():
                yield from ((name, one, field, *kind) for field, kind in related(serializer).items())
    for serializer in subclasses(StrictSerializer):
        for name in SERIALIZERS.get(serializer.__name__, ()):
            yield from ((name, "POST", field, *kind) for field, kind in related(serializer).items())


def ask(principal, method, name, plant, body):
    """A request to a door of the plant, with its own id in the address and a body or query of ours."""
    ids = {part: pk(plant, model) for part, model in TABLE[name].rows.items()}
    path = DOORS[name].path(tenant=plant.tenant.slug, **ids)
    headers = {"X-Tenant": plant.tenant.slug} if path.startswith("/api/") else {}
    if method == "GET":
        query = "&".join(f"{key}={value}" for key, value in body.items())
        return knock(principal, method, f"{path}?{query}", **headers)
    return knock(principal, method, path, body, **headers)


def tell_apart(principal, method, name, plant, field, theirs, *, many=False):
    """What tells the stranger's id from an unused one, if anything does."""

    def ask_with(one):
        value = str(one) if isinstance(one, UUID) else one
        good = TABLE[name].body(plant) if method == "POST" else {}
        body = {**good, field: [value] if many else value}
        return ask(principal, method, name, plant, body).without(str(value))

    return differing(ask_with, (theirs, unused_like(theirs)))


def tell_pages_apart(principal, name, plant, betas, fields):
    """The same for several parameters of an address at once."""

    def ask_with(pick):
        query = {field: str(pick(id_of(betas, PARAMETERS[field]))) for field in fields}
        return ask(principal, "GET", name, plant, query).without(*query.values())

    return differing(ask_with, (lambda one: one, unused_like))


# What may be asked together; the two that a page answers with "not found" go alone.
TOGETHER = (["analysis"], ["summary"], sorted(set(PARAMETERS) - {"analysis", "summary"}))


class TestApi:
    def test_every_serializer_with_a_choice_of_rows_is_tried(self):
        tried = {getattr(door.view.cls, "serializer_class", None) for door in DOORS.values() if door.needs}
        missing = {
            one.__name__
            for one in subclasses(StrictSerializer)
            if hasattr(one, "Meta") is hasattr(one, "_declared_fields") and one not in tried and safe_related(one)
        }
        assert missing - set(SERIALIZERS) == set()

    def test_a_strangers_id_in_a_body_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong, tried = [], list(doors_of_serializers())
        for name, method, field, model, many in tried:
            theirs = id_of(betas, model)
            if found := tell_apart(principals["tenant admin"], method, name, alfas, field, theirs, many=many):
                wrong.append((name, method, field, *found))
        note("references in bodies", len(tried))
        assert not wrong, pformat(wrong)

    def test_the_plants_own_id_is_taken(self, alfas, principals):
        """The positive control."""
        wrong = []
        for name, method, field, model, many in doors_of_serializers():
            own = id_of(alfas, model)
            body = {**(TABLE[name].body(alfas) if method == "POST" else {}), field: [own] if many else own}
            answer = ask(principals["tenant admin"], method, name, alfas, body)
            own_rules = b'"unique"' in answer.body or b"counting_point" in answer.body
            if answer.status not in {200, 201, 202, 422} and not own_rules:
                wrong.append((name, method, field, answer.status, answer.body[:200]))
        assert not wrong, pformat(wrong)

    def test_a_strangers_id_in_a_filter_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong = []
        for name, door in DOORS.items():
            filters = getattr(getattr(door.view, "cls", None), "filterset_class", None)
            if filters is None or not name.endswith("-list"):
                continue
            assert issubclass(filters, FilterSet)
            for field, one in filters.base_filters.items():
                model = PARAMETERS.get(field)
                if model is None:
                    assert field == "code", f"say in PARAMETERS what {field} of {name} names"
                    continue
                theirs = id_of(betas, model)
                if found := tell_apart(principals["tenant admin"], "GET", name, alfas, field, theirs):
                    wrong.append((name, field, *found))
                assert one is not None
        assert not wrong, pformat(wrong)


def safe_related(serializer):
    """The references of a serializer; one that is only a base for others has none."""
    try:
        return related(serializer)
    except (AssertionError, AttributeError):
        return {}


def choosing_forms():
    """Every form of ours that lets people choose rows: {dotted name: {field: model}}."""
    found = {}
    for form in subclasses(forms.BaseForm):
        where = f"{form.__module__}.{form.__qualname__}"
        fields = getattr(form, "base_fields", {})
        chosen = {name for name, one in fields.items() if isinstance(one, forms.ModelChoiceField)}
        # What modelform_factory makes on the fly says it is Django's own: those are the administration's.
        made = form.__module__ == "django.forms.widgets"
        if chosen and not made and not any(part in where for part in ADMINS) and ".tests." not in where:
            found[where] = chosen
    return found


class TestPages:
    def test_every_form_with_a_choice_of_rows_is_tried(self):
        assert set(choosing_forms()) == set(FORMS)

    def test_a_strangers_id_in_a_form_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong = []
        for where, names in choosing_forms().items():
            for door, method in FORMS[where]:
                for name in names:
                    model = PARAMETERS[name.removesuffix("s")]
                    if found := tell_apart(principals["tenant admin"], method, door, alfas, name, id_of(betas, model)):
                        wrong.append((where, door, name, *found))
        assert not wrong, pformat(wrong)

    def test_a_strangers_id_in_an_address_reads_like_one_that_never_was(self, alfas, betas, principals):
        wrong, tried = [], 0
        for name, entry in TABLE.items():
            door = DOORS[name]
            if not door.route.startswith("t/") or "GET" not in entry.least or (entry.rows and not FULL):
                continue
            for fields in ([one] for one in PARAMETERS) if FULL else TOGETHER:
                tried += len(fields)
                if found := tell_pages_apart(principals["tenant admin"], name, alfas, betas, fields):
                    wrong.append((name, fields, *found))
        note("parameters in addresses", tried)
        assert not wrong, pformat(wrong)
