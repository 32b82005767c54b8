"""A key bound to a source: its events have that source, and others are not taken from it."""

import pytest

from mesassist.tenants.keys import make_key
from mesassist.tenants.scope import tenant_scope
from production.models import Event, Quarantined


@pytest.fixture
def make(in_alfa, boris):
    """A key of Alfa that may send events, and its text."""

    def new(**fields):
        return make_key(tenant=in_alfa, made_by=boris, name="erp-7", scopes=["ingest"], **fields)

    return new


class TestSource:
    @pytest.fixture
    def send(self, caller, small_plant, now):
        def post(text, *events, **headers):
            base = {"machine": "M1", "at": "2026-03-02T06:15:00+01:00", "kind": "state", "state": "running"}
            body = {"events": [base | {"event_id": f"s{at}"} | event for at, event in enumerate(events)]}
            headers = {"Authorization": f"Api-Key {text}"} | headers
            return caller().post("/api/v1/events/", body, content_type="application/json", headers=headers)

        return post

    def test_a_bound_key_sends_for_its_source(self, make, send, in_alfa):
        _, text = make(source="line-3")
        assert send(text, {}, {"source": "line-3"}).json()["accepted"] == 2
        with tenant_scope(in_alfa):
            assert set(Event.objects.values_list("source", flat=True)) == {"line-3"}

    @pytest.mark.parametrize("bad", [{}, {"state": "no such state"}], ids=["readable", "to be quarantined"])
    def test_events_that_claim_another_source_are_refused_all_together(self, make, send, in_alfa, bad):
        _, text = make(source="line-3")
        answer = send(text, {}, {"source": "line-4"} | bad)
        assert (answer.status_code, answer.json()["code"]) == (403, "source_not_yours")
        with tenant_scope(in_alfa):
            assert not Event.objects.exists()
            assert not Quarantined.objects.exists()

    def test_a_key_without_a_source_may_name_any(self, make, send):
        _, text = make()
        assert send(text, {"source": "line-4"}).json()["accepted"] == 1
