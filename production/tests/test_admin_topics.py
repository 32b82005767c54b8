"""Kafka sources in the admin: what is checked, what is sealed, and what staff can do when a topic stands still."""

import pytest
from django.urls import reverse

from mesassist.servers.ports import choose_port
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from mesassist.tenants.sealed import open_secret
from mesassist.tenants.tests.approving import approved
from production.models import DirtyRange, KafkaPartition, KafkaSource, PartitionState, SourceRank
from production.tests.kafka.brokers import MockBroker
from production.tests.kafka.registry import Registry

ADD = reverse("admin:production_kafkasource_add") + "?tenant=alfa"
LIST = reverse("admin:production_kafkasource_changelist")
PASSWORD = "the-pass word "


@pytest.fixture
def desk(client_of, staff):
    return client_of(staff)


@pytest.fixture(scope="module")
def broker():
    broker = MockBroker()
    with approved(broker.address):
        yield broker
    broker.close()


@pytest.fixture
def subjects():
    registry = Registry()
    yield registry
    registry.close()


@pytest.fixture
def stopped(in_alfa, now):
    source = KafkaSource.objects.create(tenant=in_alfa, name="line-1", topic="t", bootstrap_servers="b:1")
    KafkaPartition.objects.create(
        tenant=in_alfa, source=source, partition=0, state=PartitionState.STOPPED, updated_at=now
    )
    return source


def form(**changes):
    said = {
        "name": "",
        "topic": "plant.events",
        "bootstrap_servers": "kafka.plant.example:9092, [::1]:9093",
        "payload": "json",
        "enabled": "on",
        "security": "PLAINTEXT",
    }
    return said | changes


WITH_PASSWORD = {
    "security": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "sasl_username": "mes",
    "broker_password": PASSWORD,
}


class TestAdding:
    def test_a_source_is_named_after_its_topic_unless_it_has_a_name(self, desk, in_alfa):
        assert desk.post(ADD, form()).status_code == 302
        source = KafkaSource.objects.get()
        assert (source.name, source.tenant) == ("plant.events", in_alfa)
        assert source.bootstrap_servers == "kafka.plant.example:9092,[::1]:9093"

    def test_passwords_are_sealed_and_never_shown(self, desk, in_alfa):
        answer = desk.post(
            ADD,
            form(**WITH_PASSWORD, registry_url="http://r:1", registry_username="r", registry_secret="of-registry"),
        )
        assert answer.status_code == 302
        source = KafkaSource.objects.get()
        opened = [open_secret(source, column, purpose="test") for column in ("sasl_password", "registry_password")]
        assert opened == [PASSWORD, "of-registry"]
        page = desk.get(reverse("admin:production_kafkasource_change", args=[source.pk])).content.decode()
        for secret in (PASSWORD, "of-registry", source.sasl_password, source.registry_password):
            assert secret not in page

    def test_an_empty_password_keeps_the_stored_one_and_no_password_forgets_it(self, desk, in_alfa):
        desk.post(ADD, form(**WITH_PASSWORD))
        kept = KafkaSource.objects.get()
        change = reverse("admin:production_kafkasource_change", args=[kept.pk])
        desk.post(change, form(**WITH_PASSWORD, payload="umh") | {"broker_password": ""})
        assert KafkaSource.objects.values_list("payload", "sasl_password").get() == ("umh", kept.sasl_password)
        desk.post(change, form())
        assert KafkaSource.objects.get().sasl_password == ""

    def test_name_and_topic_are_set_once(self, desk, stopped):
        change = reverse("admin:production_kafkasource_change", args=[stopped.pk])
        assert desk.post(change, form(name="other", topic="other")).status_code == 302
        assert KafkaSource.objects.values_list("name", "topic").get() == ("line-1", "t")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"name": "manual:ana"}, "name"),
            ({"name": "inference"}, "name"),
            ({"topic": "with space"}, "topic"),
            ({"bootstrap_servers": "kafka"}, "bootstrap_servers"),
            ({"bootstrap_servers": "kafka:0"}, "bootstrap_servers"),
            ({"bootstrap_servers": "kafka:9092,http://kafka:9092"}, "bootstrap_servers"),
            ({**WITH_PASSWORD, "sasl_mechanism": ""}, "sasl_mechanism"),
            ({**WITH_PASSWORD, "sasl_username": ""}, "sasl_username"),
            ({**WITH_PASSWORD, "broker_password": ""}, "broker_password"),
            ({"payload": "avro"}, "registry_url"),
            ({"registry_url": "registry:8081"}, "registry_url"),
            ({"registry_url": "http://me:pw@registry:8081"}, "registry_url"),
            ({"ca_pem": "-----BEGIN"}, "ca_pem"),
            ({"dead_letter_topic": "plant.events"}, "dead_letter_topic"),
        ],
    )
    def test_what_cannot_work_is_told_at_its_field(self, desk, in_alfa, changes, field):
        answer = desk.post(ADD, form(**changes))
        assert list(answer.context["adminform"].form.errors) == [field]
        assert not KafkaSource.objects.exists()

    def test_a_topic_that_feeds_another_tenant_is_refused(self, desk, in_alfa, beta):
        desk.post(ADD, form())
        answer = desk.post(ADD.replace("alfa", "beta"), form())
        assert list(answer.context["adminform"].form.errors) == ["topic"]


