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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from walras.agents.teams.oracles import Oracle, Stage
from walras.core.checks import require, require_numbers
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, feedback_nash, stage_cost, stage_system


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
        require_numbers(self)
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


def zero_gains(game: LinearQuadratic) -> Floats:
    """Return gains ``[T, P, n]`` of zero: all players do nothing."""
    return np.zeros((game.horizon, game.B.shape[2], game.A.shape[1]))


def norms(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the Frobenius norms ``[..., N]`` of the players' gains ``[..., P, n]``."""
    return np.stack([np.linalg.norm(gains[..., mine, :], axis=(-2, -1)) for mine in game.owned], axis=-1)


def distance(game: LinearQuadratic, path: Floats, gains: Floats) -> Floats:
    """Return how far a path ``[..., T, P, n]`` is from ``gains [T, P, n]``: norms, summed over stages and players."""
    return norms(game, path - gains).sum(axis=(-2, -1))


class Update(NamedTuple):
    """Gains after one move of the players, and the gradient that they followed."""

    gains: Floats  # [T, P, n]
    gradient: Floats  # [T, P, n] natural; zero where nothing moved


def receding_horizon(
    game: LinearQuadratic,
    oracle: Oracle,
    rule: Rule,
    iterations: int,
    states: Floats,
    noise: Floats,
    rng: np.random.Generator,
    gains: Floats | None = None,
    done: int = 0,
) -> Iterator[Update]:
    """Learn the gains of the last stage, freeze them, and go on with the stage before; yield each update.

    Parameters
    ----------
    game : LinearQuadratic
        Of N players.
    oracle : Oracle
        What tells the gradient.
    rule : Rule
        How gains follow it; all players move at the same time.
    iterations : int
        Updates of each stage, from a gain of zero.
    states : array
        Second moment ``[n, n]`` of the states from which each stage is played.
    noise : array
        Covariance ``[n, n]`` of a step's noise.
    rng : Generator
        Draws what the oracle plays.
    gains : array, optional
        Gains ``[T, P, n]`` to go on from; zero by default.
    done : int
        Updates that led to them.
    """
    gains = zero_gains(game) if gains is None else gains.copy()
    while done < game.horizon * iterations:
        t, left = game.horizon - 1 - done // iterations, iterations - done % iterations
        stage = Stage(game, t, gains, _cost_after(game, gains, t), states, noise)
        for _ in range(left):
            gradient = np.zeros_like(gains)
            gradient[t] = oracle.natural_gradient(stage, gains[t], rng)
            gains[t] = rule.moved(game, gains[t], gradient[t], states)
            yield Update(gains.copy(), gradient)
        done += left


def contraction(game: LinearQuadratic, step: float) -> Floats:
    """Return the factor ``[T]`` of a natural step at each stage, if all later gains are the equilibrium's."""
    factors = [np.eye(len(phi)) - 2 * step * phi for phi in _systems(game)]
    return np.array([np.abs(np.linalg.eigvals(factor)).max() for factor in factors])


def coupling(game: LinearQuadratic) -> Floats:
    """Return the sum of the other players' blocks beside a player's own, ``[T]``; below 1 small steps converge."""
    return np.array([max(_beside(game, phi, mine) for mine in game.owned) for phi in _systems(game)])


def _cost_after(game: LinearQuadratic, gains: Floats, t: int) -> Floats:
    """Return the costs-to-go ``[N, n, n]`` at t + 1."""
    cost = game.Q[-1]
    for s in range(game.horizon - 1, t, -1):
        cost = stage_cost(game, s, gains[s], cost)
    return cost


def _systems(game: LinearQuadratic) -> list[Floats]:
    cost = feedback_nash(game)[1]
    return [stage_system(game, t, cost[t + 1])[0] for t in range(game.horizon)]


def _beside(game: LinearQuadratic, phi: Floats, mine: slice) -> float:
    others = (other for other in game.owned if other != mine)
    own = phi[mine, mine]
    return float(sum(np.linalg.norm(np.linalg.solve(own, phi[mine, other]), 2) for other in others))
