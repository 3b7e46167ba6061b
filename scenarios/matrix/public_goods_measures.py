"""Measures of public goods: what is given, what it is worth, and what deviations gain after any past."""

from walras.core.policy import Policy
from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import PublicGoodsState, SequentialPublicGoods
from walras.equilibria.gap import gap
from walras.scenarios.engine.measure import measure


@measure("contribution")
def contribution(game: SequentialPublicGoods, trajectory: Trajectory[PublicGoodsState]) -> Floats:
    """Return what each agent gives, on average over episodes, ``[N]``."""
    return trajectory.state.given[game.n].mean(axis=0)


@measure("given by all")
def given(game: SequentialPublicGoods, trajectory: Trajectory[PublicGoodsState]) -> float:
    """Return what all give together, on average over episodes."""
    return float(trajectory.state.given[game.n].sum(axis=1).mean())


@measure("sum of payoffs")
def welfare(game: SequentialPublicGoods, trajectory: Trajectory[PublicGoodsState]) -> float:
    """Return the sum of payoffs, on average over episodes."""
    return float(trajectory.total.sum(axis=1).mean())


@measure("gain after any past", "of what is at stake", "share")
def subgame_gain(game: SequentialPublicGoods, policy: Policy) -> Floats:
    """Return the most that another contribution was found to gain after any past, ``[N]``."""
    return gap(game, policy, concept="subgame perfect").relative.lower
