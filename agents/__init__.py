"""Reference learners and scripted policies.

`walras.agents.mappo` and `ippo` learn every game; `sb3` trains with Stable-Baselines3; `mrpg`, `rgda` and
`whole_horizon` learn linear gains.
"""

from walras.agents.registration import places
from walras.core.lazy import lazy
from walras.core.policy import Constant, Random, Scripted

__all__ = ["Constant", "Random", "Scripted"]

__getattr__, __dir__ = lazy(__name__, places())
