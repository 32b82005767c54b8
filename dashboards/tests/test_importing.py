"""The import wizard, as whole requests."""

import re
from contextvars import Context

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from mesassist.tenants.scope import tenant_scope
from production.models import Event, FileMapping, ImportRun, ImportStatus, Upload
from production.tasks import import_upload

LOG = """Machine;Start;End;State;Good;Scrap
M1;02.03.2026 06:00;02.03.2026 07:00;run;100;1
M1;02.03.2026 07:00;02.03.2026 07:30;jam;0;0
M2;13.02.2026 06:00;13.02.2026 08:00;run;50,5;2
M2;13.02.2026 08:00;13.02.2026 08:30;=HYPERLINK("x");0;0
"""
DOUBT = "Machine;Start;End;State\nM1;02.03.2026 06:00;02.03.2026 07:00;run\n"


def page(name, *args, **query):
    return reverse(f"dashboards:{name}", args=["alfa", *args], query=query or None)


def hand_in(client, content=LOG, name="log.csv", zone="Europe/Warsaw"):
    file = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)
    return client.post(page("file-new"), {"file": file, "zone": zone})


def answers(**changed):
    """The form of the mapping as a person would fill it in."""
    form = {
        "name": "log",
        **{f"col-{name.lower()}": name for name in ("Machine", "Start", "End", "State", "Good", "Scrap")},
        "value": ["run", "jam"],
        "state": ["running", "down"],
        "reason": ["", "jam"],
        "duplicates": "keep",
        "create": "on",
    }
    return form | changed


@pytest.fixture
def boss(client_of, boris):
    return client_of(boris)


@pytest.fixture
def upload(small_plant, boss):
    """A file that was handed in and confirmed."""
    hand_in(boss)
    row = Upload.objects.get()
    assert boss.post(page("file-look", row.pk), seen(row)).url == page("file-mapping", row.pk)
    return row


def seen(upload, **changed):
    """The second page as it stands, sent back."""
    detected = upload.draft["detected"]
    form = {name: detected[name] for name in ("encoding", "delimiter", "sheet") if detected[name]}
    header = " ".join(map(str, detected["header"]))
    return form | {"header": header, "data_from": detected["data_from"], "decimal": ",", "step": "next"} | changed


def work(run):
    Context().run(import_upload, tenant_id=run.tenant_id, run_id=run.pk)
    run.refresh_from_db()
    return run


class TestChoose:
    def test_it_says_beforehand_what_it_takes_and_offers_the_plants_zone(self, small_plant, boss):
        text = boss.get(page("file-new")).content.decode()
        assert "At most 200.0\xa0MB." in text
        assert 'value="Europe/Warsaw"' in text

    def test_it_leads_to_what_the_file_is(self, small_plant, boss, boris):
        response = hand_in(boss)
        upload = Upload.objects.get()
        assert (response.status_code, response.url) == (302, page("file-look", upload.pk))
        assert (upload.file_name, upload.uploaded_by, upload.draft["zone"]) == ("log.csv", boris, "Europe/Warsaw")

    @pytest.mark.parametrize(
        ("content", "name", "zone", "said"),
        [
            (b"", "empty.csv", "UTC", "empty.csv is empty"),
            (b"%PDF-1.7 ...", "report.pdf", "UTC", "packed, or no table"),
            (LOG, "log.csv", "Mars/Olympus", "is not a time zone"),
            (LOG, "log.csv", "", "This field is required"),
        ],
    )
    def test_it_says_why_it_does_not_take_a_file(self, small_plant, boss, content, name, zone, said):
        response = hand_in(boss, content, name, zone)
        assert (response.status_code, Upload.objects.count()) == (422, 0)
        assert said in response.content.decode()

    def test_it_asks_for_a_file(self, small_plant, boss):
        response = boss.post(page("file-new"), {"zone": "UTC"})
        assert (response.status_code, "Choose a file first." in response.content.decode()) == (422, True)

    def test_it_refuses_one_that_is_too_large(self, small_plant, boss, settings):
        settings.IMPORT_MAX_BYTES = 10
        response = hand_in(boss)
        assert (response.status_code, Upload.objects.count()) == (413, 0)
        assert "at most 10\xa0bytes are taken" in response.content.decode()


