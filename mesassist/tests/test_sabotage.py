"""The map of the walls is current: every control is where the list says, and the tests it names are there."""

import ast
from pathlib import Path

import pytest

from mesassist.tests.sabotage.controls import read_controls

PROJECT = Path(__file__).resolve().parents[2]
CONTROLS = read_controls()


def test_it_maps_at_least_forty_controls():
    assert len(CONTROLS) >= 40
    assert len({control.name for control in CONTROLS}) == len(CONTROLS)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_each_control_can_be_taken_away(control):
    text = (PROJECT / control.file).read_text()
    assert control.removed_from(text) != text


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_the_tests_it_names_are_there(control):
    for node in control.tests:
        file, *names = node.split("[")[0].split("::")
        inside = ast.parse((PROJECT / file).read_text()).body
        for name in names:
            found = [one for one in inside if getattr(one, "name", None) == name]
            assert found, f"{node} is not there"
            inside = getattr(found[0], "body", [])
