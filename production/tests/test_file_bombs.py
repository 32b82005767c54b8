"""File bombs: what would unfold to more than it pretends is refused quickly, before memory is taken for it."""

import io
import subprocess
import sys
import textwrap
import zipfile

import openpyxl
import pytest

from production.ingest.detect import detect_file
from production.ingest.mapping import ImportRefused

SHEET = "xl/worksheets/sheet1.xml"
MEGABYTE = 1 << 20


def workbook(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, megabytes in parts.items():
            with archive.open(name, "w", force_zip64=True) as part:
                for _ in range(megabytes):
                    part.write(b"0" * MEGABYTE)
    return path


def many_parts(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2_000):
            archive.writestr(f"xl/media/{number}.png", b"")


def strings_of_a_gigabyte(path):
    workbook(path, {SHEET: 1, "xl/sharedStrings.xml": 1024})


def steep_sheet(path):
    workbook(path, {SHEET: 500})


def ten_million_columns(path):
    path.write_bytes(b"a," * 10_000_000)


def quote_that_never_closes(path):
    path.write_bytes(b'Machine,Note\nP1,"' + b"line\n" * 8_000_000)


def text_without_end(path):
    path.write_bytes(b"<MTConnectStreams><Streams>" + b"x" * (60 * MEGABYTE))


def laughs(path):
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{entities}]><MTConnectStreams>&l9;</MTConnectStreams>'
    )


def nested_deeply(path):
    path.write_text("<MTConnectStreams>" + "<a>" * 100_000)


BOMBS = [
    many_parts,
    strings_of_a_gigabyte,
    steep_sheet,
    ten_million_columns,
    quote_that_never_closes,
    text_without_end,
    laughs,
    nested_deeply,
]
# A process of its own: what the test itself took to build the file must not count.
LOOK = """
    import resource, sys, time
    import django
    django.setup()
    from pathlib import Path
    from production.ingest.detect import detect_file
    from production.ingest.mapping import ImportRefused
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        detect_file(path=Path(sys.argv[1]), file_name="bomb")
        said = "taken"
    except ImportRefused as refusal:
        said = "refused"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(said, round(time.process_time() - start, 2), grown // 1024)
"""


class TestBombs:
    @pytest.mark.parametrize("build", BOMBS, ids=lambda build: build.__name__)
    def test_it_is_refused_within_two_seconds_and_100_megabytes(self, tmp_path, build):
        path = tmp_path / "bomb"
        build(path)
        shown = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(LOOK), str(path)], capture_output=True, text=True, check=True
        )
        said, seconds, megabytes = shown.stdout.split()
        assert said == "refused"
        # The processor's time: what other programs take meanwhile says nothing about the file.
        assert float(seconds) < 2
        assert int(megabytes) < 100

    def test_a_workbook_whose_sheet_defines_entities_is_refused(self, tmp_path):
        path = tmp_path / "entities.xlsx"
        path.write_bytes(with_entities())
        with pytest.raises(ImportRefused, match=r"defines entities|cannot be read as a workbook"):
            detect_file(path=path, file_name="entities.xlsx")


def with_entities():
    """A workbook as openpyxl writes it, its sheet replaced by one with a document type of its own."""
    plain, changed = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == SHEET:
                content = b'<!DOCTYPE x [<!ENTITY e "boom">]>' + content.split(b"?>", 1)[-1]
            new.writestr(name, content)
    return changed.getvalue()
