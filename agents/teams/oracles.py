r"""Gradients of a stage's cost: exact, or estimated from costs alone.

The stage
---------
A receding horizon freezes the gains of all later stages of a linear-quadratic game. What player i then pays from stage
t on, from states with second moment :math:`\Sigma`, is quadratic in its gain :math:`K^i` of that stage, with the
gradient

.. math:: \nabla_i = 2 \big[ (R^i + B^{i\top} P^i B^i) K^i - B^{i\top} P^i (A - \sum_{k \ne i} B^k K^k) \big] \Sigma,

where :math:`P^i` is its cost-to-go at t + 1. The natural gradient is :math:`\nabla_i \Sigma^{-1}`; that is what oracles
return, for all players at once. For stacked gains it is :math:`2 (\Phi K - b)`, with the system of
`walras.equilibria.teams.linear_quadratic`.

The oracles
-----------
- `ExactOracle` knows the model.
- `ZerothOrderOracle` sees costs alone [1, 2]_. It plays the gain :math:`K^i + e_j`, with :math:`e_j` even on the sphere
  of radius r, from one state each, and weighs each disturbance by its cost:

  .. math:: \widehat\nabla_i = \frac{d}{N_b r^2} \sum_{j=1}^{N_b} \hat J^i_j \, e_j, \qquad d = \dim K^i .

  As the cost is quadratic the estimate has no bias, whatever the radius. Its error falls as
  :math:`N_b^{-1/2} / r` while the cost at the centre outweighs what the disturbance adds, so r need not be small.
- `VarianceReducedOracle` is not the papers': it weighs by :math:`(\hat J^i(K + e_j) - \hat J^i(K - e_j)) / 2`, both
  from the same state under the same noise. The cost at the centre, and with it the radius, drops out.

What they play
--------------
A run starts at its stage, from a state that is drawn there, and lasts to the end of the episode: :math:`T - t`
environment steps. `Oracle.runs` counts the runs of one player's gradient; every player's has runs of its own.

References
----------
[1] M. A. uz Zaman, A. Koppel, M. Lauriere, T. Basar, Independent RL for cooperative-competitive agents: a mean-field
    perspective, 2024; arXiv 2403.11345.
[2] M. A. uz Zaman, M. Lauriere, A. Koppel, T. Basar, Robust cooperative multi-agent reinforcement learning: a
    mean-field type game perspective, L4DC 2024; arXiv 2406.13992.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Floats
from walras.envs.teams.team_lq import root
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, stage_system


class Draws(NamedTuple):
    """What is random in S runs from a stage to the end."""

    states: Floats  # [S, n] at the stage
    noise: Floats  # [T - t, S, n] of each step from there on


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """A stage of a linear-quadratic game; the gains of later stages are frozen."""

    game: LinearQuadratic
    t: int
    gains: Floats  # [T, P, n]; those after t are played
    cost: Floats  # [N, n, n] costs-to-go of those gains at t + 1
    states: Floats  # [n, n] second moment of the states from which the stage is played
    noise: Floats  # [n, n] covariance of a step's noise

    def drawn(self, rng: np.random.Generator, samples: int) -> Draws:
        """Draw the first states and the noise of `samples` runs."""
        draws = rng.standard_normal((self.game.horizon - self.t + 1, samples, len(self.states)))
        return Draws(draws[0] @ root(self.states), draws[1:] @ root(self.noise))

    def run(self, player: int, gain: Floats, drawn: Draws) -> Floats:
        """Return what a player pays in each run, ``[S]``, with the gains ``gain [S, P, n]`` at the stage."""
        game, x, total = self.game, drawn.states, np.zeros(len(drawn.states))
        for s, noise in enumerate(drawn.noise, self.t):
            u = -np.einsum("spn,sn->sp", gain, x) if s == self.t else -x @ self.gains[s].T
            total += _paid(game.Q[s, player], x) + _paid(game.R[s, player], u)
            x = x @ game.A[s].T + u @ game.B[s].T + noise
        return total + _paid(game.Q[-1, player], x)


class Oracle(Protocol):
    """What tells a learner the way down."""

    @property
    def runs(self) -> int:
        """Runs from the stage to the end of the episode that a player's gradient takes; 0 if nothing is played."""
        ...

    def natural_gradient(self, stage: Stage, gain: Floats, rng: np.random.Generator) -> Floats:
        """Return the natural gradients ``[P, n]``, each player's of its own cost, at ``gain [P, n]``."""
        ...


