"""Sending: events out of the simulator through the same doors that plants use, REST or Kafka."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx2
import msgspec
from confluent_kafka import KafkaException, Producer

from production.ingest.contract import Batch, MachineEvent, write_event
from production.models import KafkaSource

LONGEST_WAIT_S = 30.0
AT_ONCE = 5000


class SendingFailed(Exception):
    """The events could not be handed over; the message says why and what to do."""


@dataclass(frozen=True)
class Sent:
    """What the door said: `waited_s` is how long it asked us to hold back."""

    events: int
    accepted: int | None = None
    quarantined: int | None = None
    waited_s: float = 0.0


class Sender(Protocol):
    """One door."""

    def send(self, events: Sequence[MachineEvent]) -> Sent:
        """Hand the events over; raises `SendingFailed`."""
        ...

    def close(self) -> None:
        """Wait for what is under way."""
        ...


class RestSender:
    """POST events/ with an API key; a door that is too busy is asked again when it says so."""

    def __init__(self, *, url: str, key: str) -> None:
        self._client = httpx2.Client(
            base_url=url.rstrip("/") + "/api/v1/",
            headers={"Authorization": f"Api-Key {key}", "Content-Type": "application/json"},
            timeout=30,
        )

    def send(self, events: Sequence[MachineEvent]) -> Sent:
        """Up to 5,000 events; raises `SendingFailed`."""
        body, waited = msgspec.json.encode(Batch(events=list(events))), 0.0
        while True:
            try:
                answer = self._client.post("events/", content=body)
            except httpx2.HTTPError as error:
                raise SendingFailed(f"{self._client.base_url} does not answer: {error}. Is the portal up?") from error
            if answer.status_code not in {429, 503} or waited > LONGEST_WAIT_S:
                break
            pause = min(float(answer.headers.get("Retry-After", 1)), LONGEST_WAIT_S)
            time.sleep(pause)
            waited += pause
        if answer.status_code != 200:
            raise SendingFailed(f"The door answered {answer.status_code}: {answer.text[:300]}")
        receipt = answer.json()
        return Sent(receipt["received"], receipt["accepted"], receipt["quarantined"], waited)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class KafkaSender:
    """Produce to the topic of a Kafka source, keyed by machine so that each machine's events stay in order."""

    def __init__(self, *, source: KafkaSource, config: dict[str, object]) -> None:
        self._topic = source.topic
        self._producer = Producer({**config, "linger.ms": 20})

    def send(self, events: Sequence[MachineEvent]) -> Sent:
        """Hand the events to the producer; raises `SendingFailed` when the broker does not take them."""
        try:
            for event in events:
                self._producer.produce(self._topic, write_event(event), key=event.machine)
        except (BufferError, KafkaException) as error:
            raise SendingFailed(f"The broker takes no more: {error}. Look at it, or send fewer.") from error
        self._producer.poll(0)
        return Sent(len(events))

    def close(self) -> None:
        """Wait for what is under way; raises `SendingFailed` when something never arrived."""
        if left := self._producer.flush(10):
            raise SendingFailed(f"{left} events did not reach the broker within 10 s.")
