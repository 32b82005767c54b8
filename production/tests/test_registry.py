"""Schemas: learnt once from a registry over real HTTP; one that does not answer is waited for."""

import json

import pytest

from mesassist.servers.ports import choose_port
from mesassist.tenants.sealed import put_secret
from mesassist.tenants.tests.approving import approved
from production.ingest.avro import SCHEMA_FILE
from production.ingest.refusals import EventRefused
from production.ingest.registry import RegistryAway, Schemas
from production.models import KafkaSource, KnownSchema, Payload
from production.tests.kafka.registry import Registry

OURS = json.loads(SCHEMA_FILE.read_text())


@pytest.fixture
def registry():
    registry = Registry()
    yield registry
    registry.close()


@pytest.fixture
def source(in_alfa, registry):
    return make_source(in_alfa, registry.url)


@pytest.fixture
def schemas_of():
    """The schemas of a source, as a consumer that has just started has them."""
    opened = []

    def open_schemas(source):
        opened.append(Schemas(source))
        return opened[-1]

    yield open_schemas
    for schemas in opened:
        schemas.close()


def make_source(tenant, url, **more):
    return KafkaSource.objects.create(
        tenant=tenant,
        name="presses",
        topic="presses",
        bootstrap_servers="127.0.0.1:1",
        payload=Payload.AVRO,
        registry_url=url,
        **more,
    )


class TestLearning:
    def test_it_asks_once_and_keeps_what_it_learnt(self, schemas_of, source, registry):
        registry.register("presses-value", OURS)
        schemas = schemas_of(source)
        assert schemas.find(1) is schemas.find(1)
        assert registry.asked == ["GET /schemas/ids/1", "GET /schemas/ids/1/subjects"]
        kept = KnownSchema.objects.get()
        assert (kept.schema_id, kept.subject, kept.refused) == (1, "presses-value", "")
        assert json.loads(kept.definition) == OURS

    def test_another_process_needs_the_database_alone(self, schemas_of, source, registry):
        registry.register("presses-value", OURS)
        schemas_of(source).find(1)
        registry.go_down()
        assert schemas_of(source).find(1).writer["name"] == "mesassist.v1.MachineEvent"
        registry.come_back()

    def test_a_password_is_shown_to_the_registry(self, schemas_of, in_alfa):
        registry = Registry("reader", "s3cret")
        registry.register("presses-value", OURS)
        source = make_source(in_alfa, registry.url, registry_username="reader")
        put_secret(source, "registry_password", "s3cret")
        assert schemas_of(source).find(1)
        put_secret(source, "registry_password", "wrong")
        with pytest.raises(RegistryAway, match="answers 401"):
            schemas_of(source).registry.ask("/subjects")
        registry.close()


class TestRefusing:
    def test_an_id_that_the_registry_does_not_know_condemns_the_record(self, schemas_of, source, registry):
        schemas = schemas_of(source)
        for _ in range(2):
            with pytest.raises(EventRefused) as refused:
                schemas.find(7)
            assert refused.value.code == "unknown_schema"
        assert registry.asked == ["GET /schemas/ids/7"]
        assert not KnownSchema.objects.exists()

    def test_another_subjects_schema_is_refused_until_the_source_names_it(self, schemas_of, source, registry):
        registry.register("payroll-value", OURS)
        with pytest.raises(EventRefused) as refused:
            schemas_of(source).find(1)
        assert refused.value.code == "schema_refused"
        assert "'payroll-value'" in KnownSchema.objects.get().refused
        source.subjects = ["payroll-value"]
        assert schemas_of(source).find(1)

    def test_a_schema_that_contains_itself_is_refused_and_kept_as_refused(self, schemas_of, source, registry):
        following = {"name": "next", "type": ["null", "MachineEvent"], "default": None}
        registry.register("presses-value", OURS | {"fields": [*OURS["fields"], following]})
        for schemas in (schemas_of(source), schemas_of(source)):
            with pytest.raises(EventRefused, match="contains itself"):
                schemas.find(1)
        assert len(registry.asked) == 2


class TestWaiting:
    @pytest.mark.parametrize("fault", ["broken", "html"])
    def test_a_registry_that_answers_nonsense_is_waited_for(self, schemas_of, source, registry, fault):
        registry.fault = fault
        with pytest.raises(RegistryAway):
            schemas_of(source).find(1)
        assert not KnownSchema.objects.exists()

    def test_so_is_one_that_is_not_there_or_not_set(self, schemas_of, in_alfa):
        source = make_source(in_alfa, f"http://127.0.0.1:{choose_port()}")
        with approved(source.registry_url), pytest.raises(RegistryAway, match="does not answer"):
            schemas_of(source).find(1)
        with pytest.raises(RegistryAway, match=r"Ask platform staff to approve 127\.0\.0\.1:"):
            schemas_of(source).find(1)
        source.registry_url = ""
        with pytest.raises(RegistryAway, match="No schema registry"):
            schemas_of(source).find(1)

    def test_an_address_that_is_no_registrys_is_told(self, schemas_of, source, registry):
        source.registry_url += "/elsewhere"
        with pytest.raises(RegistryAway, match="address may be wrong"):
            schemas_of(source).find(1)

    def test_a_slow_one_is_given_up_in_time(self, schemas_of, source, registry, monkeypatch):
        monkeypatch.setattr("production.ingest.registry.DEADLINE_S", 0.5)
        registry.fault = "slow"
        with pytest.raises(RegistryAway, match="does not answer"):
            schemas_of(source).find(1)
