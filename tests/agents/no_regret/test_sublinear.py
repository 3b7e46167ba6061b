import numpy as np
import pytest

from walras.agents.no_regret.rules import FictitiousPlay, Hedge, Rule
from walras.agents.no_regret.sublinear import regret_path, sublinear
from walras.core.typing import Floats

T = 25
LOSSES = np.array([(0.5, 0.0), *[(0.0, 1.0), (1.0, 0.0)] * 12])


def played(rule: Rule) -> Floats:
    state, chosen = rule.start(np.full(2, 0.5) if isinstance(rule, Hedge) else np.array([1.0, 0.0])), []
    for loss in LOSSES:
        chosen.append(state.policy)
        state = rule.update(state, -loss)
    return np.stack(chosen)


class TestAlternatingLosses:
    def test_following_the_leader_has_linear_regret(self) -> None:
        path = regret_path(-LOSSES, played(FictitiousPlay()))
        assert path[-1] == pytest.approx(12.5)
        found = sublinear(path)
        assert found.slope == pytest.approx(1, abs=1e-3)
        assert not found.holds

    def test_hedge_has_not(self) -> None:
        path = regret_path(-LOSSES, played(Hedge(np.sqrt(8 * np.log(2) / T))))
        assert path[-1] == pytest.approx(1.656399, abs=1e-6)
        assert path[-1] < np.sqrt(T * np.log(2) / 2)
        found = sublinear(path)
        assert found.slope == pytest.approx(0.6417, abs=5e-4)
        assert found.holds

    def test_an_even_strategy(self) -> None:
        assert regret_path(-LOSSES, np.full((T, 2), 0.5))[-1] == pytest.approx(0.25)


class TestTrend:
    def test_p_values(self) -> None:
        falling, rising = np.sqrt(np.arange(1, T + 1)), np.arange(1, T + 1) ** 2.0
        assert sublinear(falling).falls == 24
        assert sublinear(falling).p_value == pytest.approx(2.0**-24, abs=1e-12)
        assert sublinear(rising).falls == 0
        assert sublinear(rising).p_value == pytest.approx(1, abs=1e-12)

    def test_linear_and_negative_regret(self) -> None:
        assert not sublinear(np.arange(1.0, 50)).holds
        assert sublinear(-(np.arange(1.0, 50) ** 1.5)).holds  # none is left

    def test_regret_that_comes_late_is_left(self) -> None:
        path = -(np.arange(1.0, 101) ** 1.5)
        path[-2:] = 5, 1e9
        found = sublinear(path)
        assert found.p_value < 1e-9
        assert np.isnan(found.slope)
        assert not found.holds

    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="`regret` must have at least two rounds"):
            sublinear([1.0])
        with pytest.raises(ValueError, match="`chosen` must have the shape"):
            regret_path(np.zeros((3, 2)), np.zeros((2, 2)))
