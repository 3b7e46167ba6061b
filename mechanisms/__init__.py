"""Allocation rules without money, and the Nash welfare that they trade against truthfulness."""

from walras.markets.eisenberg_gale import PFSolution, proportional_fairness
from walras.mechanisms.exploitability import Exploitability, Misreport, best_misreport, exploitability
from walras.mechanisms.problem import (
    AllocationProblem,
    efficiency,
    egalitarian_welfare,
    envy,
    log_nash_welfare,
    nash_welfare,
    utilitarian_welfare,
    utility,
)
from walras.mechanisms.program import proportional_fairness_cvxpy
from walras.mechanisms.rules import (
    Egalitarian,
    EqualSplit,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Utilitarian,
    kept_share,
)

__all__ = [
    "AllocationProblem",
    "Egalitarian",
    "EqualSplit",
    "Exploitability",
    "Mechanism",
    "Misreport",
    "PFSolution",
    "PartialAllocation",
    "PostedSurcharge",
    "ProportionalFairness",
    "Utilitarian",
    "best_misreport",
    "efficiency",
    "egalitarian_welfare",
    "envy",
    "exploitability",
    "kept_share",
    "log_nash_welfare",
    "nash_welfare",
    "proportional_fairness",
    "proportional_fairness_cvxpy",
    "utilitarian_welfare",
    "utility",
]
