import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary
from torch.distributions import Categorical, Normal

from walras.agents.ppo.actors import CategoricalActor, GaussianActor, make_actor
from walras.agents.ppo.networks import raw_units
from walras.core.policy import Mixed

AGENTS, ROWS, INPUTS = 2, 6, 3
SEEN = Box(-np.inf, np.inf, (INPUTS,))
INDICES, BOX = Discrete(4, start=2), Box(np.array([0.0, -5.0]), np.array([10.0, 5.0]), dtype=np.float64)


def actor(space: object, networks: int = AGENTS, gain: float = 2.0) -> CategoricalActor | GaussianActor:
    draw = torch.Generator().manual_seed(0)
    return make_actor(space, raw_units(SEEN), (8,), AGENTS, networks, gain, -0.5, draw)


def observation(rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, AGENTS, INPUTS))


def by_agent(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.swapaxes(values, 0, 1).copy())


@pytest.mark.parametrize("networks", [1, AGENTS])
def test_indices_are_drawn_with_the_softmax_and_judged_by_it(networks: int) -> None:
    made, rows = actor(INDICES, networks), 100_000
    seen = np.repeat(observation(1), rows, axis=0)
    drawn = made.policy().draw(seen, np.random.default_rng(0))
    expected = Categorical(logits=made.network(by_agent(seen[:1]).float())[:, 0])
    shares = np.stack([np.bincount(drawn[:, agent], minlength=4) / rows for agent in range(AGENTS)])
    np.testing.assert_allclose(shares, expected.probs.detach().numpy(), atol=0.007)
    likelihood, entropy = made.judge(by_agent(seen[:9]).float(), by_agent(drawn[:9]))
    torch.testing.assert_close(likelihood, expected.log_prob(by_agent(drawn[:9]).T).T)
    torch.testing.assert_close(entropy, expected.entropy()[:, None].expand(-1, 9))


@pytest.mark.parametrize("networks", [1, AGENTS])
def test_numbers_are_normal_around_the_answers_and_judged_so(networks: int) -> None:
    made, rows = actor(BOX, networks), 100_000
    assert isinstance(made, GaussianActor)
    with torch.no_grad():
        made.log_std.add_(0.1 * torch.arange(float(made.log_std.numel())).reshape(made.log_std.shape))
    seen = np.repeat(observation(1), rows, axis=0)
    drawn = made.policy().draw(seen, np.random.default_rng(0))
    mean = made.network(by_agent(seen[:1]).float())[:, 0]
    expected = Normal(mean, made.log_std.exp()[:, 0].expand_as(mean))
    np.testing.assert_allclose(drawn.mean(axis=0), expected.mean.detach().numpy(), atol=0.01)
    np.testing.assert_allclose(drawn.std(axis=0), expected.stddev.detach().numpy(), rtol=0.01)
    likelihood, entropy = made.judge(by_agent(seen[:9]).float(), by_agent(drawn[:9]))
    rows_first = by_agent(drawn[:9]).transpose(0, 1)
    torch.testing.assert_close(likelihood, expected.log_prob(rows_first).sum(dim=2).T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(entropy, expected.entropy().sum(dim=1)[:, None].expand(-1, 9))


def test_actions_are_counted_from_the_first_and_numbers_cut_and_mapped_to_the_box() -> None:
    rng = np.random.default_rng(0)
    assert set(np.unique(actor(INDICES, gain=1e-6).policy().act(observation(500), rng))) == {2, 3, 4, 5}
    choice = actor(BOX).policy().choice
    drawn = np.array([[[-1.0, 1.0], [0.0, 0.5]], [[-7.0, 9.0], [0.2, 0.0]]], dtype=np.float32)
    np.testing.assert_allclose(choice.played(drawn), [[[0, 5], [5, 2.5]], [[0, 5], [6, 0]]], rtol=1e-6)


@pytest.mark.parametrize("space", [INDICES, BOX])
def test_the_greedy_twin_takes_the_likeliest_action_without_chance(space: object) -> None:
    policy = actor(space).policy()
    seen = observation()
    one, two = (policy.greedy.act(seen, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(one, two)
    answers = actor(space).network(by_agent(seen).float()).detach().numpy().swapaxes(0, 1)
    expected = 2 + answers.argmax(axis=2) if space is INDICES else policy.choice.played(answers)
    np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", [INDICES, BOX])
def test_a_policy_does_not_change_when_its_actor_does(space: object) -> None:
    made = actor(space)
    policy = made.policy()
    before = policy.act(observation(), np.random.default_rng(0))
    with torch.no_grad():
        for part in made.parameters():
            part.add_(1.0)
    np.testing.assert_array_equal(before, policy.act(observation(), np.random.default_rng(0)))


def test_draws_come_from_the_generator_alone() -> None:
    policy = actor(BOX).policy()
    one, two, other = (policy.act(observation(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


@pytest.mark.parametrize("space", [Box(0.0, np.inf, (2,)), Box(0.0, 1.0, (2, 2)), MultiBinary(3)])
def test_other_action_spaces_are_refused(space: object) -> None:
    with pytest.raises(TypeError, match=r"`game.action_space` must be Discrete or a bounded Box of one dimension; got"):
        actor(space)


def test_indices_are_declared_with_their_chances_and_numbers_are_not() -> None:
    seen = observation()
    policy = actor(INDICES).policy()
    told = policy.declared
    assert isinstance(told, Mixed)
    weights, actions = told.mixture(seen)
    logits = actor(INDICES).network(by_agent(seen).float()).detach().numpy().swapaxes(0, 1)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-15)
    np.testing.assert_allclose(weights, np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), rtol=1e-5)
    assert np.array_equal(actions, np.broadcast_to(np.arange(2, 6), actions.shape))
    assert np.array_equal(told.act(seen, np.random.default_rng(0)), policy.act(seen, np.random.default_rng(0)))
    assert not isinstance(actor(BOX).policy().declared, Mixed)
    likeliest, chosen = policy.greedy.mixture(seen)
    assert likeliest.shape == (ROWS, AGENTS, 1)
    assert np.array_equal(chosen[:, :, 0], policy.greedy.act(seen, np.random.default_rng(0)))
