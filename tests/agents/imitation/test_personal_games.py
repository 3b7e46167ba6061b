from dataclasses import replace
from typing import Any

import pytest

from walras.agents.imitation.demonstrations import Demonstrations, collect, record
from walras.agents.imitation.personal_games import as_personal, possible
from walras.core import Random
from walras.envs import CooperativeNavigation, CournotMarket, GridWorld
from walras.envs.cooperation.particles import Motion, PositionFirst, VelocityFirst

FLIGHT = CooperativeNavigation.with_wall()


def step(steps: Demonstrations, row: int, **changed: Any) -> Demonstrations:  # noqa: ANN401
    columns = {name: getattr(steps, name).copy() for name in changed}
    for name, value in changed.items():
        columns[name][row] = value
    return replace(steps, **columns)


def test_joint_demonstrations_may_hold_blocked_steps() -> None:
    game = GridWorld(map="1 . . b\n# 2 a #")
    shown = record(game, Random(game), episodes=50)
    shown.check(game)
    with pytest.raises(ValueError, match="hold steps that agent_1 can make"):
        replace(shown, quality=(0.0, 0.0)).check(game)


def test_impossible_flights_are_refused() -> None:
    shown = collect(FLIGHT, episodes=2)
    shown.check(FLIGHT)
    state = shown.next_state[24].copy()
    state[0] += 0.01
    with pytest.raises(ValueError, match="hold steps that agent_0 can make"):
        step(shown, 24, next_state=state).check(FLIGHT)


@pytest.mark.parametrize("motion", [VelocityFirst(), PositionFirst()])
def test_flights_of_a_team_may_be_pushed_but_do_not_jump(motion: Motion) -> None:
    game = replace(FLIGHT, physics=replace(FLIGHT.physics, motion=motion), starts=((0.0, 0.0), (0.1, 0.0)), walls=())
    shown = record(game, Random(game), episodes=2)
    shown.check(game)
    alone = replace(shown, quality=(1.0, 1.0))
    with pytest.raises(ValueError, match="hold steps that agent_0 can make"):  # others did push
        alone.check(game)
    for entry in (2, 4):  # where it is, and where it sees a landmark
        state = shown.next_state[3].copy()
        state[entry] += 1e-3
        jumped = step(step(shown, 3, next_state=state), 4, state=state)
        with pytest.raises(ValueError, match="hold steps that agent_0 can make"):
            jumped.check(game)


def test_steps_of_other_games_are_taken_as_they_are() -> None:
    assert possible(CournotMarket(), collect(FLIGHT, episodes=1)).all()


def test_personal_games_are_told_from_others() -> None:
    assert as_personal(FLIGHT) is FLIGHT
    with pytest.raises(TypeError, match=r"`game` must have personal tasks \(`own` and `alone`\); got CournotMarket"):
        as_personal(CournotMarket())
