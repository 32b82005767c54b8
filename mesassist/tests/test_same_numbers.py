"""One number, three places: what the tiles show is what the API gives and what the assistant was sent."""

import datetime as dt
import re
from html import unescape

import pytest
import time_machine

from analyses.models import Analysis, AssistantSettings
from production.formats import format_count, format_duration, format_share
from production.ingest.store import store_events
from production.rollups import fold_dirty
from production.summaries import main_summary

SHARES = ("oee", "availability", "performance", "quality")


@pytest.fixture
def at_work(morning, alfa, now):
    """The morning of the two presses, with an assistant beside them; gives the main summary."""
    AssistantSettings.objects.create(tenant=alfa, model="offline-analyst", base_url="http://127.0.0.1:1/v1")
    with time_machine.travel(now, tick=False):
        yield main_summary()


def shown_on_tiles(client):
    found = re.findall(r'data-tile="(\w+)"[^>]*>([^<]*)<', client.get("/t/alfa/").content.decode())
    return {name: unescape(text).strip() for name, text in found}


def written(totals):
    """The totals of the API, written as people see them."""
    shares = {name: format_share(totals[name]) for name in SHARES}
    pieces = {name: format_count(totals[name]) for name in ("good", "scrap")}
    return shares | pieces | {"down": format_duration(totals["down_s"])}


class TestSameNumbers:
    def test_tiles_api_and_request_agree(self, at_work, ana, client_of):
        client = client_of(ana)
        tiles = shown_on_tiles(client)
        data = client.get(f"/api/v1/summaries/{at_work.pk}/data/").json()
        client.post("/t/alfa/panel/analyse/", {"summary": at_work.pk})
        analysis = Analysis.objects.get()
        sent = analysis.request["messages"][-1]["content"]

        assert tiles == written(data["totals"])
        assert analysis.data["totals"] == data["totals"]
        assert [fact["text"] for fact in analysis.data["facts"]] == [fact["text"] for fact in data["facts"]]
        assert all(f"{fact['id']}: {fact['text']}" in sent for fact in data["facts"])
        assert [name for name, text in tiles.items() if text not in sent] == []
        assert all(f"{name} {tiles[name]}" in sent for name in ("good", "scrap"))
        assert f"down time was {tiles['down']}" in sent

    def test_a_later_event_changes_all_three_together(self, at_work, ana, client_of, now):
        client = client_of(ana)
        before = shown_on_tiles(client)
        late = {"event_id": "late", "machine": "M1", "kind": "count", "good": 100, "product": "P1"}
        at = (now - dt.timedelta(minutes=40)).isoformat()
        store_events(events=[late | {"at": at}], source="erp-7", now=now)
        fold_dirty(now=now)
        tiles = shown_on_tiles(client)
        assert (before["good"], tiles["good"]) == ("1,800", "1,900")
        assert tiles == written(client.get(f"/api/v1/summaries/{at_work.pk}/data/").json()["totals"])
