"""import_production: the 4TU job shop's file gives every figure that was computed independently of us."""

import datetime as dt
import io
import json
import zoneinfo
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Max, Min, Sum

from mesassist.tenants.scope import tenant_scope
from production.ingest.files import take_file
from production.management.commands.import_production import describe
from production.models import Event, ImportRun, LossRollup, Machine, Product, Quarantined, Rollup, WorkOrder
from production.timeline import read_timeline

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public data (../shared/data) is not on this machine")
WARSAW = zoneinfo.ZoneInfo("Europe/Warsaw")
HOUR = 3600


@pytest.fixture(scope="module")
def figures():
    return json.loads((DATA / "figures.json").read_text())["production_4tu"]


@pytest.fixture
def path(figures):
    return DATA / figures["file"]


@pytest.fixture
def run(alfa, path):
    def command(*options, file=path, tenant="alfa", zone="Europe/Warsaw"):
        out = io.StringIO()
        call_command("import_production", str(file), "--tenant", tenant, "--zone", zone, *options, stdout=out)
        return out.getvalue()

    return command


@pytest.fixture
def taken(in_alfa, path):
    """Alfa, empty but for the file's events, inside its scope; nothing folded."""
    return take_again(path, zone="Europe/Warsaw")


def take_again(path, *, zone):
    now = dt.datetime.now(dt.UTC)
    return take_file(path=path, mapping_name=None, zone=zone, dry_run=False, requested_by=None, now=now)


def outcome(report):
    return report.received, report.accepted, report.duplicate, report.quarantined


def busy_seconds(machine):
    stretch = {"from_at": dt.datetime(2012, 1, 1, tzinfo=dt.UTC), "to_at": dt.datetime(2012, 4, 1, tzinfo=dt.UTC)}
    intervals = read_timeline(machine=machine, now=dt.datetime.now(dt.UTC), **stretch)
    return sum(interval.seconds for interval in intervals if interval.state != "unknown")


def local(moment):
    return moment.astimezone(WARSAW).strftime("%Y-%m-%d %H:%M:%S")


def hours(machine_sums):
    """{machine: hours} with four digits, machines without any left out."""
    return {name: round(seconds / HOUR, 4) for name, seconds in machine_sums if seconds}


def figure_of(figures, key):
    return {name: row[key] for name, row in figures["per_resource"].items() if row[key]}


def booked_hours(**kind):
    """Hours as booked (the sum over job reports), by machine."""
    rows = Event.objects.filter(kind="state", **kind).values_list("machine__code", "at", "until")
    sums = {}
    for name, at, until in rows:
        sums[name] = sums.get(name, 0) + (until - at).total_seconds()
    return hours(sums.items())


class TestTheFile:
    def test_it_gives_every_total(self, taken, figures):
        states = Event.objects.filter(kind="state")
        assert states.count() == figures["rows"] == 2982
        pieces = Event.objects.filter(kind="count").aggregate(Sum("good"), Sum("scrap"), Sum("rework"))
        assert pieces == {"good__sum": 58576, "scrap__sum": 375, "rework__sum": 104}
        assert list(pieces.values()) == list(figures["totals"].values())
        assert WorkOrder.objects.count() == figures["cases"] == 158
        assert Machine.objects.count() == figures["resources"] == 31
        assert Product.objects.count() == figures["parts"] == 39
        assert states.aggregate(people=Count("operator", distinct=True))["people"] == figures["workers"] == 48
        assert states.filter(comment__contains="Rework: Y").count() == figures["rework_rows"] == 24

    def test_it_counts_an_orders_quantity_once(self, taken, figures):
        ordered = WorkOrder.objects.aggregate(Sum("quantity"))["quantity__sum"]
        assert ordered == figures["work_order_qty_summed_over_cases"] == 14_082

    def test_it_keeps_the_first_start_and_the_last_end(self, taken, figures):
        span = Event.objects.filter(kind="state").aggregate(first=Min("at"), last=Max("until"))
        assert local(span["first"]) == figures["first_start"]
        assert local(span["last"]) == figures["last_complete"]

    def test_it_counts_pieces_per_machine_and_part(self, taken, figures):
        machines = Event.objects.filter(kind="count").values_list("machine__code").annotate(Sum("good"), Sum("scrap"))
        assert {name: (good, scrap) for name, good, scrap in machines if good or scrap} == {
            name: (row["completed"], row["rejected"])
            for name, row in figures["per_resource"].items()
            if row["completed"] or row["rejected"]
        }
        parts = Event.objects.filter(kind="count").values_list("product__code").annotate(Sum("scrap"))
        assert {part: scrap for part, scrap in parts if scrap} == {
            part: row["rejected"] for part, row in figures["per_part"].items() if row["rejected"]
        }

    def test_it_books_set_up_and_breakdown_as_the_file_does(self, taken, figures):
        assert booked_hours(state="setup") == figure_of(figures, "setup_hours")
        assert booked_hours(state="down") == figure_of(figures, "breakdown_hours")
        for state, kind in {"running": "D", "setup": "S", "down": "B"}.items():
            expected = figures["report_type"][kind]
            rows = list(Event.objects.filter(kind="state", state=state).values_list("at", "until"))
            minutes = sum((until - at).total_seconds() for at, until in rows) / 60
            assert (len(rows), minutes) == (expected["rows"], expected["minutes_by_timestamps"])

    def test_overlapping_reports_count_once_on_the_time_line(self, taken, figures):
        assert hours((machine.code, busy_seconds(machine)) for machine in Machine.objects.all()) == figure_of(
            figures, "hours_union_timestamps"
        )


