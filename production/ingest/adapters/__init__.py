"""Adapters: what other systems publish in their own words, told as events of our contract."""

from collections.abc import Callable, Mapping
from typing import Any

from production.ingest.adapters.message import Message
from production.ingest.adapters.packml import translate_packml
from production.ingest.adapters.sparkplug import translate_sparkplug
from production.ingest.adapters.umh import translate_umh
from production.ingest.contract import Refused

# By `KafkaSource.payload`. An empty answer: the message is known and no event of a machine (a command, an order).
ADAPTERS: Mapping[str, Callable[[Message], list[Mapping[str, Any] | Refused]]] = {
    "umh": translate_umh,
    "sparkplug": translate_sparkplug,
    "packml": translate_packml,
}
