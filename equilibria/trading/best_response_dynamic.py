r"""The best-response dynamic of trading networks: bilateral offers that find an equilibrium without a centre [1]_.

The dynamic
-----------
On every trade the buyer holds a bid and the seller an ask. All agents start unsatisfied. At each move one unsatisfied
agent, drawn uniformly, takes its counterparts' offers as prices and demands its best bundle. On a trade of the bundle
it matches the counterpart's offer; on any other it asks for one tick more than that, or bids one tick less. Where its
offer changed the counterpart becomes unsatisfied, and the agent itself is satisfied. It ends when all are.

Which best bundle is taken among equals matters: by default the one that no other contains, of lower trades first;
``tie="minimal"`` takes the one that contains no other.

What it ends at
---------------
Proved here, for any valuations. At a fixed point a trade is either struck, with equal offers and both sides demanding
it, or its ask is one tick above its bid and neither side demands it: if one side alone did, its offer would equal the
other's and differ from it. Add up the agents' optimality at the offers that they see: the struck trades are worth no
less than any other set, less one tick for each trade of that set that was not struck. So

- the loss of welfare is at most the tick times the number of trades that were not struck, `DynamicResult.loss_bound`;
- with integer values and a tick below one over the number of trades (`exact_tick`) nothing is lost;
- an agent loses at most one tick for each of its trades that were not struck against its demand at any prices between
  the bids and the asks: they are an equilibrium up to ticks.

Hence a market without a competitive equilibrium is one in which the dynamic cannot end, once the tick is small enough.

When it ends
------------
According to a public summary of [1]_, whose proofs we have not read, it ends almost surely on trees whatever the
valuations, and with fully substitutable ones also where neighbours of a tree share two trades. On general graphs of
substitutable agents it has ended whenever we tried (``benchmarks/trading_dynamic.py``).

Agents move one at a time. Were all to move at once, the two offers of a trade that both sides want would change places
for ever; so simultaneous moves are not offered.

References
----------
[1] E. Lock, B. P. Evans, E. Kreacic, S. Bhatt, A. Koppel, S. Ganesh, P. W. Goldberg, Decentralized convergence to
    equilibrium prices in trading networks, AAAI 2025, and the authors' code NetworkTrading.jl.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each, require_known
from walras.core.typing import Bools, Floats, Ints
from walras.markets.trading.trading_network import Additive, Intermediary, TradingNetwork, UnitDemand, UnitSupply
from walras.markets.trading.valuations import HAIR

TIES = ("maximal", "minimal")
COMPILED = (Additive, Intermediary, UnitDemand, UnitSupply)

# From offers, which it modifies in place, the tick, who moves and the most moves, to the moves made and whether all
# agents are satisfied.
Play: TypeAlias = Callable[[Floats, float, np.random.Generator, int], tuple[int, bool]]


class Quote(IntEnum):
    """How the two offers of a trade stand. At a fixed point there are `STRUCK` and `TIGHT` ones only."""

    STRUCK = 0  # bid = ask
    TIGHT = 1  # ask = bid + tick
    WIDE = 2  # ask > bid + tick
    CROSSED = 3  # ask < bid


@final
@dataclass(frozen=True, eq=False)
class DynamicResult:
    """Where the dynamic ended, or was cut off."""

    bids: Floats  # [..., T] money, the buyers' offers
    asks: Floats  # [..., T] money, the sellers' offers
    steps: Ints  # [...] moves, those included that changed no offer
    converged: Bools  # [...] whether all agents were satisfied in the end
    tick: float  # money

    @property
    def trades(self) -> Bools:
        """The trades struck, ``[..., T]``: their offers are equal, and are the price."""
        return self.bids == self.asks

    @property
    def loss_bound(self) -> Floats:
        """The most welfare, ``[...]`` in money, by which the trades fall short of the best; infinite if cut off."""
        return np.where(self.converged, self.tick * (~self.trades).sum(axis=-1), np.inf)


class Slots(NamedTuple):
    """The two sides of each trade, in order of their agents and, for one agent, of its trades.

    In a slot prices are payments, what the agent pays there: a price if it buys, less the price if it sells. Then both
    sides do the same: take what is worth its payment, and where they do not take it offer to pay one tick less.
    """

    first: Ints  # [N + 1] each agent's first slot
    counter: Ints  # [2T] the slot of the trade's other side
    other: Ints  # [2T] the agent of that slot
    side: Ints  # [2T] 1 where the agent buys, -1 where it sells


def best_response_dynamic(
    network: TradingNetwork | Sequence[TradingNetwork],
    offers: tuple[ArrayLike, ArrayLike],
    tie: str = "maximal",
    *,
    rng: np.random.Generator,
    tick: float = 1.0,
    max_steps: int = 1_000_000,
) -> DynamicResult:
    """Let agents answer each other's offers, one at a time, until all are satisfied.

    Each market draws from a generator of its own, spawned from `rng`: its path does not depend on the others. Markets
    of unit demand, unit supply, additive agents and intermediaries are compiled at the first call; others ask their
    valuations move by move, and draw the same agents.

    Parameters
    ----------
    network : TradingNetwork or sequence of TradingNetwork
        One market, or B markets with equally many agents and trades.
    offers : tuple of array_like
        Bids and asks to start from, each ``[T]`` or ``[B, T]``, multiples of the tick. B rows and one market are B
        runs of it.
    tie : {"maximal", "minimal"}
        Which of the best bundles an agent demands.
    rng : numpy.random.Generator
        Who moves.
    tick : float
        The step of offers, a power of two (1/4, 1/2, 1, 2...), so that offers are exact numbers.
    max_steps : int
        Moves after which a market is cut off.

    Returns
    -------
    DynamicResult
        Arrays ``[T]`` and ``[]`` for one market and one row of offers, else ``[B, T]`` and ``[B]``.

    Raises
    ------
    ValueError
        If markets differ in size, offers have other shapes, are not finite or no multiples of the tick, the tie rule
        is unknown, the tick is not a power of two or too small for the numbers of the market, or no move is allowed.

    Examples
    --------
    A seller with a cost of 10, a buyer with a value of 20, and an intermediary between them.

    >>> import numpy as np
    >>> from walras.equilibria import best_response_dynamic
    >>> from walras.markets.trading.trading_network import Intermediary, TradingNetwork, UnitDemand, UnitSupply
    >>> agents = [UnitSupply({0: 10}), Intermediary(buys=[0], sells=[1]), UnitDemand({1: 20})]
    >>> path = TradingNetwork(trades=[(0, 1), (1, 2)], agents=agents)
    >>> end = best_response_dynamic(path, offers=([21, 1], [9, 16]), rng=np.random.default_rng(0))
    >>> bool(end.converged), end.trades.tolist()
    (True, [True, True])
    >>> bool(10 <= end.bids[0] <= end.bids[1] <= 20)
    True
    """
    require_known(tie, "tie", TIES)
    require(tick > 0 and math.frexp(tick)[0] == 0.5, "tick", "be a power of two", tick)
    require(max_steps >= 1, "max_steps", "be at least 1", max_steps)
    many = not isinstance(network, TradingNetwork)
    markets = tuple(network) if many else (network,)
    quotes = _quotes(offers, tick, (len(markets),) if many else (), _trades(markets))
    _require_fine(tick, markets, quotes)
    rows = quotes.reshape(2, -1, quotes.shape[-1])  # a view: what is played shows in `quotes`
    players = [_player(market, tie) for market in markets] * (1 if many else rows.shape[1])
    streams = rng.spawn(len(players))
    ends = [play(rows[:, row], tick, streams[row], max_steps) for row, play in enumerate(players)]
    steps, converged = (np.array(end).reshape(quotes.shape[1:-1]) for end in zip(*ends, strict=True))
    return DynamicResult(quotes[0], quotes[1], steps, converged, tick)


def exact_tick(network: TradingNetwork) -> float:
    """Return the largest power of two below one over the number of trades: at this tick no welfare is lost.

    The struck trades of a fixed point then have the largest welfare of all.

    Raises
    ------
    ValueError
        If a valuation has numbers that are not integers: then no tick is known to be small enough.
    """
    for i, valuation in enumerate(network.agents):
        require(valuation.integral, "network", "have integer values and costs", (f"agents[{i}]", valuation))
    return 2.0 ** -len(network.trades).bit_length()


def classify(result: DynamicResult) -> Ints:
    """Return the `Quote` of each trade, ``[..., T]``."""
    spread = result.asks - result.bids
    return np.select([spread == 0, spread == result.tick, spread > result.tick], [*Quote][:3], Quote.CROSSED)


def settle(
    slots: Slots,
    demands: Sequence[Callable[[Floats], Bools]],
    offered: Floats,
    tick: float,
    rng: np.random.Generator,
    max_steps: int,
) -> tuple[int, bool]:
    """Play one market, move by move.

    Parameters
    ----------
    slots : Slots
        The two sides of each trade.
    demands : sequence of callable
        Each agent's bundle ``[d]`` at prices ``[d]``.
    offered : Floats
        ``[2T]`` payments that agents offer, modified in place.
    tick : float
        Money.
    rng : numpy.random.Generator
        Who moves.
    max_steps : int
        Moves after which the market is cut off.

    Returns
    -------
    tuple of int and bool
        The moves made, and whether all agents are satisfied.
    """
    faced, steps = -offered[slots.counter], 0
    waiting = list(range(len(demands)))
    while waiting and steps < max_steps:
        place = int(rng.random() * len(waiting))
        agent, waiting[place] = waiting[place], waiting[-1]
        waiting.pop()
        own = slice(slots.first[agent], slots.first[agent + 1])
        taken = demands[agent](slots.side[own] * faced[own])
        offer = np.where(taken, faced[own], faced[own] - tick)
        changed = slots.first[agent] + np.flatnonzero(offer != offered[own])
        offered[own] = offer
        faced[slots.counter[changed]] = -offered[changed]
        others = dict.fromkeys(slots.other[changed].tolist())
        waiting += [other for other in others if other not in waiting]
        steps += 1
    return steps, not waiting


def _player(network: TradingNetwork, tie: str) -> Play:
    """Return what plays the market from ``quotes [2, T]``, modified in place, to its end."""
    # Side 2w is the buyer's of trade w, 2w + 1 the seller's: that of its counterpart has the last bit flipped.
    agent = np.stack((network.buyer, network.seller), axis=1).ravel()
    order = np.argsort(agent, kind="stable")
    place = np.argsort(order)
    first = np.searchsorted(agent[order], np.arange(len(network.agents) + 1))
    slots = Slots(first, place[order ^ 1], agent[order ^ 1], 1 - 2 * (order & 1))
    moves = _moves(network, slots, tie)

    def play(quotes: Floats, tick: float, rng: np.random.Generator, max_steps: int) -> tuple[int, bool]:
        offered = slots.side * quotes.T.ravel()[order]
        end = moves(offered, tick, rng, max_steps)
        quotes[:] = (slots.side * offered)[place].reshape(-1, 2).T + 0.0  # no -0
        return end

    return play


def _moves(network: TradingNetwork, slots: Slots, tie: str) -> Play:
    """Return `settle` for the market, compiled if all its agents are of compiled families."""
    if all(isinstance(valuation, COMPILED) for valuation in network.agents):
        from walras.equilibria.trading import (
            best_response_dynamic_compiled as compiled,  # numba is loaded at the first call
        )

        return partial(compiled.settle, slots, compiled.terms(network.agents, maximal=tie == "maximal"))
    name = "demand" if tie == "maximal" else "demand_minimal"
    return partial(settle, slots, [getattr(valuation, name) for valuation in network.agents])


def _trades(markets: Sequence[TradingNetwork]) -> int:
    """Return the number of trades, which the markets share as they do the number of agents."""
    require(len(markets) >= 1, "network", "hold at least one market", markets)
    sizes = {(len(market.agents), len(market.trades)) for market in markets}
    require(len(sizes) == 1, "network", "hold markets with equally many agents and trades", sorted(sizes))
    return sizes.pop()[1]


def _quotes(offers: tuple[ArrayLike, ArrayLike], tick: float, batch: tuple[int, ...], trades: int) -> Floats:
    """Return bids and asks as an array of their own, ``[2, T]`` or ``[2, B, T]``."""
    require(len(offers) == 2, "offers", "be a pair, bids and asks", offers)
    pair = np.broadcast_arrays(*(np.asarray(side, dtype=np.float64) for side in offers))
    shape, lead = pair[0].shape, pair[0].shape[:-1]
    require(shape[-1:] == (trades,) and len(shape) <= 2, "offers", f"have the shape [{trades}] or [B, {trades}]", shape)
    require(not batch or lead in ((), batch), "offers", "have one row, or one for each market", shape)
    quotes = np.stack([np.broadcast_to(side, (*(batch or lead), trades)) for side in pair])
    require_each(np.isfinite(quotes), "offers", "be finite", quotes)
    require_each(quotes % tick == 0, "offers", f"be multiples of the tick, {tick}", quotes)
    return quotes


def _require_fine(tick: float, markets: Sequence[TradingNetwork], quotes: Floats) -> None:
    """Raise ``ValueError`` where valuations would break ties between bundles that differ by a tick (`HAIR`)."""
    numbers = [valuation.magnitude for market in markets for valuation in market.agents]
    largest = max(*numbers, float(np.abs(quotes).max()))
    require(tick > HAIR * largest, "tick", f"be more than 2^-24 of the largest number, {largest:g}", tick)
