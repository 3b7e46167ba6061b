r"""Affine policies of teams: what each team earns by them, and gains by its best response, in closed form.

With :math:`y = x - \bar x` and :math:`z = \bar x`, a policy that is affine in what agents see is linear feedback from
:math:`s = (y, z, 1)`, and each team pays a quadratic cost of s (`walras.equilibria.teams.team_mean_field`). All numbers
are those of an episode, in expectation.

The best response
-----------------
The others play :math:`u^k = -K^k_t s + \epsilon^k_t` with noise of mean zero and covariance :math:`\Sigma^k_t`. What
team i meets is a linear process with the noise :math:`W_t + \sum_{k \ne i} B^k \Sigma^k_t B^{k\top}`, which moves its
cost and not its best gains: a regulator problem with costs-to-go :math:`\hat P^i_t`. Its gain is the sum over the steps
of what its control costs more than the best one, if the best response follows, at the states that the policy itself
visits:

.. math:: \sum_t \operatorname{tr}\bigl[ (\tilde P^i_t - \hat P^i_t)\, E[s_t s_t^\top] \bigr]
          + \operatorname{tr}\bigl[ \Sigma^i_t (R^i + B^{i\top} \hat P^i_{t+1} B^i) \bigr],

with :math:`\tilde P^i_t` the cost of the policy's mean control at t and the best response after. Own noise is gain: the
second term. The first moments of all noise suffice, it need not be normal.

Agents of a team
----------------
In a finite game, each of M agents of a team has the same gains. Offsets may differ: agent j's deviation then drifts on
its own, by its offset less the team's mean offset. Costs are means over j, so values and gains are means of those of M
games that differ in this drift alone. Covariances may differ too; their mean counts, :math:`(1 - 1/M) \Sigma` of it in
deviations and :math:`\Sigma / M` in the mean.

Controls are not cut to the action space here: `limit` is the largest control that a learner tries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast, final

import numpy as np

from walras.core.checks import require
from walras.core.game import Actions
from walras.core.policy import Affine, Constant, Policy, Profile, Random, Scripted
from walras.core.typing import Bools, Floats, Ints
from walras.envs.teams.mean_field_limit_lq import MeanFieldLimitLQ
from walras.envs.teams.team_lq import root
from walras.equilibria.teams.linear_quadratic import (
    LinearQuadratic,
    alone,
    best_costs,
    cost_matrices,
    determined,
    evaluated,
    feedback_nash,
    stage_cost,
)
from walras.equilibria.teams.team_mean_field import (
    TeamGame,
    as_teams,
    by_agent,
    solve_team_mean_field,
    whole_game,
    whole_moments,
)

ROUNDING = 1e-9
"""Share of a matrix that counts as zero."""


@final
@dataclass(frozen=True, eq=False)
class AffineControls:
    """A policy that is affine in what agents see at each step, with normal noise; see `walras.core.policy.Affine`."""

    gains: Floats  # [T, K, A, O - 1]
    offsets: Floats  # [T, K, A]
    covariances: Floats  # [T, K, A, A]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the controls ``[B, N, A]`` at the time that is seen."""
        stages, count, size = self.offsets.shape
        rows, agents, _ = observation.shape
        t = np.minimum(np.rint(observation[:, 0, -1] * stages).astype(np.int64), stages - 1)
        seen = observation[..., :-1].reshape(rows, count, agents // count, -1)
        action = np.einsum("bkao,bkmo->bkma", self.gains[t], seen) + self.offsets[t][:, :, None]
        if self.covariances.any():
            spread = np.stack([[root(c) for c in by_entry] for by_entry in self.covariances])
            action += np.einsum("bkac,bkmc->bkma", spread[t], rng.standard_normal(action.shape))
        return action.reshape(rows, agents, size)

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        """Return gains, offsets and covariances at step t."""
        return self.gains[t], self.offsets[t], self.covariances[t]


class Process(NamedTuple):
    """A policy as linear feedback from s = (y, z, 1): ``u = -gains @ s`` and noise, of all teams' controls."""

    gains: Floats  # [V, T, 2 P, 2 n + 1] for each set of agents, one of each team, whose offsets differ
    shares: Floats  # [V] of all such sets
    variant: Ints  # [M] which of the V each agent of a team belongs to
    noise: Floats  # [T, 2 P, 2 P]


def declared(game: TeamGame, policy: Policy) -> Affine | None:
    """Return what `policy` declares of itself in `game`, or none.

    Policies that know their law, and the constant, the random and the scripted policy, and profiles of such.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    policy : Policy
        Any. That it does what it declares is for `walras.equilibria.teams.audit.check_declaration` to find.
    """
    space, idle = game.action_space, np.zeros((len(game.agents), *game.action_space.shape))
    match cast(object, policy):
        case Affine() as known:
            return known
        case Scripted():
            return _unmoved(game, idle, idle)
        case Random():
            return _unmoved(game, idle + (space.low + space.high) / 2, idle + (space.high - space.low) ** 2 / 12)
        case Constant(action=action) if action.shape == idle.shape:
            return _unmoved(game, action.astype(np.float64), idle)
        case Profile() as profile:
            return _joined(game, profile)
        case _:
            return None


def controls(game: TeamGame, affine: Affine) -> AffineControls:
    """Return what is declared at all steps, with one entry an agent.

    Raises
    ------
    ValueError
        If shapes do not fit the game, or a number is not finite.
    """
    agents, size = len(game.agents), game.action_space.shape[0]
    seen = game.observation_space.shape[0] - 1
    parts = [np.stack(part) for part in zip(*(affine.affine(t) for t in range(game.horizon)), strict=True)]
    count, found = parts[0].shape[1], list[Floats]()
    require(count >= 1 and agents % count == 0, "affine", f"have a divisor of {agents} entries", count)
    for part, shape in zip(parts, ((size, seen), (size,), (size, size)), strict=True):
        wanted = (game.horizon, count, *shape)
        require(part.shape == wanted, "affine", f"return an array of shape {wanted[1:]}", part.shape[1:])
        require(bool(np.isfinite(part).all()), "affine", "hold finite numbers", part)
        found.append(np.repeat(part, agents // count, axis=1))
    return AffineControls(*found)


def exact_gap(game: TeamGame, affine: Affine) -> tuple[Floats, Floats]:
    """Return what each team gains by its best response, and earns by the policy.

    Parameters
    ----------
    game : TeamMeanFieldLQ, MeanFieldLimitLQ or RobustTeamLQ
        The game.
    affine : Affine
        What all agents do.

    Returns
    -------
    gain, value : array
        ``[N]`` each, an episode, in expectation, repeated for all agents of a team. A gain is infinite where a best
        response has no bound.

    Raises
    ------
    ValueError
        If the agents of a team have different gains, or as `controls`.
    """
    whole, process = whole_game(game), _process(game, controls(game, affine))
    start, noise = _moments(game, whole, process.noise)
    gain, value = np.zeros((2, len(whole.sizes)))
    for gains, share in zip(process.gains, process.shares, strict=True):
        best, bounded = _best_costs(whole, gains)
        excess = np.where(bounded, _excess(whole, gains, best, _visited(whole, gains, start, noise)), np.inf)
        gain += share * (excess + np.where(bounded, _cost_of_noise(whole, best, _own(whole, process.noise)), 0.0))
        played = cost_matrices(whole, gains)
        cost = np.einsum("ikl,kl->i", played[0], start) + np.einsum("tikl,tkl->i", played[1:], noise)
        value -= share * (cost + np.einsum("tipq,tpq->i", whole.R, process.noise))
    return by_agent(game, gain), by_agent(game, value)


def best_responses(game: TeamGame, affine: Affine) -> AffineControls:
    """Return the policy in which each team's columns are its best response to the others' in `affine`.

    A team whose best response has no bound gets a response whose controls cost it more, so much that there is one.

    Raises
    ------
    ValueError
        As `exact_gap`.
    """
    whole, process = whole_game(game), _process(game, controls(game, affine))
    found = [
        np.concatenate([_regulator(whole, gains, team) for team in range(len(whole.sizes))], axis=1)
        for gains in process.gains
    ]
    return _as_seen(game, np.stack(found), process.variant)


def stakes(game: TeamGame) -> Floats:
    """Return what is at stake for each team, ``[N]``: its equilibrium value less that if it alone is idle."""
    policy = solve_team_mean_field(game).policy
    assert isinstance(policy, Affine)
    law, found = controls(game, policy), np.empty(len(game.agents))
    _, solved = exact_gap(game, law)
    for team in range(as_teams(game).teams):
        own = members(game, team)
        found[own] = (solved - exact_gap(game, _without(game, law, team))[1])[own]
    return found


def upper_bound(game: TeamGame) -> Floats:
    r"""Return what no deviation of a team exceeds whatever the others do, ``[N]``; infinite where nothing bounds it.

    Let team i steer the others' controls too, and see everything: one regulator of its own cost. With costs-to-go
    :math:`P_t`, stage systems :math:`H_t = R^i + B^\top P_{t+1} B \succeq 0` and its control :math:`-K_t s`, completing
    squares gives, for controls u of all teams that may depend on all of the past and on any chance but the noise to
    come,

    .. math:: J^i = E[s_0^\top P_0 s_0] + \sum_t \operatorname{tr}[W_t P_{t+1}]
              + \sum_t E \bigl[ (u_t + K_t s_t)^\top H_t (u_t + K_t s_t) \bigr] ,

    whose last sum is not negative. Others' policies and a deviation together are such controls, so the first two terms
    bound the team's cost from below. In a finite game the same holds for the deviation of each process and for the
    mean. Where some :math:`H_t` has a negative eigenvalue, as where a team is paid for what others do, there is no
    bound.
    """
    whole = whole_game(game)
    start, noise = _moments(game, whole, np.zeros_like(whole.R[:, 0]))
    costs = [_joint_costs(whole, team) for team in range(len(whole.sizes))]
    bounds = [np.inf if cost is None else -float(np.sum(cost[0] * start) + np.sum(cost[1:] * noise)) for cost in costs]
    return by_agent(game, np.array(bounds))


def one_each(game: TeamGame, laws: Sequence[AffineControls]) -> AffineControls:
    """Return the policy in which each team plays by its own of ``laws [N]``."""
    full = [controls(game, law) for law in laws]
    team = np.repeat(np.arange(len(laws)), len(game.agents) // len(laws))
    parts = ([law.gains for law in full], [law.offsets for law in full], [law.covariances for law in full])
    return AffineControls(*(np.stack([part[i][:, j] for j, i in enumerate(team)], axis=1) for part in parts))


def members(game: TeamGame, team: int) -> Bools:
    """Return which agents belong to a team, ``[N]``."""
    size = len(game.agents) // as_teams(game).teams
    return np.arange(len(game.agents)) // size == team


def _unmoved(game: TeamGame, offsets: Floats, variances: Floats) -> AffineControls:
    """Return controls ``[N, A]`` that do not change, with independent noise of ``variances [N, A]``."""
    agents, size = offsets.shape
    gains = np.zeros((agents, size, game.observation_space.shape[0] - 1))
    parts = gains, offsets, variances[:, :, None] * np.eye(size)
    return AffineControls(*(np.broadcast_to(part, (game.horizon, *part.shape)) for part in parts))


def _joined(game: TeamGame, profile: Profile) -> Affine | None:
    """Return what a profile declares, if each of its policies does."""
    found = {id(policy): declared(game, policy) for policy in profile.policies.values()}
    laws = {key: controls(game, law) for key, law in found.items() if law is not None}
    if len(laws) < len(found):
        return None
    own = [laws[id(policy)] for policy in profile.policies.values()]
    columns = ((law.gains[:, i], law.offsets[:, i], law.covariances[:, i]) for i, law in enumerate(own))
    return AffineControls(*(np.stack(part, axis=1) for part in zip(*columns, strict=True)))


def _process(game: TeamGame, law: AffineControls) -> Process:
    """Return the feedback from (y, z, 1) of a law with one entry an agent."""
    teams = as_teams(game)
    n, count, stages = len(teams.matrices.A), teams.teams, game.horizon
    gains, offsets, covariances = (
        part.reshape(stages, count, -1, *part.shape[2:]) for part in (law.gains, law.offsets, law.covariances)
    )  # [T, N, M, ...]
    apart = np.abs(gains - gains[:, :, :1]).max() <= 1e-12 * np.abs(gains).max()
    require(bool(apart), "affine", "have the same gains for all agents of a team", np.ptp(gains, axis=2).max())
    from_y, from_z = gains[:, :, 0, :, :n], gains[:, :, 0, :, :n] + gains[:, :, 0, :, n:]
    mean, noise = offsets.mean(axis=2), covariances.mean(axis=2)  # [T, N, A], [T, N, A, A]
    drift, variant, counts = _kinds(offsets - mean[:, :, None])
    if isinstance(game, MeanFieldLimitLQ):
        both = np.concatenate([from_y, from_z, mean[..., None]], axis=3)[None]
    else:
        zero, noise = np.zeros_like(from_y), _both_blocks(noise, 1 / game.size)
        of_z = np.concatenate([zero, from_z, mean[..., None]], axis=3)
        of_y = (np.concatenate([from_y, zero, own[..., None]], axis=3) for own in drift)
        both = np.stack([np.concatenate([part, of_z], axis=2) for part in of_y])
    feedback = -both.reshape(len(both), stages, -1, 2 * n + 1)
    return Process(feedback, counts / counts.sum(), variant, _blocks(noise))


def _kinds(drift: Floats) -> tuple[Floats, Ints, Ints]:
    """Return the different ones of M agents' ``drift [T, N, M, A]``, ``[V, T, N, A]``, each agent's, and how many."""
    by_agent = np.moveaxis(drift, 2, 0)
    flat = by_agent.reshape(len(by_agent), -1)
    kinds, variant, counts = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
    return kinds.reshape(-1, *by_agent.shape[1:]), variant.ravel(), counts


def _both_blocks(noise: Floats, share: float) -> Floats:
    """Return the noise of deviation and mean ``[T, N, 2 p, 2 p]`` from that of an agent, ``[T, N, p, p]``."""
    zero = np.zeros_like(noise)
    return np.block([[(1 - share) * noise, zero], [zero, share * noise]])


def _blocks(blocks: Floats) -> Floats:
    """Return block diagonal matrices ``[T, N k, N k]`` of ``blocks [T, N, k, k]``."""
    stages, count, size, _ = blocks.shape
    found = np.zeros((stages, count, size, count, size))
    found[:, np.arange(count), :, np.arange(count)] = np.moveaxis(blocks, 1, 0)
    return found.reshape(stages, count * size, count * size)


def _as_seen(game: TeamGame, gains: Floats, variant: Ints) -> AffineControls:
    """Return the policy of feedback ``gains [V, T, 2 P, 2 n + 1]`` from (y, z, 1) as one of what agents see."""
    teams = as_teams(game)
    n, count, stages = len(teams.matrices.A), teams.teams, game.horizon
    back = -gains.reshape(len(gains), stages, count, -1, 2 * n + 1)
    if not isinstance(game, MeanFieldLimitLQ):
        of_y, of_z = np.split(back, 2, axis=3)
        back = of_y + of_z
    from_y, from_z = back[0, ..., :n], back[0, ..., n : 2 * n]
    seen = np.concatenate([from_y, from_z - from_y], axis=3)
    offsets = np.moveaxis(back[variant][..., -1], 0, 2).reshape(stages, -1, back.shape[3])
    return AffineControls(np.repeat(seen, len(variant), axis=1), offsets, np.zeros((*offsets.shape, offsets.shape[2])))


def _moments(game: TeamGame, whole: LinearQuadratic, noise: Floats) -> tuple[Floats, Floats]:
    """Return the second moments of (y, z, 1) at first ``[k, k]``, and of what steps add ``[T, k, k]``."""
    spread = whole_moments(game)
    return spread.start, spread.noise + whole.B @ noise @ np.swapaxes(whole.B, 1, 2)


def _visited(whole: LinearQuadratic, gains: Floats, start: Floats, noise: Floats) -> Floats:
    """Return the second moments ``[T, k, k]`` of the states that ``gains [T, P, k]`` visit."""
    found = [start]
    for closed, added in zip((whole.A - whole.B @ gains)[:-1], noise, strict=False):
        found.append(closed @ found[-1] @ closed.T + added)
    return np.stack(found)


def _best_costs(whole: LinearQuadratic, gains: Floats) -> tuple[Floats, Bools]:
    """Return the costs-to-go ``[T + 1, N, k, k]`` of best responses, and which teams have one; else zero."""
    best = best_costs(whole, gains)
    bounded = np.asarray(np.isfinite(best).all(axis=(0, 2, 3)))
    best[:, ~bounded] = 0.0
    return best, bounded


def _excess(whole: LinearQuadratic, gains: Floats, best: Floats, states: Floats) -> Floats:
    """Return what each team's mean control costs more than the best, ``[N]``; no step's expectation is negative."""
    played = np.stack([stage_cost(whole, t, gains[t], best[t + 1]) for t in range(whole.horizon)])
    return np.maximum(np.einsum("tikl,tkl->ti", played - best[:-1], states), 0.0).sum(axis=0)


def _own(whole: LinearQuadratic, noise: Floats) -> Floats:
    """Return each team's own noise, ``[T, N, P, P]``."""
    mine = whole.owner == np.arange(len(whole.sizes))[:, None]
    return noise[:, None] * (mine[:, :, None] & mine[:, None, :])


def _cost_of_noise(whole: LinearQuadratic, cost: Floats, noise: Floats) -> Floats:
    """Return what ``noise [T, N, P, P]`` of controls costs each team that pays ``cost [T + 1, N, k, k]`` after."""
    b = whole.B[:, None]
    return np.einsum("tipq,tipq->i", whole.R + np.swapaxes(b, 2, 3) @ cost[1:] @ b, noise)


def _regulator(whole: LinearQuadratic, gains: Floats, team: int) -> Floats:
    """Return a team's best gains ``[T, 2 p, k]``; where there are none, those of a team whose controls cost more."""
    own = alone(whole, gains, team)
    found, _, condition = feedback_nash(own)
    more = np.abs(own.R).max() * np.eye(own.R.shape[-1])
    while not determined(own, condition):
        own, more = replace(own, R=own.R + more), 2 * more
        found, _, condition = feedback_nash(own)
    return found


def _joint_costs(whole: LinearQuadratic, team: int) -> Floats | None:
    """Return the costs-to-go ``[T + 1, k, k]`` of a team that steers all controls, or none if nothing bounds them."""
    cost = np.empty((whole.horizon + 1, *whole.A.shape[1:]))
    cost[-1] = whole.Q[-1, team]
    for t in range(whole.horizon - 1, -1, -1):
        pressed = whole.B[t].T @ cost[t + 1]
        bend, slope = whole.R[t, team] + pressed @ whole.B[t], pressed @ whole.A[t]
        values, vectors = np.linalg.eigh(0.5 * (bend + bend.T))
        flat = values <= ROUNDING * np.abs(values).max()
        slopes = vectors.T @ slope
        if (
            values[0] < -ROUNDING * np.abs(values).max()
            or np.abs(slopes[flat]).max(initial=0.0) > ROUNDING * np.abs(pressed).max()
        ):
            return None
        gain = vectors[:, ~flat] @ (slopes[~flat] / values[~flat, None])
        closed = whole.A[t] - whole.B[t] @ gain
        cost[t] = evaluated(closed, whole.Q[t, team], whole.R[t, team], gain, cost[t + 1])
    return cost


def _without(game: TeamGame, law: AffineControls, team: int) -> AffineControls:
    """Return the policy in which a team is idle."""
    law, idle = controls(game, law), members(game, team)
    parts = (law.gains, law.offsets, law.covariances)
    return AffineControls(*(np.where(idle.reshape(-1, *(1,) * (part.ndim - 2)), 0.0, part) for part in parts))
