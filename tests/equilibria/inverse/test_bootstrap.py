"""Resampled estimates: steps of Newton's method where regret is smooth, descents where it has kinks."""

import numpy as np
import pytest

from walras.equilibria import CournotPlay, FisherPlay, InverseCournot, InverseFisher, InverseUndercutting
from walras.equilibria.inverse import bootstrap
from walras.equilibria.inverse.bootstrap import polished, resampled
from walras.equilibria.inverse.family import take
from walras.equilibria.inverse.least_regret import descend, oracle_of
from walras.equilibria.matrix.inverse_bertrand import UndercuttingPlay


def test_costs_of_resamples_are_means_of_the_costs_of_their_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parabola: the step is exact. No more than the first few resamples are descended."""
    descents: list[int] = []
    monkeypatch.setattr(bootstrap, "descend", lambda *given: (descents.append(1), descend(*given))[1])
    rng = np.random.default_rng(0)
    q = np.array([33.0, 28.0]) + rng.normal(0, 1, (20, 2))
    each = 100 - q.sum(axis=1, keepdims=True) - q
    rows = rng.integers(20, size=(50, 20))
    found = resampled(InverseCournot(2), CournotPlay(q), each.mean(axis=0), rows)
    assert found == pytest.approx(each[rows].mean(axis=1), abs=1e-6)
    assert len(descents) == bootstrap.DESCENDED


def test_steps_attain_what_descents_do_where_valuations_are_free_in_scale() -> None:
    rng, family = np.random.default_rng(1), InverseFisher("cobb-douglas", 2, 2)
    value, price, budget = np.array([[0.4, 0.6], [0.7, 0.3]]), np.array([0.6, 0.4]), np.array([1.0, 2.0])
    bundle = budget[:, None] * value / price * np.exp(rng.normal(0, 0.05, (30, 2, 2)))
    play = FisherPlay(np.repeat(price[None], 30, axis=0), bundle)
    theta = polished(family, play, np.append(budget, value))
    rows = rng.integers(30, size=(12, 30))
    for each, step in zip(rows, resampled(family, play, theta, rows), strict=True):
        oracle = oracle_of(family, take(play, each))
        start, least = oracle(theta)[0], oracle(descend(oracle, *family.bounds, theta)[0])[0]
        assert start - oracle(step)[0] >= 0.98 * (start - least)


def test_kinks_are_descended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The regret of equal prices of one good is a sum of distances: its least point is no step of Newton's away."""
    descents: list[int] = []
    monkeypatch.setattr(bootstrap, "descend", lambda *given: (descents.append(1), descend(*given))[1])
    rng = np.random.default_rng(2)
    price = np.repeat(20 + rng.normal(0, 1, (15, 1)), 2, axis=1)
    family, play, rows = InverseUndercutting(100.0, 3.0), UndercuttingPlay(price), rng.integers(15, size=(20, 15))
    found = resampled(family, play, np.array([20.3]), rows)
    assert len(descents) >= len(rows)
    for each, theta in zip(rows, found, strict=True):
        oracle = oracle_of(family, take(play, each))
        assert oracle(theta)[0] <= oracle(np.array([20.3]))[0]


def test_polishing_never_raises_the_regret() -> None:
    q = np.array([33.0, 28.0]) + np.random.default_rng(3).normal(0, 1, (20, 2))
    family, play = InverseCournot(2), CournotPlay(q)
    each = 100 - q.sum(axis=1, keepdims=True) - q
    assert polished(family, play, np.array([1.0, 30.0])) == pytest.approx(each.mean(axis=0), abs=1e-6)
    best = polished(family, play, each.mean(axis=0))
    assert oracle_of(family, play)(best)[0] <= oracle_of(family, play)(each.mean(axis=0))[0]
