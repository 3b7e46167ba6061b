r"""The certified interim gap: what a bidder that knows its own type gains by its best bid, from both sides.

With independent private values and no aversion to risk, a bid b earns a bidder of type v

.. math:: U(v, b) = v A(b) - P(b),

where A is the chance to win and P the expected payment. That is a line in v, so the best utility :math:`V^*` is an
upper envelope of lines: convex, and rising with v. Bounds on A and P (`walras.equilibria.auctions.opposing`) bound the
lines, so that no type and no bid is left out. On cells of the bidder's own types of equal mass, with means
:math:`m_j`,

.. math:: \frac1K \sum_j V^-(m_j) \le \mathrm{E}\, V^* \le \frac1K \sum_j \text{chord of } V^+ \text{ at } m_j,

by Jensen's inequality from below, and since a convex function lies under its chords. What the bidder has is bounded in
each cell. The gap lies between the differences, which are rounded outward.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require_each
from walras.core.typing import Floats, Ints
from walras.equilibria.auctions.bid_functions import BidFunction, Steps, Turned
from walras.equilibria.auctions.opposing import MANY, Bounds, Cells, Opposing, shares_cut
from walras.markets.auctions.priors import Prior

CELLS = 131_072
OUTWARD = 1e-12
"""Share of the largest utility by which ends are moved outward: a bound on rounding."""
ROUNDING = 1e-9
"""Share of the largest bid by which a bid may lie outside the bounds that its strategy declares."""
SHOWN = 257
"""Types at which interim gains are kept."""


class Lines(NamedTuple):
    """What bids earn: a line in the type each; slopes do not fall."""

    slope: Floats  # [L]
    intercept: Floats  # [L]
    bid: Floats  # [L] money


class Own(NamedTuple):
    """A bidder's own cells of types, and what it bids on them."""

    edges: Floats  # [K + 1] money
    means: Floats  # [K] money
    bids: Cells  # [K]
    mass: Floats | None = None  # [K] of the cells; equal where none is given

    def mean(self, values: Floats) -> float:
        """Return the mean of ``values [K]`` in the cells."""
        return float(values.mean() if self.mass is None else values @ self.mass)

    def rounding(self, most: Floats) -> float:
        """Return a bound on what masses that are rounded do to the mean of values of at most ``most [K]``."""
        return 0.0 if self.mass is None else float(np.finfo(np.float64).eps * most.sum())

    @property
    def turned(self) -> "Own":
        """The same with types and bids turned round, as a seller becomes a buyer."""
        bids = Cells(-self.bids.high[::-1], -self.bids.low[::-1])
        return Own(-self.edges[::-1], -self.means[::-1], bids)


def own_cells(prior: Prior, strategy: BidFunction, cells: int, space: Box, rivals: int = 1) -> Own:
    """Return the cells of a bidder with so many rivals; bids outside the action space are cut, as episodes do.

    Raises
    ------
    ValueError
        If the strategy bids outside the bounds that it declares on a cell.
    """
    share = shares_cut(cells, rivals)
    edges, means = prior.quantile(share), prior.cell_mean(share[:-1], share[1:])
    low, high = strategy.cells(edges)
    bids, slack = strategy(means), ROUNDING * float(np.abs(high[np.isfinite(high)]).max(initial=0.0))
    inside = (bids >= low - slack) & (bids <= high + slack)
    require_each(inside, "policy", "bid inside the bounds that its strategies declare on cells of types", bids)
    allowed = Cells(*(np.clip(part, space.low[0], space.high[0]) for part in (low, high)))
    return Own(edges, means, allowed, np.diff(share) if rivals > MANY else None)


@final
@dataclass(frozen=True, eq=False)
class Terms:
    """What a format pays one bidder, given its rivals."""

    lower: Lines
    """Some bid earns at least each line, at every type where the line is positive."""
    upper: Lines
    """No bid earns more than the highest line."""
    own: Callable[[Own], Bounds]
    """Bounds on the mean utility in each cell, ``[K]``."""
    chance: Callable[[Cells], Bounds]
    """Bounds on the chance to win, or the share, with bids of each cell, ``[K]``."""
    power: float = 1.0
    """Exponent of utility, which the lines lack."""
    fee: float = 0.0
    """What it costs to bid, money."""

    def best(self, lines: Lines, at: Floats) -> Floats:
        """Return the highest line at types, as utility; who stays out has nothing."""
        from walras.equilibria.auctions.envelope import envelope

        top = envelope(lines.slope, lines.intercept, at)
        return np.maximum(np.maximum(top, 0.0) ** self.power - self.fee, 0.0)

    def paid(self, bid: Floats) -> Bounds:
        """Return bounds on what is paid with bids ``[L]``: what a bidder without value loses, if not averse to risk."""
        worthless = np.zeros(len(bid) + 1)
        have = self.own(Own(worthless, worthless[1:], Cells(bid, bid)))
        return Bounds(-have.high, -have.low)


