"""Files: columns become events by a mapping; what is odd is said by line, and nothing is ever counted twice."""

import datetime as dt
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from production.ingest.files import import_file
from production.ingest.mapping import ImportRefused
from production.models import Event, FileMapping, ImportRun, Machine, Quarantined, Rollup, Site, WorkOrder

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
HEADER = "Machine;From;To;What;Good;Bad;Order;Of;Note;Took"
SPEC = {
    "version": 1,
    "name": "press-log",
    "columns": {
        "machine": "Machine",
        "start": "From",
        "end": "To",
        "state": "What",
        "good": "Good",
        "scrap": "Bad",
        "order": "Order",
        "order_quantity": "Of",
        "comment": ["Note"],
    },
    "timestamps": ["%d.%m.%Y %H:%M", "iso"],
    "states": {"work": {"state": "running"}, "fault": {"state": "down", "reason": "fault"}},
    "decimal": ",",
    "checks": [{"kind": "duration", "column": "Took"}],
}
WORK = "P1;02.03.2026 06:00;02.03.2026 08:00;work;100;2;O1;500;;2:00"
FAULT = "P1;02.03.2026 08:00;02.03.2026 08:30;fault;;;O1;500;motor;0:30"

pytestmark = pytest.mark.usefixtures("in_alfa")


@pytest.fixture
def save_mapping(in_alfa):
    def save(**changed):
        spec = {**SPEC, **changed}
        return FileMapping.objects.create(tenant=in_alfa, name=spec["name"], spec=spec)

    return save


@pytest.fixture
def load(tmp_path):
    def load(*rows, header=HEADER, zone="Europe/Warsaw", mapping=None, dry_run=False, encoding="utf-8"):
        path = tmp_path / "log.csv"
        path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
        return import_file(path=path, mapping_name=mapping, zone=zone, dry_run=dry_run, requested_by=None, now=NOW)

    return load


def as_cells(row):
    """A row as quarantine keeps it."""
    return json.dumps(dict(zip(HEADER.split(";"), row.split(";"), strict=True)), ensure_ascii=False)


def outcome(report):
    return report.received, report.accepted, report.duplicate, report.quarantined


def problems(report):
    return [(problem.line, problem.code) for problem in report.problems]


def warned(report):
    return [(warning.line, warning.column, warning.code) for warning in report.warnings]


@pytest.mark.usefixtures("save_mapping")
class TestRows:
    @pytest.fixture(autouse=True)
    def mapping(self, save_mapping):
        save_mapping()

    def test_a_row_becomes_a_state_and_a_count(self, load):
        assert outcome(load(WORK)) == (1, 1, 0, 0)
        state = Event.objects.get(kind="state")
        assert (state.machine.code, state.state, state.order.code) == ("P1", "running", "O1")
        assert (state.at.hour, (state.until - state.at).seconds) == (5, 7200)
        count = Event.objects.get(kind="count")
        assert (count.good, count.scrap, count.rework, count.at) == (100, 2, None, state.until)

    def test_a_row_without_pieces_is_a_state_alone(self, load):
        load(FAULT)
        event = Event.objects.get()
        assert (event.state, event.reason.code, event.comment) == ("down", "fault", "motor")

    def test_the_rollups_follow(self, load):
        report = load(WORK, FAULT)
        assert report.folded == 1
        assert sum(Rollup.objects.values_list("running_s", flat=True)) == 7200

    def test_machines_are_created_at_a_site_of_the_files_zone(self, load):
        assert load(WORK).created.machines == ("P1",)
        assert Machine.objects.get().line.site.zone == "Europe/Warsaw"
        load(WORK.replace("P1", "P2"), zone="Europe/London")
        assert sorted(Site.objects.values_list("zone", flat=True)) == ["Europe/London", "Europe/Warsaw"]

    def test_a_decimal_comma_is_read(self, load):
        load(WORK.replace(";100;2;", ";100,5;2;"))
        assert Event.objects.get(kind="count").good == 100.5

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ("P1;02.03.2026 06:00;02.03.2026 08:00;work", "wrong_cell_count"),
            (WORK.replace("work", "lunch"), "unknown_state"),
            (WORK.replace("02.03.2026 06:00", "soon"), "invalid_timestamp"),
            (WORK.replace("02.03.2026 06:00", "02.03.2026 09:00"), "ends_before_start"),
            (WORK.replace("02.03.2026 08:00", "02.12.2026 08:00"), "future_timestamp"),
            (WORK.replace(";100;", ";lots;"), "invalid_number"),
            (WORK.replace(";100;", ";-1;"), "negative_quantity"),
            (WORK.replace("P1", ""), "invalid"),
            (WORK.replace("P1", "P" * 65), "invalid"),
            (FAULT.replace("motor", "mo\x00tor"), "nul_character"),
        ],
    )
    def test_a_bad_row_waits_in_quarantine_and_the_rest_is_taken(self, load, row, code):
        report = load(row, FAULT)
        assert outcome(report) == (2, 1, 0, 1)
        assert problems(report) == [(2, code)]
        kept = Quarantined.objects.get()
        assert (kept.position, kept.code, kept.source) == (2, code, "file:press-log")
        assert kept.raw == (as_cells(row) if row.count(";") == HEADER.count(";") else row)

    def test_an_odd_cell_of_a_row_that_is_taken_is_kept_as_far_as_it_can_be(self, load):
        load(WORK.replace(";2:00", ";2\x00"))
        assert [warning["raw"] for warning in ImportRun.objects.get().warnings] == ["2\\u0000"]

    def test_a_bad_row_sent_again_does_not_pile_up(self, load):
        bad = WORK.replace("work", "lunch")
        assert [outcome(load(bad)), outcome(load(bad))] == [(1, 0, 0, 1)] * 2
        assert Quarantined.objects.count() == 1

    def test_lines_are_counted_through_blank_lines_and_quoted_breaks(self, load):
        report = load(FAULT.replace("motor", '"motor\nburnt"'), "", WORK.replace("work", "lunch"))
        assert problems(report) == [(5, "unknown_state")]
        assert Event.objects.get().comment == "motor\nburnt"

    def test_an_orders_quantity_counts_once_and_a_second_one_is_told(self, load):
        report = load(WORK, FAULT.replace(";500;", ";600;"))
        assert WorkOrder.objects.get().quantity == 500
        assert warned(report) == [(3, "Of", "order_quantity_differs")]

    def test_a_duration_that_differs_or_cannot_be_read_is_told(self, load):
        report = load(WORK.replace(";2:00", ";1:59"), FAULT.replace(";0:30", ";half"), WORK)
        assert warned(report) == [(2, "Took", "duration_differs"), (3, "Took", "duration_unreadable")]
        assert outcome(report) == (3, 3, 0, 0)
        assert [warning["line"] for warning in ImportRun.objects.get().warnings] == [2, 3]