class TestActions:
    def act(self, desk, action, source, page=LIST):
        answer = desk.post(page, {"action": action, "_selected_action": [source.pk]}, follow=True)
        return [str(message) for message in answer.context["messages"]]

    def test_staff_resume_stopped_partitions(self, desk, stopped):
        assert self.act(desk, "resume", stopped) == ["1 stopped partitions are read on."]
        assert self.act(desk, "resume", stopped) == ["0 stopped partitions are read on."]
        assert KafkaPartition.objects.get().state == PartitionState.LEFT

    def test_they_resume_one_alone_in_the_list_of_partitions(self, desk, stopped):
        page = reverse("admin:production_kafkapartition_changelist")
        assert self.act(desk, "resume", KafkaPartition.objects.get(), page) == ["1 stopped partitions are read on."]

    def test_they_switch_a_source_off_and_on(self, desk, stopped):
        assert self.act(desk, "switch_off", stopped) == ["1 switched off."]
        assert not KafkaSource.objects.get().enabled
        assert self.act(desk, "switch_on", stopped) == ["1 switched on."]

    def test_testing_a_connection_says_what_is_wrong(self, desk, stopped, monkeypatch):
        monkeypatch.setattr("production.ingest.brokers.LOOK_S", 1.0)
        servers = [f"127.0.0.1:{choose_port()}", f"127.0.0.1:{choose_port()}"]
        KafkaSource.objects.update(bootstrap_servers=servers[0], payload="avro", registry_url=f"http://{servers[1]}")
        for said in self.act(desk, "look", stopped):
            assert "may not call 127.0.0.1:" in said
        with approved(*servers):
            broker, asked = self.act(desk, "look", stopped)
        assert broker.startswith("line-1: The broker cannot be reached")
        assert asked.startswith("line-1: The schema registry 127.0.0.1 does not answer")

    def test_it_lists_the_partitions_where_all_is_well(self, desk, stopped, broker, subjects):
        broker.make_topic("t", 3)
        KafkaSource.objects.update(bootstrap_servers=broker.address, payload="avro", registry_url=subjects.url)
        subjects.register("t-value", {"type": "record", "name": "E", "fields": []})
        assert self.act(desk, "look", stopped) == [
            "line-1: the topic has 3 partitions (0, 1, 2).",
            "line-1: the schema registry has its subjects.",
        ]

    def test_a_tenants_manager_gets_nowhere_near(self, client_of, boris, stopped):
        assert client_of(boris).get(LIST).status_code == 302
        with platform_scope("test", role=PlatformRole.STAFF):
            assert KafkaSource.objects.count() == 1


class TestRanks:
    add = reverse("admin:production_sourcerank_add") + "?tenant=alfa"

    def test_a_rank_marks_what_the_source_reported(self, desk, morning, in_alfa):
        DirtyRange.objects.all().delete()
        assert desk.post(self.add, {"source": "erp-7", "rank": 5}).status_code == 302
        assert SourceRank.objects.values_list("source", "rank").get() == ("erp-7", 5)
        marked = DirtyRange.objects.count()
        assert marked == 2  # both machines
        DirtyRange.objects.all().delete()
        page = reverse("admin:production_sourcerank_delete", args=[SourceRank.objects.get().pk])
        assert desk.post(page, {"post": "yes"}).status_code == 302
        assert not SourceRank.objects.exists()
        assert DirtyRange.objects.count() == marked

    def test_what_it_would_be_anyhow_is_no_rank(self, desk, in_alfa):
        answer = desk.post(self.add, {"source": "erp-7", "rank": 0})
        assert list(answer.context["adminform"].form.errors) == ["rank"]
