"""The Eisenberg-Gale program: proportional fairness, batched and differentiable, by an interior point method."""

from walras.markets.eisenberg_gale.solver import PFSolution, proportional_fairness

__all__ = ["PFSolution", "proportional_fairness"]
