"""Public figures: what was computed independently of us for real machines' logs, a bottling line and a sensor."""

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from django.db.models import Avg, Max, Min, Sum

from production.ingest.files import import_file, take_file
from production.models import Event, ImportRun, Machine, Quarantined, Reason, Rollup, WorkOrder
from production.timeline import read_timeline

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the public data (../shared/data) is not on this machine"),
    pytest.mark.usefixtures("in_alfa"),
]
NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
MILLISECOND = 0.001


def figures_of(folder):
    return json.loads((DATA / "figures.json").read_text())[folder] if DATA.is_dir() else {}


HURCO = sorted(name for name in figures_of("nist_sms") if "Hurco" in name)
MAZAK = "nist_sms/Mazak01-20161024-20161025.txt"


def take(name, zone="UTC", read=take_file):
    return read(path=DATA / name, mapping_name=None, zone=zone, dry_run=False, requested_by=None, now=NOW)


def as_the_source_said(interval):
    """The machine's own word for a state: the reason, where our states are coarser than its own."""
    said = {"running": "ACTIVE", "unknown": "UNAVAILABLE"}
    return said.get(interval.state) or Reason.objects.get(pk=interval.reason_id).code


def states_of(machine, name, window):
    """Seconds and stretches per state of the source, from the opening of the log to its last stamp."""
    day = re.search(r"-(\d{8})-", name).group(1)
    opened = dt.datetime.strptime(f"{day} 0500+0000", "%Y%m%d %H%M%z")
    closed = dt.datetime.fromisoformat(window[1])
    seconds, entries = Counter(), Counter()
    for interval in read_timeline(machine=machine, from_at=opened, to_at=closed, now=NOW):
        word = as_the_source_said(interval)
        seconds[word] += interval.seconds
        entries[word] += 1
    return seconds, entries


def alarms():
    """How often each warning or fault was raised, by item, level, code and text."""
    raised = Event.objects.filter(kind="measurement", unit="level", value__gt=0)
    found = Counter()
    for name, value in raised.values_list("name", "value"):
        item, code, text = name.split(" ", 2)
        found[item, {1: "Warning", 2: "Fault"}[value], code, text] += 1
    return found


class TestHurco:
    @pytest.mark.parametrize("name", HURCO)
    def test_it_gives_the_seconds_per_state_and_the_parts(self, name):
        expected = figures_of("nist_sms")[name]
        report = take(name, read=import_file)
        assert report.received + report.left == expected["lines"]
        assert (report.accepted, report.quarantined) == (report.received, 0)
        machine = Machine.objects.get()
        seconds, entries = states_of(machine, name, expected["window"])
        assert seconds == pytest.approx(expected["seconds_per_state"], abs=MILLISECOND * 5)
        assert entries == expected["entries_per_state"]
        assert (Rollup.objects.aggregate(Sum("good"))["good__sum"] or 0) == expected["parts_made"]

    def test_a_counter_that_was_not_read_yet_is_no_reading(self):
        take("nist_sms/Hurco01-20170809-20170810.txt")
        readings = Event.objects.filter(kind="counter").order_by("at").values_list("value", flat=True)
        assert list(readings) == [3763, 3766, 3767]


class TestMazak:
    def test_it_gives_the_seconds_per_state_and_the_alarms(self):
        expected = figures_of("nist_sms")[MAZAK]
        report = take(MAZAK)
        assert report.received + report.left == expected["lines"] == 93_174
        assert (report.accepted, report.quarantined) == (report.received, 0)
        seconds, _ = states_of(Machine.objects.get(), MAZAK, expected["window"])
        # One state is stamped 0.583 s before the one that arrived before it. The figures count those 0.583 s for both
        # states, so that they add up to more than the time that passed; on a time line each moment counts once.
        theirs = expected["seconds_per_state"]
        twice = sum(theirs.values()) - seconds.total()
        assert twice == pytest.approx(0.583, abs=5 * MILLISECOND)
        assert seconds == pytest.approx({**theirs, "STOPPED": theirs["STOPPED"] - twice}, abs=5 * MILLISECOND)
        found = alarms()
        assert found.total() == expected["warnings_and_faults_total"] == 37
        for alarm in expected["warnings_and_faults"]:
            key = alarm["item"], alarm["level"], alarm["native_code"], alarm["text"]
            assert found[key] == alarm["count"]
        # A counter that is 0 in every reading counts nothing: its pieces are not recorded, which is not the same as 0.
        assert not Event.objects.filter(kind="counter").exists()
        said = [warned["code"] for warned in ImportRun.objects.get().warnings]
        assert sorted(said) == ["left_out", "not_recorded"]


class TestStreams:
    def test_it_keeps_every_change_with_the_agents_number(self):
        expected = figures_of("nist_sms")["nist_sms/qdr_input001.xml"]
        report = take("nist_sms/qdr_input001.xml")
        assert report.received + report.left == expected["observations"] == 10_049
        states = Event.objects.filter(kind="state").order_by("sequence")
        assert {event.machine.code for event in states} == {expected["device"]}
        told = [(e.sequence, f"{e.at:%Y-%m-%dT%H:%M:%S.%fZ}", e.comment.removeprefix("execution: ")) for e in states]
        assert told == [tuple(change) for change in expected["execution_changes"]]
        normal = Event.objects.filter(kind="measurement", unit="level", value=0).count()
        assert normal == expected["conditions"]["Normal"] == 8


