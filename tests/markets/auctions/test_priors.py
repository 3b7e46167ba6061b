"""Priors against numerical integration, dependences against their moments, reserves against closed forms."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad

from walras.core.typing import Floats
from walras.markets.auctions import (
    Affiliated,
    BernoulliWeights,
    FromQuantile,
    Independent,
    MineralRights,
    Power,
    Prior,
    TruncatedNormal,
    Uniform,
    myerson_reserve,
    optimal_revenue,
    virtual_value,
)

PRIORS: list[Prior] = [
    Uniform(), Uniform(2.0, 5.0), Uniform(-1e-9, 1e9), Power(2.0), Power(0.5, 3.0), TruncatedNormal(),
    TruncatedNormal(10.0, 2.0, 3.0, 9.0), FromQuantile((0.0, 1.0, 3.0, 3.5)),
]  # fmt: skip


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_the_parts_of_a_prior_agree(prior: Prior) -> None:
    probability = np.linspace(0.0, 1.0, 41)
    value = prior.quantile(probability)
    assert value[0] == prior.low
    assert value[-1] == pytest.approx(prior.high, rel=1e-12)
    np.testing.assert_allclose(prior.cdf(value), probability, atol=1e-9)
    width = prior.high - prior.low
    mass = [quad(lambda v: float(prior.pdf(np.array(v))), a, b)[0] for a, b in itertools.pairwise(value)]
    np.testing.assert_allclose(mass[1:-1], 1 / 40, rtol=1e-6)
    mean = prior.cell_mean(probability[:-1], probability[1:])
    for k in range(1, 39):
        expected = 40 * quad(lambda p: float(prior.quantile(np.array(p))), k / 40, (k + 1) / 40)[0]
        assert mean[k] == pytest.approx(expected, abs=1e-8 * width)
    assert (mean >= value[:-1]).all()
    assert (mean <= value[1:]).all()
    fine = np.linspace(0.0, 1.0, 2**17 + 1)
    cells = prior.cell_mean(fine[:-1], fine[1:])
    assert (np.diff(cells) >= -1e-9 * width).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(1.0, 1.0), r"`high` must be finite and above `low`, 1\.0; got 1\.0"),
        (lambda: Uniform(np.nan, 1.0), r"`low` must be finite"),
        (lambda: Power(0.0), r"`a` must be positive"),
        (lambda: TruncatedNormal(sd=0.0), r"`sd` must be positive"),
        (lambda: TruncatedNormal(0.0, 1e-3, 0.9, 1.0), r"`low` must leave some of the normal"),
        (lambda: FromQuantile((1.0,)), r"`values` must be two quantiles or more"),
        (lambda: FromQuantile((0.0, 1.0, 1.0)), r"`values` must rise strictly: a prior has no atoms"),
        (lambda: FromQuantile(lambda q: q), r"`values` must hold numbers"),  # type: ignore[arg-type]
        (lambda: myerson_reserve(3), r"`prior` must be a distribution, such as Uniform\(0, 1\); got 3"),  # type: ignore[arg-type]
        (lambda: BernoulliWeights(1.2), r"`gamma` must lie in \[0, 1\]; got 1\.2"),
    ],
)
def test_what_is_no_distribution_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def correlation(types: Floats) -> float:
    return float(np.asarray(np.corrcoef(types[:, :2].T))[0, 1])


def test_dependences_draw_what_they_say(rng: np.random.Generator) -> None:
    priors = (Uniform(), Uniform(0.0, 2.0), Power(2.0))
    drawn = Independent().types(rng.random((200_000, 3)), priors)
    assert drawn.type is drawn.value
    np.testing.assert_allclose(drawn.type.mean(axis=0), [0.5, 1.0, 2 / 3], atol=5e-3)
    assert np.abs(np.corrcoef(drawn.type.T) - np.eye(3)).max() < 0.01

    shared = BernoulliWeights(0.3).types(rng.random((200_000, 4)), priors)
    same = np.isclose(shared.type[:, 1], 2 * shared.type[:, 0])
    assert same.mean() == pytest.approx(0.3, abs=0.005)
    assert correlation(shared.type) == pytest.approx(0.3, abs=0.01)

    common = Affiliated().types(rng.random((100_000, 3)), priors[:2])
    np.testing.assert_allclose(common.value, np.repeat(common.type.mean(axis=1)[:, None], 2, axis=1))
    assert correlation(common.type) == pytest.approx(0.5, abs=0.01)

    mineral = MineralRights().types(rng.random((100_000, 4)), priors)
    assert (mineral.type <= 2 * mineral.value).all()
    assert (mineral.type / mineral.value).mean() == pytest.approx(1.0, abs=0.01)


def test_reserves_and_revenues_in_closed_form() -> None:
    assert myerson_reserve(Uniform()) == 0.5
    assert myerson_reserve(Uniform(2.0, 3.0)) == 2.0
    assert myerson_reserve(Power(2.0)) == pytest.approx(3**-0.5, abs=1e-12)
    for bidders, revenue in ((1, 1 / 4), (2, 5 / 12), (3, 17 / 32), (5, 43 / 64)):
        assert optimal_revenue(Uniform(), bidders) == pytest.approx(revenue, abs=1e-10)
        assert optimal_revenue(Uniform(0.0, 1e6), bidders) == pytest.approx(1e6 * revenue, rel=1e-9)
    np.testing.assert_allclose(virtual_value(Uniform(), np.array([0.25, 1.0])), [-0.5, 1.0])
    with pytest.raises(ValueError, match=r"`prior` must be regular"):
        myerson_reserve(FromQuantile((0.0, 0.1, 1.0, 1.05)))
