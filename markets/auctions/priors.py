r"""Priors: distributions of one bidder's value, each on an interval, with a density.

A prior knows its distribution function F, its density f, its quantiles, and the mean of a value that lies between two
quantiles (a *cell*), from which certificates are built. Games draw types as quantiles of uniform numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_numbers, require, require_each, require_numbers
from walras.core.typing import Floats


@runtime_checkable
class Prior(Protocol):
    """A distribution of values on [low, high], without atoms."""

    @property
    def low(self) -> float:
        """Least value, money."""
        ...

    @property
    def high(self) -> float:
        """Largest value, money."""
        ...

    def cdf(self, value: Floats) -> Floats:
        """Return the probability of a value below."""
        ...

    def pdf(self, value: Floats) -> Floats:
        """Return the density; 0 outside the interval."""
        ...

    def quantile(self, probability: Floats) -> Floats:
        """Return the value below which a draw lies with the given probability."""
        ...

    def cell_mean(self, lower: Floats, upper: Floats) -> Floats:
        """Return the mean value between two quantiles, of probability `lower` and `upper`."""
        ...


def _check_interval(low: float, high: float) -> None:
    require(bool(np.isfinite(low)), "low", "be finite", low)
    require(bool(np.isfinite(high)) and high > low, "high", f"be finite and above `low`, {low}", high)


@final
@dataclass(frozen=True)
class Uniform:
    """Even on [low, high].

    Raises
    ------
    ValueError
        If the interval is empty or not finite.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self)
        _check_interval(self.low, self.high)

    def cdf(self, value: Floats) -> Floats:
        """Return F."""
        return np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0)

    def pdf(self, value: Floats) -> Floats:
        """Return f."""
        inside = (value >= self.low) & (value <= self.high)
        return inside / (self.high - self.low)

    def quantile(self, probability: Floats) -> Floats:
        """Return the inverse of F."""
        return self.low + (self.high - self.low) * np.asarray(probability)

    def cell_mean(self, lower: Floats, upper: Floats) -> Floats:
        """Return the middle of the cell."""
        return self.quantile((np.asarray(lower) + upper) / 2)