class TestLook:
    def test_it_shows_what_was_found_with_the_evidence(self, small_plant, boss):
        response = boss.get(hand_in(boss).url)
        columns = {column["name"]: column["kind"] for column in response.context["detected"]["columns"]}
        assert columns == {
            "Machine": "text", "Start": "time", "End": "time", "State": "text", "Good": "number", "Scrap": "number",
        }  # fmt: skip
        assert "13.02.2026 06:00 in line 4" in response.content.decode()

    def test_it_asks_for_an_order_that_the_file_leaves_open(self, small_plant, boss):
        hand_in(boss, DOUBT)
        upload = Upload.objects.get()
        refused = boss.post(page("file-look", upload.pk), seen(upload))
        assert (refused.status_code, "How are the times of Start written?" in refused.content.decode()) == (422, True)
        assert boss.get(page("file-mapping", upload.pk)).url == page("file-look", upload.pk)
        choices = upload.draft["detected"]["columns"][1]["choices"]
        wanted = next(n for n, (_words, formats) in enumerate(choices) if formats[0].startswith("%m"))
        boss.post(page("file-look", upload.pk), seen(upload) | {"order-1": wanted, "order-2": wanted})
        upload.refresh_from_db()
        assert (upload.draft["confirmed"], upload.draft["spec"]["timestamps"]) == (True, choices[wanted][1])

    def test_it_looks_again_with_what_a_person_says(self, small_plant, boss):
        hand_in(boss)
        upload = Upload.objects.get()
        boss.post(page("file-look", upload.pk), seen(upload, delimiter=","))
        upload.refresh_from_db()
        assert upload.draft["detected"]["delimiter"] == ","

    def test_it_refuses_a_header_that_is_no_line(self, small_plant, boss):
        hand_in(boss)
        upload = Upload.objects.get()
        response = boss.post(page("file-look", upload.pk), seen(upload, header="top", step="again"))
        assert (response.status_code, "named by its line" in response.content.decode()) == (422, True)


