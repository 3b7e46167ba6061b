r"""The competitive equilibrium of the day-ahead market, and one generator's exact best deviation.

Competitive equilibrium
-----------------------
Offers at marginal cost make the merit order the welfare optimum, and the clearing price supports it. The residual is
the relative duality gap of the dispatch, :math:`\sum c x + \bar p u - (\lambda D - \sum q (\lambda - c)^+)`, largest
over the hours. Nash equilibria are the subject of `walras.equilibria.electricity.day_ahead_nash`.

Best deviation
--------------
Fix the others' offers. With :math:`R(p^-) = D - S_{-i}(p^-)`, the load that generator i faces when it asks just less
than p, the outcome of any answer of i is one of two:

1. A rival is marginal at p and i sells its blocks below p. At a given price the profit is concave in the quantity,
   so no such outcome beats marginal-cost offers unless selling less moves the price up, which is case 2.
2. A block of i is marginal at p: i sells :math:`q = R(p^-)`, at the least cost by its own merit order, and earns
   :math:`p q - C_i(q)`. Between two offers of rivals R is constant and the profit rises with p, so only these prices
   can be best: the rivals' offers (undercut), the largest offer that each own block may make, and the cap. Price p is
   feasible if the block that contains q may be offered at p.

Where offers are paid as bid, `walras.equilibria.electricity.pay_as_bid` has the best deviation. Else the best deviation
is the better of marginal-cost offers and finitely many candidates: exact, O(N S log S) for S
blocks. Undercutting has no best answer, only a supremum; `gain` is the supremum, and `action` undercuts by `TICK`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from walras.core.concept import Concept
from walras.core.game import Actions, take_rows
from walras.core.policy import Policy, Scripted
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.day_ahead_market import DayAheadMarket, DayAheadState
from walras.equilibria.audit import Audit, Ends, certificate, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.electricity.best_offer import Scenarios
from walras.equilibria.gap import Deviation
from walras.equilibria.intervals import interval
from walras.markets.electricity.clearing import EDGE, merit_order

TICK = 1e-6
"""EUR/MWh by which a deviation undercuts."""
ROUNDING = 1e-12
"""Share of the rent at which a regret is rounding."""
CHUNK = 1024
"""Auctions judged at once, which bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class CompetitiveEquilibrium(Solution):
    """Marginal-cost offers and the prices that support their dispatch."""

    price: Floats  # [T, B] EUR/MWh
    cost: Floats  # [T, B] EUR of a step's generation and unserved load, the least possible


def solve_day_ahead(game: DayAheadMarket, *, hours: Sequence[int] = (0,)) -> CompetitiveEquilibrium:
    """Return the competitive equilibrium along the hours that seeds draw.

    Parameters
    ----------
    game : DayAheadMarket
        The game.
    hours : sequence of int
        Seeds of the episodes whose prices and costs are returned, one each.
    """
    trajectory = rollout(game, Scripted(game), hours)
    after = take_rows(trajectory.state, slice(1, None))
    cost, gap = _duality_gap(game, after)
    return CompetitiveEquilibrium(
        policy=Scripted(game),
        value=trajectory.total.mean(axis=0),
        residual=float(gap.max()),
        iterations=1,
        status=Status.CONVERGED,
        concept=Concept.COMPETITIVE,
        price=after.price,
        cost=cost * game.conditions.step_hours,
    )


