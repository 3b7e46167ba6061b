"""Solvers and distances: `solve(game)` returns the known equilibrium, `gap(game, policy)` the distance from it."""

from walras.core.lazy import lazy
from walras.equilibria.gap import deviation, gap
from walras.equilibria.registration import NAMES
from walras.equilibria.solve import solve

__all__ = ["deviation", "gap", "solve"]

__getattr__, __dir__ = lazy(__name__, {name: f"{module}:{name}" for name, module in NAMES.items()})
