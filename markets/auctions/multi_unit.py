r"""Auctions of K equal units: bids are marginal, highest first, and the K highest of all bids win.

| format | a winner pays for a unit |
|---|---|
| `UniformPrice` | the highest losing bid (``first_rejected``) or the lowest winning bid (``last_accepted``) |
| `Discriminatory` | its bid for it |
| `Vickrey` | the rivals' bid that it displaces |
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from walras.core.checks import require, require_each, require_known, require_numbers, require_whole
from walras.core.typing import Floats
from walras.markets.auctions.outcome import Outcome


@final
@dataclass(frozen=True)
class UniformPrice:
    """All winners pay one price a unit.

    Raises
    ------
    ValueError
        If `units` is no whole number, at least 1, or `pricing` is unknown.
    """

    units: int = 2
    pricing: Literal["first_rejected", "last_accepted"] = "first_rejected"

    def __post_init__(self) -> None:
        require_numbers(self)
        require_whole(self.units, "units")
        require_known(self.pricing, "pricing", ("first_rejected", "last_accepted"))

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for marginal bids."""
        _check_marginal(shape, self.units, "UniformPrice")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay the price of the margin."""
        won, ladder = _won(bids, self.units, ties)
        price = _rung(ladder, self.units + (self.pricing == "first_rejected"))
        return Outcome(won, _summed(won) * price[:, None], price)


@final
@dataclass(frozen=True)
class Discriminatory:
    """Winners pay their bids; `price` is the lowest winning bid.

    Raises
    ------
    ValueError
        If `units` is no whole number, at least 1.
    """

    units: int = 2

    def __post_init__(self) -> None:
        require_numbers(self)
        require_whole(self.units, "units")

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for marginal bids."""
        _check_marginal(shape, self.units, "Discriminatory")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay as bid."""
        won, ladder = _won(bids, self.units, ties)
        return Outcome(won, _summed(won * bids), _rung(ladder, self.units))


@final
@dataclass(frozen=True)
class Vickrey:
    """A winner of k units pays the k highest bids of the others that lost; `price` is the highest losing bid.

    Raises
    ------
    ValueError
        If `units` is no whole number, at least 1.
    """

    units: int = 2

    def __post_init__(self) -> None:
        require_numbers(self)
        require_whole(self.units, "units")

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for marginal bids."""
        _check_marginal(shape, self.units, "Vickrey")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay what the others lose by them."""
        won, ladder = _won(bids, self.units, ties)
        price = _rung(ladder, self.units + 1)
        count = _summed(won)
        payment = np.stack([self._displaced(bids, count[:, i], i) for i in range(bids.shape[1])], axis=1)
        return Outcome(won, payment, price)

    def _displaced(self, bids: Floats, count: Floats, bidder: int) -> Floats:
        """Return the sum of the rivals' bids ``[B]`` of ranks K - k + 1 to K, k the units of `bidder`."""
        rivals = np.delete(bids, bidder, axis=1).reshape(len(bids), -1)
        rivals = np.pad(-np.sort(-rivals, axis=1), ((0, 0), (0, self.units)))[:, : self.units]
        total = np.concatenate((np.zeros((len(bids), 1)), np.cumsum(rivals, axis=1)), axis=1)
        kept = np.maximum(self.units - count, 0.0)
        whole = np.minimum(kept.astype(np.int64), self.units - 1)
        row = np.arange(len(bids))
        return total[:, -1] - total[row, whole] - (kept - whole) * rivals[row, whole]  # shared ties: linear between


def _check_marginal(shape: tuple[int, ...], units: int, name: str) -> None:
    require(len(shape) == 3 and shape[2] > 0, "bids", f"be one number a bidder and unit, [B, N, M], in {name}", shape)
    require(units <= shape[1] * shape[2], "units", f"be at most the {shape[1] * shape[2]} bids of {name}", units)


def _won(bids: Floats, units: int, ties: Floats | None) -> tuple[Floats, Floats]:
    """Return the units won ``[B, N, M]`` and all bids from the highest to the lowest ``[B, N M]``."""
    fall = np.append(np.zeros((*bids.shape[:2], 1)), bids[:, :, :-1] - bids[:, :, 1:], axis=2)
    require_each(fall >= 0, "bids", "fall from a bidder's first unit to its last", bids)
    flat = bids.reshape(len(bids), -1)
    ladder = -np.sort(-flat, axis=1)
    if ties is None:
        margin = ladder[:, units - 1 : units]
        above, at = flat > margin, flat == margin
        won = above + at * ((units - above.sum(axis=1)) / at.sum(axis=1))[:, None]
    else:
        order = np.lexsort((-np.repeat(ties, bids.shape[2], axis=1), -flat), axis=1)  # stable: first units first
        won = np.zeros(flat.shape)
        np.put_along_axis(won, order[:, :units], 1.0, axis=1)
    return won.reshape(bids.shape), ladder


def _rung(ladder: Floats, rank: int) -> Floats:
    """Return the bid of a rank ``[B]``, the highest of which is 1; 0 where there are fewer bids."""
    return ladder[:, rank - 1].copy() if rank <= ladder.shape[1] else np.zeros(len(ladder))


def _summed(values: Floats) -> Floats:
    """Return the sum over units ``[B, N]``, term by term: a row does not feel its batch."""
    total = values[:, :, 0].copy()
    for unit in range(1, values.shape[2]):
        total += values[:, :, unit]
    return total
