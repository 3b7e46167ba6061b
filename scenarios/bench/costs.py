"""What cells cost: CPU seconds, measured, by which the time of a suite is told before it runs.

Cells that are in the storage tell what theirs cost on this machine. For others stand the seconds of `MEASURED`; for
what was never measured, the median of the game's learners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias, final

from walras.scenarios.bench.plan import Cell
from walras.scenarios.bench.store import Store
from walras.scenarios.bench.task import finished, read_manifest, stored

Costs: TypeAlias = Mapping[str, Mapping[str, tuple[float, float]]]
"""By game and method: CPU seconds of a seed's training a thousand steps, and of its judgement."""
MEASURED: Costs = {
    "allocation.resource_allocation": {
        "MAPPO": (0.195, 17.5),
        "PPO": (0.146, 14.0),
        "SAC": (0.317, 25.9),
        "random": (0.0, 1.3),
        "scripted": (0.0, 16.7),
        "shared PPO": (0.146, 10.2),
        "solved": (0.0, 1.4),
    },
    "cooperation.cooperative_navigation": {
        "DQN": (0.073, 0.0),
        "MAPPO": (0.049, 0.0),
        "PPO": (0.098, 0.0),
        "random": (0.0, 0.0),
        "scripted": (0.0, 5.4),
        "shared PPO": (0.073, 0.0),
        "solved": (0.0, 0.7),
    },
    "cooperation.grid_world": {
        "BehaviourCloning": (0.0, 0.81),
        "DM2": (0.032, 1.75),
        "DQN": (0.073, 1.2),
        "IPPO": (0.098, 7.33),
        "MAGAIL": (0.034, 1.62),
        "MAPPO": (0.037, 6.2),
        "POfD": (0.037, 1.64),
        "PPO": (0.098, 2.0),
        "PegMARL": (0.039, 2.55),
        "random": (0.0, 0.2),
        "scripted": (0.0, 0.6),
        "shared PPO": (0.073, 1.6),
        "solved": (0.0, 0.2),
    },
    "electricity.cournot_market": {
        "MAPPO": (0.049, 21.2),
        "PPO": (0.146, 11.3),
        "SAC": (0.317, 16.3),
        "random": (0.0, 0.0),
        "scripted": (0.0, 0.0),
        "shared PPO": (0.098, 3.8),
        "solved": (0.0, 0.0),
    },
    "electricity.day_ahead_market": {
        "MAPPO": (0.11, 39.9),
        "PPO": (0.244, 19.7),
        "SAC": (0.586, 37.2),
        "random": (0.0, 0.9),
        "scripted": (0.0, 10.0),
        "shared PPO": (0.269, 6.6),
        "solved": (0.0, 19.3),
    },
    "electricity.supply_function_market": {
        "MAPPO": (0.049, 19.9),
        "PPO": (0.195, 12.7),
        "SAC": (0.342, 20.0),
        "random": (0.0, 0.2),
        "scripted": (0.0, 0.0),
        "shared PPO": (0.122, 5.2),
        "solved": (0.0, 0.0),
    },
    "matrix.repeated_matrix_game": {
        "BestResponse": (0.0, 0.22),
        "FictitiousPlay": (0.053, 0.27),
        "Hedge": (0.05, 0.54),
        "PredictiveRMPlus": (0.061, 0.28),
        "SwapHedge": (0.085, 0.28),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.2),
        "solved": (0.0, 0.04),
    },
    "matrix.repeated_pricing": {
        "BestResponse": (0.0, 0.14),
        "FictitiousPlay": (0.054, 0.23),
        "Hedge": (0.053, 0.23),
        "PredictiveRMPlus": (0.065, 0.23),
        "QPairs": (0.025, 0.18),
        "SwapHedge": (0.099, 0.23),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.07),
        "solved": (0.0, 0.07),
    },
    "matrix.sequential_public_goods": {
        "random": (0.0, 0.27),
        "scripted": (0.0, 0.01),
        "solved": (0.0, 0.02),
    },
    "matrix.tabular_markov_game": {
        "FictitiousPlay": (0.034, 0.59),
        "Hedge": (0.032, 0.61),
        "PredictiveRMPlus": (0.038, 0.54),
        "SwapHedge": (0.048, 0.57),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.12),
        "solved": (0.0, 0.15),
    },
    "teams.mean_field_limit_lq": {
        "MAPPO": (0.061, 6.5),
        "MRPG": (0.0, 0.0),
        "PPO": (0.122, 0.7),
        "SAC": (0.22, 0.6),
        "WholeHorizon": (0.0, 0.1),
        "random": (0.0, 0.0),
        "scripted": (0.0, 0.0),
        "shared PPO": (0.098, 0.8),
        "solved": (0.0, 0.0),
    },
    "teams.robust_team_lq": {
        "MAPPO": (0.293, 24.76),
        "MRPG": (0.0, 1.21),
        "PPO": (1.196, 3.48),
        "RGDA": (0.0, 0.17),
        "SAC": (0.786, 2.75),
        "WholeHorizon": (0.0, 1.29),
        "random": (0.0, 0.3),
        "scripted": (0.0, 0.1),
        "shared PPO": (1.011, 3.09),
        "solved": (0.0, 0.1),
    },
    "teams.team_mean_field_lq": {
        "MAPPO": (0.859, 32.33),
        "MRPG": (0.0, 0.14),
        "PPO": (1.387, 5.65),
        "SAC": (0.693, 4.16),
        "WholeHorizon": (0.0, 0.19),
        "random": (0.0, 0.1),
        "scripted": (0.0, 0.1),
        "shared PPO": (1.006, 4.26),
        "solved": (0.0, 0.1),
    },
    "trading.trading_network_game": {
        "MAPPO": (0.146, 0.4),
        "PPO": (0.61, 1.6),
        "SAC": (1.367, 2.1),
        "random": (0.0, 0.0),
        "scripted": (0.0, 0.1),
        "shared PPO": (0.464, 0.8),
        "solved": (0.0, 0.0),
    },
}
"""What cells of `core` cost.

One thread of an AMD EPYC under other load, November 2026. Replace it by what a store tells: `measured_here`.
"""
START = 4.0
"""Seconds in which a worker is started."""


