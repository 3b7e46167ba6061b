r"""Channels of advertising: the auctions that each holds in a period, and what they hand back for budgets and targets.

An advertiser reaches auctions through J channels alone. It tells each channel a budget and a target of value for money;
the channel bids for it in K auctions and hands back what was won, :math:`V_j`, and spent, :math:`D_j` [1]_.

- With **one advertiser** the competing price of each auction is given, and a channel solves the linear program of
  `walras.markets.auctions.autobidding`: as much value as budget and target allow.
- With **several** each channel clears at the first-price pacing equilibrium of the budgets that it was handed. All that
  a bidder wins there has one ratio of value to price, :math:`1 / \alpha_{ij}`, so that a target :math:`\gamma_{ij}` is
  a cap of the multiplier, :math:`\alpha_{ij} \le 1 / \gamma_{ij}`: the equilibrium of values divided by targets. No
  bid exceeds a value, so that targets below 1 change nothing.

References
----------
[1] Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, Multi-channel autobidding with budget and ROI
    constraints, ICML 2023.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, cast, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_each, require_whole
from walras.core.typing import Floats
from walras.markets.auctions.autobidding import bought
from walras.markets.auctions.pacing import paced
from walras.markets.auctions.priors import Prior, Uniform

LEAST = 1e-9
"""Share of a channel's largest budget below which an advertiser does not bid: less is lost in rounding."""


class Lots(NamedTuple):
    """The auctions of a period, of B rows, N advertisers and J channels with K auctions each."""

    value: Floats  # [B, N, J, K] money, what winning is worth
    price: Floats  # [B, J, K] money, the competing price; counts with one advertiser alone


class Handed(NamedTuple):
    """What channels hand back."""

    value: Floats  # [B, N, J] money
    spend: Floats  # [B, N, J] money


@runtime_checkable
class Auctions(Protocol):
    """A law of the auctions of a period."""

    @property
    def channels(self) -> int:
        """J."""
        ...

    @property
    def most_value(self) -> Floats:
        """What all auctions of a period can be worth to an advertiser at most, ``[J]``, money."""
        ...

    @property
    def most_price(self) -> Floats:
        """What they can cost at most, ``[J]``, money."""
        ...

    @property
    def best_ratio(self) -> float:
        """The largest value for a unit of money that an auction can have; infinite where one may be free."""
        ...

    def numbers(self, advertisers: int) -> int:
        """Return of how many uniform numbers a period is made."""
        ...

    def lots(self, noise: Floats, advertisers: int) -> Lots:
        """Return the auctions that uniform numbers ``[B, numbers]`` make."""
        ...


@final
@dataclass(frozen=True)
class DrawnAuctions:
    """As many auctions in each channel, drawn anew in every period, independently of each other.

    Raises
    ------
    ValueError
        If `count` is no whole number, a distribution is none or has negative values, or a scale is not positive.
    """

    count: int = 10
    """K, auctions of a channel."""
    values: Prior = Uniform()  # noqa: RUF009 - frozen
    """Of what an auction is worth to an advertiser, before the channel's scale."""
    prices: Prior = Uniform()  # noqa: RUF009 - frozen
    """Of the competing price, which counts with one advertiser alone."""
    scale: tuple[float, ...] = (1.0, 0.6)
    """By channel, what values are multiplied with."""

    def __post_init__(self) -> None:
        require_whole(self.count, "count")
        for name in ("values", "prices"):
            prior = getattr(self, name)
            require(isinstance(prior, Prior), name, "be a distribution, such as Uniform(0, 1)", prior)
            require(prior.low >= 0, name, "hold no negative numbers", prior)
        object.__setattr__(self, "scale", tuple(float(s) for s in self.scale))
        sound = len(self.scale) >= 1 and all(0 < s < np.inf for s in self.scale)
        require(sound, "scale", "hold positive and finite numbers, one a channel", self.scale)

    @property
    def channels(self) -> int:
        """One for each scale."""
        return len(self.scale)

    @property
    def most_value(self) -> Floats:
        """All at their highest."""
        return self.count * self.values.high * np.array(self.scale)

    @property
    def most_price(self) -> Floats:
        """All at their highest."""
        return np.full(self.channels, self.count * self.prices.high)

    @property
    def best_ratio(self) -> float:
        """The highest value for the least price."""
        return max(self.scale) * self.values.high / self.prices.low if self.prices.low > 0 else np.inf

    def numbers(self, advertisers: int) -> int:
        """One a value, and one a price."""
        return self.channels * self.count * (advertisers + 1)

    def lots(self, noise: Floats, advertisers: int) -> Lots:
        """Return quantiles of the numbers."""
        parts = noise.reshape(len(noise), advertisers + 1, self.channels, self.count)
        value = np.array(self.scale)[:, None] * self.values.quantile(parts[:, :-1])
        return Lots(value, np.asarray(self.prices.quantile(parts[:, -1])))


