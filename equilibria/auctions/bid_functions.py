"""Bid functions: from a bidder's type to its bid, with bounds on cells of types; policies made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Policy
from walras.core.typing import Floats, Ints

INNER = 8
"""Points of a cell at which a policy is compared with its table."""
COMPARED = 2048
"""Cells that are compared, evenly spread."""
SAME = 1e-6
"""Share of money up to which two bids of one type are the same: networks round in single precision."""
FEW = 16
"""Types that are asked by themselves."""


@runtime_checkable
class BidFunction(Protocol):
    """A strategy of one bidder."""

    def __call__(self, types: Floats) -> Floats:
        """Return the bids of types, in money."""
        ...

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the least and the largest bid ``[K]`` of types between ``edges [K + 1]``."""
        ...


@final
@dataclass(frozen=True)
class Rising:
    """A formula that never falls: the ends of a cell bound it."""

    formula: Callable[[Floats], Floats]

    def __call__(self, types: Floats) -> Floats:
        """Return the formula's value."""
        return np.asarray(self.formula(np.asarray(types, dtype=np.float64)), dtype=np.float64)

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the bids at the ends."""
        bids = np.maximum.accumulate(self(edges))  # rounding may let a flat formula fall
        return bids[:-1], bids[1:]


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Bids at given types, linear in between and constant beyond.

    Raises
    ------
    ValueError
        If types do not rise strictly, or a number is not finite.
    """

    types: Floats  # [P]
    bids: Floats  # [P]
    margin: float = 0.0  # money by which what the table stands for may differ from it; widens the bounds of cells
    firm: tuple[float, ...] = ()  # bids without margin: what is bid at all of a cell's points is bid throughout it

    def __post_init__(self) -> None:
        shape = np.shape(self.types)
        require(len(shape) == 1 and shape[0] >= 2 and np.shape(self.bids) == shape, "bids", "be one a type", self.bids)
        require_each(np.isfinite(self.types), "types", "be finite", self.types)
        require_each(np.isfinite(self.bids), "bids", "be finite", self.bids)
        require_each(np.diff(self.types) > 0, "types", "rise strictly", self.types[1:])

    def __call__(self, types: Floats) -> Floats:
        """Interpolate."""
        return np.interp(types, self.types, self.bids)

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the least and the largest bid: at an end of the cell, or at a type of the table inside it."""
        ends = self(edges)
        low, high = np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])
        inside = (self.types > edges[0]) & (self.types < edges[-1])
        cell = np.searchsorted(edges, self.types[inside], side="right") - 1
        np.minimum.at(low, cell, self.bids[inside])
        np.maximum.at(high, cell, self.bids[inside])
        margin = np.where((low == high) & np.isin(low, self.firm), 0.0, self.margin)
        return low - margin, high + margin


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """Bids that are constant between given types: ``bids[k]`` from the k-th of them on."""

    types: Floats  # [P] rising
    bids: Floats  # [P + 1]

    def __call__(self, types: Floats) -> Floats:
        """Look up."""
        return self.bids[np.searchsorted(self.types, types, side="right")]

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the least and the largest of all steps in a cell."""
        first = np.searchsorted(self.types, edges[:-1], side="left")
        last = np.searchsorted(self.types, edges[1:], side="right")
        between = np.column_stack((first, last + 1)).ravel()
        padded = np.append(self.bids, self.bids[-1])
        return tuple(reduce.reduceat(padded, between)[::2] for reduce in (np.minimum, np.maximum))  # type: ignore[return-value]


