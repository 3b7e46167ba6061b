"""Reference learners and scripted policies.

`walras.agents.mappo` and `ippo` learn every game; `sb3` trains with Stable-Baselines3; `mrpg`, `rgda` and
`whole_horizon` learn linear gains.
"""

from walras.agents.best_response import BestResponse
from walras.agents.evaluation import Estimate, estimate, evaluate, interquartile_mean
from walras.core.policy import Constant, Random, Truthful

__all__ = [
    "BestResponse",
    "Constant",
    "Estimate",
    "Random",
    "Truthful",
    "estimate",
    "evaluate",
    "interquartile_mean",
]
