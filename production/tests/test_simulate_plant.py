"""simulate_plant: live events through the doors that plants use."""

import datetime as dt
import itertools
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mesassist.tenants.models import ApiKey
from mesassist.tenants.scope import tenant_scope
from production.ingest.contract import CountEvent, StateEvent
from production.models import Event, EventKind, KafkaSource
from production.simulator.live import SOURCE, LivePlant, Station, read_stations

STATIONS = [Station("M1", "P1", 10.0, ("jam",)), Station("M2", None, 0.5, ())]
START = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)


def tell_an_hour(seed=1, events=4):
    plant = LivePlant(STATIONS, seed, run="r")
    return [
        event for second in range(3600) for event in plant.tell(events=events, now=START + dt.timedelta(seconds=second))
    ]


class TestLivePlant:
    def test_the_same_seed_tells_the_same_story(self):
        assert tell_an_hour() == tell_an_hour()
        assert tell_an_hour() != tell_an_hour(seed=2)

    def test_it_tells_as_many_events_as_asked_each_with_an_id_of_its_own(self):
        events = tell_an_hour()
        assert len(events) == len({event.event_id for event in events}) == 4 * 3600

    def test_no_machine_makes_more_than_its_ideal_cycle_allows(self):
        for station in STATIONS:
            made = [e for e in tell_an_hour() if isinstance(e, CountEvent) and e.machine == station.code]
            pieces = sum(event.good + event.scrap for event in made)
            assert 0.3 < pieces * station.ideal_cycle / 3600 < 1

    def test_states_alternate(self):
        for station in STATIONS:
            states = [e.state for e in tell_an_hour() if isinstance(e, StateEvent) and e.machine == station.code]
            assert states[0] == "running"
            assert all(one != two for one, two in itertools.pairwise(states))

    def test_a_machine_without_reasons_stops_without_one(self):
        stops = [e for e in tell_an_hour() if isinstance(e, StateEvent) and e.state == "down"]
        assert {(event.machine, event.reason) for event in stops} == {("M1", "jam"), ("M2", None)}

    def test_the_end_is_lost_contact(self):
        said = LivePlant(STATIONS, 1, run="r").fall_silent(now=START)
        assert [(event.machine, event.state) for event in said] == [("M1", "unknown"), ("M2", "unknown")]


class TestStations:
    def test_they_are_the_machines_of_the_tenant(self, small_plant):
        assert read_stations() == [Station("M1", "P1", 10.0, ("jam",)), Station("M2", "P1", 10.0, ("jam",))]


@pytest.mark.django_db(transaction=True)
class TestCommand:
    def test_it_sends_through_the_rest_door_and_leaves_no_key(self, live_server, small_plant, boris, alfa):
        said = StringIO()
        call_command("simulate_plant", tenant="alfa", rate=40, seconds=1.2, url=live_server.url, stdout=said)
        sent, taken = (int(number) for number in re.search(r"(\d+) events sent, (\d+) taken", said.getvalue()).groups())
        assert sent == taken
        assert sent in {20, 40, 60}  # of three half seconds; a slow machine misses some
        with tenant_scope(alfa):
            told = Event.objects.filter(source=SOURCE)
            assert told.count() == sent + 2  # and a last word of each machine
            last = told.filter(kind=EventKind.STATE).order_by("machine__code", "-at").distinct("machine__code")
            assert [event.state for event in last] == ["unknown", "unknown"]
        with tenant_scope(alfa):
            assert ApiKey.objects.count() == 0

    def test_a_key_that_is_not_valid_is_told(self, live_server, small_plant):
        with pytest.raises(CommandError, match="401"):
            call_command("simulate_plant", tenant="alfa", rate=10, seconds=1, url=live_server.url, key="nonsense")

    def test_a_portal_that_is_not_there_is_told(self, small_plant, boris, alfa):
        with pytest.raises(CommandError, match="Is the portal up"):
            call_command("simulate_plant", tenant="alfa", rate=10, seconds=1, url="http://127.0.0.1:9")
        with tenant_scope(alfa):
            assert ApiKey.objects.count() == 0


class TestRefusals:
    def test_an_unknown_tenant(self, alfa):
        with pytest.raises(CommandError, match="There are: alfa"):
            call_command("simulate_plant", tenant="gamma", rate=1)

    def test_a_tenant_without_machines(self, alfa):
        with pytest.raises(CommandError, match="no machine in use"):
            call_command("simulate_plant", tenant="alfa", rate=1)

    def test_an_unknown_kafka_source(self, small_plant):
        with pytest.raises(CommandError, match="There are: none yet"):
            call_command("simulate_plant", tenant="alfa", rate=1, kafka="line")

    def test_a_source_of_another_vocabulary(self, small_plant, alfa):
        KafkaSource.objects.create(tenant=alfa, name="line", topic="t", bootstrap_servers="127.0.0.1:9", payload="umh")
        with pytest.raises(CommandError, match="this sends JSON events"):
            call_command("simulate_plant", tenant="alfa", rate=1, kafka="line")

    @pytest.mark.parametrize("rate", ["0", "-3", "many", "nan"])
    def test_a_rate_that_is_none(self, rate):
        with pytest.raises(CommandError, match="not a number above 0"):
            call_command("simulate_plant", "--tenant=alfa", f"--rate={rate}")
