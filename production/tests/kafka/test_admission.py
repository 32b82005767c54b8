"""Which brokers are dialled: those of a source's settings and those that a broker names are judged alike."""

import socket
import threading
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, TopicPartition

from mesassist.tenants.tests.approving import approved
from production.ingest.admission import BrokerRefuses, admit_brokers, brokers_of
from production.ingest.brokers import list_partitions
from production.ingest.consumer import ConsumerBroken, Reading
from production.models import KafkaSource
from production.tests.kafka.consumers import wait_until
from production.tests.kafka.lying_broker import LyingBroker

pytestmark = pytest.mark.django_db(transaction=True)


class Trap:
    """A port of this machine that nobody approved; counts who connects."""

    def __init__(self):
        self.plug, self.connects = socket.create_server(("127.0.0.1", 0)), 0
        self.port = self.plug.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.plug.accept()
                self.connects += 1
                connection.close()


@pytest.fixture
def trap():
    trap = Trap()
    yield trap
    trap.plug.close()


@pytest.fixture
def liar(trap):
    """An approved broker that says that another, which nobody approved, leads every topic."""
    liar = LyingBroker([(2, "127.0.0.1", trap.port)])
    with approved(liar.address):
        yield liar
    liar.close()


def source_at(tenant, servers, **more):
    return KafkaSource.objects.create(tenant=tenant, name="s", topic="t", bootstrap_servers=servers, **more)


class TestNamedByABroker:
    def test_the_library_would_dial_it(self, liar, trap):
        consumer = Consumer({"bootstrap.servers": liar.address, "group.id": "g", "log_level": 0})
        consumer.assign([TopicPartition("t", 0, 0)])
        wait_until(lambda: consumer.poll(0.1) or trap.connects, within_s=20, what="the connection")
        consumer.close()

    def test_we_refuse_the_source_before_anything_is_read(self, in_alfa, liar, trap):
        with pytest.raises(BrokerRefuses, match=f"may not call 127.0.0.1:{trap.port} without an approval"):
            Reading(source_at(in_alfa, liar.address))

    def test_one_that_is_approved_is_let(self, in_alfa, liar, trap):
        with approved(f"127.0.0.1:{trap.port}"):
            Reading(source_at(in_alfa, liar.address)).close()

    def test_one_that_is_learnt_of_later_ends_the_reading(self, in_alfa, liar, trap):
        statistics = learn(liar)
        assert set(brokers_of(statistics)) == {liar.address, f"127.0.0.1:{trap.port}"}
        with approved(f"127.0.0.1:{trap.port}"):
            reading = Reading(source_at(in_alfa, liar.address))
            reading.look_at_brokers(statistics)
            reading.tell()
        reading.look_at_brokers(statistics)
        with pytest.raises(ConsumerBroken, match="may not call"):
            reading.tell()
        reading.close()


def learn(liar):
    """The statistics of a library that has learnt of the broker's brokers."""
    told = []
    options = {"bootstrap.servers": liar.address, "group.id": "g", "statistics.interval.ms": 50, "log_level": 0}
    consumer = Consumer(options | {"stats_cb": told.append})
    consumer.list_topics("t", timeout=5)
    wait_until(lambda: consumer.poll(0.05) or (told and '"nodeid":2' in told[-1]), within_s=20, what="the statistics")
    consumer.close()
    return told[-1]


class TestNamedByASource:
    @pytest.mark.parametrize(
        ("server", "why"),
        [
            ("127.0.0.1:9092", "may not call"),
            ("10.0.0.5:9092", "may not call"),
            ("169.254.169.254:9092", "never calls"),
            ("metadata.google.internal:9092", "never calls"),
            ("[::1]:9092", "may not call"),
            ("2130706433:9093", "may not call"),
            ("93.184.215.14:9092", "may not call"),
            ("not a server", "not host:port"),
        ],
    )
    def test_a_broker_that_must_not_be_dialled_stops_it(self, in_alfa, server, why):
        source = source_at(in_alfa, f"93.184.215.14:443,{server}", security="PLAINTEXT")
        with pytest.raises(BrokerRefuses, match=why):
            admit_brokers(source, [server])
        with pytest.raises(BrokerRefuses):
            list_partitions(source)

    def test_a_public_one_over_tls_is_let(self, in_alfa):
        source = source_at(in_alfa, "93.184.215.14:9093", security="SSL")
        admit_brokers(source, source.bootstrap_servers.split(","))

    def test_an_approval_is_for_the_tenant_that_it_names(self, alfa, beta, approve):
        approve("10.0.0.5:9092", network="10.0.0.5/32", purpose="kafka", tenant=beta)
        theirs, ours = (KafkaSource(tenant=tenant, name="s", security="PLAINTEXT") for tenant in (beta, alfa))
        admit_brokers(theirs, ["10.0.0.5:9092"])
        with pytest.raises(BrokerRefuses, match="may not call"):
            admit_brokers(ours, ["10.0.0.5:9092"])
