"""Simulator: a plant with planted losses, seeded, for the demo and for tests that want a life-like plant."""

from production.simulator.alfa import ALFA
from production.simulator.beta import BETA
from production.simulator.engine import simulate
from production.simulator.fill import Filled, fill_plant
from production.simulator.plants import PlantPlan
from production.simulator.shifts import Slot, Story

__all__ = ["ALFA", "BETA", "Filled", "PlantPlan", "Slot", "Story", "fill_plant", "simulate"]
