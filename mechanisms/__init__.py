"""Allocation rules without money, and the Nash welfare that they trade against truthfulness."""

from walras.core.lazy import joined, lazy
from walras.markets.eisenberg_gale.solver import PFSolution, proportional_fairness
from walras.mechanisms.exploitability import exploitability  # at once: the module of this name would hide it
from walras.mechanisms.registration import MECHANISMS, NAMES

__all__ = ["MECHANISMS", "PFSolution", "exploitability", "proportional_fairness"]

__getattr__, __dir__ = lazy(__name__, {name: f"{place}:{name}" for name, place in joined(MECHANISMS, NAMES).items()})
