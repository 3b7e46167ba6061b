from itertools import pairwise

import numpy as np
import pytest

from walras.core.concept import Concept
from walras.equilibria import correlated, extreme_nash, nash
from walras.markets.matrix import MatrixGame

CHICKEN = MatrixGame([[[6, 2], [7, 0]], [[6, 7], [2, 0]]])
APART = MatrixGame([[[1, 1, 3], [3, 0, 0], [2, 1, 0]], [[0, 0, 0], [1, 2, 3], [3, 1, 1]]])


def travellers_dilemma() -> MatrixGame:
    claim = np.arange(2, 101)
    own, other = np.meshgrid(claim, claim, indexing="ij")
    paid = np.minimum(own, other) + 2 * np.sign(other - own)
    return MatrixGame(np.stack([paid, paid.T]))


class TestScales:
    @pytest.mark.parametrize("concept", ["ce", "cce"])
    def test_a_player_of_small_payoffs_counts_as_much(self, concept: str) -> None:
        rng = np.random.default_rng(3)
        for _ in range(5):
            payoff = rng.normal(size=(2, 4, 4))
            payoff[1] *= 1e-10
            game = MatrixGame(payoff)
            device = correlated(game, concept)
            assert np.all(game.gap(device.joint, device.concept) <= 2e-9 * np.array([np.ptp(own) for own in payoff]))

    def test_the_level_of_payoffs_does_not_count(self) -> None:
        rng = np.random.default_rng(4)
        for _ in range(5):
            payoff = rng.integers(0, 9, size=(2, 4, 4))
            device, other = correlated(MatrixGame(payoff)), correlated(MatrixGame(payoff + 2**40))
            assert (payoff.sum(axis=0) * other.joint).sum() == pytest.approx(device.value, abs=1e-8)


class TestGoldens:
    def test_chicken(self) -> None:
        best, worst = correlated(CHICKEN), correlated(CHICKEN, "ce", "min_welfare")
        np.testing.assert_allclose(best.joint, [[0.5, 0.25], [0.25, 0]], atol=1e-12)
        assert best.value == pytest.approx(10.5, abs=1e-12)
        assert worst.value == pytest.approx(7.2, abs=1e-12)

    def test_chicken_with_the_largest_entropy(self) -> None:
        device = correlated(CHICKEN, "ce", "max_entropy")
        np.testing.assert_allclose(device.joint, [[0.258281, 0.296687], [0.296687, 0.148344]], atol=1e-5)
        assert device.value == pytest.approx(1.353706, abs=1e-6)
        assert device.residual <= 1e-9

    def test_coarse_devices_reach_more(self) -> None:
        assert correlated(APART).value == pytest.approx(3, abs=1e-12)
        assert correlated(APART, "cce").value == pytest.approx(4.5, abs=1e-12)

    def test_travellers_dilemma(self) -> None:
        game = travellers_dilemma()
        assert nash(game).value.tolist() == [2, 2]
        assert correlated(game).value == pytest.approx(4, abs=1e-9)
        assert correlated(game, "cce").value == pytest.approx(596 / 3, abs=1e-9)


class TestSets:
    @pytest.mark.parametrize("sizes", [(3, 4), (2, 3, 2), (1, 3)])
    def test_each_nash_is_a_ce_and_each_ce_a_cce(self, sizes: tuple[int, ...]) -> None:
        game = MatrixGame(np.random.default_rng(0).normal(size=(len(sizes), *sizes)))
        most, least = correlated(game), correlated(game, objective="min_welfare")
        coarse, least_coarse = correlated(game, "cce"), correlated(game, "cce", "min_welfare")
        welfare = nash(game).value.sum()
        order = [least_coarse.value, least.value, welfare, most.value, coarse.value]
        assert all(low <= high + 1e-9 for low, high in pairwise(order))
        for device in (most, least):
            assert game.gap(device.joint, Concept.CORRELATED).max() <= 1e-9
            assert game.gap(device.joint).max() <= 1e-9

    def test_no_mixture_of_extreme_equilibria_beats_the_best(self) -> None:
        found = extreme_nash(CHICKEN)
        welfare = [CHICKEN.values((x, y)).sum() for x, y in zip(found.x, found.y, strict=True)]
        assert max(welfare) <= correlated(CHICKEN).value

    def test_an_objective_of_ones_own(self) -> None:
        weight = np.array([[0, 0], [0, 1.0]])
        device = correlated(CHICKEN, objective=weight)
        grid = [p for p in np.random.default_rng(0).dirichlet(np.ones(4), size=20_000).reshape(-1, 2, 2)]
        inside = [p for p in grid if CHICKEN.gap(p, "correlated").max() <= 0]
        assert device.value >= max(p[1, 1] for p in inside)
        assert device.value == pytest.approx(device.joint[1, 1])

    def test_prices_prove_the_optimum(self) -> None:
        # Weak duality: welfare less priced incentives is at most the value in every cell.
        device = correlated(CHICKEN)
        row, column = CHICKEN.payoff
        first, second, third, fourth = device.dual
        leave = np.zeros((2, 2))
        leave[0] += first * (row[1] - row[0])
        leave[1] += second * (row[0] - row[1])
        leave[:, 0] += third * (column[:, 1] - column[:, 0])
        leave[:, 1] += fourth * (column[:, 0] - column[:, 1])
        assert (row + column - leave / CHICKEN.spread).max() == pytest.approx(device.value)


class TestDevice:
    def test_it_draws_together(self) -> None:
        device = correlated(CHICKEN)
        drawn = device.act(np.zeros((20_000, 2, 1)), np.random.default_rng(0))
        share = np.bincount(2 * drawn[:, 0] + drawn[:, 1], minlength=4) / len(drawn)
        np.testing.assert_allclose(share, device.joint.ravel(), atol=0.015)
        assert share[3] == 0
        assert not device.independent

    def test_payoffs(self) -> None:
        np.testing.assert_allclose(correlated(CHICKEN).payoffs, [5.25, 5.25])


class TestRefused:
    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="`concept` must be one of"):
            correlated(CHICKEN, "nash")
        with pytest.raises(ValueError, match="`objective` must be one of"):
            correlated(CHICKEN, "ce", "wealth")
        with pytest.raises(ValueError, match=r"`objective` must have the shape \(2, 2\)"):
            correlated(CHICKEN, "ce", np.ones(3))

    def test_large_games_say_what_to_do_instead(self) -> None:
        with pytest.raises(ValueError, match="use `double_oracle`; got 99614720"):
            correlated(MatrixGame(np.zeros((4, 2**6, 2**6, 2**6, 2))), "ce")
