import numpy as np
import pytest

from walras.agents.imitation.demonstrations import expert
from walras.core import Constant, Scripted, rollout
from walras.envs import CooperativeNavigation, GridWorld
from walras.equilibria import solve
from walras.scenarios.cooperation import measures

UP, STAY = 3, 4


def test_shares_are_told_as_shares_of_the_joint_optimum() -> None:
    for share in (measures.share_of_optimum, measures.share_of_policy):
        assert (share.title, share.unit, share.scale) == ("return", "of the best found", "share")


def test_there_are_no_shares_of_an_optimum_that_is_not_positive() -> None:
    for game in (CooperativeNavigation.with_wall(), GridWorld(map="1b 2a")):
        message = "`game` must have a joint optimum above zero, of which returns are shares; got"
        with pytest.raises(ValueError, match=message):
            measures.share_of_optimum(game, rollout(game, Scripted(game), [0]))
        with pytest.raises(ValueError, match=message):
            measures.share_of_policy(game, Scripted(game))


def test_goals_and_lava() -> None:
    game = GridWorld(map="1 . a\n2 ~ .\n. b .")
    optimum = rollout(game, solve(game).policy, range(4))
    right = rollout(game, Constant(np.array([STAY, 1])), range(4))
    up = rollout(game, Constant(np.array([STAY, UP])), range(4))
    assert measures.goal_rate(game, optimum) == 1
    assert measures.share_of_optimum(game, optimum) == pytest.approx(1)
    assert [measure(game, right) for measure in (measures.goal_rate, measures.lava_rate)] == [0, 1]
    assert measures.collisions(game, right) == 0
    assert [measures.collisions(game, up), measures.lava_rate(game, up)] == [100, 0]
    assert measures.share_of_optimum(game, up) == pytest.approx(-100 / solve(game).value[0])


def test_the_share_of_a_policy_is_that_of_its_episodes() -> None:
    game = GridWorld.lava(2)
    share = measures.share_of_policy(game, expert(game))
    assert share.shape == (2,)
    assert share[0] == measures.share_of_optimum(game, rollout(game, expert(game), range(64)))
    assert share[0] == pytest.approx(7.0299 / 8.38, abs=0.05)


def test_particles_that_overlap_collide() -> None:
    game = CooperativeNavigation(starts=((-0.25, 0.0), (0.25, 0.0)), walls=(), landmarks=((0.0, 0), (1, 1)))
    rest, ram = (rollout(game, Constant(np.array(thrusts)), [0]) for thrusts in ([0, 0], [2, 0]))
    position = ram.state.position[1:, 0]
    overlaps = int((np.linalg.norm(position[:, 0] - position[:, 1], axis=1) < 0.3).sum())
    assert measures.collisions(game, rest) == 0
    assert measures.collisions(game, ram) == overlaps > 0


def test_every_landmark_must_have_an_agent() -> None:
    spread = CooperativeNavigation(starts=((0.0, 0), (1, 0)), landmarks=((0.0, 0), (1, 0.1)), walls=())
    one = CooperativeNavigation(starts=((0.0, 0), (1, 0)), landmarks=((0.0, 0), (0, 0.6)), walls=())
    nothing = Constant(np.zeros(2, dtype=np.int64))
    assert measures.goal_rate(spread, rollout(spread, nothing, range(2))) == 1
    assert measures.goal_rate(one, rollout(one, nothing, range(2))) == 0