@final
@dataclass(frozen=True)
class KnownAuctions:
    """The same auctions in every period.

    Raises
    ------
    ValueError
        If shapes disagree, or a number is negative, NaN or infinite.

    Examples
    --------
    >>> from walras.markets.auctions.channels import KnownAuctions
    >>> one = KnownAuctions([[[3.0, 1.0], [1.2]]], [[2.0, 1.0], [1.0]])  # one advertiser, two channels
    >>> one.channels, one.lots(np.empty((1, 0)), 1).value.tolist()
    (2, [[[[3.0, 1.0], [1.2, 0.0]]]])
    """

    values: Sequence[Sequence[Sequence[float]]]
    """By advertiser, channel and auction, money; channels may hold different numbers of auctions."""
    prices: Sequence[Sequence[float]] = ()
    """By channel and auction, the competing price, money; none with several advertisers."""

    def __post_init__(self) -> None:
        values = tuple(tuple(tuple(float(v) for v in channel) for channel in own) for own in self.values)
        prices = tuple(tuple(float(p) for p in channel) for channel in self.prices)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "prices", prices)
        sizes = [tuple(len(channel) for channel in own) for own in values]
        sound = bool(sizes) and len(set(sizes)) == 1 and min(sizes[0], default=0) >= 1
        require(sound, "values", "hold the same channels for each advertiser, of some auctions each", sizes)
        shown, wanted = tuple(len(channel) for channel in prices), sizes[0] if len(values) == 1 else ()
        require(shown == wanted, "prices", f"hold so many auctions by channel: {wanted}", shown)
        for name in ("values", "prices"):
            table = _padded(getattr(self, name))
            require_each(np.isfinite(table) & (table >= 0), name, "be finite and not negative", table)

    @property
    def channels(self) -> int:
        """Those of each advertiser."""
        return len(self.values[0])

    @property
    def most_value(self) -> Floats:
        """What the advertiser has who values them most."""
        return self._table.value[0].sum(axis=2).max(axis=0)

    @property
    def most_price(self) -> Floats:
        """All of them."""
        return self._table.price[0].sum(axis=1)

    @property
    def best_ratio(self) -> float:
        """That of the best auction; infinite where the price is left to the bidders."""
        value, price = self._table.value[0].max(axis=0), self._table.price[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(value > 0, value / price, 0.0)
        return float(ratio.max()) if self.prices else np.inf

    def numbers(self, advertisers: int) -> int:
        """None."""
        return 0

    def lots(self, noise: Floats, advertisers: int) -> Lots:
        """Return the same for each row."""
        table = self._table
        rows = len(noise)
        return Lots(*(np.broadcast_to(part, (rows, *part.shape[1:])) for part in table))

    @cached_property
    def _table(self) -> Lots:
        """One row."""
        value = _padded(self.values)
        price = _padded(self.prices) if self.prices else np.zeros(value.shape[1:])
        return Lots(value[None], price[None])


def handed(lots: Lots, budget: Floats, target: Floats) -> Handed:
    """Return what channels hand back for budgets and targets ``[B, N, J]``; an infinite budget binds nothing.

    With several advertisers a channel does not bid for one whose budget is zero, or `LEAST` of the largest there.
    """
    if lots.value.shape[1] == 1:
        shares = bought(lots.value, lots.price[:, None], budget, target)
        return Handed((lots.value * shares).sum(axis=3), (lots.price[:, None] * shares).sum(axis=3))
    return _in_equilibrium(lots.value, budget, target)


def _in_equilibrium(value: Floats, budget: Floats, target: Floats) -> Handed:
    """Return what pacing equilibria of all channels give, of ``value [B, N, J, K]``."""
    rows, advertisers, channels, auctions = value.shape
    present = budget > LEAST * budget.max(axis=1, keepdims=True)
    bid = np.where(present[..., None], value, 0.0) / np.maximum(target, 1.0)[..., None]
    money = np.where(present, np.minimum(budget, 1.0 + 2.0 * value.sum(axis=3)), 1.0)
    of_channels = np.ascontiguousarray(bid.swapaxes(1, 2)).reshape(rows * channels, advertisers, auctions)
    budgets = np.ascontiguousarray(money.swapaxes(1, 2)).reshape(rows * channels, advertisers)
    found = paced(of_channels, budgets, np.ones((rows * channels, auctions)))
    shape = rows, channels, advertisers, auctions
    won = np.clip(found.allocation, 0.0, 1.0).reshape(shape).swapaxes(1, 2) * (bid > 0)
    price = found.price.reshape(rows, 1, channels, auctions)
    return Handed((value * won).sum(axis=3), (price * won).sum(axis=3))


def _padded(nested: Sequence[object]) -> Floats:
    """Return nested sequences as an array; where the innermost are shorter, zeros follow."""
    if not nested or not isinstance(nested[0], Sequence):
        return np.array(nested, dtype=np.float64)
    parts = [_padded(cast(Sequence[object], part)) for part in nested]
    longest = max(part.shape[-1] for part in parts)
    widths = [[(0, 0)] * (part.ndim - 1) + [(0, longest - part.shape[-1])] for part in parts]
    return np.stack([np.pad(part, width) for part, width in zip(parts, widths, strict=True)])
