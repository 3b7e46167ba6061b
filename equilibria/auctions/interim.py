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

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, final

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.auctions.opposing import Bounds, Cells, Opposing

CELLS = 131_072
OUTWARD = 1e-12
"""Share of the largest utility by which ends are moved outward: a bound on rounding."""
SHOWN = 257
"""Types at which interim gains are kept."""


class Lines(NamedTuple):
    """What bids earn: a line in the type each; slopes do not fall."""

    slope: Floats  # [L]
    intercept: Floats  # [L]
    bid: Floats  # [L] money


class Own(NamedTuple):
    """A bidder's own cells of types, of equal mass, and what it bids on them."""

    edges: Floats  # [K + 1] money
    means: Floats  # [K] money
    bids: Cells  # [K]


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
    power: float = 1.0
    """Exponent of utility, which the lines lack."""
    fee: float = 0.0
    """What it costs to bid, money."""

    def best(self, lines: Lines, at: Floats) -> Floats:
        """Return the highest line at types, as utility; who stays out has nothing."""
        from walras.equilibria.auctions.envelope import envelope

        top = envelope(lines.slope, lines.intercept, at)[0]
        return np.maximum(np.maximum(top, 0.0) ** self.power - self.fee, 0.0)


MakesTerms: TypeAlias = Callable[[Opposing], Terms]


class Found(NamedTuple):
    """What was found of one bidder, an auction; T types are shown."""

    lower: float  # money
    upper: float  # money
    value: float  # money, what it has
    types: Floats  # [T] money
    interim: Floats  # [T] money, the best utility at each type, at least
    best_bid: Floats  # [T] money, what earns it


def found(own: Own, terms: Terms) -> Found:
    """Return the interim gap of one bidder."""
    least, most = _best_utility(own, terms)
    have = terms.own(own)
    slack = OUTWARD * max(abs(most), float(terms.best(terms.upper, own.edges[-1:])[0]))
    lower = max(0.0, least - float(have.high.mean()) - slack)
    upper = max(lower, most - float(have.low.mean()) + slack)
    value = float(have.low.mean() + have.high.mean()) / 2
    return Found(lower, upper, value, *_shown(own.edges, terms))


def _best_utility(own: Own, terms: Terms) -> tuple[float, float]:
    """Return bounds on the mean of the best utility over all types."""
    edges, means = own.edges, own.means
    ends = terms.best(terms.upper, edges)
    if terms.power != 1.0:  # no longer convex: cells' ends
        return float(terms.best(terms.lower, edges[:-1]).mean()), float(ends[1:].mean())
    width = np.diff(edges)
    share = np.divide(means - edges[:-1], width, out=np.ones_like(width), where=width > 0)
    chord = ends[:-1] + np.clip(share, 0.0, 1.0) * np.diff(ends)
    return float(terms.best(terms.lower, means).mean()), float(chord.mean())


def _shown(edges: Floats, terms: Terms) -> tuple[Floats, Floats, Floats]:
    """Return some types, their best utilities, and the bids that earn them."""
    from walras.equilibria.auctions.envelope import envelope

    types = edges[np.linspace(0, len(edges) - 1, SHOWN).astype(np.int64)]
    which = envelope(terms.lower.slope, terms.lower.intercept, types)[1]
    return types, terms.best(terms.lower, types), terms.lower.bid[which]


@final
@dataclass(frozen=True, eq=False)
class InterimGap:
    """What bidders gain by their best bids, an auction; T types are shown."""

    lower: Floats  # [N] money
    upper: Floats  # [N] money
    value: Floats  # [N] money, what each has
    types: Floats  # [N, T] money
    interim: Floats  # [N, T] money, the best utility at each type, at least
    best_bid: Floats  # [N, T] money, what earns it
    table_error: Floats  # [N] money, largest distance found between the policy and the table that was certified

    @property
    def relative(self) -> tuple[Floats, Floats]:
        """Both ends as shares of what each bidder has."""
        return self.lower / self.value, self.upper / self.value
