"""Statistics of results: the interquartile mean over seeds, and its bootstrap confidence interval.

Means over few seeds follow the outliers; the interquartile mean drops the lowest and highest quarter [1]_.

References
----------
[1] R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap, trim_mean

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.typing import Floats


@dataclass(frozen=True)
class Estimate:
    """An interquartile mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def interquartile_mean(values: ArrayLike, axis: int = 0) -> Floats:
    """Return the mean of the middle half of `values` along `axis`."""
    return np.asarray(trim_mean(np.asarray(values, dtype=np.float64), 0.25, axis=axis))


def estimate(values: ArrayLike, *, resamples: int = 2000, confidence: float = 0.95) -> Estimate:
    """Return the interquartile mean of one result a seed, with a percentile bootstrap interval.

    Parameters
    ----------
    values : array_like
        ``[seeds]``. The resampling is seeded: equal values give equal intervals.
    resamples : int
        Bootstrap samples.
    confidence : float
        Probability of the interval.

    Raises
    ------
    ValueError
        If `values` is empty or not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    require(sample.ndim == 1 and sample.size > 0, "values", "hold one number a seed", sample.shape)
    require_each(np.isfinite(sample), "values", "be finite", sample)
    mean = float(interquartile_mean(sample))
    if np.ptp(sample) == 0:
        return Estimate(mean, mean, mean)
    interval = bootstrap(
        (sample,),
        interquartile_mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high))


def summarised(values: Sequence[float]) -> dict[str, Any]:
    """Return an estimate with its values, as JSON has it; no number where one is infinite, as a share of nothing is."""
    if not np.all(np.isfinite(values)):
        return {"mean": None, "low": None, "high": None, "seeds": [v if np.isfinite(v) else None for v in values]}
    return vars(estimate(values)) | {"seeds": list(values)}


def evaluate(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int]) -> dict[str, Estimate]:
    """Play one episode a seed and return each agent's reward a step, over the seeds.

    Raises
    ------
    ValueError
        If `seeds` is empty.
    """
    trajectory = rollout(game, policy, seeds)
    reward = trajectory.total / trajectory.alive.sum(axis=0)[:, None]
    return {agent: estimate(reward[:, index]) for index, agent in enumerate(game.agents)}
