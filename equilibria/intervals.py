r"""Intervals of means over episodes: Student's t, with a guard against sums that few episodes carry.

The unit of resampling is the **episode**: hours of one episode depend on each other. The mean of E independent
episodes lies within :math:`t_{E-1} s / \sqrt E` of its expectation with the wanted confidence if the mean is close to
normal. It is not where few episodes carry the sum: with gains in 1 of 100 episodes, 64 episodes hold none half of the
time. `rare` says where fewer than ten episodes carry nine tenths of a sum.
"""

from typing import NamedTuple

import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats

LEAST_EPISODES = 32
"""Episodes without which no interval is given."""
CARRIERS = 10
"""Episodes that must carry a sum."""


class Interval(NamedTuple):
    """A mean over episodes and its ends, ``[...]`` each."""

    mean: Floats
    low: Floats
    high: Floats


def interval(values: Floats, confidence: float) -> Interval:
    """Return the two-sided interval of the mean of ``values [E, ...]`` over episodes.

    Each end is passed with probability ``(1 - confidence) / 2``. Values that do not differ have no width.

    Raises
    ------
    ValueError
        If there are fewer than `LEAST_EPISODES` episodes and their values differ.
    """
    mean = values.mean(axis=0)
    if not np.ptp(values, axis=0).any():
        return Interval(mean, mean, mean)
    require(len(values) >= LEAST_EPISODES, "seeds", f"hold at least {LEAST_EPISODES}", len(values))
    from scipy.special import stdtrit

    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    width = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - width, mean + width)


def rare(gains: Floats) -> Bools:
    """Return where fewer than `CARRIERS` of E episodes carry 90 % of the sum of what ``gains [E, ...]`` are positive.

    No gain at all is not rare: there is nothing to carry.
    """
    positive = np.sort(np.maximum(gains, 0.0), axis=0)[::-1]
    total = positive.sum(axis=0)
    carried = np.cumsum(positive, axis=0) >= 0.9 * total
    needed = carried.argmax(axis=0) + 1
    return (total > 0) & (needed < CARRIERS)