class TestTime:
    @pytest.fixture(autouse=True)
    def mapping(self, save_mapping):
        save_mapping(checks=[])

    def at(self, start, end):
        return f"P1;{start};{end};fault;;;;;;"

    def test_an_hour_that_the_clocks_skip_is_refused(self, load):
        report = load(self.at("29.03.2026 02:30", "29.03.2026 04:00"), self.at("29.03.2026 01:00", "29.03.2026 03:00"))
        assert problems(report) == [(2, "nonexistent_time")]
        event = Event.objects.get()
        assert event.until - event.at == dt.timedelta(hours=1)

    def test_an_hour_that_happens_twice_is_the_first_and_told(self, load):
        report = load(self.at("25.10.2026 02:30", "25.10.2026 03:00"))
        assert warned(report) == [(2, "From", "ambiguous_time")]
        event = Event.objects.get()
        assert event.at.hour == 0
        assert event.until - event.at == dt.timedelta(minutes=90)

    def test_an_end_that_happens_twice_is_never_before_its_start(self, load):
        load(self.at("25.10.2026 02:50", "25.10.2026 02:10"))
        event = Event.objects.get()
        assert event.until - event.at == dt.timedelta(minutes=20)

    def test_a_stamp_with_an_offset_needs_no_zone(self, load):
        load(self.at("2026-03-02T06:00:00+00:00", "2026-03-02T06:30:00+00:00"))
        assert Event.objects.get().at.hour == 6


