"""Detect: what a file is and how its cells are read is decided by all of them, or said to be open."""

import csv
import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from production.ingest.detect import detect_file, draft_mapping
from production.ingest.mapping import ImportRefused, read_mapping
from production.ingest.numerals import read_number
from production.ingest.stamps import StampColumn, contradict, read_stamp

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2060, 12, 31))
MOMENTS = st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2059, 12, 31))  # noqa: DTZ001 - stamps of a file


@pytest.fixture
def look(tmp_path):
    def look(text, encoding="utf-8"):
        path = tmp_path / "log.csv"
        path.write_bytes(text.encode(encoding))
        return detect_file(path=path, file_name="log.csv")

    return look


def decide(cells):
    column = StampColumn()
    for line, cell in enumerate(cells, start=2):
        column.look_at(cell, line)
    return column.decide()


class TestDates:
    @given(days=st.lists(DAYS, min_size=1, max_size=30), order=st.sampled_from(["%d{0}%m{0}%Y", "%m{0}%d{0}%Y"]),
           separator=st.sampled_from("/.-"), time=st.sampled_from(["", " %H:%M", " %H:%M:%S"]))  # fmt: skip
    def test_a_date_order_is_found_or_said_to_be_open_and_never_wrong(self, days, order, separator, time):
        written = order.format(separator) + time
        moments = [dt.datetime.combine(day, dt.time(13, 5)) for day in days]
        verdict = decide([moment.strftime(written) for moment in moments])
        cells = [moment.strftime(written) for moment in moments]
        readings = [[read_stamp(cell=cell, formats=r.formats).date() for cell in cells] for r in verdict.readings]
        assert days in readings
        assert verdict.certain == (len(readings) == 1)

    @given(moments=st.lists(MOMENTS, min_size=1, max_size=20))
    def test_iso_stamps_are_read_as_they_are(self, moments):
        verdict = decide([moment.isoformat() for moment in moments])
        assert [reading.formats for reading in verdict.readings] == [("iso",)]

    @given(moments=st.lists(MOMENTS, min_size=1, max_size=20),
           unit=st.sampled_from([("epoch_s", 1), ("epoch_ms", 10**3), ("epoch_us", 10**6)]))  # fmt: skip
    def test_numbers_since_1970_tell_their_unit_by_their_size(self, moments, unit):
        name, per_second = unit
        whole = [moment.replace(microsecond=0, tzinfo=dt.UTC) for moment in moments]
        cells = [str(int(moment.timestamp()) * per_second) for moment in whole]
        verdict = decide(cells)
        assert [reading.formats for reading in verdict.readings] == [(name,)]
        assert [read_stamp(cell=cell, formats=(name,)) for cell in cells] == whole

    def test_days_of_a_spreadsheet_are_read_to_the_second(self):
        assert decide(["45354.25", "45355"]).readings[0].formats == ("excel",)
        assert read_stamp(cell="45354.25", formats=("excel",)) == dt.datetime(2024, 3, 3, 6)  # noqa: DTZ001

    def test_one_row_decides_and_is_named(self):
        assert (
            decide(["03/04/2025", "05/06/2025", "13/06/2025"]).evidence == "13/06/2025 in line 4: there is no month 13"
        )

    def test_nothing_decides_where_no_day_is_over_twelve(self):
        verdict = decide(["03/04/2025 06:00", "05/06/2025 06:00"])
        assert not verdict.certain
        assert [reading.formats for reading in verdict.readings] == [("%d/%m/%Y %H:%M",), ("%m/%d/%Y %H:%M",)]

    def test_rows_that_contradict_one_another_are_no_dates(self):
        assert decide(["13/04/2025", "04/13/2025"]).readings == ()

    def test_two_orders_in_one_list_are_a_contradiction(self):
        assert contradict(("%d.%m.%Y", "%m.%d.%Y"))
        assert not contradict(("%d.%m.%Y %H:%M", "%d.%m.%Y", "iso"))


