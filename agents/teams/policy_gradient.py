r"""What the policy gradient learners of linear-quadratic games share: rules, the receding horizon, its rate.

Rate
----
With exact gradients all players' simultaneous natural step at a stage is the affine map
:math:`K \leftarrow K - 2 \eta (\Phi K - b)`, with the system of `walras.equilibria.teams.linear_quadratic`. For small
:math:`\eta` it converges if and only if every eigenvalue of :math:`\Phi` has a positive real part, with the factor
:math:`\rho(I - 2 \eta \Phi)` that `contraction` returns. Sufficient is a block diagonal dominance,

.. math:: \max_i \sum_{k \ne i} \| \Phi_{ii}^{-1} \Phi_{ik} \| < 1,

the number that `coupling` returns. Neither depends on the noise. Both are our own derivation.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.teams.oracles import ExactOracle, Oracle, Stage
from walras.core.checks import as_definite, require
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, feedback_nash, stage_cost, stage_system
from walras.equilibria.teams.team_mean_field import (
    LimitFeedback,
    TeamFeedback,
    TeamGame,
    deviation_part,
    feedback,
    mean_part,
    moments,
)


@dataclass(frozen=True)
class Rule(ABC):
    """How gains follow a gradient: by a step, back into the ball.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    step: float = 0.1
    radius: float = 1e3  # largest Frobenius norm of a player's gain at a stage

    def __post_init__(self) -> None:
        for name in ("step", "radius"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))

    @abstractmethod
    def moved(self, game: LinearQuadratic, gains: Floats, natural: Floats, states: Floats) -> Floats:
        """Return the next gains ``[..., P, n]``, all players' at once.

        Parameters
        ----------
        game : LinearQuadratic
            Whose players own the rows of the gains.
        gains, natural : array
            Gains and natural gradients ``[..., P, n]``.
        states : array
            Second moments ``[..., n, n]`` of the states in which the gains are played.
        """


@final
@dataclass(frozen=True)
class Natural(Rule):
    """A step against the natural gradient."""

    def moved(self, game: LinearQuadratic, gains: Floats, natural: Floats, states: Floats) -> Floats:
        """Subtract ``step`` times the natural gradient."""
        return projected(game, gains - self.step * natural, self.radius)


@final
@dataclass(frozen=True)
class Vanilla(Rule):
    """A step against the plain gradient."""

    def moved(self, game: LinearQuadratic, gains: Floats, natural: Floats, states: Floats) -> Floats:
        """Subtract ``step`` times the gradient: the natural one times the states' second moments."""
        return projected(game, gains - self.step * natural @ states, self.radius)


@dataclass(frozen=True)
class StageConfig:
    """Settings of a learner that goes stage by stage.

    Raises
    ------
    ValueError
        If there are no iterations.
    """

    oracle: Oracle = field(default_factory=ExactOracle)
    rule: Rule = field(default_factory=Natural)
    iterations: int = 60  # at each stage
    states: ArrayLike | None = None  # [n, n] second moment of the states at a stage; the identity by default

    def __post_init__(self) -> None:
        require(self.iterations >= 1, "iterations", "be at least 1", self.iterations)


def projected(game: LinearQuadratic, gains: Floats, radius: float) -> Floats:
    """Return the nearest gains ``[..., P, n]`` of which no player's has a Frobenius norm above `radius`.

    Raises
    ------
    FloatingPointError
        If a gain is not finite.
    """
    if not np.isfinite(gains).all():
        raise FloatingPointError("Gains diverged beyond what numbers hold: take a smaller `step` or `radius`.")
    return gains * np.minimum(1.0, radius / np.maximum(norms(game, gains), radius))[..., game.owner, None]


def norms(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the Frobenius norms ``[..., N]`` of the players' gains ``[..., P, n]``."""
    return np.stack([np.linalg.norm(gains[..., mine, :], axis=(-2, -1)) for mine in game.owned], axis=-1)


def distance(game: LinearQuadratic, path: Floats, gains: Floats) -> Floats:
    """Return how far a path ``[..., T, P, n]`` is from ``gains [T, P, n]``: norms, summed over stages and players."""
    return norms(game, path - gains).sum(axis=(-2, -1))


def receding_horizon(
    game: LinearQuadratic,
    oracle: Oracle,
    rule: Rule,
    iterations: int,
    states: Floats,
    noise: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Learn the gains of the last stage, freeze them, and go on with the stage before.

    Parameters
    ----------
    game : LinearQuadratic
        Of N players.
    oracle : Oracle
        What tells the gradient.
    rule : Rule
        How gains follow it; all players move at the same time.
    iterations : int
        Moves at each stage, from a gain of zero.
    states : array
        Second moment ``[n, n]`` of the states from which each stage is played.
    noise : array
        Covariance ``[n, n]`` of a step's noise.
    rng : Generator
        The oracle's chance.

    Returns
    -------
    array
        Gains ``[T iterations + 1, T, P, n]`` before the first move and after each.
    """
    stages, controls, n = game.horizon, game.B.shape[2], len(states)
    gains, cost = np.zeros((stages, controls, n)), game.Q[-1]
    path = np.zeros((stages * iterations + 1, stages, controls, n))
    for t in range(stages - 1, -1, -1):
        stage, first = Stage(game, t, gains, cost, states, noise), (stages - 1 - t) * iterations + 1
        for k in range(first, first + iterations):
            gains[t] = rule.moved(game, gains[t], oracle.natural_gradient(stage, gains[t], rng), states)
            path[k] = gains
        cost = stage_cost(game, t, gains[t], cost)
    return path


def contraction(game: LinearQuadratic, step: float) -> Floats:
    """Return the factor ``[T]`` of a natural step at each stage, if all later gains are the equilibrium's."""
    factors = [np.eye(len(phi)) - 2 * step * phi for phi in _systems(game)]
    return np.array([np.abs(np.linalg.eigvals(factor)).max() for factor in factors])


def coupling(game: LinearQuadratic) -> Floats:
    """Return the sum of the other players' blocks beside a player's own, ``[T]``; below 1 small steps converge."""
    return np.array([max(_beside(game, phi, mine) for mine in game.owned) for phi in _systems(game)])


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """Learned gains and the way to them; U updates."""

    policy: TeamFeedback | LimitFeedback  # with the last gains, `deviation` and `mean`
    deviation: Floats  # [U + 1, T, P, n]
    mean: Floats  # [U + 1, T, P, n]


def train_parts(game: TeamGame, config: StageConfig, seed: int) -> Trained:
    """Learn deviations and mean of a team game, by `receding_horizon` each."""
    rng, parts = np.random.default_rng(seed), (deviation_part(game), mean_part(game))
    n = parts[0].A.shape[1]
    drawn = np.eye(n) if config.states is None else as_definite("states", config.states, (n, n), singular=False)
    y, z = (
        receding_horizon(part, config.oracle, config.rule, config.iterations, drawn, of.noise, rng)
        for part, of in zip(parts, moments(game), strict=True)
    )
    return Trained(feedback(game, y[-1], z[-1]), y, z)


def _systems(game: LinearQuadratic) -> list[Floats]:
    cost = feedback_nash(game)[1]
    return [stage_system(game, t, cost[t + 1])[0] for t in range(game.horizon)]


def _beside(game: LinearQuadratic, phi: Floats, mine: slice) -> float:
    others = (other for other in game.owned if other != mine)
    own = phi[mine, mine]
    return float(sum(np.linalg.norm(np.linalg.solve(own, phi[mine, other]), 2) for other in others))
