"""Allocation rules without money, and the Nash welfare that they trade against truthfulness."""

from walras.mechanisms.interior_point import PFSolution, proportional_fairness
from walras.mechanisms.problem import efficiency, envy, log_nash_welfare, nash_welfare, utility
from walras.mechanisms.program import proportional_fairness_cvxpy
from walras.mechanisms.rules import (
    EqualSplit,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    kept_share,
)

__all__ = [
    "EqualSplit",
    "Mechanism",
    "PFSolution",
    "PartialAllocation",
    "PostedSurcharge",
    "ProportionalFairness",
    "efficiency",
    "envy",
    "kept_share",
    "log_nash_welfare",
    "nash_welfare",
    "proportional_fairness",
    "proportional_fairness_cvxpy",
    "utility",
]
