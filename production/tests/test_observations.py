"""Observations: a log's snapshot, lost contact and counters become events that say no more than the log does."""

import datetime as dt

import pytest

from mesassist.tenants.scope import tenant_scope
from production.ingest.files import preview_file, retake_row, take_file
from production.ingest.mapping import ImportRefused, read_mapping, read_zone
from production.ingest.shdr import split_line
from production.models import Event, FileMapping, ImportRun, ImportStatus, Machine, Quarantined

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
SPEC = {
    "version": 2,
    "name": "mill-log",
    "machine": "Mill",
    "items": {
        "exec": {"kind": "state"},
        "count": {"kind": "counter", "name": "parts", "zero_is_unread": True},
        "load": {"kind": "measurement", "unit": "%"},
        "logic": {"kind": "condition"},
    },
    "states": {
        "ACTIVE": {"state": "running"},
        "READY": {"state": "idle", "reason": "READY"},
        "UNAVAILABLE": {"state": "unknown"},
    },
    "opening": {"pattern": r"-(\d{8})", "time": "05:00"},
}

pytestmark = pytest.mark.usefixtures("in_alfa")


@pytest.fixture(autouse=True)
def mapping(in_alfa):
    return FileMapping.objects.create(tenant=in_alfa, name="mill-log", spec=SPEC)


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="mill-20260302.txt"):
        path = tmp_path / name
        path.write_text("".join(f"2026-03-{line}\n" for line in lines))
        return path

    return write


def take(path, **options):
    given = {"mapping_name": "mill-log", "zone": "UTC", "dry_run": False, "requested_by": None, "now": NOW}
    return take_file(path=path, **{**given, **options})


def told(kind):
    events = Event.objects.filter(kind=kind).order_by("at", "sequence")
    return [(f"{event.at:%H:%M:%S.%f}"[:-3], event.state or event.value) for event in events]


class TestSnapshots:
    def test_the_last_value_of_each_item_stands_at_the_opening(self, write):
        take(write("01T09:00:00Z|exec|ACTIVE", "01T22:00:00Z|exec|READY", "02T06:00:00Z|exec|ACTIVE"))
        assert told("state") == [("05:00:00.000", "idle"), ("06:00:00.000", "running")]
        assert "told at 2026-03-01T22:00:00Z" in Event.objects.earliest("at").comment

    def test_a_log_that_holds_nothing_else_says_how_things_stood(self, write):
        take(write("01T09:00:00Z|exec|ACTIVE"))
        assert told("state") == [("05:00:00.000", "running")]

    def test_a_file_name_without_a_day_is_refused(self, write):
        with pytest.raises(ImportRefused, match="Give the file the name that it had"):
            take(write("02T06:00:00Z|exec|ACTIVE", name="log.txt"))


class TestCounters:
    def test_0_after_lost_contact_is_not_read_yet(self, write):
        values = ["UNAVAILABLE", "0", "3763", "UNAVAILABLE", "3766", "3767", "0"]
        take(write(*(f"02T06:00:0{n}Z|count|{value}" for n, value in enumerate(values))))
        # The last 0 came without a loss of contact: the counter was set back, and that is a reading.
        assert [value for _, value in told("counter")] == [3763, 3766, 3767, 0]


