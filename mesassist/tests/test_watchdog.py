"""Watchdog: when a worker is no good any more, and that it leaves then and not before."""

import signal
import time

import pytest

from mesassist import watchdog
from mesassist.watchdog import AGAIN, Watchdog, look, read_memory

TASK = "analyses.tasks.run_analysis"


class Left(Exception):
    """The worker left."""


def leave(code):
    raise Left(code)


def unreachable():
    raise ConnectionError("the broker is away")


@pytest.fixture
def dog():
    return Watchdog(limits={TASK: 10.0}, canary_s=1.0, memory_bytes=1 << 40)


@pytest.fixture
def later(monkeypatch):
    """Let time pass for the watchdog."""
    passed = [0.0]
    clock = time.monotonic
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock() + passed[0])

    def wait(seconds):
        passed[0] += seconds

    return wait


class TestHung:
    def test_a_task_far_beyond_its_limit_ends_the_worker(self, dog, later):
        dog.begin("1", TASK)
        later(9)
        look(dog, send=dog.hear, leave=leave)
        later(2)
        with pytest.raises(Left, match=str(AGAIN)):
            look(dog, send=dog.hear, leave=leave)

    def test_one_that_has_ended_and_one_without_a_limit_do_not(self, dog, later):
        dog.begin("1", TASK)
        dog.end("1")
        dog.begin("2", "production.tasks.fold_all")
        later(1000)
        look(dog, send=dog.hear, leave=leave)


class TestDeaf:
    def sing(self, dog, later, times, send=lambda: None):
        for _ in range(times):
            later(1.1)
            look(dog, send=send, leave=leave)

    def test_three_of_its_own_messages_unheard_end_the_worker(self, dog, later):
        self.sing(dog, later, 3)
        assert dog.sung == 3
        with pytest.raises(Left, match=str(AGAIN)):
            self.sing(dog, later, 1)

    def test_any_message_that_arrives_counts(self, dog, later):
        for _ in range(10):
            self.sing(dog, later, 2)
            dog.hear()

    def test_a_broker_that_is_away_proves_nothing(self, dog, later):
        self.sing(dog, later, 2)
        self.sing(dog, later, 20, send=unreachable)

    def test_a_worker_whose_hands_are_full_takes_no_message(self, dog, later):
        dog.is_full = lambda: True
        self.sing(dog, later, 20)

    def test_it_can_be_switched_off(self, dog, later):
        dog.canary_s = 0.0
        self.sing(dog, later, 20, send=unreachable)
        assert dog.sung == 0


class TestTooLarge:
    def test_it_goes_home_in_order_once(self, dog, monkeypatch):
        sent = []
        monkeypatch.setattr(watchdog.os, "kill", lambda pid, number: sent.append(number))
        dog.memory_bytes = read_memory() // 2
        for _ in range(3):
            look(dog, send=dog.hear, leave=leave)
        assert sent == [signal.SIGTERM]
        assert dog.leaving is True

    def test_the_memory_is_that_of_this_process(self):
        before = read_memory()
        ballast = bytearray(64 << 20)
        assert read_memory() - before > 32 << 20
        assert len(ballast) == 64 << 20
