"""Solvers and distances: `solve(game)` returns the known equilibrium, `gap(game, policy)` the distance from it."""

from walras.equilibria.cournot import OligopolyEquilibrium
from walras.equilibria.day_ahead import CompetitiveEquilibrium
from walras.equilibria.gap import Deviation, Gap, StageGap
from walras.equilibria.linear_quadratic import LinearQuadratic, LQEquilibrium, lq_nash
from walras.equilibria.solve import deviation, gap, solve
from walras.equilibria.stationary_lq import StationaryLQ, stationary_nash

__all__ = [
    "CompetitiveEquilibrium",
    "Deviation",
    "Gap",
    "LQEquilibrium",
    "LinearQuadratic",
    "OligopolyEquilibrium",
    "StageGap",
    "StationaryLQ",
    "deviation",
    "gap",
    "lq_nash",
    "solve",
    "stationary_nash",
]
