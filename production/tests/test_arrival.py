"""Arrival: a source's own order beats its clock, within what a clock may be wrong."""

import pytest

from production.models import Event
from production.tests.plant import at, fold, machine_of, state
from production.tests.test_recount import recounted, stored
from production.timeline import read_timeline

NOW = at(12)

pytestmark = pytest.mark.usefixtures("small_plant")


def tell(*told, source="plc"):
    """(minute after 08:00, state, sequence), stored in the order given."""
    for minute, name, sequence in told:
        state(machine_of(), at(8, minute), name, sequence=sequence, source=source)


def read(start=0, end=40):
    span = {"from_at": at(8, start), "to_at": at(8, end), "now": NOW}
    return [
        (int((i.start - at(8)).total_seconds() // 60), str(i.state))
        for i in read_timeline(machine=machine_of(), **span)
    ]


class TestOrder:
    def test_a_step_back_in_time_counts_as_nothing(self):
        tell((10, "running", 1), (20, "unknown", 2), (18, "idle", 3), (30, "down", 4))
        assert read(10) == [(10, "running"), (20, "idle"), (30, "down")]

    def test_without_numbers_the_stamps_decide(self):
        tell((10, "running", None), (20, "unknown", None), (18, "idle", None), (30, "down", None))
        assert read(10) == [(10, "running"), (18, "idle"), (20, "unknown"), (30, "down")]

    def test_a_greater_step_back_is_late_data(self):
        tell((10, "running", 1), (20, "setup", 2), (14, "idle", 3), (30, "down", 4))
        assert read(10) == [(10, "running"), (14, "idle"), (20, "setup"), (30, "down")]

    def test_of_one_moment_the_last_stays(self):
        tell((10, "down", 1), (10, "running", 3), (10, "setup", 2))
        assert read(10) == [(10, "running")]

    def test_another_sources_numbers_say_nothing(self):
        tell((20, "setup", 2))
        tell((18, "idle", 3), source="cell")
        assert read(18) == [(18, "idle"), (20, "setup")]

    def test_every_window_tells_the_same(self):
        tell(
            (10, "running", 1),
            (20, "unknown", 2),
            (16, "idle", 3),
            (24, "setup", 5),
            (22, "down", 6),
            (30, "running", 7),
        )
        whole = read()
        for cut in range(1, 40):
            cut_off = [name for start, name in whole if start < cut][-1]
            later = [part for part in whole if part[0] > cut]
            at_cut = [part for part in whole if part[0] == cut]
            assert read(cut) == (at_cut or [(cut, cut_off)]) + later

    def test_a_late_number_reaches_back_over_what_it_puts_off(self):
        tell((10, "running", 1), (16, "idle", 3), (30, "down", 4))
        machine = machine_of()
        fold(machine, NOW)
        tell((20, "setup", 2))
        fold(machine, NOW, from_at=at(8, 20), to_at=at(8, 20))
        assert read(10) == [(10, "running"), (20, "idle"), (30, "down")]
        assert stored(machine) == recounted(machine, NOW)

    def test_flicker_keeps_its_time(self):
        machine = machine_of()
        for number in range(8):
            name = "down" if number % 2 else "running"
            event = state(machine, at(8, 10), name, sequence=number)
            Event.objects.filter(event_id=event.event_id).update(at=at(8, 10).replace(microsecond=number * 1000))
        tell((20, "idle", 9))
        spans = read_timeline(machine=machine, from_at=at(8, 10), to_at=at(8, 11), now=NOW)
        assert [round(span.seconds, 3) for span in spans][:-1] == [0.001] * 7
