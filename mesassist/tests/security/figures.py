"""Figures: what a run of these tests has counted, printed at its end by `make test-walls`."""

FIGURES = {}


def note(name, value):
    """Keep a figure for the last lines of the run."""
    FIGURES[name] = value


def lines():
    """One line per figure."""
    return [f"{name:<44} {value}" for name, value in FIGURES.items()]
