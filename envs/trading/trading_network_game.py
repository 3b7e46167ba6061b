r"""Trading network: agents post bids and asks on bilateral contracts, and offers that meet are struck at the close.

Description
-----------
N agents take part in T trades, each between a seller and a buyer (`walras.markets.trading.trading_network`). For every
trade of its own an agent holds an offer: a bid where it buys, an ask where it sells. At each step some agents, drawn at
random, may change theirs; what the others say is not heard. Agents with news, to whom another offer was made since
their last turn, come first. Nothing is concluded before the market closes. Then bid and ask meet where the bid is no
lower, at the price midway between them, and of the trades met those are struck that `walras.markets.trading.settlement`
leaves: no agent is held to more than it can do.

Agents
------
N agents, by their names in the network: a name that is no string becomes ``agent_<name>``.

State
-----
Offers ``[B, N, D]`` in money, which trades are struck, ``[B, N, D]``, who has news, ``[B, N]``, and the steps taken,
``[B]``. D is the largest number of trades of an agent; agents with fewer are padded by zeros. An agent's k-th trade is
its k-th by index.

Action
------
Offers ``[B, N, D]``, from `low` to `high`, rounded to ticks. Padding, and the actions of agents whose turn it is not,
count for nothing.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. D - 1 | 1 where the agent has a trade, 0 for padding | - | 0 | 1 |
| D .. 2 D - 1 | 1 where it buys, -1 where it sells | - | -1 | 1 |
| 2 D .. 3 D - 1 | the counterparts' offers | money | lowest | highest |
| 3 D .. 4 D - 1 | its own offers | money | lowest | highest |
| 4 D .. 4 D + K - 1 | the numbers of its valuation, then zeros | money | smallest | largest |
| 4 D + K | share of the steps that are left | - | 0 | 1 |

Lowest and highest are `low` and `high`, and 0 for padding.

Reward
------
At the close, the utility of what is struck: value less payments, in money. Before, nothing; or, with :math:`\Phi(s)`
the utility if the market closed in state s, `shaping` times :math:`\gamma \Phi(s') - \Phi(s)`, with :math:`\Phi = 0`
after the close. Such potentials leave every policy's advantage over any other as it is [2]_.

Starting state
--------------
Bids and asks drawn evenly from the ticks inside the bounds; all agents have news.

Episode end
-----------
Terminated when the market closes, after `horizon` steps.

Parameters
----------
network : agents, trades and valuations; by default three sellers and three buyers of one unit.
tick : step of prices, money.
low, high : bounds of offers, multiples of the tick; by default one tick beyond all numbers of the valuations, and zero.
movers : agents that may change their offers at each step, drawn evenly from those with news, then from the others.
shaping : weight of the potential.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The competitive equilibrium of the network: `walras.equilibria.solve` returns its prices and trades, and a policy that
posts them; `walras.equilibria.gap` returns the agents' regrets at the prices of an outcome. The scripted rule is the
best-response dynamic [1]_: match the counterpart's offer on the trades of the best bundle at these offers, ask for one
tick more on the others. With one mover a step the episode is the dynamic, move by move: agents with news are those that
it calls unsatisfied, and when there are none it stands still.

References
----------
[1] E. Lock, B. P. Evans, E. Kreacic, S. Bhatt, A. Koppel, S. Ganesh, P. W. Goldberg, Decentralized convergence to
    equilibrium prices in trading networks, AAAI 2025.
[2] A. Y. Ng, D. Harada, S. Russell, Policy invariance under reward transformations, ICML 1999.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from walras.core.checks import require, require_episode, require_numbers
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Bools, Floats, Image, Ints
from walras.markets.trading.generators import bipartite
from walras.markets.trading.settlement import settle
from walras.markets.trading.trading_network import TradingNetwork


def _three_by_three() -> TradingNetwork:
    return bipartite(3, 3, np.random.default_rng(0))


@dataclass(frozen=True)
class TradingState(State):
    """Offers, and what is struck."""

    offer: Floats  # [B, N, D] money
    struck: Bools  # [B, N, D] only after the close
    news: Bools  # [B, N] another offer was made to the agent since its last turn
    time: Ints  # [B] steps taken


@final
@dataclass(frozen=True)
class TradingNetworkGame(AbstractGame[TradingState]):
    """Bids and asks on the trades of a network.

    Raises
    ------
    ValueError
        If a number is out of range, or a bound is no multiple of the tick.
    """

    unit: ClassVar[str] = "money"

    network: TradingNetwork = field(default_factory=_three_by_three)
    tick: float = 1.0  # money
    low: float | None = None  # money
    high: float | None = None  # money
    movers: int = 1
    shaping: float = 0.0
    horizon: int = 200
    discount: float = 0.99

    def __post_init__(self) -> None:
        require_numbers(self)
        agents = len(self.network.agents)
        require_episode(self.horizon, self.discount)
        require(0 < self.tick < np.inf, "tick", "be positive and finite", self.tick)
        require(1 <= self.movers <= agents, "movers", f"be from 1 to {agents}", self.movers)
        require(0 <= self.shaping < np.inf, "shaping", "be at least 0 and finite", self.shaping)
        numbers = np.concatenate([[0.0], *(valuation.numbers for valuation in self.network.agents)])
        ends = np.floor(numbers.min() / self.tick) - 1, np.ceil(numbers.max() / self.tick) + 1
        for name, end in zip(("low", "high"), ends, strict=True):
            if getattr(self, name) is None:
                object.__setattr__(self, name, float(end * self.tick))
            bound = getattr(self, name)
            require(np.isfinite(bound) and bound % self.tick == 0, name, "be a multiple of the tick", bound)
        low, high = self.bounds
        require(high - low >= 2 * self.tick, "high", f"exceed `low`, {low}, by two ticks", high)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest offer, money."""
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The network's names."""
        return tuple(name if isinstance(name, str) else f"agent_{name}" for name in self.network.names)

    @cached_property
    def degree(self) -> int:
        """D, the largest number of trades of an agent."""
        return max(valuation.degree for valuation in self.network.agents)

    @cached_property
    def mask(self) -> Bools:
        """Which places hold a trade, ``[N, D]``."""
        degrees = np.array([valuation.degree for valuation in self.network.agents])
        return np.arange(self.degree) < degrees[:, None]

    @cached_property
    def side(self) -> Ints:
        """1 where the agent buys, -1 where it sells, 0 for padding, ``[N, D]``."""
        side = np.zeros(self.mask.shape, dtype=np.int64)
        side[self.mask] = np.concatenate([valuation.sides for valuation in self.network.agents])
        return side

    @cached_property
    def places(self) -> tuple[Ints, Ints]:
        """Where each trade's seller and its buyer hold their offers, ``[T]`` each, as indices into ``[N * D]``."""
        trade = np.full(self.mask.shape, -1)
        trade[self.mask] = np.concatenate(self.network.places)
        ends = (np.flatnonzero((trade >= 0) & (self.side == side)) for side in (-1, 1))
        sellers, buyers = (end[np.argsort(trade.flat[end])] for end in ends)
        return sellers, buyers

    @property
    def ends(self) -> End:
        """The horizon is a rule."""
        return "rule"

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        width, (low, high) = self.degree, self.bounds
        zero, one = np.zeros(width), np.ones(width)
        lowest = [zero, -one, *[one * min(low, 0.0)] * 2, np.full_like(self._numbers[0], self._numbers.min()), [0.0]]
        highest = [one, one, *[one * max(high, 0.0)] * 2, np.full_like(self._numbers[0], self._numbers.max()), [1.0]]
        return Box(np.concatenate(lowest), np.concatenate(highest), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """Offers."""
        low, high = self.bounds
        return Box(low, high, (self.degree,), dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers, ``[steps, N, D + 1]``: the first offers, and the order in which agents may move."""
        return rng.random((steps, len(self.agents), self.degree + 1))

    def reset(self, noise: Floats) -> TradingState:
        """Draw offers."""
        low, high = self.bounds
        ticks = round((high - low) / self.tick) - 1
        offer = low + self.tick * (1 + np.floor(noise[..., :-1] * ticks))
        none, news = np.zeros(offer.shape, dtype=np.bool_), np.ones(offer.shape[:2], dtype=np.bool_)
        return TradingState(np.where(self.mask, offer, 0.0), none, news, np.zeros(len(offer), dtype=np.int64))

    def step(self, state: TradingState, action: Floats, noise: Floats) -> Step[TradingState]:
        """Take the offers of those whose turn it is; close the market after the last step."""
        order = np.argsort(noise[..., -1] - state.news, axis=1, kind="stable")
        turn = np.argsort(order, axis=1, kind="stable") < self.movers
        posted = self.tick * np.rint(np.clip(action, *self.bounds) / self.tick)
        offer = np.where(turn[..., None] & self.mask, posted, state.offer)
        time = state.time + 1
        closed = time >= self.horizon
        struck, reward = np.zeros_like(state.struck), np.zeros(turn.shape)
        if closed.any():
            trades, prices = self.outcome(offer[closed])
            struck[closed] = self.by_agent(trades, trades)
            reward[closed] = self.network.utilities(trades, prices)
        heard = (self.counter(offer) != self.counter(state.offer)).any(axis=2)
        after = TradingState(offer, struck, heard | (state.news & ~turn), time)
        return Step(after, reward + self._increment(state, after, closed), closed)

    def outcome(self, offer: Floats) -> tuple[Bools, Floats]:
        """Return the trades that are struck if the market closes, and all prices, ``[..., T]`` each.

        Parameters
        ----------
        offer : Floats
            ``[..., N, D]``, money. A trade's price is midway between bid and ask, whether they meet or not.
        """
        bid, ask = self.quotes(offer)
        price = (bid + ask) / 2
        return settle(self.network, bid >= ask, price), price

    def quotes(self, offer: Floats) -> tuple[Floats, Floats]:
        """Return bids and asks, ``[..., T]`` money each, of offers ``[..., N, D]``."""
        flat = offer.reshape(*offer.shape[:-2], self.mask.size)
        sellers, buyers = self.places
        return flat[..., buyers], flat[..., sellers]

    def by_agent(self, bought: NDArray[Any], sold: NDArray[Any]) -> NDArray[Any]:
        """Return what each agent holds, ``[..., N, D]``, of what buyers and sellers hold ``[..., T]``; padding is 0.

        ``by_agent(bid, ask)`` are the offers.
        """
        sellers, buyers = self.places
        flat = np.zeros((*bought.shape[:-1], self.mask.size), dtype=bought.dtype)
        flat[..., buyers], flat[..., sellers] = bought, sold
        return flat.reshape(*bought.shape[:-1], *self.mask.shape)

    def counter(self, offer: Floats) -> Floats:
        """Return the counterparts' offers to each agent, ``[..., N, D]``, of offers ``[..., N, D]``."""
        bid, ask = self.quotes(offer)
        return self.by_agent(ask, bid)

    def utility(self, offer: Floats) -> Floats:
        """Return each agent's utility, ``[..., N]`` money, if the market closes at offers ``[..., N, D]``."""
        return self.network.utilities(*self.outcome(offer))

    def observe(self, state: TradingState) -> Floats:
        """Show each agent its trades, both sides' offers, its valuation, and the time left."""
        rows = len(state.offer)
        fixed = (np.broadcast_to(part, (rows, *part.shape)) for part in (self.mask, self.side))
        left = np.broadcast_to((1 - state.time / self.horizon)[:, None, None], (rows, len(self.agents), 1))
        numbers = np.broadcast_to(self._numbers, (rows, *self._numbers.shape))
        return np.concatenate((*fixed, self.counter(state.offer), state.offer, numbers, left), axis=2, dtype=np.float64)

    def scripted(self, observation: Floats) -> Floats:
        """Answer the counterparts' offers by the best-response dynamic."""
        counter = observation[..., 2 * self.degree : 3 * self.degree]
        wanted = np.zeros(counter.shape, dtype=np.bool_)
        for agent, valuation in enumerate(self.network.agents):
            own = valuation.degree
            wanted[..., agent, :own] = valuation.demand(counter[..., agent, :own])
        return np.clip(np.where(wanted, counter, counter - self.tick * self.side), *self.bounds)

    def _increment(self, before: TradingState, after: TradingState, closed: Bools) -> Floats:
        """Return the weighted increments of the potential, ``[B, N]``."""
        ahead = np.zeros(after.news.shape)
        if self.shaping == 0:
            return ahead
        if not closed.all():
            ahead[~closed] = self.utility(after.offer[~closed])
        return self.shaping * (self.discount * ahead - self.utility(before.offer))

    @cached_property
    def _numbers(self) -> Floats:
        """The numbers of the valuations, ``[N, K]``, padded by zeros."""
        each = [valuation.numbers for valuation in self.network.agents]
        numbers = np.zeros((len(each), max(map(len, each))))
        for agent, own in enumerate(each):
            numbers[agent, : len(own)] = own
        return numbers

    def text(self, state: TradingState) -> str:
        """List the trades with bid and ask."""
        from walras.envs.trading.pictures import quotes_text

        return quotes_text(*self._shown(state))

    def image(self, state: TradingState) -> Image:
        """Draw bid and ask of each trade."""
        from walras.envs.trading.pictures import draw_quotes

        return draw_quotes(*self._shown(state))

    def _shown(self, state: TradingState) -> tuple[list[str], Floats, Floats, Bools]:
        names = [f"{self.agents[seller]} > {self.agents[buyer]}" for seller, buyer in self.network.trades]
        struck = state.struck[0].ravel()[self.places[0]]
        return names, *self.quotes(state.offer[0]), struck
