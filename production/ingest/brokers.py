"""Brokers: how a source's Kafka is spoken to, and whether it can be."""

import logging
import os
import socket
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]
from django.conf import settings

from mesassist.tenants.scrubbing import scrub
from mesassist.tenants.sealed import open_secret
from mesassist.tenants.secrets import SecretUnreadable
from production.ingest.admission import BrokerRefuses, admit_brokers, spell_server
from production.models import KafkaSource

LOOK_S = 5.0
# Long enough for a slow batch and a slow database, short enough that a hung process loses its partitions.
POLL_AT_LEAST_MS = 300_000
BATCH_BYTES = 32 * 1024 * 1024


def client_settings(source: KafkaSource) -> dict[str, Any]:
    """librdkafka's settings for whoever speaks to this source's broker; raises `BrokerRefuses`."""
    admit_brokers(source, source.bootstrap_servers.split(","))
    wanted: dict[str, Any] = {
        "bootstrap.servers": source.bootstrap_servers,
        "client.id": f"mesassist-{name_reader()}",
        "security.protocol": source.security,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        "logger": logging.getLogger("kafka"),
    }
    if source.ca_pem:
        wanted["ssl.ca.pem"] = source.ca_pem
    if source.security.startswith("SASL"):
        wanted |= {
            "sasl.mechanism": source.sasl_mechanism,
            "sasl.username": source.sasl_username,
            "sasl.password": _reveal_password(source),
        }
    return wanted


def consumer_settings(source: KafkaSource) -> dict[str, Any]:
    """The same for a consumer. Nothing is committed by itself: an offset follows its events into the database."""
    wanted = client_settings(source) | {
        # The row's number, not its name: a source that is renamed is not read again from its beginning.
        "group.id": f"{settings.KAFKA_GROUP}.{source.tenant.slug}.{source.pk}",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": int(settings.KAFKA_SESSION_S * 1000),
        "heartbeat.interval.ms": int(settings.KAFKA_SESSION_S * 1000 / 3),
        "max.poll.interval.ms": POLL_AT_LEAST_MS,
        "max.partition.fetch.bytes": BATCH_BYTES // 8,
        "queued.max.messages.kbytes": 2 * BATCH_BYTES // 1024,
        "fetch.wait.max.ms": 200,
        # How often the brokers that the library has learnt of are looked at (`admission`).
        "statistics.interval.ms": 5_000,
        # A topic that is made later, or made again, is noticed within this time.
        "topic.metadata.refresh.interval.ms": 10_000,
        "allow.auto.create.topics": False,
    }
    if settings.KAFKA_INSTANCE:
        # A known member that comes back within the session keeps its partitions: no rebalance on a restart.
        wanted["group.instance.id"] = f"{settings.KAFKA_INSTANCE}-{source.pk}"
    return wanted


def list_partitions(source: KafkaSource) -> list[int]:
    """The partitions of the source's topic as its broker tells them; raises `BrokerRefuses`."""
    topic = _ask_broker(source).topics[source.topic]
    if topic.error is not None:
        raise BrokerRefuses(describe_error(topic.error))
    return sorted(topic.partitions)


def meet_brokers(source: KafkaSource) -> None:
    """Raise `BrokerRefuses` unless all the brokers that the source's first one names may be dialled."""
    admit_brokers(source, [spell_server(one.host or "", one.port) for one in _ask_broker(source).brokers.values()])


def _ask_broker(source: KafkaSource) -> ClusterMetadata:
    said: list[KafkaError] = []
    try:
        client = AdminClient(client_settings(source) | {"error_cb": said.append})
        return client.list_topics(source.topic, timeout=LOOK_S)
    except KafkaException as error:
        cause = said[-1] if said else error.args[0]
        raise BrokerRefuses(describe_error(cause)) from error


def describe_error(error: KafkaError) -> str:
    """What librdkafka says, for people. A broker words part of it, and some repeat what they were shown."""
    return scrub(_describe(error))


def _describe(error: KafkaError) -> str:
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
        return "The broker has no such topic."
    if error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
        return f"The broker does not allow us to read: {error.str()}."
    if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED):
        return "Another consumer has the same KAFKA_INSTANCE. Give each process a name of its own."
    if error.code() == KafkaError._AUTHENTICATION:
        return f"The broker does not accept our name and password: {error.str()}."
    return f"The broker cannot be reached: {error.str()}."


def name_reader() -> str:
    """Host and process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _reveal_password(source: KafkaSource) -> str:
    try:
        return open_secret(source, "sasl_password", purpose="read from Kafka")
    except SecretUnreadable as error:
        raise BrokerRefuses(str(error)) from error
