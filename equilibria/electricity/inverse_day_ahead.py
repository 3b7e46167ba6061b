r"""Day-ahead offers with unknown costs: which marginal costs make the offers of a seller best answers.

A seller of K blocks met the rivals' offers and the load of each period. Whatever it offers instead, the outcome is one
of two, X being the blocks that it sells whole, of capacity :math:`Q_X`:

- a rival sets the price P, the least at which rivals serve the load less :math:`Q_X`;
- an own block k sets the price p, and sells what is left of :math:`R = D - S_{-i}(p^-)`, :math:`Q_X < R \le Q_X + q_k`.

Both earn :math:`p \, q - c \cdot x` with a dispatch x that does not depend on the costs: regret is the largest of
finitely many affine functions of the costs, and :math:`\{c : \text{regret} \le \epsilon\}` is a polyhedron. Prices are
rivals' offers (undercut), the largest offers that are allowed, and the cap.

Where offers may be anything up to the cap (`limit` is None), all of these outcomes are in a seller's reach, and the set
is exact. Where they lie between marginal cost and `limit` above it, as in `walras.envs.DayAheadMarket`, the reach
depends on the costs. Then only outcomes count that are in reach at the least costs which are still possible; these rise
as the set shrinks, and the set is narrowed until they stop. It leaves out no costs that rationalise the play, and may
hold some that do not: `regrets` judges any costs exactly.

Where sellers do not know loads and rivals' offers, theirs are best on average alone: `Sample()` takes the conditions of
`walras.equilibria.electricity.day_ahead_sample`.

`regrets` takes another road: the programme of `walras.equilibria.electricity.best_offer`, at given costs.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import numpy as np

from walras.core.checks import require, require_each
from walras.core.rollout import Trajectory
from walras.core.typing import Bools, Floats, Ints
from walras.envs.electricity.day_ahead_market import IBERIAN_CAP, DayAheadMarket
from walras.equilibria.electricity.best_offer import Scenarios, best_offers
from walras.equilibria.electricity.day_ahead_sample import LEAST_PERIODS, changes
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.relaxed import relaxed
from walras.equilibria.inverse.tables import by_period, per_period
from walras.markets.electricity.clearing import EDGE, merit_order

if TYPE_CHECKING:
    import pandas as pd

NARROWED = 20
"""Times that a set is narrowed, at most."""
MOVED = 1e-6
"""EUR/MWh by which least costs must rise for the set to be narrowed again."""


@final
@dataclass(frozen=True, eq=False)
class DayAheadPlay:
    """Observed offers."""

    offer: Floats  # [T, N, K] EUR/MWh
    available: Floats  # [T, N, K] MW
    load: Floats  # [T] MW


class Outcomes(NamedTuple):
    """What a seller could have had instead, less what it had: a gain of ``gain - dispatch @ cost``."""

    gain: Floats  # [H] EUR
    dispatch: Floats  # [H, K] MWh
    period: Ints  # [H]


@final
@dataclass(frozen=True)
class InverseDayAhead(AbstractFamily[DayAheadPlay]):
    """Uniform-price auctions of block offers; the sellers' marginal costs are unknown.

    Raises
    ------
    ValueError
        If there is no seller or block, or a number is out of range.
    """

    unit: ClassVar[str] = "EUR"

    sellers: tuple[str, ...] = ("seller_0", "seller_1")
    blocks: int = 1
    cap: float = IBERIAN_CAP  # EUR/MWh
    limit: float | None = None
    """Largest mark-up over marginal cost, EUR/MWh, and no offer lies below it; None: offers may be anything."""
    step_hours: float = 1.0
    tick: float = 1e-6
    """Smallest step of offers, EUR/MWh: undercutting has no best answer, and what a tick a block earns is no gain."""

    def __post_init__(self) -> None:
        require(len(self.sellers) > 0, "sellers", "hold at least one name", self.sellers)
        require(1 <= self.blocks <= 8, "blocks", "lie in [1, 8]: outcomes double with each", self.blocks)
        for name in ("cap", "step_hours", "tick"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))
        require(self.limit is None or 0 < self.limit < np.inf, "limit", "be positive and finite", self.limit)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The sellers."""
        return self.sellers

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``cost_<seller>_<block>``, seller by seller."""
        return tuple(f"cost_{seller}_{k}" for seller in self.sellers for k in range(self.blocks))

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """From zero to the cap."""
        return np.zeros(len(self.names)), np.full(len(self.names), self.cap)

    @property
    def convex(self) -> bool:
        """Regret is convex in the costs, unless they move what may be offered."""
        return self.limit is None

    def read(self, table: "pd.DataFrame") -> DayAheadPlay:
        """Read columns `period`, `agent`, `block` (from 0), `offer`, `available` and `load`.

        Columns `price` and `accepted`, where they are there, are compared with the clearing of the offers.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        more = [name for name in ("price", "accepted") if name in table]
        found = by_period(table, ["offer", "available", "load", *more], self.agents, keys=("agent", "block"))
        play = DayAheadPlay(found["offer"], found["available"], per_period(found["load"], "load"))
        self.check(play)
        price, dispatch = self._cleared(play)
        for name, told in (("price", price[:, None, None]), ("accepted", dispatch)):
            if name in found:
                near = np.abs(found[name] - told) <= 1e-6 * (1 + np.abs(told))
                rule = "be that of clearing the offers against the load; are the units EUR/MWh and MW?"
                require_each(near, name, rule, found[name])
        return play

    def check(self, observed: DayAheadPlay) -> None:
        """Refuse shapes that do not fit, offers beyond the cap, and offers further apart than mark-ups may be.

        Raises
        ------
        ValueError
            If there are any.
        """
        shape = (len(observed.load), len(self.sellers), self.blocks)
        for name in ("offer", "available"):
            part = getattr(observed, name)
            require(part.shape == shape, name, f"have shape {shape}", part.shape)
        o, q = observed.offer, observed.available
        require_each((o >= 0) & (o <= self.cap * (1 + EDGE)), "offer", f"lie in [0, {self.cap}] EUR/MWh", o)
        require_each(np.isfinite(q) & (q >= 0), "available", "be finite and not negative, MW", q)
        load = observed.load
        require_each(np.isfinite(load) & (load >= 0), "load", "be finite and not negative, MW", load)
        low, high = self._ends(observed)
        rule = f"differ by at most `limit`, {self.limit} EUR/MWh, for one block"
        require(bool((low <= high + 1e-6).all()), "offer", rule, float((low - high).max()))

    def _ends(self, observed: DayAheadPlay) -> tuple[Floats, Floats]:
        """Return least and largest costs that the offers themselves allow, ``[N, K]``."""
        shape = observed.offer.shape[1:]
        if self.limit is None:
            return np.zeros(shape), np.full(shape, self.cap)
        sold = observed.available > 0
        top = np.max(np.where(sold & (observed.offer < self.cap * (1 - EDGE)), observed.offer, -np.inf), axis=0)
        bottom = np.min(np.where(sold, observed.offer, self.cap), axis=0)
        return np.maximum(top - self.limit, 0.0), bottom

    def _cleared(self, observed: DayAheadPlay) -> tuple[Floats, Floats]:
        found = merit_order(observed.offer, observed.available, observed.load, self.cap, 0.0)
        return found.price, found.dispatch

    def conditions(self, observed: DayAheadPlay) -> ParameterSet:
        """Return the costs at which no seller gains in any period, seller by seller."""
        return self._joined([self.set_of(observed, i) for i in range(len(self.sellers))])

    def confidence_set(self, observed: DayAheadPlay, confidence: float) -> ParameterSet:
        """Return costs that hold the true ones with about this probability, of offers that are best on average.

        Raises
        ------
        ValueError
            If mark-ups have a limit, or there are fewer than 20 periods.
        """
        require(self.limit is None, "limit", "be None, for a sample: changed offers must be allowed", self.limit)
        count = len(observed.load)
        require(count >= LEAST_PERIODS, "observations", f"hold at least {LEAST_PERIODS} periods for a sample", count)
        play, rules = (observed.offer, observed.available, observed.load), (self.cap, self.tick)
        found = [changes(*play, i, *rules) for i in range(len(self.sellers))]
        among, box = sum(len(each.level) for each in found), (np.zeros(self.blocks), np.full(self.blocks, self.cap))
        names = [self.names[i * self.blocks : (i + 1) * self.blocks] for i in range(len(self.sellers))]
        parts = zip(names, found, strict=True)
        return self._joined([relaxed(name, each, box, confidence, among) for name, each in parts])

    def estimate(self, observed: DayAheadPlay, allowed: ParameterSet) -> Floats:
        """Return the middle of the set."""
        return allowed.centre

    def _joined(self, parts: list[ParameterSet]) -> ParameterSet:
        """Return the sets of all sellers as one."""
        size, matrix, bound = len(self.names), list[Floats](), list[Floats]()
        for i, part in enumerate(parts):
            rows = np.zeros((len(part.matrix), size))
            rows[:, i * self.blocks : (i + 1) * self.blocks] = part.matrix
            matrix.append(rows)
            bound.append(part.bound)
        low, high = (np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high"))
        return ParameterSet(self.names, low, high, np.concatenate(matrix), np.concatenate(bound))

    def set_of(self, observed: DayAheadPlay, player: int) -> ParameterSet:
        """Return the costs of one seller at which it gains in no period."""
        low, high = (end[player] for end in self._ends(observed))
        found = self._set(observed, player, np.minimum(low, high), high)
        for _ in range(0 if self.limit is None else NARROWED):
            least = found.interval[:, 0]
            if found.empty or np.max(least - found.low) <= MOVED:
                break
            found = self._set(observed, player, np.minimum(np.maximum(found.low, least - MOVED / 10), high), high)
        return found

    def _set(self, observed: DayAheadPlay, player: int, low: Floats, high: Floats) -> ParameterSet:
        """Return the costs between `low` and `high` at which no outcome gains that is in reach from `low` up."""
        own = observed.available[:, player].sum(axis=1)
        small = (self.blocks + 1) * self.tick * self.step_hours * own
        rows = self.outcomes(observed, player, low)
        there = np.abs(rows.dispatch).max(axis=1, initial=0.0) > 0
        names = self.names[player * self.blocks : (player + 1) * self.blocks]
        bound = small[rows.period[there]] - rows.gain[there]
        return ParameterSet(names, low, high, -rows.dispatch[there], bound, tol=1e-7)

    def outcomes(self, observed: DayAheadPlay, player: int, low: Floats | None = None) -> Outcomes:
        """Return what a seller could have had in all periods, whatever its costs are, from `low` up."""
        reach = self._reach(self._ends(observed)[0][player] if low is None else low)
        own = observed.available[:, player]
        others = np.arange(len(self.sellers)) != player
        shape = (len(own), -1)
        rival = observed.offer[:, others].reshape(shape), observed.available[:, others].reshape(shape)
        price, dispatch = self._cleared(observed)
        now = dispatch[:, player]
        ladder = _Ladder.of(*rival, observed.load, np.append(reach, self.cap))
        gains, moved, when = list[Floats](), list[Floats](), list[Ints]()
        for sold in product((False, True), repeat=self.blocks):
            whole = np.array(sold)
            for revenue, left, rows in _with(ladder, own, whole, reach, self.cap):
                gains.append(revenue - price[rows] * now[rows].sum(axis=1))
                moved.append(left - now[rows])
                when.append(rows)
        scale = self.step_hours
        return Outcomes(scale * np.concatenate(gains), scale * np.concatenate(moved), np.concatenate(when))

    def own(self, player: int) -> Ints:
        """Return the places of a seller's costs."""
        return np.arange(player * self.blocks, (player + 1) * self.blocks)

    def regrets(self, observed: DayAheadPlay, theta: Floats) -> Regrets:
        """Return what the best offers gain over the observed ones, in hindsight, at given costs."""
        cost = theta.reshape(len(self.sellers), self.blocks)
        price, dispatch = self._cleared(observed)
        payoff = np.sum((price[:, None, None] - cost) * dispatch, axis=2) * self.step_hours
        gain, slope = np.zeros_like(payoff), np.zeros((*payoff.shape, len(self.names)))
        for i in range(len(self.sellers)):
            best, asked = self.best(observed, i, cost[i])
            changed = observed.offer.copy()
            changed[:, i] = asked
            after = merit_order(changed, observed.available, observed.load, self.cap, 0.0).dispatch[:, i]
            gain[:, i] = best * self.step_hours - payoff[:, i]
            columns = slice(i * self.blocks, (i + 1) * self.blocks)
            slope[:, i, columns] = (dispatch[:, i] - after) * self.step_hours
        return Regrets(np.maximum(gain, 0.0), payoff, slope)

    def _reach(self, cost: Floats) -> Floats:
        """Return the largest offers, ``[K]`` EUR/MWh, of blocks of these costs."""
        return np.full(self.blocks, self.cap) if self.limit is None else np.minimum(cost + self.limit, self.cap)

    def best(self, observed: DayAheadPlay, player: int, cost: Floats) -> tuple[Floats, Floats]:
        """Return the hourly profit ``[T]`` of a seller's best offers and the offers ``[T, K]``, at costs ``[K]``."""
        count, others = len(observed.load), np.arange(len(self.sellers)) != player
        reach = self._reach(cost)
        scenarios = Scenarios(
            observed.offer[:, others].reshape(count, 1, -1),
            observed.available[:, others].reshape(count, 1, -1),
            observed.load[:, None],
            np.ones((count, 1)),
        )
        repeated = np.broadcast_to(cost, (count, self.blocks))
        wide = np.broadcast_to(np.maximum(reach, cost), (count, self.blocks))
        found = best_offers(repeated, observed.available[:, player], wide, scenarios, self.cap)
        return found.value, found.offer


class _Ladder(NamedTuple):
    """The levels of each period and what rivals offer below them."""

    level: Floats  # [T, L] EUR/MWh, rising
    below: Floats  # [T, L] MW that rivals offer strictly below
    up_to: Floats  # [T, L] MW that rivals offer at or below
    load: Floats  # [T] MW

    @classmethod
    def of(cls, price: Floats, quantity: Floats, load: Floats, extra: Floats) -> "_Ladder":
        level = np.sort(np.concatenate([price, np.broadcast_to(extra, (len(price), len(extra)))], axis=1), axis=1)
        strictly = np.einsum("tj,tlj->tl", quantity, price[:, None] < level[..., None])
        return cls(level, strictly, np.einsum("tj,tlj->tl", quantity, price[:, None] <= level[..., None]), load)


def _with(ladder: _Ladder, own: Floats, whole: Bools, reach: Floats, cap: float) -> list[tuple[Floats, Floats, Ints]]:
    """Return revenue ``[H]``, dispatch ``[H, K]`` and period ``[H]`` of the outcomes that sell some blocks whole."""
    sold = (own * whole).sum(axis=1)
    least = float(reach[~whole].min(initial=np.inf))  # up to which the other blocks can be kept out
    found: list[tuple[Floats, Floats, Ints]] = []
    # A rival sets the price, or the cap does.
    enough = ladder.up_to >= ((ladder.load - sold) * (1 - EDGE))[:, None]
    first = np.argmax(enough, axis=1)
    price = np.where(enough.any(axis=1), ladder.level[np.arange(len(own)), first], cap)
    served = (ladder.load > sold * (1 + EDGE)) & ((price < least) | bool(whole.all()))
    rows = np.flatnonzero(served)
    found.append((price[rows] * sold[rows], own[rows] * whole, rows))
    # An own block sets it.
    left = ladder.load[:, None] - ladder.below - sold[:, None]
    for k in np.flatnonzero(~whole):
        marginal = (left > EDGE * ladder.load[:, None]) & (left <= own[:, k : k + 1] * (1 + EDGE))
        rows, at = np.nonzero(marginal & (ladder.level <= least))
        rest = np.minimum(left[rows, at], own[rows, k])
        dispatch = own[rows] * whole
        dispatch[:, k] = rest
        found.append((ladder.level[rows, at] * (sold[rows] + rest), dispatch, rows))
    return found


def observed_day_ahead(game: DayAheadMarket) -> tuple[InverseDayAhead, Floats]:
    """Return the family of a market whose costs are unknown, and its costs.

    Raises
    ------
    ValueError
        If sellers are paid as they bid: the outcomes are those of one price for all.
    """
    require(game.settlement == "uniform", "settlement", "be 'uniform', for costs to be inferred", game.settlement)
    blocks = game.cost.shape[1]
    family = InverseDayAhead(game.agents, blocks, game.cap, game.markup_limit, game.conditions.step_hours)
    return family, game.cost.ravel()


def day_ahead_table(game: DayAheadMarket, trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return the offers of play as the table that `InverseDayAhead.read` reads, with `price` and `accepted`."""
    import pandas as pd

    after = trajectory.state
    offered = (part[1:] for part in (after.offer, after.offered, after.dispatch))
    offer, available, accepted = (part.reshape(-1, *part.shape[2:]) for part in offered)
    load, price = after.cleared[1:].ravel(), after.price[1:].ravel()
    count, sellers, blocks = offer.shape
    each = sellers * blocks
    return pd.DataFrame(
        {
            "period": np.repeat(np.arange(count), each),
            "agent": np.tile(np.repeat(game.agents, blocks), count),
            "block": np.tile(np.arange(blocks), count * sellers),
            "offer": offer.ravel(),
            "available": available.ravel(),
            "load": np.repeat(load, each),
            "price": np.repeat(price, each),
            "accepted": accepted.ravel(),
        }
    )