@final
@dataclass(frozen=True)
class Estimated:
    """What cells are estimated to cost."""

    seconds: dict[str, float]
    """Of each cell, on one core."""
    unknown: int
    """Cells like which none was measured."""

    @property
    def total(self) -> float:
        """Of all cells."""
        return sum(self.seconds.values())

    def told(self, workers: int) -> str:
        """Return the time on some workers, in words."""
        longest = max(self.seconds.values(), default=0.0)
        words = in_words(max(self.total / workers, longest) + START * bool(self.seconds))
        doubt = f", guessed for {self.unknown} cells like which none was measured" if self.unknown else ""
        return f"{words} on {workers} {'worker' if workers == 1 else 'workers'}{doubt}"


def estimated(cells: Sequence[Cell], here: Costs) -> Estimated:
    """Return what cells are estimated to cost, by what others cost in a storage (`measured_here`)."""
    known = {cell.id: _cost(cell, here) for cell in cells}
    found = [cost for cost in known.values() if cost is not None]
    guesses = _usual(cells, known)
    seconds = {cell.id: guesses[cell.game] if (cost := known[cell.id]) is None else cost for cell in cells}
    return Estimated(seconds, len(known) - len(found))


def _usual(cells: Sequence[Cell], known: Mapping[str, float | None]) -> dict[str, float]:
    """Return the median of what is known of a game's learners, or of all cells, or half a minute; by game."""
    everywhere = [cost for cost in known.values() if cost is not None] or [30.0]
    learners = [(cell.game, known[cell.id]) for cell in cells if cell.role == "learner"]
    here = {game: [cost for name, cost in learners if name == game and cost is not None] for game, _ in learners}
    return {cell.game: median(here.get(cell.game) or everywhere) for cell in cells}


def measured_here(store: Store) -> Costs:
    """Return what cells in a storage cost, as `MEASURED`; every cell is read.

    Raises
    ------
    ValueError
        If a cell is damaged.
    """
    each: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name in finished(store):
        manifest = stored(store, name, read_manifest)
        cell, spent = manifest["cell"], manifest["cpu_seconds"]
        seeds = len(cell["seeds"])
        costs = spent["train"] / seeds / cell["steps"] * 1000, spent["judge"] / seeds
        each.setdefault(cell["game"], {}).setdefault(cell["method"], []).append(costs)
    return {
        game: {name: (median(c[0] for c in costs), median(c[1] for c in costs)) for name, costs in methods.items()}
        for game, methods in each.items()
    }


def in_words(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cost(cell: Cell, here: Costs) -> float | None:
    """Return the CPU seconds of a cell, if such a one was measured."""
    for table in (here, MEASURED):
        found = table.get(cell.game, {}).get(cell.method)
        if found is not None:
            return len(cell.seeds) * (found[0] * cell.steps / 1000 + found[1])
    return None
