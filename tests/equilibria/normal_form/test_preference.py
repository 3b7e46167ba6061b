import numpy as np
import pytest

from walras.equilibria import preference_nash
from walras.equilibria.normal_form.preference import preference_gain

CYCLE = np.array([[[0.5, 0.9, 0.2], [0.1, 0.5, 0.8], [0.8, 0.2, 0.5]]])


class TestEquilibrium:
    @pytest.mark.parametrize(
        ("reference", "beta", "policy"),
        [
            (None, 0.05, (0.315736, 0.288734, 0.395530)),
            (None, 0.1, (0.330242, 0.284624, 0.385134)),
            (None, 1.0, (0.342894, 0.321507, 0.335598)),
            ((0.6, 0.3, 0.1), 0.01, (0.314712, 0.279542, 0.405746)),
            ((0.6, 0.3, 0.1), 0.1, (0.492747, 0.154147, 0.353106)),
            ((0.6, 0.3, 0.1), 0.5, (0.666622, 0.196806, 0.136572)),
        ],
    )
    def test_published_values(
        self, reference: tuple[float, ...] | None, beta: float, policy: tuple[float, ...]
    ) -> None:
        found = preference_nash(CYCLE, reference, beta)
        np.testing.assert_allclose(found.policy[0], policy, atol=1e-6)
        prior = np.full(3, 1 / 3) if reference is None else np.array(reference)
        answer = prior * np.exp(CYCLE[0] @ found.policy[0] / beta)
        np.testing.assert_allclose(found.policy[0], answer / answer.sum(), atol=1e-13)
        assert found.residual[0] <= 1e-14

    def test_without_a_price_it_is_the_nash_equilibrium(self) -> None:
        np.testing.assert_allclose(preference_nash(CYCLE, beta=1e-3).policy[0], [0.3, 0.3, 0.4], atol=1e-3)

    def test_random_games_settle(self) -> None:
        rng = np.random.default_rng(0)
        for size in range(2, 8):
            table = rng.random((20, size, size)).round(int(rng.integers(0, 4)))
            table = np.triu(table, 1) + np.tril(1 - table.swapaxes(1, 2), -1) + np.eye(size) / 2
            reference = rng.dirichlet(np.ones(size), size=20)
            for beta in (0.02, 0.3, 3.0):
                assert preference_nash(table, reference, beta).residual.max() <= 1e-12


class TestGain:
    def test_no_answer_gains_more(self) -> None:
        rng, prior, beta = np.random.default_rng(0), np.array([[0.5, 0.3, 0.2]]), 0.2
        policy = rng.dirichlet(np.ones(3), size=1)
        bound = preference_gain(CYCLE, policy, prior, beta)[0]

        def worth(other: np.ndarray) -> float:
            apart = [float((p * np.log(p / prior[0])).sum()) for p in (other, policy[0])]
            return float(other @ CYCLE[0] @ policy[0]) - 0.5 - beta * apart[0] + beta * apart[1]

        tried = [worth(other) for other in rng.dirichlet(np.ones(3), size=5_000)]
        assert bound - 0.01 <= max(tried) <= bound
        answer = prior[0] * np.exp(CYCLE[0] @ policy[0] / beta)
        assert worth(answer / answer.sum()) == pytest.approx(bound, abs=1e-12)


class TestRefused:
    def test_preferences(self) -> None:
        off = CYCLE.copy()
        off[0, 0, 1] += 1e-9
        with pytest.raises(ValueError, match="`preference` must sum to one with its transpose"):
            preference_nash(off)
        with pytest.raises(ValueError, match=r"`preference` must have the shape \[B, A, A\]"):
            preference_nash(CYCLE[0])
        with pytest.raises(ValueError, match="`reference` must be positive"):
            preference_nash(CYCLE, (1.0, 0.0, 0.0))
        with pytest.raises(ValueError, match="`beta` must be positive"):
            preference_nash(CYCLE, beta=0.0)
