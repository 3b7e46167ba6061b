"""Gaps of sequential public goods: what one agent gains by another contribution, those after it answering as they do.

Where it is known what all do after whatever was given (`BackwardInduction`, `Constant`), the best contribution is found
exactly. `Concept.NASH` asks for the gain on the path of play, `Concept.SUBGAME_PERFECT` for the largest after anything
that can have been given: a profile that rests on empty threats has a gap of zero by the first and not by the second.
Other policies are searched.
"""

from dataclasses import replace

import numpy as np

from walras.core.policy import Constant, Policy, Scripted
from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods
from walras.equilibria.audit import Audit, Ends, certificate, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.matrix.public_goods import (
    BackwardInduction,
    best_move,
    best_value,
    constant_totals,
    solve_subgame_perfect,
)
from walras.equilibria.search import searched_gap

GRID = 801
"""Sums given at which the gain after anything is computed, beside those where an answer changes."""


def public_goods_gap(game: SequentialPublicGoods, policy: Policy, audit: Audit) -> Gap:
    """Return what each agent gains by another contribution on the path of play."""
    judged = judged_policy(game, policy, audit.device)
    known = _known(game, declared(judged))
    if known is None:
        return _searched(game, judged, audit)
    given = _path(game, known)
    value, before = game.payoff(given), np.cumsum(given) - given
    agents = range(game.n)
    best = np.array([best_value(game, i, known.totals[i], before[i : i + 1])[0] for i in agents])
    moves = np.array([best_move(game, i, known.totals[i], before[i : i + 1])[0] for i in agents])
    gain = _rounded(game, best - value)
    reply = Constant(moves[:, None])
    return certificate(
        game, judged, audit, exactly(gain), value, Kind.EXACT, "best contribution on the path", deviation=reply
    )


def public_goods_subgame_gap(game: SequentialPublicGoods, policy: Policy, audit: Audit) -> Gap:
    """Return the most that each agent gains by another contribution, whatever was given before.

    Each agent's own payoffs are those of play from there on. Of constant contributions the gain is found at many sums
    that may have been given; more between them is not excluded.

    Raises
    ------
    ValueError
        If it is not known what the policy does after whatever was given.
    """
    judged = judged_policy(game, policy, audit.device)
    own = declared(judged)
    known = _known(game, own)
    if known is None:
        rule = "be one of backward induction or of constant contributions, where the gap is that of all subgames"
        raise ValueError(f"`policy` must {rule}; got {type(own).__name__}.")
    found = np.array([_largest(game, known, i) for i in range(game.n)])
    value = game.payoff(_path(game, known))
    if isinstance(known, BackwardInduction):
        method = "best contribution after whatever was given"
        return certificate(game, judged, audit, exactly(found), value, Kind.EXACT, method)
    ends = Ends(found, np.maximum(_most(game) - _least(game), found), found)
    return certificate(game, judged, audit, ends, value, Kind.LOWER, "best contribution after sums on a grid")


def public_goods_stake(game: SequentialPublicGoods) -> Floats:
    """Return each agent's payoff in subgame-perfect equilibrium, less that if it alone gives the least."""
    seen = replace(game, observation="full")
    found = solve_subgame_perfect(seen)
    assert isinstance(found.policy, BackwardInduction)
    each = np.empty(game.n)
    for i in range(game.n):
        idle = _path(seen, found.policy, idle=i)
        each[i] = found.value[i] - game.payoff(idle)[i]
    return np.maximum(each, 0.0)


class _Fixed:
    """Constant contributions, as what they lead to."""

    def __init__(self, game: SequentialPublicGoods, given: Floats) -> None:
        self.given, self.totals = given, constant_totals(game, given)

    def move(self, agent: int, before: Floats) -> Floats:
        """Return the agent's contribution, ``[M]``."""
        return np.full(len(before), self.given[agent])


def _known(game: SequentialPublicGoods, policy: Policy) -> BackwardInduction | _Fixed | None:
    """Return what agents do after whatever was given, or none where it is not known."""
    if isinstance(policy, BackwardInduction) and policy.game == game:
        return policy
    if isinstance(policy, Scripted):
        policy = Constant(game.scripted(np.zeros((1, game.n, 1)))[0])
    if isinstance(policy, Constant):
        return _Fixed(game, np.clip(policy.action[:, 0], game.low, game.high))
    return None


def _path(game: SequentialPublicGoods, known: BackwardInduction | _Fixed, idle: int = -1) -> Floats:
    """Return what is given on the path of play, ``[N]``; an idle agent gives the least."""
    given = np.zeros(game.n)
    for i in range(game.n):
        given[i] = game.low if i == idle else known.move(i, np.array([given[:i].sum()]))[0]
    return given


def _largest(game: SequentialPublicGoods, known: BackwardInduction | _Fixed, agent: int) -> float:
    """Return the most that an agent gains over what may have been given before it."""
    low, high = agent * game.low, agent * game.high
    ends = [each.ends - c for each in known.totals[max(agent - 1, 0) : agent + 1] for c in (0.0, game.low, game.high)]
    before = np.clip(np.concatenate([np.linspace(low, high, GRID), *ends]), low, high)
    own = known.move(agent, before)
    total = before + own
    for later in range(agent + 1, game.n):
        total = total + known.move(later, total)
    paid = game.paid(agent, before, own, total)
    return float(_rounded(game, best_value(game, agent, known.totals[agent], before) - paid).max())


def _rounded(game: SequentialPublicGoods, gain: Floats) -> Floats:
    """Return gains of which those that are rounding are zero."""
    return np.where(gain > 1e-12 * (_most(game) - _least(game)), gain, 0.0)


def _most(game: SequentialPublicGoods) -> float:
    """Return what no payoff exceeds."""
    everything = game.n * game.high
    return game.gamma * game.high * everything + game.rho * game.high


def _least(game: SequentialPublicGoods) -> float:
    """Return what no payoff falls below."""
    return -game.k * max(game.high, game.high**2) - game.penalty


def _searched(game: SequentialPublicGoods, policy: Policy, audit: Audit) -> Gap:
    found = searched_gap(game, policy, audit, {})
    return replace(found, upper=np.maximum(_most(game) - _least(game), found.lower))
