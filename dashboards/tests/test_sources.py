"""Sources page, as whole requests."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from production.models import Implausible, KafkaSource, Machine, SourceRank


def page(name="sources", *args):
    return reverse(f"dashboards:{name}", args=["alfa", *args])


@pytest.fixture
def reading(morning, now):
    machine = Machine.objects.get(code="M1")
    return Implausible.objects.create(
        tenant=machine.tenant, machine=machine, source="erp-7", event_id="c1", at=now, name="parts", value=9000,
        delta=8000, most=120,
    )  # fmt: skip


class TestRanks:
    def test_it_lists_every_source_that_is_known(self, morning, alfa, api_key, client_of, vic):
        api_key(alfa, "ingest", name="scale-2")
        KafkaSource.objects.create(tenant=alfa, name="presses", topic="p", bootstrap_servers="b:1")
        SourceRank.objects.create(tenant=alfa, source="erp-7", rank=5)
        assert client_of(vic).get(page()).context["ranks"] == [("erp-7", 5), ("presses", 0), ("scale-2", 0)]

    def test_a_manager_says_which_is_believed(self, morning, client_of, boris):
        client = client_of(boris)
        for rank in ("3", "-2"):
            assert client.post(page("source-rank"), {"source": "erp-7", "rank": rank}).url == page()
            assert SourceRank.objects.get().rank == int(rank)

    @pytest.mark.parametrize(
        ("sent", "field"),
        [
            ({"source": "manual:boris", "rank": "1"}, "source"),
            ({"source": "inference", "rank": "1"}, "source"),
            ({"source": "", "rank": "1"}, "source"),
            ({"source": "erp-7", "rank": "101"}, "rank"),
            ({"source": "erp-7", "rank": "high"}, "rank"),
        ],
    )
    def test_what_makes_no_sense_is_told(self, morning, client_of, boris, sent, field):
        response = client_of(boris).post(page("source-rank"), sent)
        assert (response.status_code, list(response.context["form"].errors)) == (422, [field])
        assert SourceRank.objects.count() == 0

    def test_others_have_nothing_to_press(self, reading, client_of, ana):
        assert 'method="post"' not in client_of(ana).get(page()).content.decode().split("<main")[1]


class TestReadings:
    def test_a_manager_believes_a_reading(self, reading, client_of, boris):
        client = client_of(boris)
        assert "Its 8,000 pieces will count as produced." in client.get(page()).content.decode()
        client.post(page("reading-trust", reading.pk))
        row = Implausible.objects.get()
        assert (row.trusted_by, row.trusted_at is not None) == (boris, True)

    def test_that_of_another_plant_is_not_there(self, reading, client_of, carla):
        address = page("reading-trust", reading.pk).replace("/alfa/", "/beta/")
        assert client_of(carla).post(address).status_code == 404

    def test_three_cost_the_same_queries_as_one(self, reading, client_of, boris):
        client, counts = client_of(boris), []
        for event_ids in ([], ["c2", "c3"]):
            for event_id in event_ids:
                reading.pk, reading.event_id = None, event_id
                reading.save(force_insert=True)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page()).status_code == 200
            counts.append(len(queries))
        assert counts == [11, 11]

    def test_without_any_it_says_so(self, morning, client_of, vic):
        assert "Every reading was believed" in client_of(vic).get(page()).content.decode()
