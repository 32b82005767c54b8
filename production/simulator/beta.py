"""Beta: a foundry with die casters, presses and a fettling cell."""

from production.simulator.plants import PLANNED, LinePlan, Loss, MachinePlan, Planted, PlantPlan, ReasonPlan

HYDRAULIC = Loss("down", "hydraulics", 33_000, 2100, ("hose leaks", "pump overheats"))
ROBOT = Loss("down", "robot", 17_000, 620, ("lost a part", "light curtain"))
NO_METAL = Loss("idle", "no-metal", 6200, 290)
NO_BLANKS = Loss("idle", "no-blanks", 5400, 220)
STICKING = Loss("down", "sticking", 2600, 55)
EJECTOR = Loss("down", "ejector", 1900, 48)


def _castings(fastest: float) -> dict[str, float]:
    """Ideal seconds per piece of Beta's products: heavy parts take longer."""
    return {"HSG-210": fastest * 1.4, "BRK-18": fastest, "LEV-7": fastest * 0.85}


def _press(number: int, cycle: float, speed: float, scrap: float) -> MachinePlan:
    losses = (Loss("down", "tool-break", 46_000, 3300, ("punch chipped",)), HYDRAULIC, NO_BLANKS, EJECTOR)
    return MachinePlan(
        f"PR{number}", f"Press {number}", _castings(cycle), losses, speed=speed, scrap=scrap, rework=0.004
    )


BETA = PlantPlan(
    site="foundry",
    name="Foundry and press shop",
    zone="Europe/Berlin",
    products={"HSG-210": "Pump housing 210", "BRK-18": "Bracket 18", "LEV-7": "Lever 7"},
    reasons=(
        *PLANNED,
        ReasonPlan("die-change", "Die change", "setup"),
        ReasonPlan("sticking", "Casting sticks in the die", "micro_stop"),
        ReasonPlan("ejector", "Ejector hesitates", "micro_stop"),
        ReasonPlan("no-metal", "No liquid metal", "unplanned"),
        ReasonPlan("no-blanks", "No blanks", "unplanned"),
        ReasonPlan("hydraulics", "Hydraulic fault", "unplanned"),
        ReasonPlan("robot", "Robot stopped", "unplanned"),
        ReasonPlan("tool-break", "Broken tool", "unplanned"),
        ReasonPlan("die-cooling", "Die cooling fault", "unplanned"),
        ReasonPlan("porosity", "Porosity", "quality"),
        ReasonPlan("burr", "Burr", "quality"),
    ),
    lines=(
        LinePlan(
            "DC",
            "Die casting",
            (
                MachinePlan("DC1", "Die caster 1", _castings(52), (
                    Loss("down", "die-cooling", 28_000, 1700), ROBOT, NO_METAL, STICKING,
                ), speed=0.95, scrap=0.026, rework=0.01),
                MachinePlan("DC2", "Die caster 2", _castings(56), (
                    Loss("down", "die-cooling", 31_000, 1500), HYDRAULIC, NO_METAL, STICKING,
                ), speed=0.94, scrap=0.024, rework=0.01),
                MachinePlan("DC3", "Die caster 3", _castings(50), (ROBOT, HYDRAULIC, NO_METAL, STICKING),
                    speed=0.95, scrap=0.029, rework=0.01),
            ),
            changeover_s=2700,
        ),
        LinePlan(
            "PS",
            "Press shop",
            (
                _press(1, 9, 0.95, 0.010), _press(2, 9, 0.94, 0.012),
                _press(3, 11, 0.94, 0.009), _press(4, 8, 0.93, 0.011),
            ),
            changeover_s=1900,
        ),
        LinePlan(
            "FE",
            "Fettling",
            (MachinePlan("FE1", "Fettling cell 1", _castings(24), (ROBOT, NO_BLANKS, EJECTOR),
                speed=0.93, scrap=0.007, rework=0.012),),
            changeover_s=900,
        ),
    ),
    planted=Planted(
        degrading="PR3",
        slow_shift="Late",
        slow_shift_factor=2.1,
        burst_machine="DC2",
        burst_product="HSG-210",
        burst_reason="porosity",
        burst_share=0.22,
    ),
    down_now="DC3",
    down_now_reason="hydraulics",
    jammed_now="PR1",
    scrap_reason="burr",
)  # fmt: skip
