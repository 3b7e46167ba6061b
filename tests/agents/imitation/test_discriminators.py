from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from walras.agents.imitation import discriminators
from walras.agents.imitation.demonstrations import collect
from walras.agents.imitation.discriminators import (
    Discriminator,
    Distinct,
    Guidance,
    Settings,
    Steps,
    behaviour,
    coded,
    distinct,
    own_state,
    own_units,
    played,
    shown,
    transition,
)
from walras.agents.ppo.mappo import MAPPO
from walras.agents.ppo.rollouts import Play, Rollout
from walras.agents.ppo.training import Training
from walras.envs import CooperativeNavigation, CournotMarket, GridWorld

DOOR = GridWorld.door("a")
DEMONSTRATED = collect(DOOR, 0.8, episodes=10)
UNITS = own_units(DOOR)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def experience(game: Any, steps: int = 6, rows: int = 5) -> Rollout:  # noqa: ANN401
    actor = Training(MAPPO(num_envs=rows, rollout_steps=steps, minibatches=1), game, 0).actor
    return Play(game, rows, np.random.SeedSequence(1)).collect(actor.policy(), steps)[0]


def test_the_optimum_is_the_share_of_the_demonstrations() -> None:
    """D = p_E / (p_E + p) [Goodfellow et al. 2014, proposition 1], for two agents at once."""
    demonstrated = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    counts = torch.tensor([[1, 2, 7], [5, 4, 1]])
    seen = torch.eye(3)
    fresh = torch.stack([seen.repeat_interleave(count, dim=0) for count in counts])
    settings = Settings(hidden=(16,), learning_rate=5e-2, updates=200)
    judge = Discriminator(Distinct(seen.expand(2, 3, 3), demonstrated), settings, generator())
    judge.update(distinct(fresh)[0])
    found = torch.sigmoid(judge.logit(seen.expand(2, 3, 3))).detach()
    torch.testing.assert_close(found, demonstrated / (demonstrated + counts / 10), atol=0.01, rtol=0)


def test_gradients_stay_with_their_agent() -> None:
    judge = Discriminator(shown(behaviour, DOOR, DEMONSTRATED, UNITS), Settings(), generator())
    judge.loss(distinct(behaviour(played(experience(DOOR), UNITS, DOOR.action_space)))[0])[0].backward()
    for parameter in judge._network.parameters():
        assert parameter.grad is not None
        assert parameter.grad[0].abs().max() > 0
        assert parameter.grad[1].abs().max() == 0


def test_what_an_agent_plays_does_not_move_the_others_network() -> None:
    steps = behaviour(played(experience(DOOR), UNITS, DOOR.action_space))
    other = torch.stack((steps[0], steps[1].flip(dims=(-1,))))
    found: list[list[Tensor]] = []
    for seen in (steps, other):
        judge = Discriminator(shown(behaviour, DOOR, DEMONSTRATED, UNITS), Settings(), generator())
        judge.update(distinct(seen)[0])
        found.append([parameter.detach() for parameter in judge._network.parameters()])
    for first, second in zip(*found, strict=True):
        assert torch.equal(first[0], second[0])
        assert not torch.equal(first[1], second[1])


@pytest.mark.parametrize("sight", [behaviour, transition, own_state])
def test_the_loss_is_the_mean_over_all_steps_however_often_they_repeat(sight: discriminators.Sight) -> None:
    judge = Discriminator(shown(sight, DOOR, DEMONSTRATED, UNITS), Settings(), generator())
    fresh = sight(played(experience(DOOR), UNITS, DOOR.action_space))
    loss = judge.loss(distinct(fresh)[0])
    for agent in range(2):
        mine = DEMONSTRATED.of(agent)
        state, after = (torch.as_tensor(v / [2.0, 4.5] - 1).float() for v in (mine.state, mine.next_state))
        steps = Steps(state, coded(torch.as_tensor(mine.action), DOOR.action_space), after)
        every = sight(steps).expand(2, -1, -1)
        certain = torch.sigmoid(judge.logit(every)[agent]), torch.sigmoid(judge.logit(fresh)[agent])
        expected = -torch.log(certain[0]).mean() - torch.log(1 - certain[1]).mean()
        torch.testing.assert_close(loss[agent], expected, rtol=1e-5, atol=1e-6)


def test_repeated_steps_are_kept_once() -> None:
    found = shown(behaviour, DOOR, DEMONSTRATED, UNITS)
    assert found.input.shape[1] < len(DEMONSTRATED.of(0).agent)
    torch.testing.assert_close(found.weight.sum(dim=1), torch.ones(2))


def test_each_step_is_found_among_the_different_ones() -> None:
    steps = transition(played(experience(DOOR, steps=20), UNITS, DOOR.action_space))
    different, places = distinct(steps)
    for agent, place in enumerate(places):
        assert torch.equal(different.input[agent, place], steps[agent])
        share = torch.bincount(place, minlength=different.weight.shape[1]) / steps.shape[1]
        torch.testing.assert_close(different.weight[agent], share)
    assert different.input.shape[1] < steps.shape[1]


