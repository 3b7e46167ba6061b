"""Double auctions: buyers and sellers bid for one unit each. A buyer that trades holds 1, a seller -1."""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require, require_numbers, require_whole
from walras.core.typing import Bools, Floats, Ints
from walras.markets.auctions.outcome import Outcome


@final
@dataclass(frozen=True)
class KDouble:
    """One buyer (first) and one seller: they trade if the bid is at least the ask, at k bid + (1 - k) ask.

    Raises
    ------
    ValueError
        If `k` lies outside [0, 1].

    References
    ----------
    K. Chatterjee, W. Samuelson, Bargaining under incomplete information, Operations Research 31, 1983.
    """

    k: float = 0.5
    """Weight of the buyer's bid in the price."""

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 <= self.k <= 1, "k", "lie in [0, 1]", self.k)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid and one ask."""
        require(len(shape) == 2 and shape[1] == 2, "bids", "be a buyer's and a seller's, [B, 2], in KDouble", shape)

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Trade between bid and ask; there are no ties to break."""
        bid, ask = bids.T
        trade = (bid >= ask).astype(np.float64)
        price = trade * (self.k * bid + (1 - self.k) * ask)
        return Outcome(_signed(trade[:, None], trade[:, None]), _signed(price[:, None], price[:, None]), price)


@final
@dataclass(frozen=True)
class McAfee:
    """Truthful trade of many buyers and sellers, of which at most the least valuable trade is given up.

    With k the number of efficient trades, all k trade at the mean p of the first bid and ask left out, if p lies
    between the k-th ask and bid; otherwise k - 1 trade: buyers pay the k-th bid, sellers get the k-th ask. `price` is
    what buyers pay.

    Raises
    ------
    ValueError
        If `buyers` is no whole number, at least 1.

    References
    ----------
    R. P. McAfee, A dominant strategy double auction, Journal of Economic Theory 56, 1992.
    """

    buyers: int | None = None
    """How many of the bidders, the first ones, buy; half of them by default."""

    def __post_init__(self) -> None:
        require_numbers(self)
        if self.buyers is not None:
            require_whole(self.buyers, "buyers")

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for buyers and sellers."""
        require(len(shape) == 2, "bids", "be one number a bidder, [B, N], in McAfee", shape)
        if self.buyers is None:
            require(shape[1] >= 2 and shape[1] % 2 == 0, "bids", "come from as many buyers as sellers in McAfee", shape)
        else:
            require(shape[1] > self.buyers, "bids", f"come from {self.buyers} buyers and some sellers in McAfee", shape)

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Match the highest bids with the lowest asks; equal ones in the order of `ties`, by default of the bidders."""
        rows, buyers = len(bids), self.buyers or bids.shape[1] // 2
        order = np.zeros_like(bids) if ties is None else ties
        bid, bidder = _sorted(-bids[:, :buyers], -order[:, :buyers])
        ask, asker = _sorted(bids[:, buyers:], -order[:, buyers:])
        bid, pairs, row = -bid, min(buyers, bids.shape[1] - buyers), np.arange(rows)
        count = (bid[:, :pairs] >= ask[:, :pairs]).sum(axis=1)  # k
        last_bid, last_ask = (np.take_along_axis(x, np.maximum(count - 1, 0)[:, None], 1)[:, 0] for x in (bid, ask))
        following = count < pairs  # a k + 1st pair stands by
        next_pair = np.minimum(count, pairs - 1)
        price = (bid[row, next_pair] + ask[row, next_pair]) / 2
        whole = following & (last_ask <= price) & (price <= last_bid) & (count > 0)
        trades = np.where(whole, count, np.maximum(count - 1, 0))
        paid, got = np.where(whole, price, last_bid), np.where(whole, price, last_ask)
        sold = trades > 0
        bought, sells = (_undone(np.arange(x.shape[1]) < trades[:, None], x) for x in (bidder, asker))
        payment = _signed(bought * paid[:, None], sells * got[:, None])
        return Outcome(_signed(bought, sells), payment, np.where(sold, paid, 0.0))


def _sorted(keys: Floats, order: Floats) -> tuple[Floats, Ints]:
    """Return keys ``[B, N]`` in rising order, equal ones by `order`, and who holds them."""
    holder = np.lexsort((order, keys), axis=1)
    return np.take_along_axis(keys, holder, axis=1), holder


def _undone(chosen: Bools, holder: Ints) -> Floats:
    """Return ``chosen [B, N]``, given by rank, by bidder."""
    values = np.zeros(holder.shape)
    np.put_along_axis(values, holder, chosen.astype(np.float64), axis=1)
    return values


def _signed(buyers: Floats, sellers: Floats) -> Floats:
    return np.concatenate((buyers, 0.0 - sellers), axis=1)