class TestBottlingLine:
    @pytest.fixture
    def expected(self):
        return figures_of("maven_downtime")

    def stops(self, **only):
        rows = Event.objects.filter(state="down", **only).values_list(
            "reason__code", "operator", "product__code", "order__code", "at", "until"
        )
        return [(*named, (until - at).total_seconds() / 60) for *named, at, until in rows]

    def sums(self, place):
        found = Counter()
        for stop in self.stops():
            found[stop[place]] += stop[-1]
        return found

    def test_it_gives_the_minutes_by_factor_operator_and_product(self, expected):
        report = take("maven_downtime/Manufacturing_Line_Productivity.xlsx", read=import_file)
        assert (report.received, report.accepted, report.quarantined) == (expected["batches"], 38, 0)
        minutes = self.sums(0)
        # A factor without a minute must be listed all the same.
        assert {reason.code: minutes[reason.code] for reason in Reason.objects.all()} == expected[
            "downtime_minutes_per_factor"
        ]
        assert len(expected["downtime_minutes_per_factor"]) == 12
        assert minutes.total() == expected["total_downtime_minutes"] == 1388
        assert self.sums(1) == expected["downtime_minutes_per_operator"]
        assert self.sums(2) == expected["downtime_per_product"]
        down = Rollup.objects.aggregate(sum=Sum("down_s") + Sum("micro_stop_s"))["sum"]
        assert down / 60 == pytest.approx(expected["total_downtime_minutes"])
        running = Rollup.objects.aggregate(Sum("running_s"))["running_s__sum"]
        assert running / 60 == pytest.approx(expected["min_batch_minutes_total"])

    def test_the_batch_over_midnight_ends_on_the_next_day(self, expected):
        take("maven_downtime/Manufacturing_Line_Productivity.xlsx")
        batches = Event.objects.filter(state="running")
        last = batches.get(order__code=str(expected["cross_midnight_batch"]["batch"]))
        assert f"{last.at:%Y-%m-%d %H:%M}" == "2024-09-03 22:55"
        assert (last.until - last.at).total_seconds() / 60 == expected["cross_midnight_batch"]["minutes"] == 130
        total = sum((batch.until - batch.at).total_seconds() for batch in batches) / 60
        assert total == expected["batch_minutes_total"]
        assert WorkOrder.objects.count() == expected["batches"]
        assert [warned["code"] for warned in ImportRun.objects.get().warnings] == ["next_day"]

    def test_each_stop_says_that_its_place_in_the_batch_is_assumed(self):
        take("maven_downtime/Manufacturing_Line_Productivity.xlsx")
        comments = Event.objects.filter(state="down").values_list("comment", flat=True).distinct()
        assert list(comments) == ["When within the report is not recorded; it is laid at its end."]

    def test_rows_whose_batch_the_other_file_lacks_wait_in_quarantine(self):
        report = take("maven_downtime/pipe_csv/line-downtime.csv")
        assert (report.received, report.accepted, report.quarantined) == (38, 31, 7)
        kept = Quarantined.objects.order_by("position")
        assert {row.code for row in kept} == {"no_partner"}
        assert [json.loads(row.raw)["Batch"] for row in kept] == [str(number) for number in range(422137, 422144)]


class TestSensor:
    def test_both_readings_of_the_hour_that_occurs_twice_are_kept_and_flagged(self):
        expected = figures_of("nab")["machine_temperature_system_failure"]
        report = take("nab/machine_temperature_system_failure.csv")
        assert (report.received, report.accepted, report.copies) == (expected["rows"], 22_695, 0)
        readings = Event.objects.filter(kind="measurement", name="temperature", unit="")
        assert readings.values("at").distinct().count() == expected["distinct_stamps"]
        assert readings.count() - expected["distinct_stamps"] == expected["stamps_occurring_twice"] == 12
        flagged = [warned["code"] for warned in ImportRun.objects.get().warnings]
        assert flagged == ["time_goes_back"] * 12
        found = readings.aggregate(Avg("value"), Min("value"), Max("value"), Min("at"), Max("at"))
        assert found["value__avg"] == pytest.approx(expected["mean"], abs=5e-5)
        assert found["value__min"] == pytest.approx(expected["min"], abs=5e-5)
        assert found["value__max"] == pytest.approx(expected["max"], abs=5e-5)
        assert f"{found['at__min']:%Y-%m-%d %H:%M:%S}" == expected["first"]
        assert f"{found['at__max']:%Y-%m-%d %H:%M:%S}" == expected["last"]
        lowest = readings.order_by("value").values_list("at", flat=True)[0]
        assert f"{lowest:%Y-%m-%d %H:%M:%S}" == expected["min_at"]
