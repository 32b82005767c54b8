"""Dead letters: records that could not be taken, produced to the source's own topic for them, with the cause."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, Message, Producer

from production.ingest.brokers import client_settings
from production.models import KafkaSource

FLUSH_S = 10.0


class DeadLetterStuck(Exception):
    """The broker does not take dead letters just now; the message says why. Their records are read again later."""


class DeadLetter(NamedTuple):
    """A record, and why it was not taken."""

    record: Message
    code: str
    detail: str
    schema_id: int | None = None


class DeadLetters:
    """The producer of one source; nothing at all where the source names no topic for dead letters."""

    def __init__(self, source: KafkaSource) -> None:
        self.source = source
        self.producer: Producer | None = None
        self.failed: list[str] = []

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Produce them, and wait until the broker has them; raises `DeadLetterStuck`."""
        if not letters or not self.source.dead_letter_topic:
            return
        if self.producer is None:
            # Idempotent: a letter that is retried inside the library does not come twice.
            self.producer = Producer(client_settings(self.source) | {"enable.idempotence": True})
        self.failed.clear()
        try:
            for letter in letters:
                self._produce(self.producer, letter)
            left = self.producer.flush(FLUSH_S)
        except (KafkaException, BufferError) as error:
            self._drop()
            raise DeadLetterStuck(f"Dead letters cannot be produced: {error}.") from error
        if left or self.failed:
            self._drop()
            why = self.failed[0] if self.failed else f"{left} are not acknowledged after {FLUSH_S:.0f} s"
            raise DeadLetterStuck(f"Dead letters cannot be produced: {why}.")

    def _produce(self, producer: Producer, letter: DeadLetter) -> None:
        record = letter.record
        cause = {
            "mesassist-code": letter.code,
            "mesassist-detail": letter.detail[:1000],
            "mesassist-source": self.source.name,
            "mesassist-topic": record.topic() or "",
            "mesassist-partition": str(record.partition()),
            "mesassist-offset": str(record.offset()),
        }
        if letter.schema_id is not None:
            cause["mesassist-schema-id"] = str(letter.schema_id)
        headers = [*(record.headers() or []), *((name, text.encode()) for name, text in cause.items())]
        while True:
            try:
                producer.produce(
                    self.source.dead_letter_topic,
                    value=record.value(),
                    key=record.key(),
                    headers=headers,
                    on_delivery=self._note,
                )
                return
            except BufferError:
                # Its queue is full: what was produced must leave first.
                if not producer.flush(FLUSH_S) == 0:
                    raise

    def _note(self, error: object, _record: Message) -> None:
        if error is not None:
            self.failed.append(str(error))

    def _drop(self) -> None:
        # What is still queued would be sent a second time with the retry.
        if self.producer is not None:
            self.producer.purge()
            self.producer = None
