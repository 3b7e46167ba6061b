"""First-order methods of families whose deviator answers in closed form, and of finite games, where all are linear."""

import numpy as np
import pytest

from walras.equilibria import BertrandPlay, InverseBertrand, InverseMatrix, InverseSupply, MatrixPlay
from walras.equilibria.inverse import (
    Extragradient,
    GradientDescentAscent,
    MaxOracle,
    StochasticDescentAscent,
    StochasticMaxOracle,
    fit,
)
from walras.equilibria.inverse.answered import AnsweredObjective
from walras.equilibria.inverse.descent import AbstractDescent
from walras.equilibria.matrix.matrix_objective import nearest_chances

CURVES = np.array([[[12.0, 0.5], [15.0, 0.4], [10.0, 0.6]]])


def pennies() -> tuple[InverseMatrix, MatrixPlay]:
    """Matching pennies in which heads pay the first player 3."""
    base, basis = np.array([[[0.0, -1], [-1, 1]], [[-1, 1], [1, -1]]]), np.zeros((1, 2, 2, 2))
    basis[0, 0, 0, 0] = 1.0
    return InverseMatrix((2, 2), base, basis, 0.0, 10.0), InverseMatrix.mixed(([0.5, 0.5], [1 / 3, 2 / 3]))


@pytest.mark.parametrize(
    ("method", "within"),
    [
        (GradientDescentAscent(1500, 0.5, 0.5, "plain"), 0.2),
        (Extragradient(400, 2.0, 2.0), 1e-3),
        (MaxOracle(500, 0.3, vanishing=True), 0.05),
        pytest.param(StochasticMaxOracle(1500, 0.3), 0.3, marks=pytest.mark.slow),
        pytest.param(StochasticDescentAscent(accuracy=0.95, steps=3000, scale=0.2), 0.6, marks=pytest.mark.slow),
    ],
)
def test_rewards_of_a_finite_game(method: AbstractDescent, within: float) -> None:
    family, play = pennies()
    found = fit(family, play, method, seed=1)
    assert found.parameters == pytest.approx([3.0], abs=within)
    assert found.set is not None
    assert found.set.contains(np.array([3.0]))


def test_the_gradients_are_those_of_the_regret() -> None:
    rng = np.random.default_rng(0)
    family = InverseMatrix((2, 3))
    objective = family.objective(InverseMatrix.mixed((rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(3)))))
    theta, rule = rng.random((1, 12)), rng.random((1, 13))
    found, step = objective.psi(theta, rule), 1e-6
    for k in range(12):
        other = objective.psi(theta + step * np.eye(12)[k], rule)
        assert (other.value - found.value) / step == pytest.approx(found.theta[:, k], abs=1e-6)
    for k in range(13):
        other = objective.psi(theta, rule + step * np.eye(13)[k])
        assert (other.value - found.value) / step == pytest.approx(found.deviation[:, k], abs=1e-6)
    periods = np.arange(objective.periods)
    each = [objective.psi(theta, rule, periods[t : t + 1]) for t in periods]
    assert np.mean([one.theta for one in each], axis=0) == pytest.approx(found.theta)
    assert np.mean([one.deviation for one in each], axis=0) == pytest.approx(found.deviation)


def test_best_rules_gain_the_swap_regret() -> None:
    family, play = pennies()
    objective, theta = family.objective(play), np.array([5.0])
    best = objective.answer(theta[None])
    regret = float(family.weights(play) @ family.regrets(play, theta).gain.sum(axis=1))
    assert regret > 0.1
    assert objective.psi(theta[None], best).value == pytest.approx([regret])


def test_families_with_a_closed_form_descend() -> None:
    family = InverseSupply(3, 0.7, (40.0, 60.0), largest=50.0, steepest=5.0)
    play = family.of_curves(CURVES)
    for method in (MaxOracle(1500, 0.1), StochasticMaxOracle(1000, 1.0)):
        assert fit(family, play, method, seed=0).residual < 0.1
    with pytest.raises(TypeError, match="`config` must be MaxOracle or StochasticMaxOracle for InverseSupply"):
        fit(family, play, Extragradient(10))


def test_one_period_is_an_unbiased_sample() -> None:
    rng, family = np.random.default_rng(1), InverseBertrand(2, None)
    share = rng.uniform(0.2, 0.4, (5, 2))
    objective = AnsweredObjective(family, BertrandPlay(1.0 + 0.3 / (1 - share), share))
    theta = np.array([[1.0, 1.1, 0.3]])
    whole = objective.psi(theta, objective.answer(theta))
    each = [objective.psi(theta, objective.answer(theta), np.array([t])) for t in range(5)]
    assert np.mean([one.theta for one in each], axis=0) == pytest.approx(whole.theta)
    assert np.mean([one.value for one in each]) == pytest.approx(whole.value[0])


def test_the_nearest_chances() -> None:
    found = nearest_chances(np.array([[0.5, 0.5, 0.5], [2.0, 0.0, 0.0], [-1.0, 0.2, 0.2]]))
    assert found == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0, 0.5, 0.5]]))
    assert nearest_chances(np.array([[2.0, 0.0]]), 0.1) == pytest.approx(np.array([[0.9, 0.1]]))
