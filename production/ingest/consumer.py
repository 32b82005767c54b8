"""Consumer: one source's Kafka topic: poll, decode, store, commit; what is in the way is waited for, polling on.

One thread per source: a slow or broken plant holds up no other, decoding and COPY spend their time outside the
interpreter's lock, and several processes or hosts share a topic's partitions by its consumer group.
"""

import time
from threading import Event

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from django.db import DatabaseError, connection
from django.utils import timezone

from mesassist.tenants.scope import tenant_scope
from production.ingest.admission import BrokerRefuses, admit_brokers, brokers_of
from production.ingest.batches import Done, Plant, take_batch
from production.ingest.brokers import BATCH_BYTES, consumer_settings, describe_error, meet_brokers
from production.ingest.deadletters import DeadLetterStuck
from production.ingest.decoding import TrialFailed, find_crash
from production.ingest.lanes import BackOff, Lane
from production.ingest.progress import find_resumed, note_problem, note_state, read_partition, stop_partition
from production.models import KafkaSource, PartitionState

log = structlog.get_logger(__name__)
POLL_S = 0.5
BATCH_RECORDS = 40_000
FIRST_BATCH_RECORDS = 1_000
TELL_S = 1.0
IDLE_TELL_S = 5.0
QUIET_ERRORS = {KafkaError._PARTITION_EOF, KafkaError._MAX_POLL_EXCEEDED}
# What one waits for; everything else that is raised is a mistake and starts the consumer anew.
IN_THE_WAY = (DatabaseError, DeadLetterStuck, TrialFailed)


class StartAnew(Exception):
    """The consumer is closed and made again; it goes on where it committed."""


class ConsumerBroken(Exception):
    """The library says that this consumer will never read again; the message says why."""


def consume_source(*, source: KafkaSource, stop: Event, until_empty: bool = False) -> None:
    """Read a source until `stop` is set, or with `until_empty` until all its partitions are read to their ends.

    Whatever breaks is logged and told on the source's row, and tried again after a while.
    """
    wait = BackOff()
    while not stop.is_set():
        try:
            reading = Reading(source)
        except (KafkaException, BrokerRefuses, DatabaseError) as error:
            connection.close()
            _tell_problem(source, str(error))
            stop.wait(wait.longer())
            continue
        try:
            reading.run(stop, until_empty=until_empty)
            return
        except StartAnew:
            log.info("consumer_starts_anew", source=source.pk)
        except ConsumerBroken as error:
            _tell_problem(source, str(error))
            stop.wait(wait.longer())
        except Exception:
            log.exception("consumer_failed", source=source.pk)
            _tell_problem(source, "The consumer failed and starts again; its log says why.")
            stop.wait(wait.longer())
        finally:
            reading.close()
            connection.close()