@final
@dataclass(frozen=True)
class Power:
    r"""On [0, high] with :math:`F(v) = (v / high)^a`.

    Raises
    ------
    ValueError
        If `a` or `high` is not positive and finite.
    """

    a: float = 2.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.a < np.inf, "a", "be positive and finite", self.a)
        _check_interval(0.0, self.high)

    @property
    def low(self) -> float:
        """Zero."""
        return 0.0

    def cdf(self, value: Floats) -> Floats:
        """Return F."""
        return np.clip(np.asarray(value) / self.high, 0.0, 1.0) ** self.a

    def pdf(self, value: Floats) -> Floats:
        """Return f; infinite at zero where a is below 1."""
        share = np.asarray(value) / self.high
        inside = (share >= 0) & (share <= 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(inside, self.a / self.high * np.abs(share) ** (self.a - 1), 0.0)

    def quantile(self, probability: Floats) -> Floats:
        """Return the inverse of F."""
        return self.high * np.asarray(probability, dtype=np.float64) ** (1 / self.a)

    def cell_mean(self, lower: Floats, upper: Floats) -> Floats:
        """Return the integral of the quantiles over the cell, by its width."""
        power = 1 + 1 / self.a
        first, last = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
        mean = self.high / power * (last**power - first**power) / (last - first)
        return np.clip(mean, self.quantile(first), self.quantile(last))


@final
@dataclass(frozen=True)
class TruncatedNormal:
    """A normal distribution, cut to [low, high].

    Raises
    ------
    ValueError
        If `sd` is not positive and finite, the interval is empty, or it holds less than 1e-12 of the normal.
    """

    mean: float = 0.5
    sd: float = 0.25
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self)
        require(bool(np.isfinite(self.mean)), "mean", "be finite", self.mean)
        require(0 < self.sd < np.inf, "sd", "be positive and finite", self.sd)
        _check_interval(self.low, self.high)
        require(self._mass > 1e-12, "low", f"leave some of the normal below `high`, {self.high}", self.low)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Normal probabilities below `low` and below `high`."""
        from scipy.special import ndtr

        return tuple(float(ndtr((end - self.mean) / self.sd)) for end in (self.low, self.high))  # type: ignore[return-value]

    @property
    def _mass(self) -> float:
        return self._ends[1] - self._ends[0]

    def cdf(self, value: Floats) -> Floats:
        """Return F."""
        from scipy.special import ndtr

        inside = np.clip(value, self.low, self.high)
        return np.clip((ndtr((inside - self.mean) / self.sd) - self._ends[0]) / self._mass, 0.0, 1.0)

    def pdf(self, value: Floats) -> Floats:
        """Return f."""
        array = np.asarray(value, dtype=np.float64)
        inside = (array >= self.low) & (array <= self.high)
        return inside * self._bell(array) / (self.sd * self._mass)

    def quantile(self, probability: Floats) -> Floats:
        """Return the inverse of F."""
        from scipy.special import ndtri

        normal = self._ends[0] + self._mass * np.asarray(probability, dtype=np.float64)
        return np.clip(self.mean + self.sd * ndtri(normal), self.low, self.high)

    def cell_mean(self, lower: Floats, upper: Floats) -> Floats:
        """Return the truncated mean of the cell."""
        first, last = self.quantile(lower), self.quantile(upper)
        mean = self.mean + self.sd * (self._bell(first) - self._bell(last)) / (self._mass * (np.asarray(upper) - lower))
        return np.clip(mean, first, last)

    def _bell(self, value: Floats) -> Floats:
        """Return the standard normal density at a value."""
        return np.exp(-0.5 * ((value - self.mean) / self.sd) ** 2) / (2 * np.pi) ** 0.5


@final
@dataclass(frozen=True)
class FromQuantile:
    """Given by its quantiles at even probabilities 0, 1/m, ..., 1; even between two of them.

    Raises
    ------
    ValueError
        If there are fewer than two values, or they do not rise strictly and finitely: a distribution without atoms.
    """

    values: tuple[float, ...] | Sequence[float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        require_numbers(self)
        array = as_numbers("values", self.values)
        require(array.ndim == 1 and array.size >= 2, "values", "be two quantiles or more", self.values)
        require_each(np.isfinite(array), "values", "be finite", array)
        require_each(np.diff(array) > 0, "values", "rise strictly: a prior has no atoms", array[1:])
        object.__setattr__(self, "values", tuple(array.tolist()))

    @cached_property
    def _table(self) -> tuple[Floats, Floats]:
        """Probabilities and values."""
        return np.linspace(0.0, 1.0, len(self.values)), np.asarray(self.values)

    @property
    def low(self) -> float:
        """The first quantile."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """The last quantile."""
        return float(self.values[-1])

    def cdf(self, value: Floats) -> Floats:
        """Return F."""
        probability, values = self._table
        return np.interp(value, values, probability)

    def pdf(self, value: Floats) -> Floats:
        """Return f, constant between two quantiles."""
        probability, values = self._table
        slope = np.diff(probability) / np.diff(values)
        piece = np.clip(np.searchsorted(values, value, side="right") - 1, 0, len(slope) - 1)
        inside = (np.asarray(value) >= self.low) & (np.asarray(value) <= self.high)
        return np.where(inside, slope[piece], 0.0)

    def quantile(self, probability: Floats) -> Floats:
        """Return the inverse of F."""
        return np.interp(probability, *self._table)

    def cell_mean(self, lower: Floats, upper: Floats) -> Floats:
        """Return the integral of the quantiles over the cell, by its width."""
        width = np.asarray(upper) - lower
        mean = (self._integral(upper) - self._integral(lower)) / width
        return np.clip(mean, self.quantile(lower), self.quantile(upper))

    def _integral(self, probability: ArrayLike) -> Floats:
        """Return the integral of the quantiles from 0."""
        knots, values = self._table
        array = np.asarray(probability, dtype=np.float64)
        whole = np.concatenate(([0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(knots))))
        piece = np.clip(np.searchsorted(knots, array, side="right") - 1, 0, len(knots) - 2)
        return whole[piece] + (array - knots[piece]) * (values[piece] + self.quantile(array)) / 2