def price_taking_gap(game: DayAheadMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each seller would earn more by the dispatch that is best at the prices that came out, EUR an episode.

    At a price each block that costs less is best sold whole, the others not at all. All of these regrets are zero, and
    the load is served at least cost, in competitive equilibrium and nowhere else. The dispatch is valued at the
    clearing price, also where offers are paid as bid.
    """
    judged = judged_policy(game, policy, audit.device)
    trajectory = rollout(game, judged, audit.seeds)
    after = take_rows(trajectory.state, slice(1, None))
    rent = np.sum(after.offered * np.maximum(after.price[..., None, None] - game.cost, 0.0), axis=3)
    rent = rent * game.conditions.step_hours
    margin = (after.price[..., None, None] - game.cost) * game.conditions.step_hours
    regrets = np.maximum((rent - np.sum(margin * after.dispatch, axis=3)).sum(axis=0), 0.0)
    regrets[regrets <= ROUNDING * rent.sum(axis=0)] = 0.0
    ends, same = interval(regrets, audit.confidence), not np.ptp(regrets, axis=0).any()
    kind = Kind.EXACT if same else Kind.STATISTICAL
    value, how = trajectory.total.mean(axis=0), "best dispatch at the prices that came out"
    return certificate(game, judged, audit, Ends(ends.low, ends.high, ends.mean), value, kind, how)


def _duality_gap(game: DayAheadMarket, after: DayAheadState) -> tuple[Floats, Floats]:
    """Return the cost of the dispatch and its relative duality gap, ``[T, B]`` each."""
    price = after.price[..., None, None]
    unserved = after.cleared - after.dispatch.sum(axis=(-2, -1))
    primal = np.sum(game.cost * after.dispatch, axis=(-2, -1)) + game.cap * unserved
    rent = np.sum(after.offered * np.maximum(price - game.cost, 0.0), axis=(-2, -1))
    dual = after.price * after.cleared - rent
    return primal, (primal - dual) / np.maximum(primal, 1.0)


def day_ahead_deviation(game: DayAheadMarket, state: DayAheadState, action: Actions) -> Deviation:
    """Return each generator's best deviation in M hours, given all mark-ups ``action [M, N, K]``."""
    if game.settlement == "pay_as_bid":
        return _deviation_as_bid(game, state, action)
    chunks = [slice(start, start + CHUNK) for start in range(0, len(action), CHUNK)]
    parts = [_deviation(game, take_rows(state, rows), action[rows]) for rows in chunks]
    return Deviation(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("reward", "gain", "action")))


def _deviation_as_bid(game: DayAheadMarket, state: DayAheadState, markup: Actions) -> Deviation:
    """Return the best deviations where accepted blocks are paid their own offers."""
    from walras.equilibria.electricity.pay_as_bid import best_offers

    offer, hours = np.minimum(game.cost + markup, game.cap), game.conditions.step_hours
    offered, load = game.available(state.outage), game.net_load(state.hour, state.deviation)
    clearing, (rows, agents, _) = merit_order(offer, offered, load, game.cap, 0.0), markup.shape
    reward, best = game.profit(clearing.price, offer, clearing.dispatch) * hours, np.empty(markup.shape)
    value, reach = np.empty((rows, agents)), np.minimum(game.cost + game.markup_limit, game.cap)
    for agent in range(agents):
        others = np.arange(agents) != agent
        asked, sold = (part[:, others].reshape(rows, 1, -1) for part in (offer, offered))
        cost, most = (np.broadcast_to(part[agent], markup[:, agent].shape) for part in (game.cost, reach))
        scenarios = Scenarios(asked, sold, load[:, None], np.ones((rows, 1)))
        found = best_offers(cost, offered[:, agent], most, scenarios)
        value[:, agent], best[:, agent] = found.value * hours, found.offer
    answer = np.clip(best - game.cost, 0.0, game.markup_limit)
    return Deviation(reward, np.maximum(value - reward, 0.0), answer)


def _deviation(game: DayAheadMarket, state: DayAheadState, markup: Actions) -> Deviation:
    offer = np.minimum(game.cost + markup, game.cap)
    offered, load = game.available(state.outage), game.net_load(state.hour, state.deviation)
    reward = _profit(game, offer, offered, load)
    honest = _truthful_profit(game, offer, offered, load)
    level, sold, profit = _marginal_outcomes(game, offer, offered, load)
    best = profit.argmax(axis=2)[:, :, None]
    top = np.take_along_axis(profit, best, axis=2)[:, :, 0]
    price = np.take_along_axis(np.broadcast_to(level[:, None], profit.shape), best, axis=2)
    answer = _answer(game, offered, price, np.take_along_axis(sold, best, axis=2))
    answer[honest >= top] = 0.0
    return Deviation(reward, np.maximum(np.maximum(top, honest) - reward, 0.0), answer)


