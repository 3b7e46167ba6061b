"""The names of `walras.mechanisms`, one line each: strings; nothing is imported yet."""

MECHANISMS = {
    "Egalitarian": "rules",
    "EqualSplit": "rules",
    "ExPFNet": "learned.rules",
    "ExSNet": "learned.rules",
    "PartialAllocation": "rules",
    "PostedSurcharge": "rules",
    "ProportionalFairness": "rules",
    "RPFNet": "learned.rules",
    "Utilitarian": "rules",
}
"""Allocation rules, made by hand and learned, and their modules."""

NAMES = {
    "AllocationProblem": "problem",
    "Dense": "learned.networks",
    "Exchangeable": "learned.networks",
    "Exploitability": "exploitability",
    "FitSettings": "learned.training",
    "Fitted": "learned.training",
    "Mechanism": "rules",
    "Misreport": "exploitability",
    "Population": "learned.distributions",
    "Search": "search",
    "Settled": "exploitability",
    "Types": "learned.distributions",
    "Untruthful": "learned.distributions",
    "best_misreport": "exploitability",
    "efficiency": "problem",
    "egalitarian_welfare": "problem",
    "envy": "problem",
    "fit": "learned.training",
    "kept_share": "rules",
    "load": "learned.storage",
    "log_nash_welfare": "problem",
    "nash_welfare": "problem",
    "proportional_fairness_cvxpy": "program",
    "save": "learned.storage",
    "settled_misreport": "exploitability",
    "utilitarian_welfare": "problem",
    "utility": "problem",
}
"""What else `walras.mechanisms` offers, and its module."""
