"""Keeping what could not be taken: once, with how often it came."""

import datetime as dt
from dataclasses import dataclass

import pytest

from production.ingest.quarantine import Kept, keep
from production.models import ImportRun, KafkaSource, Quarantined, QuarantineStatus

ROW = Kept("unknown_machine", "There is no machine M9.", "e1", 0, '{"machine": "M9"}')


@pytest.fixture
def topic(in_alfa):
    return KafkaSource.objects.create(tenant=in_alfa, name="press", topic="press", bootstrap_servers="broker:9092")


@pytest.fixture
def run(in_alfa, now):
    return ImportRun.objects.create(
        tenant=in_alfa, file_name="log.csv", sha256="0" * 64, mapping="4tu", zone="UTC", started_at=now
    )


@dataclass
class Later:
    now: dt.datetime

    def __call__(self, minutes):
        return self.now + dt.timedelta(minutes=minutes)


@pytest.fixture
def later(now):
    return Later(now)


class TestKeep:
    def test_it_keeps_exactly_what_came(self, in_alfa, topic, now):
        entry = Kept("undecodable", "No.", "", 3, "00ff", content=b"\x00\xff", partition=2, offset=2**40, schema_id=7)
        keep(entries=[entry], source="press", now=now, kafka_source=topic)
        row = Quarantined.objects.get()
        assert (row.tenant, row.source, row.code, row.detail) == (in_alfa, "press", "undecodable", "No.")
        assert (bytes(row.content), row.raw, row.position) == (b"\x00\xff", "00ff", 3)
        assert (row.kafka_source, row.partition, row.offset, row.schema_id) == (topic, 2, 2**40, 7)
        assert (row.status, row.times, row.received_at, row.mended) == (QuarantineStatus.WAITING, 1, now, "")

    def test_it_adds_up_what_is_in_one_batch_twice(self, in_alfa, now):
        keep(entries=[ROW, ROW, ROW._replace(raw="other")], source="erp-7", now=now)
        assert dict(Quarantined.objects.values_list("raw", "times")) == {ROW.raw: 2, "other": 1}

    def test_what_comes_again_is_one_row_that_came_twice(self, in_alfa, now, later):
        keep(entries=[ROW], source="erp-7", now=now)
        keep(entries=[ROW._replace(detail="Still no M9.")], source="erp-7", now=later(5))
        row = Quarantined.objects.get()
        assert (row.times, row.received_at, row.detail) == (2, later(5), "Still no M9.")

    @pytest.mark.parametrize("other", [{"code": "conflict"}, {"raw": "{}"}])
    def test_another_cause_or_content_is_a_row_of_its_own(self, in_alfa, now, other):
        keep(entries=[ROW, ROW._replace(**other)], source="erp-7", now=now)
        assert Quarantined.objects.count() == 2

    def test_another_source_is_a_row_of_its_own(self, in_alfa, now):
        for source in ("erp-7", "erp-8"):
            keep(entries=[ROW], source=source, now=now)
        assert Quarantined.objects.count() == 2

    def test_what_was_decided_waits_again_when_it_comes_again(self, in_alfa, now, later, boris):
        keep(entries=[ROW], source="erp-7", now=now)
        Quarantined.objects.update(status=QuarantineStatus.DISCARDED, resolved_by=boris, resolved_at=later(1))
        keep(entries=[ROW], source="erp-7", now=later(2))
        row = Quarantined.objects.get()
        # Who decided before stays to be seen.
        assert (row.status, row.resolved_by, row.resolved_at) == (QuarantineStatus.WAITING, boris, later(1))

    def test_a_record_that_is_read_again_has_not_come_again(self, in_alfa, now, later, topic):
        entry = ROW._replace(partition=0, offset=41)
        keep(entries=[entry, entry._replace(offset=42)], source="press", now=now, kafka_source=topic)
        Quarantined.objects.update(status=QuarantineStatus.DISCARDED)
        keep(entries=[entry, entry._replace(offset=42)], source="press", now=later(1), kafka_source=topic)
        row = Quarantined.objects.get()
        assert (row.times, row.status, row.offset) == (2, QuarantineStatus.DISCARDED, 42)

    def test_a_later_record_has(self, in_alfa, now, later, topic):
        entry = ROW._replace(partition=0, offset=41)
        keep(entries=[entry], source="press", now=now, kafka_source=topic)
        keep(entries=[entry._replace(offset=43)], source="press", now=later(1), kafka_source=topic)
        assert (Quarantined.objects.get().times, Quarantined.objects.get().offset) == (2, 43)

    def test_a_line_that_one_import_reads_twice_has_not_come_again(self, in_alfa, now, later, run):
        for minutes in (0, 1):
            keep(entries=[ROW._replace(position=7)], source="file:4tu", now=later(minutes), import_run=run)
        assert Quarantined.objects.get().times == 1

    def test_another_import_of_the_same_line_takes_it_over(self, in_alfa, now, run):
        keep(entries=[ROW._replace(position=7)], source="file:4tu", now=now, import_run=run)
        again = ImportRun.objects.create(
            tenant=in_alfa, file_name="log.csv", sha256="0" * 64, mapping="4tu", zone="UTC", started_at=now
        )
        keep(entries=[ROW._replace(position=7)], source="file:4tu", now=now, import_run=again)
        assert (Quarantined.objects.get().times, Quarantined.objects.get().import_run) == (2, again)

    def test_text_that_the_database_cannot_hold_shows_as_escapes(self, in_alfa, now):
        keep(entries=[ROW._replace(raw="a\x00b\ud800", event_id="x" * 300)], source="erp-7", now=now)
        row = Quarantined.objects.get()
        assert (row.raw, len(row.event_id)) == ("a\\u0000b\\ud800", 200)

    def test_nothing_costs_nothing(self, in_alfa, now, django_assert_num_queries):
        with django_assert_num_queries(0):
            keep(entries=[], source="erp-7", now=now)

    def test_many_cost_one_statement(self, in_alfa, now, django_assert_num_queries):
        with django_assert_num_queries(1):
            keep(entries=[ROW._replace(raw=str(number)) for number in range(3000)], source="erp-7", now=now)
        assert Quarantined.objects.count() == 3000