class Reading:
    """One librdkafka consumer and what is assigned to it."""

    def __init__(self, source: KafkaSource) -> None:
        self.source = source
        self.plant = Plant.of(source)
        self.lanes: dict[int, Lane] = {}
        self.was_assigned = False
        self.problem = ""
        self.database = BackOff()
        self.wanted = FIRST_BATCH_RECORDS
        self.is_broken = False
        self.told_at = self.source_told_at = self.looked_at = time.monotonic() - IDLE_TELL_S
        self.told_problem = ""
        callbacks = {"error_cb": self.note_error, "stats_cb": self.look_at_brokers}
        # Before there is a consumer: one that has a group dials whichever broker it hears of first.
        meet_brokers(source)
        self.consumer = Consumer(consumer_settings(source) | callbacks)
        self.consumer.subscribe([source.topic], on_assign=self.assign, on_revoke=self.revoke, on_lost=self.lose)

    def look_at_brokers(self, statistics: str) -> None:
        """Whether the brokers that the library has learnt of may be dialled; called by it while it is polled."""
        try:
            admit_brokers(self.source, brokers_of(statistics))
        except BrokerRefuses as refusal:
            self.problem, self.is_broken = str(refusal), True
        except DatabaseError:
            connection.close()

    def run(self, stop: Event, *, until_empty: bool = False) -> None:
        """Turn until stopped, or until everything assigned is at its end."""
        log.info("consumer_ready", source=self.source.pk, tenant=self.source.tenant_id, topic=self.source.topic)
        while not stop.is_set():
            self.turn()
            if until_empty and self.is_empty():
                log.info("consumer_at_end", source=self.source.pk)
                return

    def turn(self) -> None:
        """Poll once, take what came and what is due again, and tell how it is going."""
        for message in self.consumer.consume(self.wanted, POLL_S):
            self.file(message)
        for lane in list(self.lanes.values()):
            # Asked for each: one failure makes all of them wait, and counts once.
            if lane.pending and lane.wait.is_over and self.database.is_over:
                self.work(lane)
        self.tell()

    def file(self, message: Message) -> None:
        """Put a record into its partition's lane; note what is no record."""
        error, partition = message.error(), message.partition()
        lane = self.lanes.get(partition) if partition is not None else None
        if error is None:
            if lane is not None and lane.state != PartitionState.STOPPED:
                lane.pending.append(message)
                lane.at_end = False
            self.problem = ""
        elif error.code() == KafkaError._PARTITION_EOF:
            if lane is not None:
                lane.at_end = True
        else:
            self.note_error(error)

    # --- one partition's batch --------------------------------------------------------------------------

    def work(self, lane: Lane) -> None:
        """Take the lane's records as far as it goes; what is in the way is waited for."""
        try:
            with tenant_scope(self.source.tenant):
                if not lane.is_known:
                    self.get_to_know(lane)
                if lane.state == PartitionState.STOPPED:
                    return
                if not lane.window.is_full:
                    self.settle(lane, self.take(lane))
                if lane.window.is_full:
                    self.stop(lane)
        except IN_THE_WAY as error:
            self.wait_for_database(error)
            return
        self.go_on()

    def take(self, lane: Lane) -> Done:
        """As many of the lane's records as are one batch."""
        return take_batch(
            plant=self.plant,
            records=lane.pending[:BATCH_RECORDS],
            window=lane.window,
            suspects=lane.suspects,
            now=timezone.now(),
        )

    def get_to_know(self, lane: Lane) -> None:
        """What the database knows of a partition that was just assigned: a stop by its bad records, a crash."""
        row = read_partition(source=self.source, partition=lane.partition, now=timezone.now())
        if row.state == PartitionState.STOPPED:
            lane.stop(row.detail)
            self.consumer.pause([self.place(lane)])
        lane.suspects = find_crash(source=self.source, partition=lane.partition)
        lane.is_known = True

    def settle(self, lane: Lane, done: Done) -> None:
        """After the database has committed: commit the offset, and decide how the partition goes on."""
        if done.taken:
            lane.take(done)
            self.consumer.commit(offsets=[self.place(lane)], asynchronous=True)
            self.grow(lane)
        if done.away is not None:
            if lane.state != PartitionState.WAITING:
                self.consumer.pause([self.place(lane)])
                log.warning("registry_away", source=self.source.pk, partition=lane.partition, why=str(done.away))
            lane.hold(PartitionState.WAITING, str(done.away))
            lane.wait.longer()
        elif lane.state == PartitionState.WAITING:
            lane.release()
            self.consumer.resume([self.place(lane)])

    def stop(self, lane: Lane) -> None:
        """Too many of its records were bad: a person decides how it goes on."""
        detail = lane.describe_bad()
        stop_partition(source=self.source, partition=lane.partition, detail=detail, now=timezone.now())
        lane.stop(detail)
        self.consumer.pause([self.place(lane)])
        log.error("partition_stopped", source=self.source.pk, partition=lane.partition)

    def grow(self, lane: Lane) -> None:
        """Larger batches while they go well; as many records as fit into the memory that a batch may take."""
        most = max(1, int(BATCH_BYTES / max(lane.record_bytes, 1.0)))
        is_well = not lane.window.is_bad
        self.wanted = min(most, BATCH_RECORDS, self.wanted * 2) if is_well else FIRST_BATCH_RECORDS

    def wait_for_database(self, error: Exception) -> None:
        """Stop fetching, keep polling, and try again later: nothing of it is the records' fault."""
        connection.close()
        seconds = self.database.longer()
        log.warning("consumer_waits", source=self.source.pk, seconds=seconds, why=type(error).__name__)
        detail = str(error) if isinstance(error, DeadLetterStuck | TrialFailed) else "The database cannot be written."
        self.pause_lanes(detail)

    def pause_lanes(self, detail: str) -> None:
        """Fetch nothing until `go_on`."""
        for each in self.lanes.values():
            if each.state in (PartitionState.READING, PartitionState.PAUSED):
                each.hold(PartitionState.PAUSED, detail)
        self.consumer.pause([self.place(each) for each in self.lanes.values()])

    def go_on(self) -> None:
        """The database answered: fetch again, except where something else is waited for."""
        if not self.database.is_waiting:
            return
        self.database.reset()
        held = [each for each in self.lanes.values() if each.state == PartitionState.PAUSED]
        for each in held:
            each.release()
        self.consumer.resume([self.place(each) for each in held])
        log.info("consumer_goes_on", source=self.source.pk)

    # --- the group --------------------------------------------------------------------------------------

    def assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Partitions are ours from now on. The library remembers that one was paused, so all are resumed."""
        self.was_assigned = True
        self.consumer.incremental_assign(partitions)
        for each in partitions:
            self.lanes[each.partition] = Lane(each.partition)
        if self.database.is_waiting:
            self.pause_lanes("The database was away when it was taken over.")
        else:
            self.consumer.resume(partitions)
        log.info("partitions_assigned", source=self.source.pk, partitions=[each.partition for each in partitions])

    def revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another consumer takes partitions over: what is stored is committed, what is not stays for it to read."""
        lanes = [lane for each in partitions if (lane := self.lanes.get(each.partition))]
        places = [self.place(lane) for lane in lanes if lane.following is not None]
        try:
            if places:
                self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            log.warning("commit_failed", source=self.source.pk, why=str(error))
        self.lose(_consumer, partitions)

    def lose(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """They are no longer ours, and perhaps another's already."""
        left = [lane for each in partitions if (lane := self.lanes.pop(each.partition, None))]
        try:
            with tenant_scope(self.source.tenant):
                for lane in left:
                    self.write(lane, PartitionState.LEFT)
        except DatabaseError:
            connection.close()
        self.consumer.incremental_unassign(partitions)
        log.info("partitions_left", source=self.source.pk, partitions=[each.partition for each in partitions])

    def place(self, lane: Lane) -> TopicPartition:
        """The lane's partition and the offset to go on from, for the library."""
        return TopicPartition(self.source.topic, lane.partition, lane.following or 0)

    def is_empty(self) -> bool:
        """Whether everything assigned was read to its end, or stopped."""
        return self.was_assigned and all(
            lane.state == PartitionState.STOPPED or (lane.at_end and not lane.pending) for lane in self.lanes.values()
        )

    # --- telling ----------------------------------------------------------------------------------------

    def note_error(self, error: KafkaError) -> None:
        """What the library says that is no record: most of it passes, all of it is told."""
        if error.fatal():
            self.is_broken = True
        if error.code() not in QUIET_ERRORS and (said := describe_error(error)) != self.problem:
            self.problem = said
            log.warning("broker_problem", source=self.source.pk, code=error.name(), why=error.str())

    def tell(self) -> None:
        """Write state, lag and rate, once a second where they changed; notice partitions that a person let go on."""
        now = time.monotonic()
        if self.is_broken:
            raise ConsumerBroken(self.problem)
        if now - self.told_at < TELL_S or not self.database.is_over:
            return
        seconds, self.told_at = now - self.told_at, now
        self.look_again()
        try:
            with tenant_scope(self.source.tenant):
                for lane in self.lanes.values():
                    lane.count_rate(seconds)
                    self.tell_lane(lane, now)
                self.tell_source(now)
                stopped = [lane.partition for lane in self.lanes.values() if lane.state == PartitionState.STOPPED]
                resumed = find_resumed(source=self.source, stopped=stopped)
        except DatabaseError:
            connection.close()
            self.told_at = now + IDLE_TELL_S
            return
        if resumed:
            raise StartAnew

    def tell_lane(self, lane: Lane, now: float) -> None:
        """Write the lane's row if it says something new, or said nothing for a while."""
        if not lane.is_known:
            self.get_to_know(lane)
        low, high = self.consumer.get_watermark_offsets(self.place(lane), cached=True)
        newest = high if high >= max(low, 0) else None
        said = (lane.state, lane.detail, newest, round(lane.rate, 1))
        if said != lane.told or now - lane.told_at > IDLE_TELL_S:
            lane.told, lane.told_at = said, now
            self.write(lane, lane.state, newest)

    def write(self, lane: Lane, state: PartitionState, newest: int | None = None) -> None:
        """The lane's row."""
        note_state(
            source=self.source,
            partition=lane.partition,
            state=state,
            detail=lane.detail,
            newest=newest,
            rate=lane.rate,
            now=timezone.now(),
        )

    def tell_source(self, now: float) -> None:
        """Write what keeps the whole topic from being read, and that somebody looks after it."""
        if self.problem != self.told_problem or now - self.source_told_at > IDLE_TELL_S:
            self.told_problem, self.source_told_at = self.problem, now
            note_problem(source=self.source, problem=self.problem, now=timezone.now())

    def look_again(self) -> None:
        """Ask the broker whether the problem that it reported still stands: a quiet topic would keep it for ever."""
        if not self.problem or time.monotonic() - self.looked_at < IDLE_TELL_S:
            return
        self.looked_at = time.monotonic()
        try:
            topic = self.consumer.list_topics(self.source.topic, timeout=1.0).topics[self.source.topic]
        except KafkaException:
            return
        self.problem = describe_error(topic.error) if topic.error else ""

    def close(self) -> None:
        """Leave the group in order."""
        try:
            self.consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("consumer_not_closed", source=self.source.pk, why=str(error))
        self.plant.schemas.close()


def _tell_problem(source: KafkaSource, problem: str) -> None:
    log.warning("source_not_read", source=source.pk, why=problem)
    try:
        with tenant_scope(source.tenant):
            note_problem(source=source, problem=problem, now=timezone.now())
    except DatabaseError:
        connection.close()
