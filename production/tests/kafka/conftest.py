"""The ground of the Kafka tests: a broker (with `-m kafka` a real one), a registry, and topics of two tenants."""

import itertools
import os
from contextvars import Context

import pytest
from confluent_kafka import Consumer, TopicPartition
from django.conf import settings
from django.db import connection

from mesassist.tenants.scope import tenant_scope
from mesassist.tenants.tests.approving import approved
from production.models import KafkaPartition, KafkaSource, Line, Machine, Site
from production.tests.kafka.brokers import KINDS
from production.tests.kafka.proxy import Cable
from production.tests.kafka.records import as_json, produce
from production.tests.kafka.registry import Registry

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", params=["mock", pytest.param("apache", marks=pytest.mark.kafka)])
def broker(request):
    """The tests are the same for both; `make test` runs them on the mock, `make test-kafka` on the real one."""
    broker = KINDS[request.param]()
    with approved(broker.address):
        yield broker
    broker.close()


@pytest.fixture
def registry():
    registry = Registry()
    yield registry
    registry.close()


class Topic:
    """A topic of its own and the source that binds it to a tenant."""

    def __init__(self, broker, tenant, *, partitions=4, **source):
        self.broker, self.tenant, self.partitions = broker, tenant, partitions
        self.name = f"plant-{os.getpid()}-{next(NUMBERS)}"
        broker.make_topic(self.name, partitions)
        with tenant_scope(tenant):
            self.source = KafkaSource.objects.create(
                tenant=tenant, name=self.name, topic=self.name, bootstrap_servers=broker.address, **source
            )

    def send(self, events, **options):
        """Produce events as JSON records."""
        produce(self.broker.address, self.name, map(as_json, events), **options)

    def send_raw(self, values, **options):
        produce(self.broker.address, self.name, ((None, value) for value in values), **options)

    @property
    def rows(self):
        with tenant_scope(self.tenant):
            return list(KafkaPartition.objects.filter(source=self.source))

    def sums(self):
        """What its partitions' rows say together: (records, accepted, duplicate, quarantined)."""
        names = ("records", "accepted", "duplicate", "quarantined")
        return tuple(sum(getattr(row, name) for row in self.rows) for name in names)

    def states(self):
        return {row.state for row in self.rows}

    def ends(self):
        """{partition: the broker's next offset}."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": "looks-only", "log_level": 0})
        try:
            places = (TopicPartition(self.name, number) for number in range(self.partitions))
            return {place.partition: consumer.get_watermark_offsets(place, timeout=20)[1] for place in places}
        finally:
            consumer.close()

    def is_read(self, ends):
        """Whether the rows say that everything up to `ends` was read."""
        return {row.partition: row.committed for row in self.rows if row.committed} == {
            number: end for number, end in ends.items() if end
        }

    def rewind(self):
        """Set the group's offsets to the beginning, as an administrator would while nobody reads."""
        group = f"{settings.KAFKA_GROUP}.{self.tenant.slug}.{self.source.pk}"
        # As a member, and one that assigns as the others do: the mock takes offsets from nobody else.
        # It also remembers who has left until the session is over.
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.address,
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 1500,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        places = [TopicPartition(self.name, number, 0) for number in range(self.partitions)]
        consumer.subscribe([self.name])
        try:
            while len(consumer.assignment()) < self.partitions:
                consumer.poll(0.1)
            assert all(place.error is None for place in consumer.commit(offsets=places, asynchronous=False))
        finally:
            consumer.close()


@pytest.fixture
def topic(broker, small_plant, alfa):
    """Alfa's topic of JSON events."""
    return Topic(broker, alfa)


@pytest.fixture
def make_topic(broker):
    """Another topic, of whom and as what it may be."""

    def make(tenant, **source):
        return Context().run(Topic, broker, tenant, **source)

    return make


@pytest.fixture
def betas_plant(beta):
    """Beta has a machine M1 too, and M9, which Alfa has not."""

    def build():
        with tenant_scope(beta):
            site = Site.objects.create(tenant=beta, code="ost", name="Ostrava", zone="Europe/Prague")
            line = Line.objects.create(tenant=beta, code="L1", name="Line 1", site=site)
            for code in ("M1", "M9"):
                Machine.objects.create(tenant=beta, code=code, name=f"Caster {code[1]}", line=line)

    Context().run(build)  # whatever scope the test is in


@pytest.fixture
def cable():
    """The way to the database, for a consumer that is to lose it."""
    cable = Cable(connection.settings_dict["HOST"], connection.settings_dict["PORT"])
    yield cable
    cable.close()
