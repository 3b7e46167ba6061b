r"""Auctions of one good: who bids most wins; formats differ in who pays what.

| format | winner pays | losers pay |
|---|---|---|
| `FirstPrice` | own bid | 0 |
| `SecondPrice` | the larger of the second bid and the reserve | 0 |
| `ThirdPrice` | the third bid | 0 |
| `AllPay` | own bid | own bid |
| `WarOfAttrition` | the second bid | own bid |

A bid below the reserve does not win. An entry fee is paid by everybody who bids.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Floats
from walras.markets.auctions.outcome import Outcome

_EVENLY = np.empty((0, 0))


def one_number_each(shape: tuple[int, ...], least: int, name: str) -> None:
    """Raise ``ValueError`` unless bids are ``[B, N]`` of at least `least` bidders."""
    require(len(shape) == 2, "bids", f"be one number a bidder, [B, N], in {name}", shape)
    require(shape[1] >= least, "bids", f"come from at least {least} bidders in {name}", shape)


def highest(bids: Floats, reserve: float, ties: Floats | None) -> tuple[Floats, Floats]:
    """Return the winners' shares ``[B, N]`` and the three highest bids ``[B, 3]``, minus infinity where missing."""
    from walras.markets.auctions.ranking import ranked
    from walras.markets.compiled import plain

    return ranked(plain(bids), float(reserve), plain(_EVENLY if ties is None else ties))


def _sold(share: Floats, price: Floats) -> Floats:
    """Return the price ``[B]``, 0 where nobody won."""
    return np.where(share.any(axis=1), price, 0.0)


def _winner_pays(share: Floats, price: Floats) -> Outcome:
    price = _sold(share, price)
    return Outcome(share, share * price[:, None], price)


def _with_fee(outcome: Outcome, bids: Floats, fee: float) -> Outcome:
    return outcome._replace(payment=outcome.payment + fee * ~np.isnan(bids)) if fee else outcome


def _check_terms(reserve: float, entry_fee: float) -> None:
    for name, value in (("reserve", reserve), ("entry_fee", entry_fee)):
        require(0 <= value < np.inf, name, "be finite and at least 0", value)


@final
@dataclass(frozen=True)
class FirstPrice:
    """The highest bid wins and is paid.

    Raises
    ------
    ValueError
        If `reserve` or `entry_fee` is negative or not finite.
    """

    reserve: float = 0.0
    """Least bid that wins, money."""
    entry_fee: float = 0.0
    """Paid by all who bid, money."""

    def __post_init__(self) -> None:
        require_numbers(self)
        _check_terms(self.reserve, self.entry_fee)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each."""
        one_number_each(shape, 1, "FirstPrice")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay their bids."""
        share, top = highest(bids, self.reserve, ties)
        return _with_fee(_winner_pays(share, top[:, 0]), bids, self.entry_fee)


@final
@dataclass(frozen=True)
class SecondPrice:
    """The highest bid wins and pays the second highest, at least the reserve (Vickrey, 1961).

    Raises
    ------
    ValueError
        If `reserve` or `entry_fee` is negative or not finite.
    """

    reserve: float = 0.0
    """Least bid that wins, and least price, money."""
    entry_fee: float = 0.0
    """Paid by all who bid, money."""

    def __post_init__(self) -> None:
        require_numbers(self)
        _check_terms(self.reserve, self.entry_fee)

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each."""
        one_number_each(shape, 1, "SecondPrice")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay the second bid."""
        share, top = highest(bids, self.reserve, ties)
        return _with_fee(_winner_pays(share, np.maximum(top[:, 1], self.reserve)), bids, self.entry_fee)


@final
@dataclass(frozen=True)
class ThirdPrice:
    """The highest bid wins and pays the third highest."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each of three or more."""
        one_number_each(shape, 3, "ThirdPrice")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let winners pay the third bid."""
        share, top = highest(bids, 0.0, ties)
        return _winner_pays(share, top[:, 2])


@final
@dataclass(frozen=True)
class AllPay:
    """The highest bid wins; all pay their bids."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each."""
        one_number_each(shape, 1, "AllPay")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let everybody pay."""
        share, top = highest(bids, 0.0, ties)
        return Outcome(share, bids.copy(), top[:, 0].copy())


@final
@dataclass(frozen=True)
class WarOfAttrition:
    """The highest bid wins and pays the second highest; losers pay their bids."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Ask for one bid each of two or more."""
        one_number_each(shape, 2, "WarOfAttrition")

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Let the last two stop together."""
        share, top = highest(bids, 0.0, ties)
        return Outcome(share, np.minimum(bids, top[:, 1:2]), top[:, 1].copy())
