"""Admission: whether a source's brokers may be dialled: those of its settings, and those that a broker names.

librdkafka resolves and dials by itself, so unlike our own HTTP client it is not held at the socket: names are judged
before it starts and again while it runs (docs/egress.md says what that leaves open).
"""

import json
from collections.abc import Iterable
from typing import Any

from mesassist.tenants.egress.names import find_addresses
from mesassist.tenants.egress.routes import Blocked, route_to
from mesassist.tenants.egress.targets import NotATarget, Target, read_server
from mesassist.tenants.models import Purpose
from mesassist.tenants.scope import tenant_scope
from production.models import KafkaSource, Security

OVER_TLS = {Security.SSL, Security.SASL_SSL}
# Entries of librdkafka's statistics that stand for no address.
NO_BROKER = {"internal"}


class BrokerRefuses(Exception):
    """The broker, or our own configuration of it, does not let us read; the message says why."""


def admit_brokers(source: KafkaSource, servers: Iterable[str]) -> None:
    """Raise `BrokerRefuses` for a `host:port` that must not be dialled, at any of the addresses it leads to now.

    A name that leads nowhere is nobody's address yet; it is judged again when the brokers are looked at again.
    """
    with tenant_scope(source.tenant):
        for server in dict.fromkeys(servers):
            try:
                target = read_server(server, secure=source.security in OVER_TLS)
                _admit(target)
            except (NotATarget, Blocked) as refusal:
                raise BrokerRefuses(str(refusal)) from refusal


def brokers_of(statistics: str) -> list[str]:
    """The `host:port` of every broker in librdkafka's statistics."""
    told: dict[str, Any] = json.loads(statistics).get("brokers", {})
    names = [one["nodename"] for one in told.values() if one.get("nodename") and one.get("source") not in NO_BROKER]
    return [spell_server(*name.rpartition(":")[::2]) for name in names]


def spell_server(host: str, port: int | str) -> str:
    """`host:port`, with brackets around an IPv6 address, which librdkafka leaves out."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _admit(target: Target) -> None:
    route = route_to(target, Purpose.KAFKA)
    for address in find_addresses(target.host, target.port):
        route.admit(address)