class TestMap:
    def test_it_shows_every_value_of_the_state_column_with_how_often_it_occurs(self, boss, upload):
        response = boss.get(page("file-mapping", upload.pk))
        assert {row["value"]: row["times"] for row in response.context["rows"]} == {
            "run": 2, "jam": 1, '=HYPERLINK("x")': 1,
        }  # fmt: skip

    def test_what_no_name_tells_of_is_for_a_person_to_say(self, boss, upload):
        rows = boss.get(page("file-mapping", upload.pk)).context["rows"]
        assert {row["value"]: row["state"] for row in rows} == {"run": "running", "jam": "", '=HYPERLINK("x")': ""}

    def test_it_follows_another_choice_of_the_state_column(self, boss, upload):
        response = boss.post(page("file-states", upload.pk), answers(**{"col-state": "Machine"}))
        assert [(row["value"], row["times"]) for row in response.context["rows"] if row["times"]] == [
            ("M1", 2),
            ("M2", 2),
        ]

    def test_it_says_in_plain_words_what_the_first_rows_become(self, boss, upload):
        response = boss.post(page("file-preview", upload.pk), answers())
        preview = response.context["preview"]
        assert (preview.read, preview.fit, preview.refused) == (4, 3, 1)
        text = response.content.decode()
        assert "M1: running, 2026-03-02 06:00:00 to 2026-03-02 07:00:00" in text
        assert "unknown_state" in text

    def test_it_says_what_is_missing(self, boss, upload):
        response = boss.post(page("file-preview", upload.pk), answers(**{"col-machine": ""}))
        assert "name the column that holds the machine" in response.content.decode()

    def test_it_saves_the_mapping_for_the_plant(self, boss, upload, alfa):
        boss.post(page("file-mapping", upload.pk), answers(step="save"))
        assert FileMapping.objects.get().spec["states"]["jam"] == {"state": "down", "reason": "jam"}
        assert FileMapping.objects.get().tenant == alfa

    def test_it_asks_before_it_replaces_one(self, boss, upload):
        boss.post(page("file-mapping", upload.pk), answers(step="save"))
        other = answers(step="save", duplicates="skip")
        asked = boss.post(page("file-mapping", upload.pk), other)
        assert (asked.status_code, "Replace log" in asked.content.decode()) == (409, True)
        assert "duplicates" not in FileMapping.objects.get().spec
        assert boss.post(page("file-mapping", upload.pk), other | {"replace": "on"}).status_code == 302
        assert FileMapping.objects.get().spec["duplicates"] == "skip"

    def test_the_next_file_of_the_kind_starts_from_it(self, boss, upload):
        boss.post(page("file-mapping", upload.pk), answers(step="save"))
        hand_in(boss)
        again = Upload.objects.order_by("pk").last()
        assert (again.draft["from"], again.draft["confirmed"]) == ("log", True)

    def test_it_starts_from_another_mapping_on_demand(self, boss, upload):
        FileMapping.objects.create(tenant=upload.tenant, name="short", spec={
            "version": 2, "columns": {"machine": "Machine", "start": "Start"}, "default_state": "idle",
        })  # fmt: skip
        assert boss.get(page("file-mapping", upload.pk, **{"from": "short"})).status_code == 302
        upload.refresh_from_db()
        assert upload.draft["spec"]["default_state"] == "idle"
        assert boss.get(page("file-mapping", upload.pk, **{"from": "nobodys"})).status_code == 422


class TestImport:
    @pytest.fixture
    def run(self, boss, upload):
        response = boss.post(page("file-mapping", upload.pk), answers(step="import"))
        run = ImportRun.objects.get()
        assert response.url == page("import", run.pk)
        return run

    def test_it_is_under_way_until_its_last_answer(self, boss, run):
        busy = boss.get(page("import-progress", run.pk))
        assert (busy.status_code, "hx-trigger" in busy.content.decode()) == (200, True)
        assert 'role="progressbar"' in busy.content.decode()
        work(run)
        done = boss.get(page("import-progress", run.pk))
        assert (done.status_code, "hx-trigger" in done.content.decode()) == (286, False)

    def test_it_shows_how_far_it_is(self, boss, run, now):
        ImportRun.objects.filter(pk=run.pk).update(
            status=ImportStatus.RUNNING,
            rows_done=500,
            rows_total=2000,
            report={"began_at": "2026-03-02T08:30:00+00:00"},
            heartbeat_at="2026-03-02T08:30:10+00:00",
        )
        progress = boss.get(page("import", run.pk)).context["progress"]
        assert (progress.percent, progress.tens, progress.rate, progress.left_s) == (25, 20, 50, 30.0)

    def test_its_report_adds_up(self, boss, run):
        work(run)
        response = boss.get(page("import", run.pk))
        assert (run.received, run.accepted, run.duplicate, run.quarantined) == (4, 3, 0, 1)
        text = response.content.decode()
        assert f"?file={run.pk}&amp;code=unknown_state" in text
        assert "Importing this file again adds nothing." in text
        assert response.context["window"] == "window=custom&from=2026-02-13T06%3A00&to=2026-03-02T07%3A31"

    def test_its_refused_rows_are_a_csv_without_formulas(self, boss, run):
        work(run)
        link = page("quarantine-export", file=run.pk, status="any", format="csv")
        lines = boss.get(link).content.decode().splitlines()
        assert len(lines) == 2
        assert not re.search(r'(^|,)"?[=+@-]', lines[1])

    def test_a_second_click_shows_the_first_ones(self, boss, upload, run):
        response = boss.post(page("file-mapping", upload.pk), answers(step="import"))
        assert (response.url, ImportRun.objects.count()) == (page("import", run.pk), 1)

    def test_the_same_file_is_announced_as_known(self, boss, run):
        work(run)
        hand_in(boss)
        text = boss.get(page("file-look", Upload.objects.order_by("pk").last().pk)).content.decode()
        assert "Exactly this file was imported on" in text
        assert "adds nothing" in text

    def test_a_trial_leads_back_to_the_mapping(self, boss, upload):
        boss.post(page("file-mapping", upload.pk), answers(step="try"))
        run = work(ImportRun.objects.get())
        text = boss.get(page("import", run.pk)).content.decode()
        assert "Nothing was taken: this is what an import would do." in text
        assert page("file-mapping", upload.pk) in text
        assert (Event.objects.count(), FileMapping.objects.count()) == (0, 0)

    def test_it_is_stopped_after_a_question(self, boss, run):
        assert "Stop reading log.csv?" in boss.get(page("import-cancel", run.pk)).content.decode()
        assert boss.post(page("import-cancel", run.pk)).url == page("import", run.pk)
        run.refresh_from_db()
        assert run.status == ImportStatus.CANCELLED
        assert "What was taken before stays." in boss.get(page("import", run.pk)).content.decode()

    def test_viewers_see_it_and_cannot_stop_it(self, client_of, vic, run):
        work(run)
        text = client_of(vic).get(page("import", run.pk)).content.decode()
        assert (page("quarantine-export") in text, page("file-new") in text) == (False, False)
        assert client_of(vic).post(page("import-cancel", run.pk)).status_code == 403


