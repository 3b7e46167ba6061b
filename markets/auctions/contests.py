r"""Contests: all pay, and efforts share the prizes.

`Tullock` gives bidder i the share :math:`b_i^r / \sum_j b_j^r` of one prize; `Crowdsourcing` gives the k-th highest
bid the k-th prize.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Floats
from walras.markets.auctions.outcome import Outcome
from walras.markets.auctions.single_item import one_number_each


@final
@dataclass(frozen=True)
class Tullock:
    """A lottery contest: the share of the prize rises with the share of effort; without effort it is even.

    Raises
    ------
    ValueError
        If `r` is not positive and finite.
    """

    r: float = 1.0
    """How decisive effort is."""

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.r < np.inf, "r", "be positive and finite", self.r)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each of two or more."""
        one_number_each(shape, 2, "Tullock")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Share the prize; there are no ties to break."""
        top = bids.max(axis=1, keepdims=True)
        power = np.where(top > 0, bids / np.where(top > 0, top, 1.0), 1.0) ** self.r
        total = power[:, 0].copy()
        for column in power.T[1:]:  # term by term: a row does not feel its batch
            total += column
        return Outcome(power / total[:, None], bids.copy(), top[:, 0].copy())


@final
@dataclass(frozen=True)
class Crowdsourcing:
    """Prizes by rank: the k-th highest bid gets the k-th prize, the others nothing; tied bids share their prizes.

    Raises
    ------
    ValueError
        If prizes are missing, negative, not finite, or rise.
    """

    prizes: tuple[float, ...] = (0.7, 0.3)
    """From the first to the last, shares of the value."""

    def __post_init__(self) -> None:
        require_numbers(self)
        prizes = np.asarray(self.prizes, dtype=np.float64)
        sound = prizes.ndim == 1 and prizes.size > 0 and bool((np.isfinite(prizes) & (prizes >= 0)).all())
        require(sound, "prizes", "be finite numbers, at least 0", self.prizes)
        require(bool((np.diff(prizes) <= 0).all()), "prizes", "fall from the first to the last", self.prizes)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each, from as many bidders as there are prizes, or more."""
        one_number_each(shape, max(2, len(self.prizes)), "Crowdsourcing")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Give prizes by rank."""
        above = bids[:, None, :] > bids[:, :, None]  # [B, N, N] whether the second bids more than the first
        equal = bids[:, None, :] == bids[:, :, None]
        before, tied = above.sum(axis=2), equal.sum(axis=2)
        if ties is not None:
            before, tied = before + (equal & (ties[:, None, :] > ties[:, :, None])).sum(axis=2), np.ones_like(tied)
        total = np.concatenate(([0.0], np.cumsum(self._each(bids.shape[1]))))
        return Outcome((total[before + tied] - total[before]) / tied, bids.copy(), bids.max(axis=1))

    def _each(self, bidders: int) -> Floats:
        """Return one prize a rank, ``[N]``."""
        return np.pad(np.asarray(self.prizes, dtype=np.float64), (0, bidders - len(self.prizes)))
