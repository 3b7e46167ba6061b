r"""Feedback Nash equilibrium of teams, and the exact gap of any affine policy.

With :math:`y = x - \bar x` and :math:`z = \bar x`, dynamics and costs of a team game fall into two linear-quadratic
games that share no variable [1]_: deviations y, with :math:`v^i = u^i - \bar u^i`, and the mean z, with :math:`\bar
u^i`. `walras.equilibria.teams.linear_quadratic` solves each. Noise differs with the number M of agents and moves no
gain: a finite game, where the mean of M agents is seen, and its limit have the same equilibrium,

.. math:: u^i = -K^i (x - \bar x) - \bar K^i \bar x .

The gap
-------
A policy that is affine in what it sees is linear feedback from (y, z, 1). Each team's best response to the others is
then a regulator problem, solved exactly. The gain at a step is what the team's control costs more than the best one
from the same states, if the best response follows; the gains of all steps sum to the gain of the best response.

Of M agents, deviations have the noise covariance :math:`(1 - 1/M) \Sigma`, and the mean :math:`\Sigma^0 + \Sigma / M`.

Playing the limit
-----------------
If agents take the limit's mean :math:`z` for their own, the error :math:`e = \bar x - z`, with covariance of order 1/M,
meets gains that were made for deviations. `limit_mean_gap` is what a team gains by meeting it better: exactly c / M.

References
----------
[1] M. A. uz Zaman, A. Koppel, M. Lauriere, T. Basar, Independent RL for cooperative-competitive agents: a mean-field
    perspective, 2024; arXiv 2403.11345.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ
from walras.envs.teams.robust_team_lq import RobustTeamLQ
from walras.envs.teams.team_lq import AbstractTeamLQ
from walras.envs.teams.team_mean_field_lq import TeamMeanFieldLQ
from walras.equilibria.teams.accuracy import relative_residual, rounding_error, status_of
from walras.equilibria.teams.linear_quadratic import (
    LinearQuadratic,
    block_diagonal,
    deviation_gain,
    expected_cost,
    feedback_nash,
)
from walras.equilibria.teams.robust import Disturbed, saddle_point

TeamGame: TypeAlias = TeamMeanFieldLQ | MeanFieldLimitLQ | RobustTeamLQ
AFFINE = 1e-4  # relative: networks are in single precision


@dataclass(frozen=True, kw_only=True, eq=False)
class TeamEquilibrium(Solution):
    """Gains of the equilibrium: the teams' controls are stacked, ``P = N p``."""

    deviation: Floats  # [T, P, n] v = -deviation (x - mean)
    mean: Floats  # [T, P, n] mean control = -mean mean
    condition: float  # the largest of a stage's system


class Moments(NamedTuple):
    """Second moments of the first state and of a step's noise, ``[k, k]`` each."""

    start: Floats
    noise: Floats


def deviation_part(game: TeamGame) -> LinearQuadratic:
    """Return the game of the deviations from the mean."""
    m = as_teams(game).matrices
    return _part(game, m.A, m.B, m.Q, m.Q_end, m.R)


def mean_part(game: TeamGame) -> LinearQuadratic:
    """Return the game of the mean."""
    m = as_teams(game).matrices
    return _part(game, m.A + m.A_mean, m.B + m.B_mean, m.Q_mean, m.Q_mean_end, m.R_mean)


def moments(game: TeamGame) -> tuple[Moments, Moments]:
    """Return the moments of the deviations and of the mean, which depend on the number of agents."""
    c, share = as_teams(game).covariances, 0.0 if isinstance(game, MeanFieldLimitLQ) else 1 / game.size
    deviations = Moments((1 - share) * c.start, (1 - share) * c.noise)
    return deviations, Moments(c.common_start + share * c.start, c.common_noise + share * c.noise)


def solve_team_mean_field(game: TeamGame) -> TeamEquilibrium:
    """Return the feedback Nash equilibrium; of `RobustTeamLQ`, the saddle point.

    Raises
    ------
    SolverError
        For `RobustTeamLQ`, if the attenuation level is too small.
    """
    if isinstance(game, RobustTeamLQ):
        for process in disturbed(game):
            saddle_point(process, game.attenuation)
    parts = deviation_part(game), mean_part(game)
    found = [feedback_nash(part) for part in parts]
    costs = sum(expected_cost(cost, *of) for (_, cost, _), of in zip(found, moments(game), strict=True))
    residual = max(relative_residual(part, gains) for part, (gains, _, _) in zip(parts, found, strict=True))
    error = max(rounding_error(part, gains, cost) for part, (gains, cost, _) in zip(parts, found, strict=True))
    condition = max(worst for _, _, worst in found)
    ends = [status_of(part, worst, 0.0, error, np.inf) for part, (_, _, worst) in zip(parts, found, strict=True)]
    return TeamEquilibrium(
        policy=feedback(game, found[0][0], found[1][0]),
        value=by_agent(game, -np.asarray(costs)),
        residual=residual,
        iterations=game.horizon,
        status=next((end for end in ends if end is not Status.CONVERGED), Status.CONVERGED),
        concept=Concept.SADDLE_POINT if isinstance(game, RobustTeamLQ) else Concept.NASH,
        deviation=found[0][0],
        mean=found[1][0],
        condition=condition,
    )