class TestFiles:
    def test_it_says_that_there_is_none_with_one_button(self, small_plant, boss):
        text = boss.get(page("files")).content.decode()
        assert text.count(f'href="{page("file-new")}"') == 1

    def test_it_offers_viewers_no_button(self, small_plant, client_of, vic):
        assert page("file-new") not in client_of(vic).get(page("files")).content.decode()

    def test_it_lists_what_was_begun(self, boss, upload):
        assert page("file-look", upload.pk) in boss.get(page("files")).content.decode()

    def test_a_mapping_is_deleted_after_a_question(self, boss, alfa, small_plant):
        row = FileMapping.objects.create(tenant=alfa, name="old", spec={})
        assert "Delete the mapping old?" in boss.get(page("mapping-delete", row.pk)).content.decode()
        boss.post(page("mapping-delete", row.pk))
        assert not FileMapping.objects.exists()


class TestWalls:
    @pytest.fixture
    def theirs(self, beta):
        """Beta's file, import and mapping."""
        from django.utils import timezone

        with tenant_scope(beta):
            now = timezone.now()
            upload = Upload.objects.create(tenant=beta, file_name="x", size=1, uploaded_at=now, used_at=now)
            run = ImportRun.objects.create(tenant=beta, file_name="x", started_at=now, upload=upload)
            return upload.pk, run.pk, FileMapping.objects.create(tenant=beta, name="x", spec={}).pk

    def test_another_tenants_rows_are_not_there(self, client_of, boris, theirs):
        client, (upload, run, mapping) = client_of(boris), theirs
        for name in ("file-look", "file-mapping"):
            assert client.get(page(name, upload)).status_code == 404
            assert client.post(page(name, upload)).status_code == 404
        for name in ("file-states", "file-preview"):
            assert client.post(page(name, upload)).status_code == 404
        for name in ("import", "import-progress", "import-cancel"):
            assert client.get(page(name, run)).status_code == 404
        assert client.post(page("import-cancel", run)).status_code == 404
        assert client.post(page("mapping-delete", mapping)).status_code == 404
