import numpy as np
import pytest

from walras.agents.imitation import behaviour_cloning
from walras.agents.imitation.behaviour_cloning import BehaviourCloning, train
from walras.agents.imitation.demonstrations import collect
from walras.core import rollout
from walras.envs import CooperativeNavigation, GridWorld

LAVA = GridWorld.lava(2)
SHOWN = collect(LAVA)


def test_clones_do_what_was_shown_as_often_as_it_was() -> None:
    clone, mine = train(LAVA, SHOWN, updates=400), SHOWN.of(0)
    for cell in ((0, 0), (1, 1), (9, 4)):
        shown = np.bincount(mine.action[(mine.state == cell).all(axis=1)], minlength=5)
        observation = np.zeros((4000, 2, 4))
        observation[:, 0, :2] = cell
        done = np.bincount(clone.act(observation, np.random.default_rng(0))[:, 0], minlength=5)
        np.testing.assert_allclose(done / 4000, shown / shown.sum(), atol=0.08)


def test_clones_see_their_own_state_alone() -> None:
    clone, rng = train(LAVA, SHOWN, updates=10), np.random.default_rng(0)
    observation = rng.integers(0, 10, (50, 2, 4)).astype(float)
    blind = observation.copy()
    blind[:, :, 2:] = 0
    first, second = (clone.act(seen, np.random.default_rng(1)) for seen in (observation, blind))
    np.testing.assert_array_equal(first, second)


def test_a_clone_alone_reaches_its_goal() -> None:
    alone = LAVA.alone(1)
    assert rollout(alone, train(alone, collect(alone), updates=400), range(50)).total.mean() > 6


def test_clones_fly() -> None:
    game = CooperativeNavigation.with_wall(2)
    clone = train(game, collect(game, episodes=20), updates=50)
    assert np.isfinite(rollout(game, clone, [0]).total).all()


def test_seeds_fix_clones() -> None:
    first, again, other = (train(LAVA, SHOWN, seed, updates=5).policy.layers for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert (first[0][0] != other[0][0]).any()


def test_the_likelihood_of_what_was_shown_grows() -> None:
    trained = train(LAVA, SHOWN, updates=200)
    (loss,) = trained.diagnostics.values()
    assert loss.shape == (200, 2)
    np.testing.assert_allclose(loss[0], np.log(5), atol=0.2)  # five actions, about alike at first
    assert (loss[-1] < 0.8 * loss[0]).all()
    assert (trained.steps, len(trained.curve.steps)) == (0, 0)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="`demonstrations` must be of this game"):
        behaviour_cloning.train(GridWorld.lava(3), SHOWN)
    with pytest.raises(ValueError, match="`updates` must be a whole number, at least 1; got 0"):
        BehaviourCloning(SHOWN, updates=0)
    with pytest.raises(ValueError, match="`hidden` must hold positive numbers of units"):
        BehaviourCloning(SHOWN, hidden=(0,))