class TestAgain:
    @pytest.fixture(autouse=True)
    def mapping(self, save_mapping):
        save_mapping()

    def test_the_same_file_adds_nothing(self, load):
        load(WORK, FAULT)
        assert outcome(load(WORK, FAULT)) == (2, 0, 2, 0)

    def test_a_longer_file_adds_what_is_new(self, load):
        load(WORK)
        assert outcome(load(WORK, FAULT)) == (2, 1, 1, 0)

    def test_other_columns_or_blanks_do_not_make_new_rows(self, load):
        load(WORK)
        turned = ";".join(reversed(WORK.split(";")))
        assert outcome(load(turned.replace("P1", " P1 "), header=";".join(reversed(HEADER.split(";"))))) == (1, 0, 1, 0)

    def test_copies_of_a_row_are_kept_apart(self, load):
        report = load(WORK, WORK)
        assert (outcome(report), report.copies) == ((2, 2, 0, 0), 1)
        assert outcome(load(WORK, WORK, WORK)) == (3, 1, 2, 0)

    def test_a_mapping_that_reads_the_rows_otherwise_is_a_conflict(self, load):
        load(FAULT)
        mapping = FileMapping.objects.get()
        mapping.spec["states"]["fault"] = {"state": "setup"}
        mapping.save()
        assert problems(load(FAULT)) == [(2, "conflict")]
        assert Event.objects.get().state == "down"

    def test_a_dry_run_tells_what_would_happen_and_writes_nothing(self, load):
        load(WORK)
        before = [model.objects.count() for model in (Event, ImportRun, Machine, Quarantined, WorkOrder)]
        report = load(WORK, FAULT.replace("P1", "P2"), WORK.replace("work", "lunch"), dry_run=True)
        assert (outcome(report), report.created.machines, report.folded) == ((3, 1, 1, 1), ("P2",), 0)
        assert [model.objects.count() for model in (Event, ImportRun, Machine, Quarantined, WorkOrder)] == before

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(st.sampled_from([WORK, FAULT, WORK.replace("work", "lunch"), "P1;x", ""]), max_size=8))
    def test_it_always_adds_up_and_the_second_time_adds_nothing(self, load, rows):
        first, second = load(*rows), load(*rows)
        for report in (first, second):
            assert report.received == report.accepted + report.duplicate + report.quarantined
        assert second.accepted == 0
        assert second.quarantined == first.quarantined


class TestMappings:
    def test_copies_are_skipped_where_the_mapping_says_so(self, load, save_mapping):
        save_mapping(duplicates="skip")
        report = load(WORK, WORK)
        assert (outcome(report), report.copies) == ((2, 1, 1, 0), 1)

    def test_machines_are_not_created_where_the_mapping_says_so(self, load, save_mapping):
        save_mapping(machines={"create": False})
        assert problems(load(WORK)) == [(2, "unknown_machine")]

    def test_a_mapping_is_found_by_its_columns(self, load, save_mapping):
        save_mapping()
        assert load(WORK).mapping == "press-log"

    @pytest.mark.parametrize("delimiter", [",", "\t", "|"])
    def test_any_usual_delimiter_will_do(self, load, save_mapping, delimiter):
        save_mapping()
        assert outcome(load(WORK.replace(";", delimiter), header=HEADER.replace(";", delimiter))) == (1, 1, 0, 0)

    def test_blanks_and_a_byte_order_mark_in_the_header_do_not_matter(self, load, save_mapping):
        save_mapping()
        assert outcome(load(WORK, header=HEADER.replace("From", " From  "), encoding="utf-8-sig")) == (1, 1, 0, 0)

    def test_a_mapping_may_name_an_encoding(self, load, save_mapping):
        save_mapping(encoding="cp1250")
        load(FAULT.replace("motor", "żaluzja"), mapping="press-log", encoding="cp1250")
        assert Event.objects.get().comment == "żaluzja"

    def test_text_in_another_encoding_is_read_by_its_letters(self, load, save_mapping):
        save_mapping()
        load(FAULT.replace("motor", "żaluzja"), encoding="cp1250")
        assert Event.objects.get().comment == "żaluzja"

    def test_text_that_is_not_in_the_encoding_named_is_refused(self, load, save_mapping):
        save_mapping(version=2, table={"encoding": "utf-8"})
        with pytest.raises(ImportRefused, match=r"log\.csv is not utf-8 text"):
            load(FAULT.replace("motor", "żaluzja"), mapping="press-log", encoding="cp1250")
        assert ImportRun.objects.count() == 0

    def test_two_mappings_that_fit_must_be_chosen_from(self, load, save_mapping):
        save_mapping()
        save_mapping(name="press-log-2")
        with pytest.raises(ImportRefused, match="Several mappings fit this file: press-log, press-log-2"):
            load(WORK)
        assert load(WORK, mapping="press-log-2").accepted == 1

    def test_a_missing_column_is_named(self, load, save_mapping):
        save_mapping()
        with pytest.raises(ImportRefused, match="needs the columns Took, which the file does not have"):
            load(WORK.removesuffix(";2:00"), header=HEADER.removesuffix(";Took"), mapping="press-log")

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"colour": "red"}, "colour: Extra inputs are not permitted"),
            ({"version": 3}, "version: Input should be 2"),
            ({"states": {}}, "a state column needs `states`"),
            ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
        ],
    )
    def test_a_mapping_that_is_wrong_is_named(self, load, save_mapping, changed, words):
        save_mapping(**changed)
        with pytest.raises(ImportRefused, match=words):
            load(WORK)

    @pytest.mark.parametrize("header", ["", "A;A", ";;"])
    def test_a_header_that_names_no_columns_is_refused(self, load, header):
        with pytest.raises(ImportRefused, match=r"no header|more than once"):
            load(header=header)
