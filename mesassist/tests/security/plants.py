"""Plants: a row of every table of a tenant, made by looking at the models, so that no new model is forgotten."""

import datetime as dt
import hashlib
from itertools import count
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.utils import timezone

from dashboards import wizard
from mesassist.tenants.models import Membership, Tenant, User
from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.secrets import SealedField
from mesassist.tests.security.catalogue import carries_tenant, tenant_models

NOW = timezone.now().replace(microsecond=0)
DAY = dt.timedelta(days=1)
ZONE = "Europe/Warsaw"
SPEC = {
    "version": 2,
    "columns": {"machine": "machine", "start": "at", "state": "state"},
    "states": {"running": {"state": "running"}, "down": {"state": "down"}},
}
FACTS = [{"id": "F1", "text": "OEE was 78.0 %.", "values": {"oee": 0.78}}]


def plain(field):
    """Text of a plant that is like any other: the same codes as everybody's."""
    return f"{field.model.__name__}-{field.name}"[: field.max_length or 100]


def snapshot(text):
    """The figures that an analysis keeps, as far as its pages read them."""
    return {"window": {"label": text, "zone": ZONE}, "facts": [{**FACTS[0], "text": text}]}


# What a column needs that cannot be read from the model: {model: {field: value or function of (plant, text)}}.
WORDS = {
    "production.Site": {"zone": ZONE},
    "production.Shift": {"starts": dt.time(6), "ends": dt.time(14), "weekdays": [1, 2, 3, 4, 5, 6, 7]},
    "production.Line": {"counting_point": None},
    "production.Event": {
        "kind": "state", "state": "down", "at": NOW - dt.timedelta(hours=1), "until": NOW, "received_at": NOW,
        "value": None, "maximum": None,
    },
    "production.EventKey": {"at": NOW - dt.timedelta(hours=1), "content_hash": b"0" * 16},
    "production.Correction": {"from_at": NOW - DAY, "to_at": NOW, "undone_by": None, "undone_at": None},
    "production.Implausible": {"trusted_by": None, "trusted_at": None},
    "production.Rollup": {"bucket": NOW - DAY},
    "production.ImportRun": {"zone": ZONE, "report": {}, "warnings": []},
    "production.Summary": {"from_at": None, "to_at": None},
    "production.FileMapping": {"spec": lambda plant, text: {**SPEC, "name": text("name")}},
    "production.KafkaSource": {
        "bootstrap_servers": lambda plant, text: f"{plant.tenant.slug}.{text('topic')}:9092", "dead_letter_topic": "",
    },
    "production.Quarantined": {"resolved_by": None, "resolved_at": None, "content": None},
    "production.SelfCheck": {"found": {}},
    "production.DailyRollup": {"zone": ZONE},
    "analyses.AssistantSettings": {"base_url": "http://127.0.0.1:9/v1", "token_hint": ""},
    "analyses.Analysis": {
        "status": "done", "owner": None, "lease_until": None, "error_code": "", "finish_reason": "stop",
        "prompt_tokens": 10, "completion_tokens": 5, "cost_micros": 7, "currency": "USD", "numbers": None,
        "finished_at": NOW, "window_from": NOW - DAY, "window_to": NOW, "spec": None,
        "dedup_key": "", "aliases": {}, "left_out": [],
        "data": lambda plant, text: snapshot(text("data")),
        "request": lambda plant, text: {"messages": [{"role": "user", "content": text("request")}]},
    },
    "tenants.Membership": {"role": 30},
    "tenants.Invitation": {
        "email": lambda plant, text: f"{text('email')[:60]}@{plant.tenant.slug}.example".lower(),
        "digest": lambda plant, text: hashlib.sha256(plant.tenant.slug.encode()).hexdigest(), "role": 10,
        "accepted_by": None, "accepted_at": None, "withdrawn_at": None, "expires_at": NOW + DAY,
    },
    "tenants.IdentityProvider": {"issuer": "https://issuer.example", "domains": [], "default_role": 10},
    "analyses.Breaker": {"state": "closed"},
    "audit.ChainCheck": {"broken": []},
    "tenants.ApiKey": {
        "token_key": lambda plant, text: f"mes_{plant.tenant.slug}x"[:15], "scopes": ["read"], "expiry": None,
        "digest": lambda plant, text: hashlib.sha256(plant.tenant.slug.encode()).hexdigest(),
        "source": "", "pepper": "",
    },
}  # fmt: skip


