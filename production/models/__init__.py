"""Models: the nouns of a plant, one file per family."""

from production.models.event import Event, EventKind, ImportRun, Quarantined
from production.models.master import (
    FileMapping,
    IdealCycle,
    Line,
    LossClass,
    Machine,
    Product,
    Reason,
    Shift,
    Site,
    WorkOrder,
)
from production.models.rollup import Coverage, DirtyRange, LossRollup, Rollup, State
from production.models.summary import Compare, GroupBy, Metric, Summary, Window

__all__ = [
    "Compare",
    "Coverage",
    "DirtyRange",
    "Event",
    "EventKind",
    "FileMapping",
    "GroupBy",
    "IdealCycle",
    "ImportRun",
    "Line",
    "LossClass",
    "LossRollup",
    "Machine",
    "Metric",
    "Product",
    "Quarantined",
    "Reason",
    "Rollup",
    "Shift",
    "Site",
    "State",
    "Summary",
    "Window",
    "WorkOrder",
]
