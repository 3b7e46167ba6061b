"""Statistics of results: interquartile means over seeds and games, and their bootstrap confidence intervals.

Means over few seeds follow the outliers; the interquartile mean drops the lowest and highest quarter [1]_. Results of
several games are **strata**: one array of seeds a game. A resample draws seeds within each game, never games [1]_. One
seed has no interval: its ends are NaN.

| function | question |
|---|---|
| `estimate` | how large, on one game |
| `aggregate` | how large, over games |
| `performance_profile` | which share of runs is at most this large |
| `probability_of_improvement` | how likely is one method's run below another's |
| `paired_difference` | by how much, where both ran with the same seeds and so under common noise |

All resampling is seeded: equal values give equal intervals.

References
----------
[1] R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, NeurIPS 2021.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.typing import Floats, Ints

RESAMPLES = 2000
"""Bootstrap samples of an interval."""


@final
@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95 % confidence interval; of one seed, the interval is NaN."""

    mean: float
    low: float
    high: float


@final
@dataclass(frozen=True, eq=False)
class Profile:
    """The share of runs whose score is at most each of K thresholds, with 95 % confidence intervals point by point."""

    thresholds: Floats  # [K]
    share: Floats  # [K]
    low: Floats  # [K]
    high: Floats  # [K]


def interquartile_mean(values: ArrayLike, axis: int = 0) -> Floats:
    """Return the mean of the middle half of `values` along `axis`."""
    from scipy.stats import trim_mean  # half of the time in which the command line starts

    return np.asarray(trim_mean(np.asarray(values, dtype=np.float64), 0.25, axis=axis))


def estimate(values: ArrayLike, *, resamples: int = RESAMPLES, confidence: float = 0.95) -> Estimate:
    """Return the interquartile mean of one result a seed, with a percentile bootstrap interval.

    Parameters
    ----------
    values : array_like
        ``[seeds]``.
    resamples : int
        Bootstrap samples.
    confidence : float
        Probability of the interval.

    Raises
    ------
    ValueError
        If `values` is empty or not finite.
    """
    return aggregate([_one("values", values)], resamples=resamples, confidence=confidence)


def aggregate(strata: Sequence[ArrayLike], *, resamples: int = RESAMPLES, confidence: float = 0.95) -> Estimate:
    """Return the interquartile mean of all runs of all games, with a stratified percentile bootstrap interval.

    Parameters
    ----------
    strata : sequence of array_like
        ``[seeds]`` for each game.
    resamples : int
        Bootstrap samples.
    confidence : float
        Probability of the interval.

    Raises
    ------
    ValueError
        If there is no game, or the values of one are empty or not finite.
    """
    samples = _strata("strata", strata)
    mean = float(interquartile_mean(np.concatenate(samples)))
    spread = _resampled(interquartile_mean, samples, resamples)
    return Estimate(mean, *_ends(spread, samples, confidence).tolist())


def performance_profile(strata: Sequence[ArrayLike], thresholds: ArrayLike, *, resamples: int = RESAMPLES) -> Profile:
    """Return the share of runs whose score is at most each threshold: of gaps, the share that came so close.

    Parameters
    ----------
    strata : sequence of array_like
        ``[seeds]`` for each game.
    thresholds : array_like
        ``[K]``.
    resamples : int
        Bootstrap samples.

    Raises
    ------
    ValueError
        As `aggregate`.
    """
    samples, levels = _strata("strata", strata), _one("thresholds", thresholds)

    def shares(values: Floats, axis: int) -> Floats:
        """Return shares ``[K, ...]``."""
        return np.stack([np.mean(values <= level, axis=axis) for level in levels])

    spread = _resampled(shares, samples, resamples)
    low, high = _ends(spread, samples, 0.95)
    return Profile(levels, shares(np.concatenate(samples), 0), low, high)