MakesTerms: TypeAlias = Callable[[Opposing], Terms]


class Found(NamedTuple):
    """What was found of one bidder, an auction; T types are shown."""

    lower: float  # money
    upper: float  # money
    value: float  # money, what it has
    types: Floats  # [T] money
    interim: Floats  # [T] money, the best utility at each type, at least
    earned: Floats  # [T] money, what it has in the cell of each type, the middle of its bounds
    answer: BidFunction  # that earns it

    @property
    def turned(self) -> "Found":
        """What was found of a seller as a buyer, turned back."""
        buyer = self.answer
        return self._replace(types=-self.types, answer=Turned(buyer))


def found(own: Own, terms: Terms, idle: float = 0.0) -> Found:
    """Return the interim gap of one bidder; the bid `idle` wins nothing and costs nothing."""
    have = terms.own(own)
    near = np.minimum(shown(own.edges), len(own.means) - 1)
    rounded = own.rounding(np.maximum(np.abs(have.low), np.abs(have.high)))
    total = own.mean(have.low) - rounded, own.mean(have.high) + rounded
    return found_with(own, terms, total, (have.low[near] + have.high[near]) / 2, idle)


def found_with(own: Own, terms: Terms, have: tuple[float, float], earned: Floats, idle: float = 0.0) -> Found:
    """Return the interim gap of a bidder whose mean utility lies between two numbers, near types ``earned [T]``."""
    least, most = _best_utility(own, terms)
    slack = OUTWARD * max(abs(most), float(terms.best(terms.upper, own.edges[-1:])[0]))
    slack += own.rounding(terms.best(terms.upper, own.edges))
    lower = max(0.0, least - have[1] - slack)
    upper = max(lower, most - have[0] + slack)
    types = own.edges[shown(own.edges)]
    return Found(lower, upper, sum(have) / 2, types, terms.best(terms.lower, types), earned, _answer(terms, idle))


def shown(edges: Floats) -> Ints:
    """Return which ends of cells are types that are shown, ``[T]``."""
    return np.linspace(0, len(edges) - 1, SHOWN).astype(np.int64)


def _answer(terms: Terms, idle: float) -> Steps:
    """Return the bid of the highest line below each type, and the idle one where no line earns more than the fee."""
    from walras.equilibria.auctions.envelope import hull

    slope, intercept, bid = (part[hull(terms.lower.slope, terms.lower.intercept)] for part in terms.lower)
    meets = (intercept[:-1] - intercept[1:]) / (slope[1:] - slope[:-1])
    rises = slope > 0
    begins = float(((terms.fee - intercept[rises]) / slope[rises]).min(initial=np.inf))
    kept = meets > begins
    types = np.concatenate(([begins], meets[kept]))
    return Steps(types, np.concatenate(([idle], bid[len(bid) - kept.sum() - 1 :])))


def _best_utility(own: Own, terms: Terms) -> tuple[float, float]:
    """Return bounds on the mean of the best utility over all types."""
    edges, means = own.edges, own.means
    ends = terms.best(terms.upper, edges)
    if terms.power != 1.0:  # no longer convex: cells' ends
        return own.mean(terms.best(terms.lower, edges[:-1])), own.mean(ends[1:])
    width = np.diff(edges)
    share = np.divide(means - edges[:-1], width, out=np.ones_like(width), where=width > 0)
    chord = ends[:-1] + np.clip(share, 0.0, 1.0) * np.diff(ends)
    return own.mean(terms.best(terms.lower, means)), own.mean(chord)


@final
@dataclass(frozen=True, eq=False)
class InterimGap:
    """What bidders gain by their best bids, an auction; T types are shown."""

    lower: Floats  # [N] money
    upper: Floats  # [N] money
    value: Floats  # [N] money, what each has
    types: Floats  # [N, T] money
    interim: Floats  # [N, T] money, the best utility at each type, at least
    earned: Floats  # [N, T] money, what each has near the type
    best_bid: Floats  # [N, T] money, what earns it
    answers: tuple[BidFunction, ...] = field(repr=False)  # N, from any type to what earns it
    table_error: Floats  # [N] money, largest distance found between the policy and the table that was certified

    @property
    def relative(self) -> tuple[Floats, Floats]:
        """Both ends as shares of what each bidder has; infinite where it has nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.lower / self.value, self.upper / self.value


def joined(found: Sequence[Found], table_error: Floats) -> InterimGap:
    """Return what was found of all bidders."""
    lower, upper, value, types, interim, earned = (np.array(part) for part in list(zip(*found, strict=True))[:6])
    answers = tuple(one.answer for one in found)
    best = np.array([answer(t) for answer, t in zip(answers, types, strict=True)])
    return InterimGap(lower, upper, value, types, interim, earned, best, answers, table_error)
