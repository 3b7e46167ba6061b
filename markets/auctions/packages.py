r"""Auctions of packages: local bidders against a global one, split awards, and bids on any bundles.

`Core` is the auction of two goods among two locals, who want one each, and a global bidder, who wants both. The locals
win iff their bids :math:`b_1 + b_2` are at least the global's :math:`B`. Then they pay :math:`p_1 + p_2 = B` in all;
the rule says how the core's payments are chosen:

| rule | payments of the locals |
|---|---|
| ``nearest_zero`` | B/2 each, unless that is more than a bid: then that bid, and the other the rest (the proxy rule) |
| ``nearest_vcg`` | :math:`V_i + (B - V_1 - V_2)/2` with :math:`V_i = \max(0, B - b_j)` |
| ``nearest_bid`` | :math:`b_i - (b_1 + b_2 - B)/2`; where :math:`B < |b_1 - b_2|` the larger bid pays B |
| ``first_price`` | own bids |

References
----------
L. M. Ausubel, O. Baranov, Core-selecting auctions with incomplete information, 2010.
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from walras.core.checks import require, require_known, require_numbers
from walras.core.typing import Floats
from walras.markets.auctions.outcome import Outcome

RULES = ("nearest_zero", "nearest_vcg", "nearest_bid", "first_price")
Rule = Literal["nearest_zero", "nearest_vcg", "nearest_bid", "first_price"]


@final
@dataclass(frozen=True)
class Core:
    """Two locals (first) and a global bidder; `price` is what the winners pay together.

    Raises
    ------
    ValueError
        If `rule` is unknown.
    """

    rule: Rule = "nearest_vcg"

    def __post_init__(self) -> None:
        require_numbers(self)
        require_known(self.rule, "rule", RULES)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for three bids."""
        require(len(shape) == 2 and shape[1] == 3, "bids", "be two locals' and a global's, [B, 3], in Core", shape)

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let locals win where they bid enough together; `ties` decide nothing."""
        local, rival = bids[:, :2], bids[:, 2]
        together = local[:, 0] + local[:, 1]
        locals_win = together >= rival
        won = np.stack((locals_win, locals_win, ~locals_win), axis=1).astype(np.float64)
        share = self._payments(local, rival)
        paid_by_global = rival if self.rule == "first_price" else together
        payment = won * np.column_stack((share, paid_by_global))
        return Outcome(won, payment, payment[:, 0] + payment[:, 1] + payment[:, 2])

    def _payments(self, local: Floats, rival: Floats) -> Floats:
        """Return what locals pay if they win, ``[B, 2]``."""
        if self.rule == "first_price":
            return local
        first, second = local.T
        if self.rule == "nearest_zero":
            paid = np.clip(rival / 2, rival - second, first)
        elif self.rule == "nearest_vcg":
            least, other = np.maximum(0.0, rival - second), np.maximum(0.0, rival - first)
            paid = least + (rival - least - other) / 2
        else:
            paid = np.clip(first - (first + second - rival) / 2, 0.0, rival)
        return np.column_stack((paid, rival - paid))


@final
@dataclass(frozen=True)
class SplitAward:
    """Procurement: suppliers ask prices for the whole and for half, ``[B, N, 2]``; the cheapest award is paid as asked.

    `allocation` counts awards won, whole and half; payments are negative. Equal awards: the whole before halves, then
    the first supplier, or the one with the largest of `ties`.
    """

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for two prices each of two or more."""
        sound = len(shape) == 3 and shape[1] >= 2 and shape[2] == 2
        require(
            sound,
            "bids",
            "be [B, N, 2], prices of the whole and of half, N at least 2, in SplitAward",
            shape,
        )

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Take the cheapest of one whole and two halves."""
        whole, half = bids[:, :, 0], bids[:, :, 1]
        order = np.zeros_like(whole) if ties is None else -ties
        sole = np.lexsort((order, whole), axis=1)[:, :1]
        pair = np.lexsort((order, half), axis=1)[:, :2]
        price, each = np.take_along_axis(whole, sole, axis=1)[:, 0], np.take_along_axis(half, pair, axis=1)
        split = each[:, 0] + each[:, 1] < price
        won = np.zeros(bids.shape)
        np.put_along_axis(won[:, :, 0], sole, np.where(split, 0.0, 1.0)[:, None], axis=1)
        np.put_along_axis(won[:, :, 1], pair, np.where(split, 1.0, 0.0)[:, None], axis=1)
        payment = -(won[:, :, 0] * whole + won[:, :, 1] * half)
        return Outcome(won, payment, np.where(split, each[:, 0] + each[:, 1], price))


@final
@dataclass(frozen=True)
class SetPackingVCG:
    """Bids for bundles of goods, of which a bidder wins at most one; winners pay what the others lose by them.

    An integer program (HiGHS) finds the best packing, and one more without each winner finds payments. Rows are solved
    one after another.

    Raises
    ------
    ValueError
        If no bundle is given, a bundle is empty or holds a good twice, or there are more than 64.

    References
    ----------
    W. Vickrey, 1961; E. H. Clarke, 1971; T. Groves, 1973.
    """

    bundles: tuple[tuple[int, ...], ...] = ((0,), (1,), (0, 1))
    """Goods of each bundle; every bidder bids on each, 0 where it is not wanted."""

    def __post_init__(self) -> None:
        require_numbers(self)
        require(1 <= len(self.bundles) <= 64, "bundles", "number 1 to 64", len(self.bundles))
        for bundle in self.bundles:
            require(0 < len(set(bundle)) == len(bundle), "bundles", "hold goods, each once", bundle)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for a bid on each bundle."""
        sound = len(shape) == 3 and shape[2] == len(self.bundles) and 1 <= shape[1] <= 12
        rule = f"be [B, N, {len(self.bundles)}], one number a bidder and bundle of at most 12 bidders, in SetPackingVCG"
        require(sound, "bids", rule, shape)

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Pack and charge; equal packings are settled by the solver."""
        won = np.zeros(bids.shape)
        payment = np.zeros(bids.shape[:2])
        for row, offers in enumerate(bids):
            won[row], best = self._packed(offers)
            for i in np.flatnonzero(won[row].any(axis=1)):
                others = np.arange(len(offers)) != i
                payment[row, i] = self._packed(offers * others[:, None])[1] - (best - (won[row, i] * offers[i]).sum())
        payment = np.maximum(payment, 0.0)
        return Outcome(won, payment, payment.sum(axis=1))

    def _packed(self, offers: Floats) -> tuple[Floats, float]:
        """Return the bundles won ``[N, M]`` and their worth."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        goods = sorted({good for bundle in self.bundles for good in bundle})
        holds = np.array([[good in bundle for bundle in self.bundles] for good in goods], dtype=np.float64)
        bidders, count = offers.shape
        once = np.vstack((np.kron(np.eye(bidders), np.ones(count)), np.tile(holds, bidders)))
        found = milp(
            -offers.ravel() / (float(offers.max()) or 1.0),
            constraints=LinearConstraint(once, ub=1.0),
            integrality=np.ones(offers.size, dtype=np.int64),
            bounds=Bounds(0.0, 1.0),
            options={"mip_rel_gap": 0.0},
        )
        assert found.x is not None  # nothing sold is always feasible
        won = np.round(found.x).reshape(offers.shape) * (offers > 0)
        return won, float((won * offers).sum())
