"""Crew: a child that asks to be started again is, and one that only ever asks for it is given up."""

import os
import sys
import time

import pytest

from mesassist.crew import AGAIN, RESTARTS, Crew, CrewError, StopRequest


@pytest.fixture
def crew(tmp_path):
    with Crew(environ=os.environ, logs=tmp_path / "logs", stop=StopRequest(), grace_seconds=2.0) as crew:
        yield crew


def child(text):
    return [sys.executable, "-I", "-S", "-c", text]


def check_until(crew, holds, *, within_s=20):
    until = time.monotonic() + within_s
    while not holds():
        crew.check()
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


class TestAgain:
    def test_a_child_that_asks_for_it_is_started_again(self, crew, tmp_path):
        mark = tmp_path / "mark"
        text = f"import os, sys, time; m = {str(mark)!r}\nif not os.path.exists(m): open(m, 'w'); sys.exit({AGAIN})\n"
        crew.start("worker", child(text + "open(m + '2', 'w'); time.sleep(60)"))
        first = crew.children["worker"].pid
        check_until(crew, (tmp_path / "mark2").exists)
        assert crew.children["worker"].pid != first
        crew.check()

    def test_one_that_never_stays_is_given_up(self, crew):
        crew.start("worker", child(f"raise SystemExit({AGAIN})"))
        with pytest.raises(CrewError, match=f"exit code {AGAIN}"):
            check_until(crew, lambda: len(crew.restarts) > RESTARTS + 1)

    def test_any_other_end_is_the_end(self, crew):
        crew.start("worker", child("raise SystemExit(1)"))
        with pytest.raises(CrewError, match="ended by itself, exit code 1"):
            check_until(crew, lambda: False)