def _profit(game: DayAheadMarket, offer: Floats, offered: Floats, load: Floats) -> Floats:
    clearing = merit_order(offer, offered, load, game.cap, 0.0)
    margin = (clearing.price[:, None, None] - game.cost) * game.conditions.step_hours
    return np.sum(margin * clearing.dispatch, axis=2)


def _truthful_profit(game: DayAheadMarket, offer: Floats, offered: Floats, load: Floats) -> Floats:
    """Return what each generator earns when it alone offers marginal cost, ``[M, N]``."""
    profit = np.empty(offer.shape[:2])
    for agent in range(offer.shape[1]):
        honest = offer.copy()
        honest[:, agent] = game.cost[agent]
        profit[:, agent] = _profit(game, honest, offered, load)[:, agent]
    return profit


def _marginal_outcomes(
    game: DayAheadMarket, offer: Floats, offered: Floats, load: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return prices ``[M, L]``, and what each generator sells and earns when it is marginal there, ``[M, N, L]``."""
    _, agents, blocks = offer.shape
    reach = np.minimum(game.cost + game.markup_limit, game.cap)  # [N, K] the largest offer of each block
    level, below = _rival_supply(offer, offered, np.append(reach, game.cap))
    sold = load[:, None, None] - below
    served = np.cumsum(offered, axis=2)  # [M, N, K]
    marginal = np.sum(served[:, :, None] < (sold * (1 - EDGE))[..., None], axis=3)  # [M, N, L]
    limit = reach[np.arange(agents)[:, None], np.minimum(marginal, blocks - 1)]
    feasible = (sold > 0) & (marginal < blocks) & (level[:, None] <= limit)
    used = np.clip(sold[..., None] - (served - offered)[:, :, None], 0.0, offered[:, :, None])  # [M, N, L, K]
    profit = level[:, None] * sold - np.einsum("mnlk,nk->mnl", used, game.cost)
    return level, sold, np.where(feasible, profit * game.conditions.step_hours, -np.inf)


def _rival_supply(offer: Floats, offered: Floats, extra: Floats) -> tuple[Floats, Floats]:
    """Return all prices ``[M, L]`` in order, and what each one's rivals offer strictly below, ``[M, N, L]``."""
    rows, agents, blocks = offer.shape
    price = np.concatenate((offer.reshape(rows, -1), np.broadcast_to(extra, (rows, len(extra)))), axis=1)
    quantity = np.concatenate((offered.reshape(rows, -1), np.zeros((rows, len(extra)))), axis=1)
    owner = np.append(np.repeat(np.arange(agents), blocks), np.full(len(extra), -1))
    order = price.argsort(axis=1)
    price = np.take_along_axis(price, order, axis=1)
    rival = np.take_along_axis(quantity, order, axis=1)[:, None] * (owner[order][:, None] != np.arange(agents)[:, None])
    before = np.cumsum(rival, axis=2) - rival
    first = np.diff(price, axis=1, prepend=-np.inf) > 0  # of the blocks at one price
    return price, np.maximum.accumulate(np.where(first[:, None], before, 0.0), axis=2)


def _answer(game: DayAheadMarket, offered: Floats, price: Floats, sold: Floats) -> Floats:
    """Return mark-ups ``[M, N, K]`` that sell ``sold [M, N, 1]`` just below ``price [M, N, 1]``."""
    whole = np.cumsum(offered, axis=2) < sold * (1 - EDGE)
    marginal = np.cumsum(~whole, axis=2) == 1
    asked = np.where(marginal, price - TICK, price)  # blocks beyond the marginal one stay out
    return np.where(whole, 0.0, np.clip(asked - game.cost, 0.0, game.markup_limit))
