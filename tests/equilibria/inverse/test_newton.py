"""Steps of Newton's method on regret."""

import numpy as np
import pytest

from walras.equilibria import CournotPlay, InverseCournot
from walras.equilibria.inverse.least_regret import oracle_of
from walras.equilibria.inverse.newton import polished


def test_polishing_never_raises_the_regret() -> None:
    q = np.array([33.0, 28.0]) + np.random.default_rng(3).normal(0, 1, (20, 2))
    family, play = InverseCournot(2), CournotPlay(q)
    each = 100 - q.sum(axis=1, keepdims=True) - q
    assert polished(family, play, np.array([1.0, 30.0])) == pytest.approx(each.mean(axis=0), abs=1e-6)
    best = polished(family, play, each.mean(axis=0))
    assert oracle_of(family, play)(best)[0] <= oracle_of(family, play)(each.mean(axis=0))[0]