def disturbed(game: RobustTeamLQ) -> tuple[Disturbed, Disturbed]:
    """Return deviations and mean as processes of `walras.equilibria.teams.robust`, in the limit of many agents."""
    m, c, p = game.teams.matrices, game.teams.covariances, np.asarray(game.B).shape[1]
    push = m.B[:, :p], (m.B + m.B_mean)[:, :p]
    deviations = Disturbed(m.A, push[0], m.Q[0], m.Q_end[0], c.start, c.noise, game.horizon)
    mean = (m.A + m.A_mean, push[1], m.Q_mean[0], m.Q_mean_end[0], c.common_start, c.common_noise, game.horizon)
    return deviations, Disturbed(*mean)


@final
@dataclass(frozen=True, eq=False)
class TeamFeedback:
    """Each agent's linear feedback from its process and the mean."""

    deviation: Floats  # [T, P, n]
    mean: Floats  # [T, P, n]
    teams: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the controls ``[B, N M, p]``."""
        gain, bar, y, z = _read(self, observation)
        rows, agents = observation.shape[:2]
        y, z = (part.reshape(rows, self.teams, agents // self.teams, -1) for part in (y, z))
        u = np.einsum("bikn,bijn->bijk", gain, y) + np.einsum("bikn,bijn->bijk", bar, z)
        return -u.reshape(rows, agents, -1)

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        """Return the gains of each team; see `walras.core.policy.Affine`."""
        gain, bar = _at(self, t)
        return _declared(np.concatenate([-gain, gain - bar], axis=2))


@final
@dataclass(frozen=True, eq=False)
class LimitFeedback:
    """Each team's linear feedback from the generic agent's deviation, and from the mean."""

    deviation: Floats  # [T, P, n]
    mean: Floats  # [T, P, n]
    teams: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the controls of deviation and mean, ``[B, N, 2 p]``."""
        gain, bar, y, z = _read(self, observation)
        return -np.concatenate([np.einsum("bikn,bin->bik", gain, y), np.einsum("bikn,bin->bik", bar, z)], axis=2)

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        """Return the gains of each team; see `walras.core.policy.Affine`."""
        gain, bar = _at(self, t)
        of_deviation, of_mean = (np.concatenate(pair, axis=2) for pair in ((-gain, gain), (np.zeros_like(bar), -bar)))
        return _declared(np.concatenate([of_deviation, of_mean], axis=1))


def feedback(game: TeamGame, deviation: Floats, mean: Floats) -> TeamFeedback | LimitFeedback:
    """Return the policy of the gains ``[T, P, n]`` of deviations and mean."""
    kind = LimitFeedback if isinstance(game, MeanFieldLimitLQ) else TeamFeedback
    return kind(deviation, mean, as_teams(game).teams)


def visited(game: LinearQuadratic, gains: Floats, spread: Moments) -> Floats:
    """Return the second moments ``[T, k, k]`` of the states that ``gains [T, P, k]`` visit."""
    found = [spread.start]
    for t in range(game.horizon - 1):
        closed = game.A[t] - game.B[t] @ gains[t]
        found.append(closed @ found[-1] @ closed.T + spread.noise)
    return np.stack(found)


def limit_mean_gap(game: TeamMeanFieldLQ, deviation: Floats) -> Floats:
    """Return what each team gains, in an episode in which all take the limit's mean for theirs.

    Parameters
    ----------
    game : TeamMeanFieldLQ
        The game.
    deviation : array
        Gains ``[T, P, n]`` that all play.
    """
    c, part = game.covariances, mean_part(game)
    return expected_cost(deviation_gain(part, deviation), c.start / game.size, c.noise / game.size)


def affine_gains(game: TeamGame, policy: Policy) -> Floats:
    """Return the gains ``[T, 2 P, 2 n + 1]`` of a policy from (y, z, 1), team by team: of deviation, then of mean.

    Raises
    ------
    ValueError
        If the policy is not affine, or not the same for all agents of a team.
    """
    return np.stack([_probed(game, policy, t) for t in range(game.horizon)])


