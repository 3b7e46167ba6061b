"""Solvers and distances: `solve(game)` returns the known equilibrium, `gap(game, policy)` the distance from it."""

from walras.equilibria.best_response_dynamic import (
    DynamicResult,
    Quote,
    best_response_dynamic,
    classify,
    exact_tick,
)
from walras.equilibria.competitive import (
    TradingEquilibrium,
    competitive_equilibrium,
    price_lattice,
    regret,
    welfare_gap,
)
from walras.equilibria.cournot import OligopolyEquilibrium
from walras.equilibria.day_ahead import CompetitiveEquilibrium
from walras.equilibria.gap import Deviation, Gap, Shortfall, StageGap
from walras.equilibria.grid_world import JointOptimum
from walras.equilibria.linear_quadratic import LinearQuadratic, LQEquilibrium, lq_nash
from walras.equilibria.lyapunov import lyapunov_descent
from walras.equilibria.solve import deviation, gap, solve
from walras.equilibria.stability import BlockingSet, blocking_set, is_stable
from walras.equilibria.stationary_lq import StationaryLQ, stationary_nash

__all__ = [
    "BlockingSet",
    "CompetitiveEquilibrium",
    "Deviation",
    "DynamicResult",
    "Gap",
    "JointOptimum",
    "LQEquilibrium",
    "LinearQuadratic",
    "OligopolyEquilibrium",
    "Quote",
    "Shortfall",
    "StageGap",
    "StationaryLQ",
    "TradingEquilibrium",
    "best_response_dynamic",
    "blocking_set",
    "classify",
    "competitive_equilibrium",
    "deviation",
    "exact_tick",
    "gap",
    "is_stable",
    "lq_nash",
    "lyapunov_descent",
    "price_lattice",
    "regret",
    "solve",
    "stationary_nash",
    "welfare_gap",
]
