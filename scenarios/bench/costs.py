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
        "IPPO": (0.199, 6.54),
        "MAPPO": (0.205, 6.68),
        "PPO": (0.373, 6.97),
        "SAC": (0.47, 6.27),
        "random": (0.0, 3.14),
        "scripted": (0.0, 4.68),
        "shared PPO": (0.146, 10.2),
        "solved": (0.0, 2.9),
    },
    "auctions.autobidding_market": {
        "IPPO": (0.078, 0.87),
        "MAPPO": (0.11, 1.05),
        "PPO": (0.116, 1.86),
        "SAC": (0.188, 1.86),
        "SGDUCB": (0.162, 0.84),
        "random": (0.0, 0.25),
        "scripted": (0.0, 0.35),
        "solved": (0.0, 0.2),
    },
    "auctions.contest": {
        "IPPO": (0.089, 4.84),
        "MAPPO": (0.107, 5.02),
        "PPO": (0.286, 6.97),
        "SAC": (0.494, 6.37),
        "random": (0.0, 0.52),
        "scripted": (0.0, 0.58),
        "solved": (0.0, 0.91),
    },
    "auctions.double_auction": {
        "IPPO": (0.07, 2.48),
        "MAPPO": (0.068, 2.55),
        "PPO": (0.195, 4.22),
        "SAC": (0.263, 3.08),
        "random": (0.0, 0.23),
        "scripted": (0.0, 0.25),
        "solved": (0.0, 0.22),
    },
    "auctions.llg_auction": {
        "IPPO": (0.08, 3.04),
        "MAPPO": (0.08, 3.03),
        "PPO": (0.267, 6.22),
        "SAC": (0.395, 4.63),
        "random": (0.0, 0.32),
        "scripted": (0.0, 0.12),
        "solved": (0.0, 0.06),
    },
    "auctions.multi_unit_auction": {
        "IPPO": (0.065, 1.12),
        "MAPPO": (0.068, 1.13),
        "PPO": (0.189, 3.07),
        "SAC": (0.252, 2.44),
        "random": (0.0, 0.35),
        "scripted": (0.0, 0.32),
        "solved": (0.0, 0.23),
    },
    "auctions.sealed_bid_auction": {
        "IPPO": (0.066, 2.3),
        "MAPPO": (0.07, 2.39),
        "PPO": (0.18, 4.06),
        "SAC": (0.245, 3.22),
        "random": (0.0, 0.3),
        "scripted": (0.0, 0.21),
        "solved": (0.0, 0.4),
    },
    "cooperation.cooperative_navigation": {
        "BehaviourCloning": (1.739, 0.93),
        "DM2": (0.595, 1.29),
        "DQN": (0.073, 0.0),
        "IPPO": (0.086, 1.28),
        "MAGAIL": (0.603, 0.96),
        "MAPPO": (0.09, 1.02),
        "POfD": (0.569, 0.92),
        "PPO": (0.258, 2.22),
        "PegMARL": (1.044, 0.95),
        "random": (0.0, 0.03),
        "scripted": (0.0, 0.08),
        "shared PPO": (0.073, 0.0),
        "solved": (0.0, 1.12),
    },
    "cooperation.grid_world": {
        "BehaviourCloning": (0.204, 0.18),
        "DM2": (0.181, 1.57),
        "DQN": (0.128, 1.99),
        "IPPO": (0.07, 1.56),
        "MAGAIL": (0.198, 1.77),
        "MAPPO": (0.093, 1.88),
        "POfD": (0.188, 1.75),
        "PPO": (0.188, 3.23),
        "PegMARL": (0.251, 1.65),
        "random": (0.0, 0.3),
        "scripted": (0.0, 0.34),
        "shared PPO": (0.073, 1.6),
        "solved": (0.0, 0.32),
    },
    "electricity.cournot_market": {
        "BestResponse": (0.0, 0.07),
        "IPPO": (0.141, 0.43),
        "MAPPO": (0.167, 0.5),
        "PPO": (0.259, 1.75),
        "SAC": (0.419, 1.5),
        "random": (0.0, 0.05),
        "scripted": (0.0, 0.05),
        "shared PPO": (0.098, 3.8),
        "solved": (0.0, 0.05),
    },
    "electricity.day_ahead_market": {
        "IPPO": (0.211, 4.65),
        "MAPPO": (0.221, 4.5),
        "PPO": (0.526, 7.94),
        "SAC": (0.927, 3.84),
        "random": (0.0, 0.87),
        "scripted": (0.0, 0.57),
        "shared PPO": (0.269, 6.6),
        "solved": (0.0, 16.53),
    },
    "electricity.forward_spot_market": {
        "IPPO": (0.117, 0.16),
        "MAPPO": (0.156, 0.19),
        "PPO": (0.164, 0.22),
        "SAC": (0.257, 0.18),
        "random": (0.0, 0.08),
        "scripted": (0.0, 0.05),
        "solved": (0.0, 0.05),
    },
    "electricity.network_cournot_market": {
        "IPPO": (0.115, 0.25),
        "MAPPO": (0.164, 0.28),
        "PPO": (0.182, 0.59),
        "SAC": (0.261, 0.51),
        "random": (0.0, 0.38),
        "scripted": (0.0, 1.19),
        "solved": (0.0, 0.25),
    },
    "electricity.storage_market": {
        "IPPO": (0.129, 0.3),
        "MAPPO": (0.165, 0.35),
        "PPO": (0.186, 0.76),
        "SAC": (0.325, 0.67),
        "random": (0.0, 0.33),
        "scripted": (0.0, 0.03),
        "solved": (0.0, 0.03),
    },
    "electricity.supply_function_market": {
        "BestResponse": (0.0, 0.05),
        "IPPO": (0.059, 0.48),
        "MAPPO": (0.192, 1.07),
        "PPO": (0.279, 2.41),
        "SAC": (0.46, 1.96),
        "random": (0.0, 0.24),
        "scripted": (0.0, 0.04),
        "shared PPO": (0.122, 5.2),
        "solved": (0.0, 0.04),
    },
    "matrix.repeated_matrix_game": {
        "BestResponse": (0.0, 0.34),
        "DQN": (0.123, 1.32),
        "FictitiousPlay": (0.06, 0.39),
        "Hedge": (0.062, 0.43),
        "IPPO": (0.043, 0.43),
        "MAPPO": (0.165, 0.62),
        "PPO": (0.205, 2.61),
        "PredictiveRMPlus": (0.079, 0.42),
        "SwapHedge": (0.103, 0.41),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.23),
        "solved": (0.0, 0.19),
    },
    "matrix.repeated_pricing": {
        "BestResponse": (0.0, 0.1),
        "DQN": (0.107, 1.04),
        "FictitiousPlay": (0.065, 0.35),
        "Hedge": (0.053, 0.31),
        "IPPO": (0.122, 0.49),
        "MAPPO": (0.157, 0.54),
        "PPO": (0.202, 2.19),
        "PredictiveRMPlus": (0.065, 0.32),
        "QPairs": (0.025, 0.18),
        "SwapHedge": (0.104, 0.38),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.04),
        "solved": (0.0, 0.05),
    },
    "matrix.sequential_public_goods": {
        "IPPO": (0.136, 0.09),
        "MAPPO": (0.206, 0.11),
        "PPO": (0.309, 0.2),
        "SAC": (0.479, 0.16),
        "random": (0.0, 0.27),
        "scripted": (0.0, 0.01),
        "solved": (0.0, 0.01),
    },
    "matrix.tabular_markov_game": {
        "DQN": (0.111, 1.43),
        "FictitiousPlay": (0.034, 0.51),
        "Hedge": (0.033, 0.48),
        "IPPO": (0.139, 0.55),
        "MAPPO": (0.161, 0.58),
        "PPO": (0.185, 2.75),
        "PredictiveRMPlus": (0.039, 0.47),
        "SwapHedge": (0.047, 0.45),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.08),
        "solved": (0.0, 0.07),
    },
    "teams.mean_field_limit_lq": {
        "IPPO": (0.071, 0.81),
        "MAPPO": (0.081, 0.6),
        "MRPG": (0.007, 0.07),
        "PPO": (0.175, 1.02),
        "SAC": (0.262, 0.72),
        "WholeHorizon": (0.035, 0.09),
        "random": (0.0, 0.04),
        "scripted": (0.0, 0.14),
        "shared PPO": (0.098, 0.8),
        "solved": (0.0, 0.22),
    },
    "teams.robust_team_lq": {
        "IPPO": (0.162, 1.47),
        "MAPPO": (0.173, 1.23),
        "MRPG": (0.005, 0.12),
        "PPO": (0.782, 2.21),
        "RGDA": (0.006, 0.13),
        "SAC": (1.299, 1.62),
        "WholeHorizon": (0.02, 0.12),
        "random": (0.0, 0.07),
        "scripted": (0.0, 0.47),
        "shared PPO": (1.011, 3.09),
        "solved": (0.0, 0.46),
    },
    "teams.team_mean_field_lq": {
        "IPPO": (0.144, 2.0),
        "MAPPO": (0.165, 1.55),
        "MRPG": (0.008, 0.12),
        "PPO": (0.763, 3.12),
        "SAC": (1.309, 2.02),
        "WholeHorizon": (0.028, 0.11),
        "random": (0.0, 0.05),
        "scripted": (0.0, 0.04),
        "shared PPO": (1.006, 4.26),
        "solved": (0.0, 0.03),
    },
    "trading.trading_network_game": {
        "IPPO": (0.144, 2.5),
        "MAPPO": (0.168, 2.39),
        "PPO": (0.621, 8.54),
        "SAC": (1.213, 7.15),
        "ZeroIntelligence": (0.0, 0.61),
        "random": (0.0, 0.27),
        "scripted": (0.0, 0.44),
        "shared PPO": (0.464, 0.8),
        "solved": (0.0, 0.16),
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
