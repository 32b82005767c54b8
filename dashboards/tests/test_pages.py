"""Pages of the dashboards room, as whole requests."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from mesassist.tenants.place import PlatformRole
from production.formats import format_count, format_duration, format_ratio
from production.ingest.store import store_events
from production.models import ImportRun, Machine, Quarantined, Summary
from production.summaries import main_summary, read_summary, spec_of

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(1)</script>"
SUMMARY = {
    "name": "Line 1 today",
    "window": "today",
    "metrics": ["oee", "down"],
    "group_by": "machine",
    "compare_to": "",
}


class Markup(HTMLParser):
    """What a browser would run or style from a page: scripts without a file, event handlers, inline styles."""

    def __init__(self, text):
        super().__init__()
        self.active, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in named and named.get("type") != "application/json"):
            self.active.append(tag)
        self.active += [name for name in named if name == "style" or name.startswith("on")]


def page(name, **kwargs):
    return reverse(f"dashboards:{name}", kwargs={"tenant": "alfa", **kwargs})


def tiles(response):
    found = re.findall(r'data-tile="(\w+)"[^>]*>([^<]*)<', response.content.decode())
    return {key: unescape(value).strip() for key, value in found}


def count_queries(client, address, capture):
    with capture() as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.fixture
def capture():
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)


class TestBoard:
    def test_its_tiles_show_the_figures_of_the_summary(self, morning, client_of, vic, now):
        totals = read_summary(spec=spec_of(main_summary()), now=now).totals
        shown = tiles(client_of(vic).get(page("board")))
        assert shown == {
            "oee": format_ratio(totals.oee),
            "availability": format_ratio(totals.availability),
            "performance": format_ratio(totals.performance),
            "quality": format_ratio(totals.quality),
            "good": format_count(1800),
            "scrap": format_count(57),
            "down": format_duration(50 * 60),
        }

    def test_a_line_narrows_the_figures(self, morning, client_of, vic):
        Machine.objects.filter(code="M2").update(line=other_line(morning))
        shown = tiles(client_of(vic).get(page("board"), {"window": "today", "line": line_id("L1")}))
        assert (shown["good"], shown["down"]) == ("1,100", "0 min")

    def test_the_ends_of_a_custom_period_are_wall_clock_times_of_the_plant(self, morning, client_of, vic):
        ends = {"window": "custom", "from": "2026-03-02T07:00", "to": "2026-03-02T08:00"}
        response = client_of(vic).get(page("board"), ends)
        period = response.context["data"].period
        assert (period.from_at.isoformat(), period.to_at.isoformat()) == (
            "2026-03-02T06:00:00+00:00",
            "2026-03-02T07:00:00+00:00",
        )
        assert tiles(response)["down"] == "50 min"

    def test_a_custom_period_the_wrong_way_round_says_so_and_shows_the_summarys_own(self, morning, client_of, vic):
        ends = {"window": "custom", "from": "2026-03-02T08:00", "to": "2026-03-02T07:00"}
        response = client_of(vic).get(page("board"), ends)
        assert "The end must be later than the start." in response.content.decode()
        assert response.context["data"].period.window == "last_7_days"

    def test_another_plants_summary_is_not_there(self, morning, client_of, vic, db, beta):
        from mesassist.tenants.scope import platform_scope

        with platform_scope("test", role=PlatformRole.STAFF):
            theirs = Summary.objects.create(tenant=beta, name="Theirs")
        assert client_of(vic).get(page("board"), {"summary": theirs.pk}).status_code == 404

    def test_a_plant_without_events_says_what_to_do(self, alfa, client_of, vic):
        text = client_of(vic).get(page("board")).content.decode()
        assert "No machine has reported anything yet." in text
        assert "data-tile" not in text

    def test_a_hostile_machine_name_stays_text(self, morning, client_of, vic):
        Machine.objects.filter(code="M1").update(name=HOSTILE[:120])
        for name in ("board", "strips", "data"):
            text = client_of(vic).get(page(name)).content.decode()
            assert "&lt;img src=x onerror=alert(1)&gt;" in text
            markup = Markup(text)
            assert (markup.active, "img" in markup.tags) == ([], False)

    def test_it_carries_nothing_that_the_policy_would_stop(self, morning, client_of, boris):
        response = client_of(boris).get(page("board"))
        assert Markup(response.content.decode()).active == []
        policy = {part.strip() for part in response["Content-Security-Policy"].split(";")}
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= policy

    def test_it_costs_the_same_queries_with_three_machines_as_with_two(self, morning, client_of, vic, capture, now):
        client = client_of(vic)
        main_summary()
        two = count_queries(client, page("board"), capture)
        third = Machine.objects.get(code="M1")
        third.pk, third.code, third.name = None, "M3", "Press 3"
        third.save(force_insert=True)
        event = {"event_id": "x", "machine": "M3", "at": "2026-03-02T05:00:00Z", "kind": "state", "state": "running"}
        store_events(events=[event], source="erp-7", now=now)
        assert count_queries(client, page("board"), capture) == two


def line_id(code):
    from production.models import Line

    return Line.objects.get(code=code).pk


def other_line(site):
    from production.models import Line

    return Line.objects.create(tenant=site.tenant, code="L2", name="Line 2", site=site)


class TestStrips:
    def test_each_machine_says_its_states_and_their_reasons(self, morning, client_of, vic):
        text = client_of(vic).get(page("strips"), {"window": "today"}).content.decode()
        assert text.count('class="strip-track"') == 2
        assert "Down, Mon 2 Mar 2026 07:10 to 08:00, 50 min, Jam" in text

    def test_a_plant_without_machines_says_so(self, alfa, client_of, vic):
        assert "No machine has a state in this period." in client_of(vic).get(page("strips")).content.decode()


class TestSummaries:
    def test_a_manager_composes_changes_and_deletes_one(self, small_plant, client_of, boris):
        client = client_of(boris)
        assert client.post(page("summary-new"), SUMMARY).url == page("summaries")
        made = Summary.objects.get(name="Line 1 today")
        assert (made.window, made.metrics, made.created_by) == ("today", ["oee", "down"], boris)
        client.post(page("summary", summary_id=made.pk), SUMMARY | {"window": "yesterday"})
        made.refresh_from_db()
        assert made.window == "yesterday"
        assert "Delete Line 1 today?" in client.get(page("summary-delete", summary_id=made.pk)).content.decode()
        client.post(page("summary-delete", summary_id=made.pk))
        assert not Summary.objects.filter(pk=made.pk)

    def test_an_operator_reads_them_and_finds_no_way_to_change_them(self, small_plant, client_of, ana):
        main_summary()
        client = client_of(ana)
        text = client.get(page("summaries")).content.decode()
        assert "Plant" in text
        assert page("summary-new") not in text
        assert client.post(page("summary-new"), SUMMARY).status_code == 403

    def test_a_name_is_taken_once(self, small_plant, client_of, boris):
        client = client_of(boris)
        client.post(page("summary-new"), SUMMARY)
        response = client.post(page("summary-new"), SUMMARY)
        assert response.status_code == 422
        assert "There is a summary with this name already." in response.content.decode()
        assert Summary.objects.filter(name="Line 1 today").count() == 1

    def test_a_custom_period_needs_both_ends(self, small_plant, client_of, boris):
        response = client_of(boris).post(page("summary-new"), SUMMARY | {"window": "custom"})
        assert response.context["form"].errors == {
            "from_at": ["Enter date and time."],
            "to_at": ["Enter date and time."],
        }

    def test_the_main_one_cannot_be_deleted(self, small_plant, client_of, boris):
        address = page("summary-delete", summary_id=main_summary().pk)
        assert client_of(boris).post(address).status_code == 404
        assert Summary.objects.filter(is_main=True).count() == 1

    def test_a_form_without_its_token_changes_nothing(self, small_plant, boris):
        client = Client(enforce_csrf_checks=True)
        client.force_login(boris)
        assert client.post(page("summary-new"), SUMMARY).status_code == 403
        assert not Summary.objects.filter(name="Line 1 today")

    def test_the_list_costs_the_same_queries_for_three_as_for_one(self, small_plant, client_of, boris, capture):
        client = client_of(boris)
        main_summary()
        one = count_queries(client, page("summaries"), capture)
        for name in "ab":
            Summary.objects.create(tenant=boris.memberships.get().tenant, name=name, created_by=boris)
        assert (one, count_queries(client, page("summaries"), capture)) == (8, 8)

    def test_the_preview_shows_figures_of_a_summary_that_has_no_name_yet(self, morning, client_of, boris):
        text = client_of(boris).post(page("summary-preview"), SUMMARY | {"name": ""}).content.decode()
        assert "50 min" in text
        assert not Summary.objects.filter(name="")

    def test_the_preview_says_what_is_missing(self, morning, client_of, boris):
        text = client_of(boris).post(page("summary-preview"), SUMMARY | {"metrics": []}).content.decode()
        assert "Choose at least one figure." in text


@pytest.fixture
def bad_row(in_alfa, now):
    """A file with a row that was not taken and one that was taken with a warning."""
    warning = {"line": 334, "column": "Span", "code": "bad_number", "detail": "not a number", "raw": HOSTILE}
    run = ImportRun.objects.create(
        tenant=in_alfa, file_name="log.csv", sha256="0" * 64, mapping="4tu", zone="Europe/Warsaw", received=3,
        accepted=1, duplicate=1, quarantined=1, warnings=[warning], started_at=now, finished_at=now,
    )  # fmt: skip
    return Quarantined.objects.create(
        tenant=in_alfa, source="log.csv", position=7, code="unknown_machine", detail="There is no machine M9.",
        raw=HOSTILE, received_at=now, import_run=run,
    )  # fmt: skip


class TestData:
    def test_it_says_how_fresh_each_machine_is(self, morning, client_of, vic):
        arrivals = client_of(vic).get(page("data")).context["arrivals"]
        assert [(one.code, one.newest_at.isoformat(), one.quiet) for one in arrivals] == [
            ("M1", "2026-03-02T08:20:00+00:00", False),
            ("M2", "2026-03-02T08:20:00+00:00", False),
        ]

    def test_it_shows_what_files_brought(self, bad_row, client_of, vic):
        assert "log.csv" in client_of(vic).get(page("files")).content.decode()
        text = client_of(vic).get(page("import", run_id=bad_row.import_run_id)).content.decode()
        for words in ("log.csv", "Line 334, Span: not a number", "Line 7: There is no machine M9."):
            assert words in text
        markup = Markup(text)
        assert (markup.active, "img" in markup.tags) == ([], False)

    def test_a_viewer_is_not_led_to_what_is_for_operators(self, small_plant, client_of, vic, ana):
        of_operators = {page("quarantine"), page("events")}
        for person, there in ((vic, set()), (ana, of_operators)):
            text = client_of(person).get(page("data")).content.decode()
            assert {address for address in of_operators if f'href="{address}"' in text} == there

    def test_it_costs_the_same_queries_for_three_rows_as_for_one(self, bad_row, client_of, vic, capture):
        client = client_of(vic)
        one = count_queries(client, page("data"), capture)
        for number in (8, 9):
            bad_row.pk, bad_row.position, bad_row.raw = None, number, str(number)
            bad_row.save(force_insert=True)
        assert count_queries(client, page("data"), capture) == one
