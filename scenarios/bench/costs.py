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
        "IPPO": (0.155, 5.14),
        "MAPPO": (0.158, 5.13),
        "PPO": (0.407, 5.24),
        "SAC": (1.76, 5.5),
        "TD3": (1.108, 5.48),
        "random": (0.0, 2.5),
        "scripted": (0.0, 2.43),
        "shared PPO": (0.349, 5.33),
        "shared SAC": (0.634, 5.01),
        "solved": (0.0, 2.7),
    },
    "auctions.autobidding_market": {
        "IPPO": (0.107, 0.83),
        "MAPPO": (0.109, 0.85),
        "PPO": (0.126, 1.34),
        "SAC": (0.717, 1.63),
        "SGDUCB": (0.133, 0.76),
        "TD3": (0.144, 1.34),
        "random": (0.0, 0.21),
        "scripted": (0.0, 0.21),
        "shared PPO": (0.15, 1.52),
        "shared SAC": (0.652, 1.52),
        "solved": (0.0, 0.21),
    },
    "auctions.contest": {
        "ExponentialWeights": (1.105, 0.56),
        "IPPO": (0.137, 3.39),
        "MAPPO": (0.139, 3.29),
        "PPO": (0.358, 4.96),
        "SAC": (1.664, 4.74),
        "TD3": (0.382, 3.37),
        "random": (0.0, 0.61),
        "scripted": (0.0, 0.55),
        "shared PPO": (0.294, 4.06),
        "shared SAC": (0.61, 3.63),
        "solved": (0.0, 0.41),
    },
    "auctions.double_auction": {
        "ExponentialWeights": (0.705, 0.54),
        "IPPO": (0.123, 1.61),
        "MAPPO": (0.144, 2.04),
        "PPO": (0.27, 2.59),
        "SAC": (1.246, 2.13),
        "TD3": (0.248, 1.81),
        "random": (0.0, 0.3),
        "scripted": (0.0, 0.26),
        "shared PPO": (0.229, 2.31),
        "shared SAC": (0.654, 2.36),
        "solved": (0.0, 0.2),
    },
    "auctions.llg_auction": {
        "IPPO": (0.158, 2.58),
        "MAPPO": (0.157, 2.36),
        "PPO": (0.427, 4.45),
        "SAC": (2.249, 4.2),
        "TD3": (0.499, 3.9),
        "random": (0.0, 0.25),
        "scripted": (0.0, 0.22),
        "shared PPO": (0.348, 3.95),
        "shared SAC": (0.815, 3.62),
        "solved": (0.0, 0.14),
    },
    "auctions.multi_unit_auction": {
        "IPPO": (0.129, 1.07),
        "MAPPO": (0.149, 1.22),
        "PPO": (0.255, 2.36),
        "SAC": (1.279, 2.36),
        "TD3": (0.241, 1.73),
        "random": (0.0, 0.33),
        "scripted": (0.0, 0.35),
        "shared PPO": (0.206, 1.83),
        "shared SAC": (0.555, 1.63),
        "solved": (0.0, 0.2),
    },
    "auctions.sealed_bid_auction": {
        "ExponentialWeights": (0.721, 0.38),
        "IPPO": (0.136, 1.73),
        "MAPPO": (0.119, 1.47),
        "PPO": (0.258, 2.58),
        "SAC": (1.267, 2.37),
        "TD3": (0.265, 2.1),
        "random": (0.0, 0.32),
        "scripted": (0.0, 0.24),
        "shared PPO": (0.253, 3.07),
        "shared SAC": (0.673, 1.93),
        "solved": (0.0, 0.2),
    },
    "cooperation.cooperative_navigation": {
        "BehaviourCloning": (1.611, 0.53),
        "DM2": (0.081, 0.89),
        "DQN": (0.2, 0.78),
        "IPPO": (0.081, 0.86),
        "MAGAIL": (0.566, 0.83),
        "MAPPO": (0.083, 0.88),
        "POfD": (0.092, 0.91),
        "PPO": (0.304, 1.17),
        "PegMARL": (0.139, 0.76),
        "random": (0.0, 0.03),
        "scripted": (0.0, 0.09),
        "shared PPO": (0.161, 0.87),
        "solved": (0.0, 0.31),
    },
    "cooperation.grid_world": {
        "BehaviourCloning": (0.156, 0.14),
        "DM2": (0.039, 0.89),
        "DQN": (0.162, 2.06),
        "IPPO": (0.064, 1.42),
        "MAGAIL": (0.16, 1.48),
        "MAPPO": (0.063, 1.39),
        "POfD": (0.041, 1.09),
        "PPO": (0.273, 2.95),
        "PegMARL": (0.042, 1.02),
        "random": (0.0, 0.26),
        "scripted": (0.0, 0.28),
        "shared PPO": (0.126, 2.3),
        "solved": (0.0, 0.24),
    },
    "electricity.cournot_market": {
        "BestResponse": (0.0, 0.06),
        "IPPO": (0.141, 0.44),
        "MAPPO": (0.145, 0.46),
        "PPO": (0.462, 2.06),
        "SAC": (1.914, 1.77),
        "TD3": (1.333, 1.58),
        "random": (0.0, 0.04),
        "scripted": (0.0, 0.04),
        "shared PPO": (0.349, 1.22),
        "shared SAC": (0.729, 1.09),
        "solved": (0.0, 0.04),
    },
    "electricity.day_ahead_market": {
        "IPPO": (0.186, 1.71),
        "MAPPO": (0.211, 1.71),
        "PPO": (0.607, 3.76),
        "SAC": (3.213, 3.98),
        "TD3": (1.933, 5.84),
        "random": (0.0, 0.92),
        "scripted": (0.0, 0.26),
        "shared PPO": (0.531, 2.83),
        "shared SAC": (0.68, 2.44),
        "solved": (0.0, 13.68),
    },
    "electricity.forward_spot_market": {
        "IPPO": (0.155, 0.2),
        "MAPPO": (0.115, 0.16),
        "PPO": (0.237, 0.21),
        "SAC": (1.184, 0.19),
        "TD3": (0.827, 0.22),
        "random": (0.0, 0.05),
        "scripted": (0.0, 0.05),
        "shared PPO": (0.24, 0.2),
        "shared SAC": (0.724, 0.22),
        "solved": (0.0, 0.04),
    },
    "electricity.network_cournot_market": {
        "IPPO": (0.134, 0.28),
        "MAPPO": (0.139, 0.31),
        "PPO": (0.298, 0.55),
        "SAC": (1.45, 0.73),
        "TD3": (0.734, 0.42),
        "random": (0.0, 0.38),
        "scripted": (0.0, 0.04),
        "shared PPO": (0.222, 0.42),
        "shared SAC": (0.661, 0.4),
        "solved": (0.0, 0.03),
    },
    "electricity.storage_market": {
        "IPPO": (0.124, 0.28),
        "MAPPO": (0.111, 0.26),
        "PPO": (0.239, 0.66),
        "SAC": (1.214, 0.72),
        "TD3": (0.849, 0.64),
        "random": (0.0, 0.31),
        "scripted": (0.0, 0.03),
        "shared PPO": (0.249, 0.62),
        "shared SAC": (0.658, 0.56),
        "solved": (0.0, 0.03),
    },
    "electricity.supply_function_market": {
        "BestResponse": (0.0, 0.05),
        "IPPO": (0.157, 0.91),
        "MAPPO": (0.13, 0.79),
        "PPO": (0.361, 2.08),
        "SAC": (1.826, 2.26),
        "TD3": (1.203, 2.16),
        "random": (0.0, 0.24),
        "scripted": (0.0, 0.04),
        "shared PPO": (0.299, 1.54),
        "shared SAC": (0.726, 1.67),
        "solved": (0.0, 0.04),
    },
    "matrix.repeated_matrix_game": {
        "BestResponse": (0.0, 0.21),
        "DQN": (0.452, 2.14),
        "FictitiousPlay": (0.068, 0.37),
        "Hedge": (0.05, 0.34),
        "IPPO": (0.149, 0.71),
        "MAPPO": (0.132, 0.7),
        "PPO": (0.285, 3.04),
        "PredictiveRMPlus": (0.066, 0.34),
        "SwapHedge": (0.088, 0.32),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.19),
        "shared PPO": (0.298, 2.64),
        "solved": (0.0, 0.03),
    },
    "matrix.repeated_pricing": {
        "BestResponse": (0.0, 0.17),
        "DQN": (0.407, 1.96),
        "FictitiousPlay": (0.092, 0.34),
        "Hedge": (0.051, 0.34),
        "IPPO": (0.134, 0.63),
        "MAPPO": (0.116, 0.6),
        "PPO": (0.3, 3.13),
        "PredictiveRMPlus": (0.08, 0.33),
        "QPairs": (0.039, 0.29),
        "SwapHedge": (0.103, 0.29),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.08),
        "shared PPO": (0.319, 2.48),
        "solved": (0.0, 0.08),
    },
    "matrix.sequential_public_goods": {
        "IPPO": (0.154, 0.09),
        "MAPPO": (0.166, 0.1),
        "PPO": (0.511, 0.24),
        "SAC": (1.758, 0.16),
        "TD3": (0.399, 0.14),
        "random": (0.0, 0.25),
        "scripted": (0.0, 0.01),
        "shared PPO": (0.276, 0.14),
        "shared SAC": (0.649, 0.12),
        "solved": (0.0, 0.02),
    },
    "matrix.tabular_markov_game": {
        "DQN": (0.371, 2.13),
        "FictitiousPlay": (0.04, 0.67),
        "Hedge": (0.036, 0.59),
        "IPPO": (0.112, 0.64),
        "MAPPO": (0.115, 0.6),
        "PPO": (0.315, 3.34),
        "PredictiveRMPlus": (0.046, 0.64),
        "SwapHedge": (0.045, 0.56),
        "random": (0.0, 0.01),
        "scripted": (0.0, 0.18),
        "shared PPO": (0.249, 2.42),
        "solved": (0.0, 0.14),
    },
    "teams.mean_field_limit_lq": {
        "IPPO": (0.062, 0.54),
        "MAPPO": (0.077, 0.6),
        "MRPG": (0.007, 0.06),
        "PPO": (0.161, 1.02),
        "SAC": (1.348, 0.89),
        "TD3": (0.735, 0.74),
        "WholeHorizon": (0.036, 0.07),
        "random": (0.0, 0.04),
        "scripted": (0.0, 0.03),
        "shared PPO": (0.119, 0.92),
        "shared SAC": (0.671, 0.76),
        "solved": (0.0, 0.02),
    },
    "teams.robust_team_lq": {
        "IPPO": (0.131, 1.05),
        "MAPPO": (0.14, 1.08),
        "MRPG": (0.006, 0.13),
        "PPO": (0.644, 2.05),
        "RGDA": (0.009, 0.13),
        "SAC": (4.964, 1.59),
        "TD3": (3.689, 1.57),
        "WholeHorizon": (0.02, 0.12),
        "random": (0.0, 0.06),
        "scripted": (0.0, 0.05),
        "shared PPO": (0.397, 1.73),
        "shared SAC": (0.639, 1.25),
        "solved": (0.0, 0.04),
    },
    "teams.team_mean_field_lq": {
        "IPPO": (0.146, 1.52),
        "MAPPO": (0.131, 1.35),
        "MRPG": (0.011, 0.12),
        "PPO": (0.573, 2.77),
        "SAC": (4.654, 1.94),
        "TD3": (3.291, 1.88),
        "WholeHorizon": (0.03, 0.12),
        "random": (0.0, 0.05),
        "scripted": (0.0, 0.04),
        "shared PPO": (0.374, 2.4),
        "shared SAC": (0.697, 1.74),
        "solved": (0.0, 0.02),
    },
    "trading.trading_network_game": {
        "IPPO": (0.127, 2.07),
        "MAPPO": (0.16, 2.11),
        "PPO": (0.446, 6.22),
        "SAC": (1.501, 7.33),
        "TD3": (1.108, 5.98),
        "ZeroIntelligence": (0.0, 0.44),
        "random": (0.0, 0.26),
        "scripted": (0.0, 0.37),
        "shared PPO": (0.393, 4.15),
        "shared SAC": (0.298, 3.48),
        "solved": (0.0, 0.14),
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
