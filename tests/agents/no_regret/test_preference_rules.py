import numpy as np
import pytest

from walras.agents.no_regret.preference import INPO, NashMD, NashMP, Preferring, iterates
from walras.core.typing import Floats
from walras.equilibria import preference_nash

CYCLE = np.array([[[0.5, 0.9, 0.2], [0.1, 0.5, 0.8], [0.8, 0.2, 0.5]]])
REFERENCE = np.array([[0.6, 0.3, 0.1]])


def divergence(target: Floats, policy: Floats) -> Floats:
    return (target * np.log(target / policy)).sum(axis=1)


def last(rule: Preferring, steps: int) -> Floats:
    return list(iterates(CYCLE, rule, REFERENCE, steps))[-1]


class TestLimits:
    def test_mirror_prox_and_inpo_agree(self) -> None:
        target = preference_nash(CYCLE, REFERENCE, 0.1).policy
        np.testing.assert_allclose(last(NashMP(0.1), 200), target, atol=1e-12)
        np.testing.assert_allclose(last(INPO(0.1, 1.0), 200), target, atol=1e-8)

    @pytest.mark.parametrize(("eta", "told"), [(0.5, 0.0115), (0.1, 0.0023)])
    def test_nash_md_keeps_a_bias(self, eta: float, told: float) -> None:
        target = preference_nash(CYCLE, REFERENCE, 0.1).policy
        bias = np.abs(last(NashMD(0.1, eta), 20_000) - target).max()
        assert bias == pytest.approx(told, rel=0.05)


class TestRate:
    @pytest.mark.parametrize("beta", [0.01, 0.1, 1.0, 3.0])
    def test_mirror_prox_contracts(self, beta: float) -> None:
        rng = np.random.default_rng(0)
        for size in range(2, 8):
            table = rng.random((20, size, size)).round(int(rng.integers(0, 3)))
            table = np.triu(table, 1) + np.tril(1 - table.swapaxes(1, 2), -1) + np.eye(size) / 2
            reference = rng.dirichlet(np.ones(size), size=20) + 1e-3
            reference = reference / reference.sum(axis=1, keepdims=True)
            target = preference_nash(table, reference, beta).policy
            begin = divergence(target, reference)
            for k, policy in enumerate(iterates(table, NashMP(beta), reference, 50), start=1):
                assert (divergence(target, policy) <= (1 + 2 * beta) ** -k * begin + 1e-9).all()
