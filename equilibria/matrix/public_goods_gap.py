"""Gaps of sequential public goods: what one agent gains by another contribution, those after it answering as they do.

Where it is known what all do after whatever was given (`BackwardInduction`, `Constant`), the best contribution is found
exactly. `Concept.NASH` asks for the gain on the path of play, `Concept.SUBGAME_PERFECT` for the largest after anything
that can have been given: a profile that rests on empty threats has a gap of zero by the first and not by the second.
Of other policies that draw nothing, such as learned ones, many contributions are tried and played to the end: a lower
bound that is attained. Those that draw are searched.
"""

from dataclasses import replace

import numpy as np

from walras.core.policy import Constant, Policy
from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods
from walras.equilibria.audit import Audit, Ends, certificate, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.matrix.public_goods import (
    BackwardInduction,
    best_move,
    best_value,
    solve_subgame_perfect,
)
from walras.equilibria.matrix.public_goods_play import KnownPlay, Play, known_play, pure_play
from walras.equilibria.search import searched_gap

PATH_GRID = 2001
"""Contributions that are tried against a policy on the path of play, beside its own."""
PASTS, PAST_GRID = 101, 101
"""Pasts after which contributions are tried against a policy of which more is not known, and how many."""
GRID = 801
"""Sums given at which the gain after anything is computed, beside those where an answer changes."""


def public_goods_gap(game: SequentialPublicGoods, policy: Policy, audit: Audit) -> Gap:
    """Return what each agent gains by another contribution on the path of play."""
    judged = judged_policy(game, policy, audit.device)
    known = known_play(game, declared(judged))
    if known is None:
        pure = pure_play(game, declared(judged))
        return _searched(game, judged, audit) if pure is None else _tried(game, judged, audit, pure)
    given = known.path()
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
    pure = pure_play(game, declared(judged))
    if pure is None:
        rule = "draw nothing, where the gap is that of all subgames"
        raise ValueError(f"`policy` must {rule}; got {type(declared(judged)).__name__}.")
    value, known = game.payoff(pure.path()), known_play(game, declared(judged))
    if known is None:
        found = np.array([_largest_tried(game, pure, i, _pasts(game, i), PAST_GRID) for i in range(game.n)])
        return _below(game, judged, audit, found, value, "contributions on a grid, after pasts that were tried")
    found = np.array([_largest(game, known, i) for i in range(game.n)])
    if isinstance(known.policy, BackwardInduction):
        method = "best contribution after whatever was given"
        return certificate(game, judged, audit, exactly(found), value, Kind.EXACT, method)
    return _below(game, judged, audit, found, value, "best contribution after sums on a grid")


def public_goods_stake(game: SequentialPublicGoods) -> Floats:
    """Return each agent's payoff in subgame-perfect equilibrium, less that if it alone gives the least."""
    found = solve_subgame_perfect(replace(game, observation="full"))
    assert isinstance(found.policy, BackwardInduction)
    play = KnownPlay(found.policy.game, found.policy)
    each = [found.value[i] - game.payoff(play.path(idle=i))[i] for i in range(game.n)]
    return np.maximum(np.array(each), 0.0)


def _tried(game: SequentialPublicGoods, policy: Policy, audit: Audit, play: Play) -> Gap:
    """Return what the best of many contributions gains on the path, played to the end."""
    path = play.path()
    gain, best = np.empty(game.n), np.empty((game.n, 1))
    for i in range(game.n):
        tried = np.repeat(path[None], PATH_GRID + 1, axis=0)
        tried[:, i] = np.append(np.linspace(game.low, game.high, PATH_GRID), path[i])
        paid = game.payoff(play.finished(tried, i + 1))[:, i]
        gain[i], best[i, 0] = paid.max() - paid[-1], tried[int(paid.argmax()), i]
    method = "contributions on a grid, on the path"
    return _below(game, policy, audit, gain, game.payoff(path), method, deviation=Constant(best))


def _below(
    game: SequentialPublicGoods, policy: Policy, audit: Audit, gain: Floats, value: Floats, method: str, **more: Policy
) -> Gap:
    """Return the gap of gains that are attained, below the trivial bound."""
    gain = _rounded(game, gain)
    ends = Ends(gain, np.maximum(_most(game) - _least(game), gain), gain)
    return certificate(game, policy, audit, ends, value, Kind.LOWER, method, **more)


def _pasts(game: SequentialPublicGoods, agent: int) -> Floats:
    """Return what may have been given before an agent, ``[M, N]``: in equal parts, and, where each is seen, drawn."""
    given = np.zeros((PASTS, game.n))
    given[:, :agent] = np.linspace(game.low, game.high, PASTS)[:, None]
    if agent == 0:
        return given[:1]
    if game.observation in ("none", "sum"):
        return given
    drawn = np.zeros_like(given)
    drawn[:, :agent] = np.random.default_rng(agent).uniform(game.low, game.high, (PASTS, agent))
    return np.concatenate([given, drawn])


def _largest_tried(game: SequentialPublicGoods, play: Play, agent: int, pasts: Floats, grid: int) -> float:
    """Return the most that an agent gains after some pasts by contributions on a grid, played to the end."""
    own = play.finished(pasts, agent)
    tried = np.repeat(pasts[:, None], grid, axis=1)
    tried[:, :, agent] = np.linspace(game.low, game.high, grid)
    ended = play.finished(tried.reshape(-1, game.n), agent + 1)
    paid = game.payoff(ended)[:, agent].reshape(len(pasts), grid)
    return float((paid.max(axis=1) - game.payoff(own)[:, agent]).max())


def _largest(game: SequentialPublicGoods, known: KnownPlay, agent: int) -> float:
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
