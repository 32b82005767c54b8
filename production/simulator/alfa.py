"""Alfa: a bottling hall with two PET lines."""

from production.simulator.plants import PLANNED, LinePlan, Loss, MachinePlan, Planted, PlantPlan, ReasonPlan

STARVED = Loss("idle", "starved", 4200, 170)
BLOCKED = Loss("idle", "blocked", 4800, 150)
ELECTRIC = Loss("down", "electrical", 52_000, 1500, ("sensor at the infeed", "drive tripped, reset"))
BOTTLE_JAM = Loss("down", "bottle-jam", 1500, 42)
FALLEN = Loss("down", "bottle-jam", 2100, 38)


def _cycles(fastest: float) -> dict[str, float]:
    """Ideal seconds per bottle of Alfa's products: large bottles run slower."""
    return {"WAT-05": fastest, "WAT-15": fastest * 1.5, "LEM-05": fastest * 1.1, "COL-10": fastest * 1.3}


ALFA = PlantPlan(
    site="bottling",
    name="Bottling hall",
    zone="Europe/Warsaw",
    unit="bottles",
    products={
        "WAT-05": "Still water 0.5 l",
        "WAT-15": "Still water 1.5 l",
        "LEM-05": "Lemonade 0.5 l",
        "COL-10": "Cola 1.0 l",
    },
    reasons=(
        *PLANNED,
        ReasonPlan("changeover", "Product changeover", "setup"),
        ReasonPlan("bottle-jam", "Bottle jam", "micro_stop"),
        ReasonPlan("starved", "No bottles from upstream", "unplanned"),
        ReasonPlan("blocked", "Blocked downstream", "unplanned"),
        ReasonPlan("electrical", "Electrical fault", "unplanned"),
        ReasonPlan("preform-feed", "Preform feed fault", "unplanned"),
        ReasonPlan("valve", "Filling valve leaks", "unplanned"),
        ReasonPlan("label-roll", "Label roll torn", "unplanned"),
        ReasonPlan("glue", "Glue unit fault", "unplanned"),
        ReasonPlan("gripper", "Gripper fault", "unplanned"),
        ReasonPlan("underfill", "Underfilled bottle", "quality"),
        ReasonPlan("crooked-label", "Crooked label", "quality"),
    ),
    lines=(
        LinePlan(
            "PET1",
            "PET line 1",
            (
                MachinePlan("BM1", "Blow moulder 1", _cycles(0.15), (
                    Loss("down", "preform-feed", 16_000, 700, ("preforms hook in the hopper",)),
                    ELECTRIC, BLOCKED, FALLEN,
                ), speed=0.95, scrap=0.008),
                MachinePlan("FI1", "Filler 1", _cycles(0.16), (
                    Loss("down", "valve", 21_000, 1100, ("valve 14 drips", "valve 31 drips")),
                    ELECTRIC, STARVED, BLOCKED, BOTTLE_JAM,
                ), speed=0.94, scrap=0.006),
                MachinePlan("LB1", "Labeller 1", _cycles(0.15), (
                    Loss("down", "label-roll", 13_000, 480, ("splice opened",)), STARVED, BLOCKED, BOTTLE_JAM,
                ), speed=0.93),
                MachinePlan("PK1", "Shrink packer 1", _cycles(0.14), (
                    Loss("down", "glue", 24_000, 900), ELECTRIC, STARVED, FALLEN,
                ), speed=0.92, scrap=0.004),
                MachinePlan("PA1", "Palletiser 1", _cycles(0.14), (
                    Loss("down", "gripper", 30_000, 1300, ("layer lost",)), STARVED, FALLEN,
                ), speed=0.92, scrap=0.002),
            ),
        ),
        LinePlan(
            "PET2",
            "PET line 2",
            (
                MachinePlan("BM2", "Blow moulder 2", _cycles(0.19), (
                    Loss("down", "preform-feed", 19_000, 640), ELECTRIC, BLOCKED, FALLEN,
                ), speed=0.95, scrap=0.009),
                MachinePlan("FI2", "Filler 2", _cycles(0.20), (
                    Loss("down", "valve", 26_000, 1000, ("valve 3 drips",)), STARVED, BLOCKED, BOTTLE_JAM,
                ), speed=0.94, scrap=0.006),
                MachinePlan("LB2", "Labeller 2", _cycles(0.19), (
                    Loss("down", "label-roll", 15_000, 520), ELECTRIC, STARVED, BLOCKED, BOTTLE_JAM,
                ), speed=0.93, scrap=0.011),
                MachinePlan("PK2", "Shrink packer 2", _cycles(0.18), (
                    Loss("down", "glue", 20_000, 820), STARVED, FALLEN,
                ), speed=0.92, scrap=0.004),
            ),
            changeover_s=1300,
        ),
    ),
    planted=Planted(
        degrading="LB1",
        slow_shift="Night",
        slow_shift_factor=2.4,
        burst_machine="FI2",
        burst_product="LEM-05",
        burst_reason="underfill",
        burst_share=0.14,
    ),
    down_now="PK2",
    down_now_reason="glue",
    jammed_now="FI1",
    scrap_reason="crooked-label",
)  # fmt: skip
