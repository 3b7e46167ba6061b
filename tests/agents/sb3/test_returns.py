import numpy as np

from walras.agents.sb3.returns import SPAN, Counted, Told, table
from walras.core import Vector
from walras.core.learner import Curve
from walras.envs import CournotMarket

GAME = CournotMarket(cost=(10.0, 20.0), horizon=5)


def played(counted: Counted, steps: int) -> list[np.ndarray]:
    """The rewards ``[B, N]`` of some steps."""
    rng = np.random.default_rng(0)
    counted.reset(0)
    return [counted.step(rng.uniform(0, 50, (3, 2, 1))).reward for _ in range(steps)]


def test_a_vector_that_is_counted_steps_as_the_vector_does() -> None:
    plain, rng = Vector(GAME, 3), np.random.default_rng(0)
    plain.reset(0)
    wanted = [plain.step(rng.uniform(0, 50, (3, 2, 1))).reward for _ in range(7)]
    assert np.array_equal(played(Counted(Vector(GAME, 3)), 7), wanted)


def test_a_curve_holds_the_mean_returns_of_the_episodes_that_ended() -> None:
    counted = Counted(Vector(GAME, 3))
    reward = np.array(played(counted, SPAN + 3))  # 35 steps: 7 episodes of 5 in each of 3 rows
    curve = counted.curve(Curve.empty(2))
    assert curve.steps.tolist() == [3 * SPAN, 3 * (SPAN + 3)]
    assert curve.episodes.tolist() == [18, 3]
    returns = reward.reshape(7, 5, 3, 2).sum(axis=1)
    np.testing.assert_allclose(curve.total, [returns[:6].mean(axis=(0, 1)), returns[6].mean(axis=0)])


def test_a_curve_goes_on_after_an_earlier_one() -> None:
    first, second = Counted(Vector(GAME, 3)), Counted(Vector(GAME, 3))
    played(first, SPAN)
    played(second, 2)
    curve = second.curve(first.curve(Curve.empty(2)))
    assert curve.steps.tolist() == [3 * SPAN, 3 * SPAN + 6]
    assert curve.episodes.tolist() == [18, 0]
    assert np.isnan(curve.total[1]).all()


def test_a_name_that_comes_again_begins_the_next_update() -> None:
    told = Told()
    for key, value in [("train/rate", 1.0), ("train/loss", 2), ("time/fps", 9), ("train/rate", 1), ("train/rate", 0)]:
        told.record(key, value)
    assert told.updates == [{"rate": 1.0, "loss": 2.0}, {"rate": 1.0}, {"rate": 0.0}]


def test_what_models_told_is_one_column_a_model_with_gaps_where_they_said_nothing() -> None:
    found = table((({"loss": 1.0}, {"loss": 2.0}), ({"loss": 3.0, "kl": 4.0}, {"loss": 5.0})))
    assert found["loss"].tolist() == [[1.0, 2.0], [3.0, 5.0]]
    np.testing.assert_array_equal(found["kl"], [[np.nan, np.nan], [4.0, np.nan]])
    assert table(()) == {}