def probability_of_improvement(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike], *, resamples: int = RESAMPLES
) -> Estimate:
    """Return the probability that a run of the first method scores less than one of the second; a tie counts half.

    It is the mean over games of the Mann-Whitney statistic, as a share of all pairs of runs.

    Parameters
    ----------
    first, second : sequence of array_like
        ``[seeds]`` for each game, the same games in the same order; less is better, as with gaps.
    resamples : int
        Bootstrap samples, of both methods.

    Raises
    ------
    ValueError
        As `aggregate`, or if the numbers of games differ.
    """
    ours, theirs = _strata("first", first), _strata("second", second)
    require(len(ours) == len(theirs), "second", f"have {len(ours)} games, as `first`", len(theirs))
    rng = np.random.default_rng(0)
    each = [_below(a[None], b[None])[0] for a, b in zip(ours, theirs, strict=True)]
    spread = [
        _below(a[_draws(rng, a, resamples)], b[_draws(rng, b, resamples)]) for a, b in zip(ours, theirs, strict=True)
    ]
    return Estimate(float(np.mean(each)), *_ends(np.mean(spread, axis=0), ours + theirs, 0.95).tolist())


def paired_difference(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike], *, resamples: int = RESAMPLES
) -> Estimate:
    """Return the interquartile mean of the differences, first less second, of runs with the same seed.

    Parameters
    ----------
    first, second : sequence of array_like
        ``[seeds]`` for each game, the same games and seeds in the same order.
    resamples : int
        Bootstrap samples, of pairs.

    Raises
    ------
    ValueError
        As `aggregate`, or if the numbers of games or seeds differ.
    """
    ours, theirs = _strata("first", first), _strata("second", second)
    sizes = [len(values) for values in ours]
    require([len(values) for values in theirs] == sizes, "second", f"have the seeds of `first`, {sizes}", theirs)
    return aggregate([a - b for a, b in zip(ours, theirs, strict=True)], resamples=resamples)


def summarised(values: Sequence[float]) -> dict[str, Any]:
    """Return an estimate with its values, as JSON has it: no number where one is infinite, no interval of one seed."""
    if not np.all(np.isfinite(values)):
        return {"mean": None, "low": None, "high": None, "seeds": [v if np.isfinite(v) else None for v in values]}
    return {part: None if np.isnan(number) else number for part, number in vars(estimate(values)).items()} | {
        "seeds": list(values)
    }


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


def _one(name: str, values: ArrayLike) -> Floats:
    sample = np.asarray(values, dtype=np.float64)
    require(sample.ndim == 1 and sample.size > 0, name, "hold one number a seed", sample.shape)
    require_each(np.isfinite(sample), name, "be finite", sample)
    return sample


def _strata(name: str, strata: Sequence[ArrayLike]) -> list[Floats]:
    require(len(strata) > 0, name, "hold the values of at least one game", list(strata))
    return [_one(name, values) for values in strata]


def _draws(rng: np.random.Generator, sample: Floats, resamples: int) -> Ints:
    return rng.integers(0, len(sample), (resamples, len(sample)))


def _resampled(statistic: Callable[..., Floats], samples: Sequence[Floats], resamples: int) -> Floats:
    """Return a statistic ``[..., R]`` of R resamples, each of as many seeds a game as there are."""
    rng = np.random.default_rng(0)
    drawn = [sample[_draws(rng, sample, resamples)] for sample in samples]
    return statistic(np.concatenate(drawn, axis=1), axis=1)


def _ends(spread: Floats, samples: Sequence[Floats], confidence: float) -> Floats:
    """Return both ends ``[2, ...]`` of the middle part of ``spread [..., R]``; NaN where a game has one seed."""
    if min(map(len, samples)) == 1:
        return np.full((2, *spread.shape[:-1]), np.nan)
    from scipy.stats import quantile  # as above

    tail = (1 - confidence) / 2
    return np.moveaxis(quantile(spread, [tail, 1 - tail], axis=-1), -1, 0)


def _below(ours: Floats, theirs: Floats) -> Floats:
    """Return the share of pairs in which ``ours [R, m]`` is less than ``theirs [R, n]``, ``[R]``; ties count half."""
    a, b = ours[:, :, None], theirs[:, None, :]
    return np.mean((a < b) + 0.5 * (a == b), axis=(1, 2))
