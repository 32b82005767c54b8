"""A morning of Alfa's two presses, and the clock standing in it."""

import pytest
import time_machine


@pytest.fixture(autouse=True)
def monday(now):
    """Pages read the clock themselves: let it be the cast's Monday morning."""
    with time_machine.travel(now, tick=True):
        yield