class TestTheCommand:
    def test_its_rollups_hold_the_files_hours(self, run, alfa, figures):
        report = run()
        assert "rows         2,982 = 2,982 accepted + 0 duplicate + 0 quarantined" in report
        assert "created      31 machines, 39 products, 158 orders, 1 reasons" in report
        with tenant_scope(alfa):
            known = sum(Sum(f"{state}_s") for state in ("running", "setup", "down", "micro_stop", "idle"))
            busy = Rollup.objects.values_list("machine__code").annotate(known=known)
            down = LossRollup.objects.filter(state="down").values_list("machine__code").annotate(Sum("seconds"))
            assert hours(busy) == figure_of(figures, "hours_union_timestamps")
            # Breakdowns overlap no other breakdown and win over everything else, so that union and sum are the same.
            assert hours(down) == figure_of(figures, "breakdown_hours")
            pieces = Rollup.objects.aggregate(Sum("good"), Sum("scrap"), Sum("rework"))
            assert list(pieces.values()) == list(figures["totals"].values())

    def test_a_dry_run_tells_the_same_and_writes_nothing(self, run, alfa):
        report = run("--dry-run")
        assert "rows         2,982 = 2,982 accepted + 0 duplicate + 0 quarantined" in report
        assert "created      31 machines, 39 products, 158 orders, 1 reasons" in report
        assert report.startswith("Dry run, nothing written")
        with tenant_scope(alfa):
            assert [model.objects.count() for model in (Event, ImportRun, Machine, Product, WorkOrder)] == [0] * 5


class TestTheReport:
    def test_it_names_the_damaged_cell_and_takes_its_row(self, taken, figures):
        warnings = ImportRun.objects.get().warnings
        unreadable = [warned for warned in warnings if warned["code"] == "duration_unreadable"]
        assert [warned["line"] for warned in unreadable] == figures["span_unreadable_csv_line"] == [334]
        assert [warned["raw"] for warned in unreadable] == figures["span_unreadable_value"]
        assert "  line 334: duration_unreadable in Span: '1899/12/31 01:49:00' is not hours and minutes." in "\n".join(
            describe(taken)
        )

    def test_it_counts_the_rows_whose_span_differs(self, taken, figures):
        differing = [warned for warned in ImportRun.objects.get().warnings if warned["code"] == "duration_differs"]
        assert len(differing) == figures["rows_span_differs_from_timestamps"] == 424

    def test_it_counts_the_copies(self, taken, figures):
        assert taken.copies == figures["exact_duplicate_rows_beyond_first"] == 13


class TestAgain:
    def test_importing_again_adds_nothing(self, taken, path):
        before = Event.objects.count()
        assert outcome(take_again(path, zone="Europe/Warsaw")) == (2982, 0, 2982, 0)
        assert Event.objects.count() == before
        assert Quarantined.objects.count() == 0

    def test_another_zone_is_a_conflict_and_overwrites_nothing(self, taken, path):
        stamps = list(Event.objects.order_by("pk").values_list("at", flat=True))
        assert outcome(take_again(path, zone="UTC")) == (2982, 0, 0, 2982)
        assert list(Event.objects.order_by("pk").values_list("at", flat=True)) == stamps
        assert set(Quarantined.objects.values_list("code", flat=True)) == {"conflict"}


class TestBadInput:
    def test_it_names_the_tenants_there_are(self, run):
        with pytest.raises(CommandError, match=r"There is no tenant 'gamma'\. There are: alfa\."):
            run(tenant="gamma")

    def test_it_refuses_an_offset_for_a_zone(self, run):
        with pytest.raises(CommandError, match="'\\+01:00' is not a time zone"):
            run(zone="+01:00")

    def test_it_names_the_file_that_is_not_there(self, run, tmp_path):
        with pytest.raises(CommandError, match=r"gone\.csv cannot be opened: No such file or directory\."):
            run(file=tmp_path / "gone.csv")

    def test_it_lists_the_mappings_and_the_header(self, run, tmp_path):
        file = tmp_path / "other.csv"
        file.write_text("Machine,Begin\nM1,now\n")
        with pytest.raises(CommandError, match=r"Mappings: .*production_4tu\. Its header is: Machine, Begin\."):
            run(file=file)