def test_discriminators_see_own_states_alone_in_the_order_of_play() -> None:
    rollout = experience(DOOR)
    steps = played(rollout, UNITS, DOOR.action_space)
    assert [part.shape for part in steps] == [(2, 30, 2), (2, 30, 5), (2, 30, 2)]
    for agent, t, row in ((0, 0, 0), (1, 3, 2), (0, 5, 4)):
        at = t * 5 + row
        half = torch.tensor([2.0, 4.5])  # five rows and ten columns
        torch.testing.assert_close(steps.state[agent, at], rollout.observation[t, row, agent, :2] / half - 1)
        torch.testing.assert_close(steps.next_state[agent, at], rollout.next_observation[t, row, agent, :2] / half - 1)
        assert steps.action[agent, at].nonzero().item() == rollout.action[t, row, agent]


def test_actions_are_indicators_or_scaled_by_the_box() -> None:
    assert coded(torch.tensor([[3], [5]]), Discrete(3, start=3)).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    box = Box(np.array([0.0, -4.0]), np.array([2.0, 4.0]), dtype=np.float64)
    assert coded(torch.tensor([[[0.0, 4.0], [1.0, -2.0]]]), box).tolist() == [[[-1, 1], [0, -0.5]]]


def test_unbounded_states_keep_their_units() -> None:
    units = own_units(CooperativeNavigation.with_wall())
    assert units.centre.tolist() == [0] * 8
    assert units.scale.tolist() == [1] * 8


def test_guidance_hands_the_logits_of_the_rollout_to_the_formula() -> None:
    rollout = experience(DOOR)
    handed: list[Tensor] = []

    def formula(reward: Tensor, *logits: Tensor) -> Tensor:
        handed.extend(logits)
        return reward + 1

    guidance = Guidance(DOOR, DEMONSTRATED, (behaviour, own_state), formula, Settings(), 0)
    reward, told = guidance(rollout)
    assert torch.equal(reward, rollout.reward + 1)
    assert list(told) == ["behaviour_loss", "own_state_loss"]
    assert all(loss.shape == (2,) and (loss > 0).all() for loss in told.values())
    steps = played(rollout, UNITS, DOOR.action_space)
    for judge, sight, logits in zip(guidance._judges, (behaviour, own_state), handed, strict=True):
        assert logits.shape == rollout.reward.shape
        torch.testing.assert_close(judge.logit(sight(steps))[1, 3 * 5 + 2], logits[3, 2, 1], rtol=1e-4, atol=1e-5)


def test_demonstrated_steps_are_told_from_played_ones() -> None:
    settings = Settings(learning_rate=1e-3, updates=100)
    guidance = Guidance(DOOR, collect(DOOR, episodes=20), (behaviour,), lambda r, d: d, settings, 0)
    logits, rollout = guidance(experience(DOOR, steps=40))[0], experience(DOOR, steps=40)
    start = (rollout.observation[:, :, 0, :2] == torch.tensor([2.0, 0.0])).all(dim=-1)
    right = rollout.action[:, :, 0] == 1
    assert logits[..., 0][start & right].mean() > logits[..., 0][start & ~right].mean() + 1


def test_a_copy_goes_on_by_itself() -> None:
    rollout = experience(DOOR)
    first = Guidance(DOOR, DEMONSTRATED, (behaviour, transition), lambda r, a, b: a + b, Settings(), 0)
    first(rollout)
    again = deepcopy(first)
    found, expected = again(rollout)[0], first(rollout)[0]
    assert torch.equal(found, expected)
    assert not torch.equal(first(rollout)[0], expected)


def test_what_is_told_is_the_mean_loss_of_the_updates() -> None:
    steps = distinct(behaviour(played(experience(DOOR), UNITS, DOOR.action_space)))[0]
    judge, once = (
        Discriminator(shown(behaviour, DOOR, DEMONSTRATED, UNITS), Settings(updates=updates), generator())
        for updates in (3, 1)
    )
    torch.testing.assert_close(judge.update(steps), torch.stack([once.update(steps) for _ in range(3)]).mean(dim=0))
    before = Discriminator(shown(behaviour, DOOR, DEMONSTRATED, UNITS), Settings(updates=1), generator())
    torch.testing.assert_close(before.loss(steps), before.update(steps))


def test_the_first_weights_do_not_depend_on_the_threads_set_before() -> None:
    def weights() -> Any:  # noqa: ANN401
        guidance = Guidance(DOOR, DEMONSTRATED, (behaviour,), lambda r, d: d, Settings(), 0)
        return [part.detach() for part in guidance._judges[0]._network.parameters()]

    alone = weights()
    torch.set_num_threads(2)
    assert all(map(torch.equal, alone, weights()))


def test_navigation_has_guidance_too() -> None:
    game = CooperativeNavigation.with_wall()
    guidance = Guidance(game, collect(game, episodes=2), (behaviour, transition), lambda r, a, b: a * b, Settings(), 0)
    assert guidance(experience(game))[0].shape == (6, 5, 2)


def test_other_demonstrations_and_games_are_refused() -> None:
    with pytest.raises(ValueError, match="`demonstrations` must be of this game"):
        Guidance(GridWorld.lava(), DEMONSTRATED, (behaviour,), lambda r, a: r, Settings(), 0)
    with pytest.raises(TypeError, match="must have personal tasks"):
        Guidance(CournotMarket(), DEMONSTRATED, (behaviour,), lambda r, a: r, Settings(), 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite; got 0.0"),
        ({"learning_rate": np.inf}, "`learning_rate` must be positive and finite; got inf"),
        ({"updates": 0}, "`updates` must be positive and finite; got 0"),
        ({"hidden": (64, 0)}, r"`hidden` must hold positive numbers of units; got \(64, 0\)"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)