@final
@dataclass(frozen=True, eq=False)
class Turned:
    """A bid function with types and bids turned round: of a seller who was treated as a buyer."""

    buyer: BidFunction

    def __call__(self, types: Floats) -> Floats:
        """Return the negative of the bids at the negative of the types."""
        return -self.buyer(-types)

    def cells(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the bounds, turned round."""
        low, high = self.buyer.cells(-edges[::-1])
        return -high[::-1], -low[::-1]


@final
@dataclass(frozen=True, eq=False)
class Bidding:
    """A policy of bid functions: each bidder bids by its own, on the first number that it sees.

    Raises
    ------
    TypeError
        If a strategy does not tell its bounds on cells of types.
    """

    independent: ClassVar[bool] = True

    strategies: tuple[BidFunction, ...]

    def __post_init__(self) -> None:
        for strategy in cast(tuple[object, ...], self.strategies):  # what a caller passes
            if not isinstance(strategy, BidFunction):
                rule = "hold bid functions, which bound bids on cells of types; `Rising` makes one of a rising formula"
                raise TypeError(f"`strategies` must {rule}; got {type(strategy).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the bids ``[B, N, 1]``."""
        bidders, own = observation.shape[1], len(self.strategies)
        require(own == bidders, "policy", f"hold one strategy for each of {bidders} bidders", own)
        bids = [strategy(observation[:, i, 0]) for i, strategy in enumerate(self.strategies)]
        return np.stack(bids, axis=1)[:, :, None]


@final
@dataclass(frozen=True, eq=False)
class Tabulated:
    """A policy of unknown form, read at types of each bidder."""

    game: AbstractGame[Any]
    policy: Policy
    edges: tuple[Floats, ...]  # [K + 1] each
    ends: tuple[float, float] | None = None  # to which bids are cut, money; those of the action space by default

    @cached_property
    def strategies(self) -> tuple[Table, ...]:
        """The tables, one a bidder, with the largest distance from the policy that was found as their margin.

        Cells that bid an end of what is allowed, at their ends and wherever they are compared, have no margin: bids are
        cut to it, and many types make it.
        """
        firm = (tuple(end for end in self._ends if self._holds(i, end)) for i in range(len(self.edges)))
        made = zip(self._tables, self.error.tolist(), firm, strict=True)
        return tuple(replace(table, margin=error, firm=ends) for table, error, ends in made)

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        """The tables without their margins."""
        return tuple(Table(*_distinct(e, b)) for e, b in zip(self.edges, self._tabled.T, strict=True))

    @cached_property
    def _tabled(self) -> Floats:
        """Bids at the edges, ``[K + 1, N]``."""
        return self._bids(self.edges)

    @cached_property
    def error(self) -> Floats:
        """The largest distance ``[N]`` between the policy and its table, at inner points of some cells, money."""
        types, bids = self._inner
        tabled = np.stack([table(own) for table, own in zip(self._tables, types, strict=True)], axis=-1)
        return np.abs(bids - tabled).max(axis=(0, 1))

    @cached_property
    def _chosen(self) -> Ints:
        """The cells that are compared."""
        return np.unique(np.linspace(0, len(self.edges[0]) - 2, COMPARED).astype(np.int64))

    @cached_property
    def _inner(self) -> tuple[list[Floats], Floats]:
        """Types at inner points of some cells, one array ``[C, P]`` a bidder, and bids there, ``[C, P, N]``."""
        chosen, share = self._chosen, (np.arange(INNER) + 0.5) / INNER
        types = [e[chosen, None] + share * (e[chosen + 1] - e[chosen])[:, None] for e in self.edges]
        bids = self._bids([own.ravel() for own in types])
        return types, bids.reshape(len(chosen), INNER, len(self.edges))

    def _holds(self, who: int, end: float) -> bool:
        """Return whether cells that bid an end at both of their ends do so wherever they are compared."""
        at = self._tabled[:, who] == end
        cells = at[self._chosen] & at[self._chosen + 1]
        return bool((self._inner[1][cells, :, who] == end).all())

    @cached_property
    def plain(self) -> bool:
        """Whether a bidder's bid follows from its own type alone: no chance, no others' types, no other rows."""
        rng = np.random.default_rng(1)
        order = np.stack([rng.permutation(len(own)) for own in self.edges], axis=1)  # another for each bidder
        return self._answers(order) and self._answers(order[:FEW])

    def _answers(self, chosen: Ints) -> bool:
        """Return whether numbers ``[C, N]`` of edges get the table's bids, asked by themselves, to a share of money.

        Money is the largest bid of all, or the bidder's own largest bid or type if these are less.
        """
        again = self._bids([own[chosen[:, i]] for i, own in enumerate(self.edges)], seed=1)
        largest, types = np.abs(self._tabled).max(axis=0), np.array([np.abs(own).max() for own in self.edges])
        money = np.maximum(np.minimum(np.maximum(largest, types), largest.max()), 1e-300)
        return bool((np.abs(again - np.take_along_axis(self._tabled, chosen, axis=0)) <= SAME * money).all())

    @property
    def _ends(self) -> tuple[float, float]:
        space: Any = self.game.action_space
        return (float(space.low[0]), float(space.high[0])) if self.ends is None else self.ends

    def _bids(self, types: Sequence[Floats], seed: int = 0) -> Floats:
        """Return the bids ``[K, N]`` at types ``[K]`` of each bidder, cut to the ends."""
        action = self.policy.act(seen(self.game, types), np.random.default_rng(seed))
        return np.clip(np.asarray(action, dtype=np.float64)[:, :, 0], *self._ends)


def seen(game: AbstractGame[Any], types: Sequence[Floats]) -> Floats:
    """Return what bidders see, ``[K, N, 1 + N]``, at types ``[K]`` of each."""
    own, bidders = np.column_stack(list(types)), len(game.agents)
    role = np.broadcast_to(np.eye(bidders), (len(own), bidders, bidders))
    return np.concatenate((own[:, :, None], role), axis=2)


def _distinct(types: Floats, bids: Floats) -> tuple[Floats, Floats]:
    """Return types that rise strictly, and their bids: quantiles may coincide in floating point."""
    keep = np.concatenate(([True], np.diff(types) > 0))
    return types[keep], bids[keep]
