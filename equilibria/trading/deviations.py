r"""What a trader gains by other offers: the Nash gap of a trading network.

*Against offers that are posted once and for all*, agent i can do no better than its best bundle at the counterparts'
offers: a trade costs a buyer no less than the ask, and earns a seller no more than the bid. So

.. math:: \max_d V_i(d, \pi_{-i}) \le V_i(\text{posted}),

the indirect utility at the posted offers, if each counterpart surely had its turn. It has if the market is open for
enough turns: agents with news come first, news of first offers is as many as there are agents, and until every agent
has moved, other news comes from changes of offers alone, of which each posting agent makes one. Where meeting the
posted offers of that bundle attains the bound in every episode, the gap is exact.

*Against other policies* no offer is met below `low` or above `high`, so the indirect utility there bounds what i can
have; below stands the best deviation that a search finds.
"""

from dataclasses import replace

import numpy as np

from walras.core.game import Actions
from walras.core.policy import Constant, Policy, Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.trading.trading_network_game import TradingNetworkGame
from walras.equilibria.audit import Audit, Ends, certificate, exactly, judged_policy, law
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.search import Deviations, returns, search


def offers_gap(game: TradingNetworkGame, policy: Policy, audit: Audit) -> Gap:
    """Return the Nash gap of a policy, in money, for the utility of what is struck (`shaping` counts for nothing)."""
    game = replace(game, shaping=0.0)
    judged, agents = judged_policy(game, policy, audit.device), range(len(game.agents))
    played = rollout(game, judged, audit.seeds)
    posted = _posted(judged, played.observation)
    known: dict[str, Policy] = {"scripted": Scripted(game)}
    if posted is not None:
        best, answers = _met(game, posted)
        gains = np.stack([returns(game, judged, audit.seeds, (i,), answers)[:, i] for i in agents], axis=1)
        gains -= played.total
        known["best bundle at the posted offers"] = answers
        if _all_move(game) and np.allclose(gains, best - played.total, rtol=0, atol=1e-9 * (1 + np.abs(best).max())):
            each = Deviations(tuple((i,) for i in agents), (answers,) * len(agents), len(agents))
            return _told(game, judged, audit, gains, best - played.total, played.total, each)
    found = search(game, judged, audit, [(i,) for i in agents], known)
    ends = np.where(game.side > 0, *game.bounds)
    most = _indirect(game, ends)
    return _told(
        game,
        judged,
        audit,
        found.gains,
        most - played.total,
        played.total,
        found.deviation,
        found.method,
        found.growing,
    )


def _posted(policy: Policy, observation: Floats) -> Actions | None:
    """Return the offers ``[N, D]`` that a policy declares to post whatever it sees, or none."""
    seen = observation.reshape(-1, *observation.shape[2:])[:: max(1, observation.shape[0] // 8)]
    acts = law(policy, seen, 1, np.random.default_rng(0))
    once = acts.exact and acts.action.shape[1] == 1 and bool((acts.action == acts.action[:1]).all())
    return acts.action[0, 0] if once else None


def _met(game: TradingNetworkGame, posted: Actions) -> tuple[Floats, Constant]:
    """Return each agent's indirect utility ``[N]`` at posted offers ``[N, D]``, and the offers that meet its bundle."""
    offers = np.where(game.mask, game.tick * np.rint(np.clip(posted, *game.bounds) / game.tick), 0.0)
    counter = game.counter(offers)
    wanted = np.zeros(counter.shape, dtype=np.bool_)
    for agent, valuation in enumerate(game.network.agents):
        wanted[agent, : valuation.degree] = valuation.demand(counter[agent, : valuation.degree])
    away = np.where(game.side > 0, *game.bounds)
    return _indirect(game, counter), Constant(np.where(wanted, counter, away))


def _indirect(game: TradingNetworkGame, offers: Floats) -> Floats:
    """Return each agent's indirect utility ``[N]`` if it trades at ``offers [N, D]``."""
    own = [offers[i, : valuation.degree] for i, valuation in enumerate(game.network.agents)]
    each = [valuation.indirect_utility(p) for valuation, p in zip(game.network.agents, own, strict=True)]
    return np.array(each, dtype=np.float64).reshape(-1)


def _all_move(game: TradingNetworkGame) -> bool:
    """Return whether each agent surely has its turn while one deviates from posted offers."""
    agents, trades, most = len(game.agents), len(game.network.trades), game.degree
    return game.horizon * game.movers >= agents + 2 * trades + most * (1 + most)


def _told(
    game: TradingNetworkGame,
    policy: Policy,
    audit: Audit,
    below: Floats,
    above: Floats,
    value: Floats,
    deviation: Policy,
    method: tuple[str, ...] = (),
    growing: bool = False,
) -> Gap:
    low, high = interval(below, audit.confidence), interval(above, audit.confidence)
    exact = not method and not np.ptp(below, axis=0).any()
    return certificate(
        game,
        policy,
        audit,
        exactly(low.mean) if exact else Ends(low.low, high.high, low.mean),
        value.mean(axis=0),
        Kind.EXACT if exact else Kind.LOWER if method else Kind.STATISTICAL,
        method or "best bundle at the posted offers, met in replay",
        growing=growing,
        deviation=deviation,
    )