@final
@dataclass(frozen=True)
class ExactOracle:
    """The gradient of the model."""

    @property
    def runs(self) -> int:
        """None."""
        return 0

    def natural_gradient(self, stage: Stage, gain: Floats, rng: np.random.Generator) -> Floats:
        """Return ``2 (Phi K - b)``."""
        phi, target = stage_system(stage.game, stage.t, stage.cost)
        return 2 * (phi @ gain - target)


@final
@dataclass(frozen=True)
class ZerothOrderOracle:
    """The papers' one-point estimate from costs.

    Raises
    ------
    ValueError
        If there are no samples, or the radius is not positive.
    """

    samples: int = 5_000  # runs N_b for each player's gradient
    radius: float = 1.0  # r of the disturbances, in units of the gain

    def __post_init__(self) -> None:
        require_numbers(self)
        _require_samples(self.samples, self.radius)

    @property
    def runs(self) -> int:
        """One a sample."""
        return self.samples

    def natural_gradient(self, stage: Stage, gain: Floats, rng: np.random.Generator) -> Floats:
        """Weigh disturbances by their costs."""

        def weight(player: int, nudge: Floats, drawn: Draws) -> Floats:
            return stage.run(player, gain + nudge, drawn)

        return _estimate(stage, rng, self.samples, self.radius, weight)


@final
@dataclass(frozen=True)
class VarianceReducedOracle:
    """A two-point estimate, not the papers': each disturbance and its opposite, from one state under the same noise.

    Raises
    ------
    ValueError
        If there are no samples, or the radius is not positive.
    """

    samples: int = 500  # disturbances for each player's gradient, two runs each
    radius: float = 1.0  # r of the disturbances, in units of the gain

    def __post_init__(self) -> None:
        require_numbers(self)
        _require_samples(self.samples, self.radius)

    @property
    def runs(self) -> int:
        """Two a sample."""
        return 2 * self.samples

    def natural_gradient(self, stage: Stage, gain: Floats, rng: np.random.Generator) -> Floats:
        """Weigh disturbances by half the difference that their sign makes."""

        def weight(player: int, nudge: Floats, drawn: Draws) -> Floats:
            return (stage.run(player, gain + nudge, drawn) - stage.run(player, gain - nudge, drawn)) / 2

        return _estimate(stage, rng, self.samples, self.radius, weight)


def _estimate(
    stage: Stage,
    rng: np.random.Generator,
    samples: int,
    radius: float,
    weight: Callable[[int, Floats, Draws], Floats],
) -> Floats:
    """Return the natural gradients ``[P, n]`` of all players, each from samples of its own."""
    (controls, n), found = stage.gains.shape[1:], np.empty(stage.gains.shape[1:])
    for player, mine in enumerate(stage.game.owned):
        nudge = np.zeros((samples, controls, n))
        nudge[:, mine] = _on_sphere(rng, samples, stage.game.sizes[player], n) * radius
        weights = weight(player, nudge, stage.drawn(rng, samples))
        entries = stage.game.sizes[player] * n
        found[mine] = entries / (samples * radius**2) * np.einsum("s,spn->pn", weights, nudge[:, mine])
    return np.asarray(np.linalg.solve(stage.states, found.T).T, dtype=np.float64)


def _on_sphere(rng: np.random.Generator, samples: int, rows: int, columns: int) -> Floats:
    """Draw matrices of Frobenius norm 1 evenly, ``[S, rows, columns]``."""
    draws = rng.standard_normal((samples, rows, columns))
    return draws / np.sqrt(np.einsum("spn,spn->s", draws, draws))[:, None, None]


def _paid(weights: Floats, x: Floats) -> Floats:
    return np.einsum("sn,sn->s", x @ weights, x)


def _require_samples(samples: int, radius: float) -> None:
    require(samples >= 1, "samples", "be at least 1", samples)
    require(0 < radius < np.inf, "radius", "be positive and finite", radius)
