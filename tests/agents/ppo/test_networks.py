import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from walras.agents.ppo.networks import GAIN, Network, Units, propagate, raw_units, unit_units

AGENTS, INPUTS, SIZES = 3, 4, (8, 7, 2)
UNITS = Units(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 8.0]))


def network(networks: int = AGENTS, seed: int = 0, gain: float = 0.5) -> Network:
    found = Network(UNITS, SIZES, AGENTS, networks, gain, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for bias in found.biases:
            bias.copy_(torch.randn(bias.shape, generator=torch.Generator().manual_seed(seed)))
    return found


def inputs(agents: int = AGENTS, rows: int = 5) -> torch.Tensor:
    return 3 * torch.randn(agents, rows, INPUTS, generator=torch.Generator().manual_seed(7))


def by_hand(found: Network, agent: int, seen: torch.Tensor) -> torch.Tensor:
    """One agent's answers, by layers of torch's own."""
    hidden = (seen - torch.tensor(UNITS.centre).float()) / torch.tensor(UNITS.scale).float()
    for layer, (weight, bias) in enumerate(zip(found.weights, found.biases, strict=True)):
        own = torch.nn.functional.linear(hidden, weight[agent % len(weight)].T, bias[agent % len(bias), 0])
        hidden = torch.tanh(own) if layer < 2 else own
    return hidden


@pytest.mark.parametrize("networks", [1, AGENTS])
def test_all_agents_at_once_is_each_agent_alone(networks: int) -> None:
    found, seen = network(networks), inputs()
    answers = found(seen)
    assert answers.shape == (AGENTS, 5, 2)
    for agent in range(AGENTS):
        torch.testing.assert_close(answers[agent], by_hand(found, agent, seen[agent]))


@pytest.mark.parametrize("networks", [1, AGENTS])
def test_what_all_agents_see_need_not_be_repeated(networks: int) -> None:
    found, seen = network(networks), inputs(1)
    torch.testing.assert_close(found(seen), found(seen.repeat(AGENTS, 1, 1)))


@pytest.mark.parametrize("networks", [1, AGENTS])
def test_numpy_and_torch_answer_alike(networks: int) -> None:
    found, seen = network(networks), inputs()
    scaled = ((seen.numpy() - UNITS.centre) / UNITS.scale).astype(np.float32)
    np.testing.assert_allclose(propagate(found.layers(), scaled), found(seen).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_shared_weights_with_a_bias_an_agent_are_one_network_that_sees_the_agents_index() -> None:
    found, seen = network(1), inputs()
    index = torch.eye(AGENTS)[:, None].expand(-1, 5, -1)
    scaled = (seen - torch.tensor(UNITS.centre).float()) / torch.tensor(UNITS.scale).float()
    wide = torch.cat([found.weights[0][0], found.biases[0][:, 0]])  # the index picks a row
    hidden = torch.tanh(torch.cat([scaled, index], dim=2) @ wide)
    for weight, bias in zip(found.weights[1:-1], found.biases[1:-1], strict=True):
        hidden = torch.tanh(hidden @ weight[0] + bias[0])
    torch.testing.assert_close(found(seen), hidden @ found.weights[-1][0] + found.biases[-1][0])


def test_first_weights_are_orthogonal_with_their_gains_and_differ_between_agents() -> None:
    found = network(gain=0.01)
    for weight, gain in zip(found.weights, (GAIN, GAIN, 0.01), strict=True):
        for own in weight:
            flat = own if own.shape[0] < own.shape[1] else own.T
            torch.testing.assert_close(flat @ flat.T, gain**2 * torch.eye(len(flat)), rtol=1e-4, atol=1e-6)
        assert not torch.equal(weight[0], weight[1])


def test_first_biases_are_zero_and_the_generator_fixes_the_weights() -> None:
    def first(seed: int) -> Network:
        return Network(UNITS, SIZES, AGENTS, AGENTS, 1.0, torch.Generator().manual_seed(seed))

    assert all(torch.equal(bias, torch.zeros_like(bias)) for bias in first(0).biases)
    torch.manual_seed(5)  # global chance must not matter
    assert all(torch.equal(a, b) for a, b in zip(first(0).weights, first(0).weights, strict=True))
    assert not torch.equal(first(0).weights[0], first(1).weights[0])


def test_averaging_gives_all_agents_the_mean() -> None:
    found = network()
    means = [part.detach().mean(dim=0) for part in found.parameters()]
    found.average()
    for part, mean in zip(found.parameters(), means, strict=True):
        for own in part:
            torch.testing.assert_close(own.detach(), mean)


def test_layers_are_copies() -> None:
    found = network()
    layers = found.layers()
    before = [part.copy() for layer in layers for part in layer]
    found.average()
    for part, was in zip((part for layer in layers for part in layer), before, strict=True):
        np.testing.assert_array_equal(part, was)


def test_units_take_a_space_to_minus_one_and_one_where_it_has_bounds() -> None:
    space = Box(np.array([-2.0, 5.0, -np.inf, 0.0]), np.array([4.0, 5.0, np.inf, np.inf]), dtype=np.float64)
    units = unit_units(space)
    for bound, expected in (([-2, 5, 3, 3], [-1, 0, 3, 3]), ([4, 5, -3, 7], [1, 0, -3, 7])):
        np.testing.assert_allclose((np.array(bound) - units.centre) / units.scale, expected)
    raw = raw_units(space)
    np.testing.assert_array_equal((np.ones(4) - raw.centre) / raw.scale, np.ones(4))
    np.testing.assert_array_equal(units.repeated(2).centre, [1, 5, 0, 0] * 2)


def test_a_wrong_space_size_or_number_of_networks_is_refused() -> None:
    draw = torch.Generator()
    for units in (raw_units, unit_units):
        with pytest.raises(TypeError, match=r"`game.observation_space` must be a Box of one dimension; got Discrete"):
            units(Discrete(3))
    with pytest.raises(ValueError, match=r"`sizes` must hold positive numbers; got \(4, 0\)"):
        Network(UNITS, (4, 0), AGENTS, AGENTS, 1.0, draw)
    with pytest.raises(ValueError, match=r"`networks` must be 1 or 3, one an agent; got 2"):
        Network(UNITS, SIZES, AGENTS, 2, 1.0, draw)
