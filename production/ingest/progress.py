"""Progress: how far each partition is read, what became of its records, and when there are too many bad ones."""

import datetime as dt
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import F, QuerySet

from production.ingest.brokers import name_reader
from production.models import KafkaPartition, KafkaSource, PartitionState

LOOKED_AT = 1_000
MOST_BAD = 0.05
# Fewer than this are a small sample: an afternoon with a new machine must not stop a partition.
AT_LEAST_BAD = 100


@dataclass
class Tally:
    """What became of one batch; `following` is the offset after its last record."""

    following: int
    records: int
    accepted: int
    duplicate: int
    quarantined: int


@dataclass
class Window:
    """Which of the last 1,000 records were bad, and how many were since reading began."""

    lately: deque[bool] = field(default_factory=lambda: deque(maxlen=LOOKED_AT))
    bad: int = 0

    def note(self, records: int, bad: Collection[int]) -> int | None:
        """Add so many records, of which those with the indexes `bad` were bad.

        Gives the number of records after which there were too many; what came behind them was not added.
        """
        if not bad:
            self.lately.extend([False] * min(records, LOOKED_AT))
            return None
        for index in range(records):
            is_bad = index in bad
            self.lately.append(is_bad)
            self.bad += is_bad
            if is_bad and self.is_full:
                return index + 1
        return None

    @property
    def is_bad(self) -> bool:
        """Whether more records were bad lately than is usual."""
        return sum(self.lately) > MOST_BAD * len(self.lately)

    @property
    def is_full(self) -> bool:
        """Whether more of them were bad than can be the records' fault."""
        return self.bad >= AT_LEAST_BAD and self.is_bad

    def copy(self) -> "Window":
        """The same, to try something on."""
        return Window(self.lately.copy(), self.bad)


def read_partition(*, source: KafkaSource, partition: int, now: dt.datetime) -> KafkaPartition:
    """The row of a partition that is assigned to us, now marked as ours."""
    row, _ = KafkaPartition.objects.get_or_create(
        tenant=source.tenant, source=source, partition=partition, defaults={"updated_at": now}
    )
    if row.state != PartitionState.STOPPED:
        row.state, row.detail = PartitionState.READING, ""
    row.reader, row.updated_at = name_reader(), now
    row.save(update_fields=["state", "detail", "reader", "updated_at"])
    return row


def note_batch(*, source: KafkaSource, partition: int, tally: Tally, now: dt.datetime) -> None:
    """Add a batch to the partition's row; belongs into the transaction that stores its events."""
    _row_of(source, partition).update(
        committed=tally.following,
        records=F("records") + tally.records,
        accepted=F("accepted") + tally.accepted,
        duplicate=F("duplicate") + tally.duplicate,
        quarantined=F("quarantined") + tally.quarantined,
        updated_at=now,
    )


def note_state(
    *,
    source: KafkaSource,
    partition: int,
    state: PartitionState,
    detail: str,
    newest: int | None,
    rate: float,
    now: dt.datetime,
) -> None:
    """Write what the reader of a partition is doing. A stop is neither written here, nor lifted: people do that."""
    known: dict[str, object] = {} if newest is None else {"newest": newest}
    if state != PartitionState.STOPPED:
        known |= {"state": state, "detail": detail}
    rows = _row_of(source, partition).filter(reader=name_reader())
    rows = rows.filter(state=state) if state == PartitionState.STOPPED else rows.exclude(state=PartitionState.STOPPED)
    rows.update(rate=rate, updated_at=now, **known)


def stop_partition(*, source: KafkaSource, partition: int, detail: str, now: dt.datetime) -> None:
    """Write that a partition is read no further until a person resumes it."""
    _row_of(source, partition).update(state=PartitionState.STOPPED, detail=detail, rate=0, updated_at=now)


def note_problem(*, source: KafkaSource, problem: str, now: dt.datetime) -> None:
    """Write why nothing of the source is read, or that nothing is in the way."""
    KafkaSource.objects.filter(pk=source.pk).update(problem=problem, looked_at=now)


def resume_partition(*, row: KafkaPartition) -> bool:
    """Let a stopped partition be read on; its reader notices within seconds. Gives whether it was stopped."""
    stopped = KafkaPartition.objects.filter(pk=row.pk, state=PartitionState.STOPPED)
    return bool(stopped.update(state=PartitionState.LEFT, detail="resumed by a person"))


def find_resumed(*, source: KafkaSource, stopped: Collection[int]) -> set[int]:
    """Those of our `stopped` partitions that a person let go on."""
    if not stopped:
        return set()
    rows = KafkaPartition.objects.filter(source=source, partition__in=stopped)
    return set(rows.exclude(state=PartitionState.STOPPED).values_list("partition", flat=True))


def _row_of(source: KafkaSource, partition: int) -> QuerySet[KafkaPartition]:
    return KafkaPartition.objects.filter(source=source, partition=partition)