class TestNumbers:
    @pytest.mark.parametrize(
        ("cell", "decimal", "value"),
        [
            ("1.5", ".", 1.5),
            ("1,5", ",", 1.5),
            ("1,234.5", ".", 1234.5),
            ("1.234,5", ",", 1234.5),
            ("1.234", ",", 1234.0),
            ("1 234", ".", 1234.0),
            ("-2e3", ".", -2000.0),
            ("1,5", ".", None),
            ("1.5", ",", None),
            ("nan", ".", None),
            ("inf", ".", None),
            ("1_000", ".", None),
            ("", ".", None),
        ],
    )
    def test_a_number_is_read_by_its_decimal_sign_alone(self, cell, decimal, value):
        assert read_number(cell=cell, decimal=decimal) == value

    @given(number=st.decimals(-(10**6), 10**6, places=2))
    def test_either_way_of_writing_gives_the_number_back(self, number):
        assert read_number(cell=f"{number:,.2f}", decimal=".") == float(number)
        turned = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
        assert read_number(cell=turned, decimal=",") == float(number)

    def test_thousands_or_a_fraction_is_left_open(self, look):
        found = look("Machine;Pieces\nP1;1,234\nP2;2,500\n")
        assert (found.decimal_certain, found.certain) == (False, False)
        assert look("Machine;Pieces\nP1;1,234\nP2;2,5\n").decimal == ","


class TestText:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
    @given(
        delimiter=st.sampled_from(",;\t|"),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        cells=st.lists(st.lists(st.text("aż9 ,;|\"'.\n", max_size=8), min_size=3, max_size=3), min_size=3, max_size=12),
    )
    def test_delimiter_and_encoding_are_found_through_quotes(self, tmp_path, delimiter, encoding, cells):
        path = tmp_path / "any.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerows([["Machine", "When", "What"], *cells])
        found = detect_file(path=path, file_name="any.csv")
        assert (found.delimiter, [column.name for column in found.columns]) == (delimiter, ["Machine", "When", "What"])

    @pytest.mark.parametrize(("text", "encoding"), [("żółć łąka", "cp1250"), ("Größe façade", "cp1252")])
    def test_a_code_page_is_guessed_and_said_to_be_a_guess(self, look, text, encoding):
        found = look(f"Machine;Note\nP1;{text}\n", encoding=encoding)
        assert (found.encoding, found.encoding_certain) == (encoding, False)
        assert found.columns[1].examples == (text,)

    def test_a_header_of_two_rows_is_joined(self, look):
        found = look("|Stops||\nBatch|1|2|3\nB7|5||\nB8||4|\n")
        assert found.header == (1, 2)
        assert [column.name for column in found.columns] == ["Batch", "Stops 1", "Stops 2", "Stops 3"]


class TestDrafts:
    def test_a_plain_export_needs_hardly_more_than_the_states(self, look):
        found = look("Maschine;Von;Bis;Status;Gut\nP1;13.03.2026 06:00;13.03.2026 07:00;run;5,5\n")
        draft = draft_mapping(detected=found)
        assert draft["columns"] == {
            "machine": "Maschine",
            "start": "Von",
            "end": "Bis",
            "state": "Status",
            "good": "Gut",
        }
        assert (draft["decimal"], draft["states"]) == (",", {"run": {"state": "running"}})
        assert read_mapping(draft).timestamps == ("%d.%m.%Y %H:%M",)


class TestRefusals:
    @pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"\xd0\xcf\x11\xe0", b"%PDF-1.7"])
    def test_what_is_no_table_is_refused_by_its_first_bytes(self, tmp_path, head):
        path = tmp_path / "data.csv"
        path.write_bytes(head + b"\x00" * 50)
        with pytest.raises(ImportRefused, match=r"old kind|packed, or no table"):
            detect_file(path=path, file_name="data.csv")