def _probed(game: TeamGame, policy: Policy, t: int) -> Floats:
    """Return the gains ``[2 P, 2 n + 1]`` at a time, from what is done at zero, at unit vectors, and between them."""
    teams = as_teams(game)
    n, count = len(teams.matrices.A), len(game.agents)
    rng = np.random.default_rng(0)
    point = rng.normal(size=(1, 2 * n))
    seen = np.concatenate([np.zeros((1, 2 * n)), np.eye(2 * n), point])
    observation = np.concatenate([seen, np.full((len(seen), 1), t / game.horizon)], axis=1)
    done = policy.act(np.repeat(observation[:, None], count, axis=1), rng)
    by_team = done.reshape(len(seen), teams.teams, -1, done.shape[2])
    size = 1 + np.abs(done).max()
    alike = np.abs(by_team - by_team[:, :, :1]).max() <= AFFINE * size
    require(bool(alike), "policy", "be the same for all agents of a team", policy)
    action = by_team[:, :, 0].reshape(len(seen), -1)
    offset, slopes = action[0], action[1:-1] - action[0]  # [.], [2 n, .]
    error = np.abs(offset + point[0] @ slopes - action[-1]).max()
    require(bool(error <= AFFINE * size * 10), "policy", "be affine in the process and the mean", policy)
    from_y, from_z = slopes[:n].T, (slopes[:n] + slopes[n:]).T  # x = y + z
    both = np.concatenate([from_y, from_z, offset[:, None]], axis=1)
    if not isinstance(game, MeanFieldLimitLQ):
        both = _split(both, n, teams.controls)
    return -both


def _split(gains: Floats, n: int, p: int) -> Floats:
    """Return the gains of deviation and mean of each team, from those of its agents' controls ``[P, 2 n + 1]``."""
    by_team = gains.reshape(-1, p, 2 * n + 1)
    of_y, of_z = by_team.copy(), by_team.copy()
    of_y[..., n:], of_z[..., :n] = 0.0, 0.0
    return np.concatenate([of_y, of_z], axis=1).reshape(-1, 2 * n + 1)


def whole_game(game: TeamGame) -> LinearQuadratic:
    """Return the game on (y, z, 1), in which a team owns the controls of deviation and mean."""
    y, z, p = deviation_part(game), mean_part(game), as_teams(game).controls
    n, teams = y.A.shape[1], len(y.sizes)
    order = np.arange(2 * teams * p).reshape(2, teams, p).swapaxes(0, 1).ravel()  # deviation and mean, team by team
    a, q, r = (block_diagonal(getattr(y, name), getattr(z, name)) for name in ("A", "Q", "R"))
    b = np.concatenate([block_diagonal(y.B, z.B), np.zeros((game.horizon, 1, 2 * teams * p))], axis=1)
    a, q = np.pad(a, ((0, 0), (0, 1), (0, 1))), np.pad(q, ((0, 0), (0, 0), (0, 1), (0, 1)))
    a[:, 2 * n, 2 * n] = 1.0
    return LinearQuadratic(a, b[:, :, order], q, r[:, :, order][..., order], (2 * p,) * teams)


def whole_moments(game: TeamGame) -> Moments:
    """Return the moments of (y, z, 1)."""
    (y, z) = moments(game)
    start, noise = (np.pad(block_diagonal(of_y, of_z), (0, 1)) for of_y, of_z in zip(y, z, strict=True))
    start[-1, -1] = 1.0
    return Moments(start, noise)


def _part(game: TeamGame, a: Floats, b: Floats, q: Floats, end: Floats, r: Floats) -> LinearQuadratic:
    repeated = (np.broadcast_to(matrix, (game.horizon, *matrix.shape)) for matrix in (a, b, q, r))
    a, b, q, r = repeated
    return LinearQuadratic(a, b, np.concatenate([q, end[None]]), r, (as_teams(game).controls,) * len(end))


def as_teams(game: TeamGame) -> AbstractTeamLQ[Any]:
    """Return the game as one of teams."""
    return game.teams if isinstance(game, RobustTeamLQ) else game


def by_agent(game: AbstractGame[Any], values: Floats) -> Floats:
    """Repeat ``values [..., N]`` for all agents of each team."""
    return np.repeat(values, len(game.agents) // values.shape[-1], axis=-1)


def _at(policy: TeamFeedback | LimitFeedback, t: int) -> tuple[Floats, Floats]:
    """Return the gains of deviation and mean at step t, ``[N, p, n]`` each."""
    stages, stacked, n = policy.deviation.shape
    shape, t = (policy.teams, stacked // policy.teams, n), min(t, stages - 1)
    return policy.deviation[t].reshape(shape), policy.mean[t].reshape(shape)


def _declared(gains: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ``gains [N, A, 2 n]`` without offsets and noise, as `walras.core.policy.Affine` wants them."""
    teams, size, _ = gains.shape
    return gains, np.zeros((teams, size)), np.zeros((teams, size, size))


def _read(policy: TeamFeedback | LimitFeedback, observation: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the gains ``[B, N, p, n]`` at the time that is seen, deviation and mean ``[B, A, n]``."""
    stages, stacked, n = policy.deviation.shape
    t = np.minimum(np.rint(observation[:, 0, -1] * stages).astype(np.int64), stages - 1)
    shape = (len(t), policy.teams, stacked // policy.teams, n)
    x, z = observation[..., :n], observation[..., n : 2 * n]
    return policy.deviation[t].reshape(shape), policy.mean[t].reshape(shape), x - z, z