class Plant:
    """The rows of one tenant, one of each model; `text(field)` says what stands in its text columns.

    Their numbers are counted from `first`, so that an answer cannot hold one by chance.
    """

    def __init__(self, tenant, person, text=plain, first=600_000_000):
        self.tenant, self.person, self.text, self.ids = tenant, person, text, count(first)
        self.rows, self.making, self.numbers = {}, set(), count(1)

    def fill(self):
        """A row of every model, in whatever order they need one another."""
        with tenant_scope(self.tenant):
            for model in tenant_models():
                self.row(model)
        return self

    def row(self, model):
        """The tenant's row of that model; made when it is first asked for."""
        if model not in self.rows:
            self.making.add(model)
            self.rows[model] = self.make(model)
            self.making.discard(model)
        return self.rows[model]

    def make(self, model):
        """A new row; what the portal itself has written already is taken instead."""
        name = model._meta.label
        if name in MAKERS:
            return MAKERS[name](self)
        values = {field.name: self.value(field) for field in model._meta.local_concrete_fields if self.wants(field)}
        row = model(**values)
        row.save(force_insert=True)
        return row

    def wants(self, field):
        """Whether somebody has to say what stands in the field."""
        if isinstance(field, models.CompositePrimaryKey | SealedField):
            return False
        words = WORDS.get(field.model._meta.label, {})
        if field.name in words:
            return True
        if field.primary_key:
            return isinstance(field, models.CharField | models.AutoField)
        return isinstance(field, models.CharField | models.TextField | models.ForeignKey) or not (
            field.has_default() or field.null or getattr(field, "auto_now_add", False) or field.has_db_default()
        )

    def value(self, field):
        """What stands in a field."""
        words = WORDS.get(field.model._meta.label, {})
        if field.name in words:
            word = words[field.name]
            return word(self, lambda name: self.text(field.model._meta.get_field(name))) if callable(word) else word
        if isinstance(field, models.ForeignKey):
            return self.related(field)
        if isinstance(field, models.AutoField):
            return next(self.ids)
        if field.choices:
            return field.get_default() if field.has_default() else field.choices[0][0]
        if isinstance(field, models.CharField | models.TextField):
            return self.text(field)
        return self.sample(field)

    def related(self, field):
        """The row that a reference names, of the same tenant."""
        other = field.related_model
        if other is Tenant:
            return self.tenant
        if other is User:
            return self.person
        if other in self.making or not carries_tenant(other):
            return None
        return self.row(other)

    def sample(self, field):
        """Something of the field's kind."""
        for kind, word in WORDED.items():
            if isinstance(field, kind):
                return word(self.text(field))
        if isinstance(field, models.IntegerField):
            return next(self.numbers)
        return next(value for kind, value in SAMPLES.items() if isinstance(field, kind))


# Fields that take a word inside, and fields that take something else.
WORDED = {
    ArrayField: lambda word: [word],
    models.JSONField: lambda word: {"note": word},
    models.BinaryField: lambda word: word.encode(),
}
SAMPLES = {
    models.DateTimeField: NOW,
    models.DateField: NOW.date(),
    models.TimeField: dt.time(6),
    models.DurationField: DAY,
    models.BooleanField: False,
    models.UUIDField: uuid4(),
    models.FloatField: 1.0,
    models.GenericIPAddressField: "192.0.2.1",
}


# --- rows that the portal makes itself ----------------------------------------------------------------


def hand_in(plant):
    """A file as the wizard keeps it after a first look."""
    from production.models import Upload, UploadChunk

    cell = plant.text(Upload._meta.get_field("draft"))
    content = f"machine,at,state\n{cell},2026-03-02 06:00,running\n{cell},2026-03-02 07:00,down\n".encode()
    fields = [field for field in Upload._meta.local_concrete_fields if plant.wants(field)]
    values = {field.name: plant.value(field) for field in fields} | {"size": len(content)}
    upload = Upload.objects.create(**values | {"file_name": f"{values['file_name'][:200]}.csv"})
    piece = {"id": next(plant.ids), "upload": upload, "number": 0, "content": content}
    plant.rows[UploadChunk] = UploadChunk.objects.create(tenant=plant.tenant, **piece)
    wizard.look_at(upload=upload, zone=ZONE)
    return upload


def piece_of_upload(plant):
    from production.models import Upload, UploadChunk

    plant.row(Upload)
    return plant.rows[UploadChunk]


def membership(plant):
    found = Membership.objects.filter(tenant=plant.tenant, user=plant.person).first()
    return found or Membership.objects.create(tenant=plant.tenant, user=plant.person, role=30)


def assistant(plant):
    """One per tenant: a page may have made it before."""
    from analyses.models import AssistantSettings

    AssistantSettings.objects.filter(tenant=plant.tenant).delete()
    fields = [field for field in AssistantSettings._meta.local_concrete_fields if plant.wants(field)]
    return AssistantSettings.objects.create(**{field.name: plant.value(field) for field in fields})


def entry(plant):
    """Written by the database itself with each change; a change is made where there is none yet."""
    from mesassist.audit.models import Entry
    from production.models import Site

    plant.row(Site)
    # The trail is written at the end of a transaction; this asks for it now.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return Entry.objects.order_by("number").first()


MAKERS = {
    "audit.Entry": entry,
    "production.Upload": hand_in,
    "production.UploadChunk": piece_of_upload,
    "tenants.Membership": membership,
    "analyses.AssistantSettings": assistant,
}
