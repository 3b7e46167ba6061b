"""Allocation rules without money, and the Nash welfare that they trade against truthfulness."""

from walras.markets.eisenberg_gale.solver import PFSolution, proportional_fairness
from walras.mechanisms.exploitability import Exploitability, Misreport, best_misreport, exploitability
from walras.mechanisms.learned.distributions import Population, Types, Untruthful
from walras.mechanisms.learned.networks import Dense, Exchangeable
from walras.mechanisms.learned.rules import ExPFNet, ExSNet, RPFNet
from walras.mechanisms.learned.storage import load, save
from walras.mechanisms.learned.training import FitSettings, Fitted, fit
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
    "Dense",
    "Egalitarian",
    "EqualSplit",
    "ExPFNet",
    "ExSNet",
    "Exchangeable",
    "Exploitability",
    "FitSettings",
    "Fitted",
    "Mechanism",
    "Misreport",
    "PFSolution",
    "PartialAllocation",
    "Population",
    "PostedSurcharge",
    "ProportionalFairness",
    "RPFNet",
    "Types",
    "Untruthful",
    "Utilitarian",
    "best_misreport",
    "efficiency",
    "egalitarian_welfare",
    "envy",
    "exploitability",
    "fit",
    "kept_share",
    "load",
    "log_nash_welfare",
    "nash_welfare",
    "proportional_fairness",
    "proportional_fairness_cvxpy",
    "save",
    "utilitarian_welfare",
    "utility",
]
