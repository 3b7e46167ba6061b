r"""Whether regret grows more slowly than time: two tests of one path of play, and what both must say.

*Trend.* If the mean regret :math:`r_t = R_t / t` wandered without a trend, each round would see it fall with chance one
half; p is the chance of as many falls as were seen, or more.

*Slope.* The slope b of :math:`\log R_t` on :math:`\log t`, with its standard error; regret is sublinear if b < 1.

A constant regret passes the first test for a trivial reason, and noise may pass either; so `Sublinear.holds` asks for
both.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require, require_each
from walras.core.display import Shown
from walras.core.typing import Floats

LEVEL = 0.05
"""Chance of error of each test."""


@final
@dataclass(frozen=True)
class Sublinear(Shown):
    """What both tests say of a path of regret."""

    falls: int  # rounds in which the mean regret fell
    p_value: float  # of the trend
    slope: float  # of the logarithm of regret; NaN where fewer than three regrets are positive
    error: float  # its standard error
    last: float  # regret after the last round

    @property
    def holds(self) -> bool:
        """Whether the mean regret falls, and the slope is below 1 by two standard errors or no regret is left."""
        slow = self.last <= 0 if np.isnan(self.slope) else self.slope + 2 * self.error < 1
        return self.p_value <= LEVEL and bool(slow)


def regret_path(utility: ArrayLike, chosen: ArrayLike) -> Floats:
    """Return the external regret after each round, ``[T]``.

    Parameters
    ----------
    utility : array_like
        ``[T, A]``: what each action would have earned.
    chosen : array_like
        ``[T, A]``: the strategy of each round.

    Raises
    ------
    ValueError
        If shapes do not fit, or an entry is NaN.
    """
    worth, played = as_floats("utility", utility, 2), as_floats("chosen", chosen, 2)
    require(played.shape == worth.shape, "chosen", f"have the shape {worth.shape}", played.shape)
    best = np.cumsum(worth, axis=0).max(axis=1)
    return best - np.cumsum((worth * played).sum(axis=1))


def sublinear(regret: ArrayLike) -> Sublinear:
    """Return what the tests say of a path of regret ``[T]``.

    Raises
    ------
    ValueError
        If there are fewer than two rounds, or an entry is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.no_regret.sublinear import sublinear
    >>> time = np.arange(1, 101)
    >>> sublinear(np.sqrt(time)).holds, sublinear(time / 4.0).holds
    (True, False)
    """
    from scipy.stats import binom

    path = as_floats("regret", regret, 1)
    require(len(path) >= 2, "regret", "have at least two rounds", len(path))
    require_each(np.isfinite(path), "regret", "be finite", path)
    time = np.arange(1.0, len(path) + 1)
    mean = path / time
    falls = int((mean[:-1] > mean[1:]).sum())
    return Sublinear(falls, float(binom.sf(falls - 1, len(path) - 1, 0.5)), *_slope(time, path), float(path[-1]))


def _slope(time: Floats, path: Floats) -> tuple[float, float]:
    """Return the slope of logarithms and its standard error, over rounds of positive regret."""
    some = path > 0
    if some.sum() < 3:
        return np.nan, np.nan
    x, y = np.log(time[some]), np.log(path[some])
    x = x - x.mean()
    slope = float((x * y).sum() / (x**2).sum())
    left = y - y.mean() - slope * x
    return slope, float(np.sqrt((left**2).sum() / max(some.sum() - 2, 1) / (x**2).sum()))
