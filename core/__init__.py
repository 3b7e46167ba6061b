"""The abstractions: games, states, policies, solutions, and the shells around a game."""

from walras.core.episodes import Episodes
from walras.core.game import AbstractGame, State, Step, map_state, put_rows, take_rows
from walras.core.policy import Constant, Policy, Random, Truthful
from walras.core.rollout import Trajectory, rollout
from walras.core.shells import FlatVector, Parallel, SingleAgent, Vector
from walras.core.solution import Certified, Solution, SolverError, Status

__all__ = [
    "AbstractGame",
    "Certified",
    "Constant",
    "Episodes",
    "FlatVector",
    "Parallel",
    "Policy",
    "Random",
    "SingleAgent",
    "Solution",
    "SolverError",
    "State",
    "Status",
    "Step",
    "Trajectory",
    "Truthful",
    "Vector",
    "map_state",
    "put_rows",
    "rollout",
    "take_rows",
]
