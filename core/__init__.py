"""The abstractions: games, states, policies, solutions, and the shells around a game."""

from walras.core.episodes import Episodes
from walras.core.foreign import Foreign
from walras.core.game import AbstractGame, State, Step, map_state, put_rows, take_rows
from walras.core.identity import fingerprint
from walras.core.learner import Curve, Learner, Trained, train
from walras.core.policy import Constant, Policy, Random, Scripted
from walras.core.rollout import Trajectory, rollout
from walras.core.shells import FlatVector, Parallel, SingleAgent, Vector
from walras.core.solution import Certified, Solution, SolverError, Status
from walras.core.turns import Turns

__all__ = [
    "AbstractGame",
    "Certified",
    "Constant",
    "Curve",
    "Episodes",
    "FlatVector",
    "Foreign",
    "Learner",
    "Parallel",
    "Policy",
    "Random",
    "Scripted",
    "SingleAgent",
    "Solution",
    "SolverError",
    "State",
    "Status",
    "Step",
    "Trained",
    "Trajectory",
    "Turns",
    "Vector",
    "fingerprint",
    "map_state",
    "put_rows",
    "rollout",
    "take_rows",
    "train",
]
