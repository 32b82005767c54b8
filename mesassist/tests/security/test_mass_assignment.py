"""Mass assignment: a request that names every column of a model changes those of its form alone."""

from pprint import pformat

import pytest
from django.db import models

from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from mesassist.tests.security.figures import note
from mesassist.tests.security.knocking import knock
from mesassist.tests.security.table import TABLE, pk
from mesassist.tests.security.test_injection import DOORS, ask

pytestmark = pytest.mark.django_db
# Pages whose form changes a row: {door: model}.
FORMS = {"dashboards:summary": "production.Summary", "analyses:assistant": "analyses.AssistantSettings"}


def model_of(label, plant):
    """The model of that label."""
    return next(kind for kind in plant.rows if kind._meta.label == label)


def hostile(field, betas):
    """A value for a column that is not to be set from outside."""
    if isinstance(field, models.ForeignKey):
        other = betas.rows.get(field.related_model)
        return other.pk if other else betas.tenant.pk if field.name == "tenant" else betas.person.pk
    if isinstance(field, models.BooleanField):
        return True
    return 799_999_999 if isinstance(field, models.IntegerField | models.AutoField) else "2001-01-01T00:00:00Z"


def columns(model, own):
    """{name as it might be sent: field} of every column that the form or serializer does not hold."""
    fields = [field for field in model._meta.local_concrete_fields if field.name not in own]
    return {name: field for field in fields for name in {field.name, field.attname}}


def row_now(model, pk):
    """The row as it stands in the database."""
    with platform_scope("test", role=PlatformRole.STAFF):
        return model.objects.filter(pk=pk).values().first()


class TestApi:
    def test_it_refuses_every_other_column_by_name(self, alfas, betas, principals):
        wrong, tried = [], 0
        for name, door in DOORS.items():
            serializer = getattr(getattr(door.view, "cls", None), "serializer_class", None)
            if not (serializer and door.needs) or name not in TABLE:
                continue
            own = {one for one, field in serializer().get_fields().items() if not field.read_only}
            for method in {"POST", "PATCH"} & set(TABLE[name].least):
                for column, field in columns(serializer.Meta.model, own).items():
                    tried += 1
                    good = TABLE[name].body(alfas) if method == "POST" else {}
                    answer = ask(
                        principals["tenant admin"], method, name, alfas, {**good, column: hostile(field, betas)}
                    )
                    if answer.status != 400:
                        wrong.append((name, method, column, answer.status))
        note("columns sent that are not to be set", tried)
        assert not wrong, pformat(wrong)


class TestPages:
    @pytest.mark.parametrize("name", FORMS)
    def test_a_form_changes_its_own_fields_alone(self, name, alfas, betas, principals):
        model, door = model_of(FORMS[name], alfas), DOORS[name]
        row = alfas.rows[model]
        ids = {part: pk(alfas, label) for part, label in TABLE[name].rows.items()}
        sent = {column: hostile(field, betas) for column, field in columns(model, set()).items()}
        before = row_now(model, row.pk)
        body = {**sent, **TABLE[name].body(alfas)}
        done = knock(
            principals["tenant admin"],
            "POST",
            door.path(tenant="alfa", **ids),
            body,
            then=lambda: row_now(model, row.pk),
        )
        fixed = {"id", "tenant_id", "created_by_id", "created_at", "is_main", "token", "token_hint"} & set(before)
        assert {column: done.left[column] for column in fixed} == {column: before[column] for column in fixed}
        assert done.status in {302, 422}