class TestLines:
    def test_a_line_may_hold_several_observations(self, write):
        take(write("02T06:00:00.1234567Z|exec|ACTIVE|load|12.5"))
        assert (told("state"), told("measurement")) == ([("06:00:00.123", "running")], [("06:00:00.123", 12.5)])

    def test_a_condition_is_a_level_under_the_name_of_its_alarm(self, write):
        take(write("02T06:00:00Z|logic|Warning|235|||DOOR OPEN", "02T06:01:00Z|logic|Normal||||"))
        found = Event.objects.order_by("at").values_list("name", "value", "unit")
        assert list(found) == [("logic 235 DOOR OPEN", 1, "level"), ("logic", 0, "level")]

    def test_flicker_of_one_moment_keeps_its_order_of_arrival(self, write):
        take(write("02T06:00:00Z|exec|READY", "02T06:00:00Z|exec|ACTIVE", "02T06:00:00Z|exec|READY"))
        assert [state for _, state in told("state")] == ["idle", "running", "idle"]

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            ("02T06:00:00Z|exec|DANCING", "unknown_state"),
            ("02T06:00:00Z|load|heavy", "invalid_number"),
            ("02T25:00:00Z|exec|ACTIVE", "invalid_timestamp"),
            ("02T06:00:00Z|exec|ACTIVE|load", "wrong_cell_count"),
        ],
    )
    def test_a_bad_line_waits_in_quarantine(self, write, line, code):
        report = take(write(line, "02T07:00:00Z|exec|ACTIVE"))
        assert (report.received, report.accepted, report.quarantined) == (2, 1, 1)
        assert Quarantined.objects.get().code == code

    def test_bars_in_a_conditions_text_belong_to_it(self):
        assert split_line("2026-03-02T06:00:00Z|logic|Fault|7|||a|b")[0]["Text"] == "a|b"


class TestAgain:
    def test_a_longer_log_adds_what_is_new(self, write):
        lines = [f"02T06:00:0{n}Z|exec|{state}" for n, state in enumerate(["READY", "ACTIVE", "READY"])]
        take(write(*lines[:2]))
        report = take(write(*lines))
        assert (report.accepted, report.duplicate) == (1, 2)

    def test_a_mended_line_is_taken_by_its_mapping(self, write):
        take(write("02T06:00:00Z|exec|DANCING"))
        cells = {"Time": "2026-03-02T06:00:00Z", "Item": "exec", "Value": "ACTIVE"}
        receipt = retake_row(run=ImportRun.objects.get(), cells=cells, line=1, now=NOW)
        assert (receipt.accepted, told("state")) == (1, [("06:00:00.000", "running")])
        assert Machine.objects.get().code == "Mill"


class TestProgress:
    def test_a_run_that_is_cancelled_stops_between_batches_and_goes_on_when_taken_again(
        self, write, in_alfa, monkeypatch
    ):
        monkeypatch.setattr("production.ingest.files.ROWS_AT_ONCE", 2)
        path = write(*(f"02T06:00:0{n}Z|load|{n}" for n in range(6)))
        run = ImportRun.objects.create(tenant=in_alfa, status=ImportStatus.WAITING, started_at=NOW)
        seen = []

        def cancel_at_four(done, total):
            seen.append((done, total))
            if done == 4:
                ImportRun.objects.filter(pk=run.pk).update(status=ImportStatus.CANCELLED)

        report = take(path, run=run, on_progress=cancel_at_four)
        run.refresh_from_db()
        assert (seen, report.cancelled, run.status) == ([(2, 6), (4, 6), (6, 6)], True, "cancelled")
        assert (report.accepted, run.accepted, run.rows_done) == (6, 6, 6)
        again = take(path, run=ImportRun.objects.create(tenant=in_alfa, started_at=NOW))
        assert (again.received, again.duplicate, again.cancelled) == (6, 6, False)

    def test_what_a_crash_cut_short_is_counted_as_the_runs_own(self, write, in_alfa):
        path = write(*(f"02T06:00:0{n}Z|load|{n}" for n in range(3)))
        run = ImportRun.objects.create(tenant=in_alfa, status=ImportStatus.RUNNING, started_at=NOW)
        take(path, run=run)
        report = take(path, run=run)
        assert (report.accepted, report.duplicate) == (3, 0)


class TestPreview:
    def test_it_says_what_each_row_becomes_and_writes_nothing(self, write, alfa):
        path = write("02T06:00:00Z|exec|ACTIVE", "02T06:01:00Z|other|1", "02T06:02:00Z|load|heavy")
        with tenant_scope(alfa):
            seen = preview_file(path=path, spec=read_mapping(SPEC), zone=read_zone("Europe/Warsaw"), now=NOW)
        assert (seen.read, seen.fit, seen.refused, seen.left, seen.whole) == (3, 1, 1, 1, True)
        assert seen.rows[0].becomes == ("Mill: running, from 2026-03-02 07:00:00",)
        assert seen.rows[1].refused.code == "invalid_number"
        assert not Event.objects.exists()
