from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from walras.agents.teams.oracles import ExactOracle, Oracle, Stage, VarianceReducedOracle, ZerothOrderOracle
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, cost_matrices, expected_cost, stage_cost


def random_game(rng: np.random.Generator, n: int = 3, sizes: tuple[int, ...] = (1, 2), horizon: int = 3) -> Stage:
    """A stage in the middle of a game whose matrices change with time, with arbitrary frozen gains."""
    players, controls = len(sizes), sum(sizes)
    roots = rng.normal(size=(horizon + 1, players, n, n))
    weights = np.zeros((horizon, players, controls, controls))
    for i, (end, size) in enumerate(zip(np.cumsum(sizes), sizes, strict=True)):
        mine = slice(end - size, end)
        weights[:, i, mine, mine] = np.eye(size) * rng.uniform(0.5, 2, (horizon, 1, 1))
    game = LinearQuadratic(
        0.6 * rng.normal(size=(horizon, n, n)),
        0.6 * rng.normal(size=(horizon, n, controls)),
        roots @ np.swapaxes(roots, 2, 3) / n,
        weights,
        sizes,
    )
    gains = 0.2 * rng.normal(size=(horizon, controls, n))
    t, root = 1, rng.normal(size=(2, n, n))
    states, noise = root @ np.swapaxes(root, 1, 2) / n + 0.3 * np.eye(n)
    return Stage(game, t, gains, cost_matrices(game, gains)[t + 1], states, noise)


def expected(stage: Stage, gain: Floats) -> Floats:
    """Each player's expected cost from the stage on, ``[N]``."""
    gains = stage.gains.copy()
    gains[stage.t] = gain
    return expected_cost(cost_matrices(stage.game, gains)[stage.t :], stage.states, stage.noise)


def by_differences(stage: Stage, gain: Floats) -> Floats:
    """Plain gradients, each player's of its own cost; central differences of a quadratic are exact."""
    found = np.empty_like(gain)
    for at in np.ndindex(gain.shape):
        nudge = np.zeros_like(gain)
        nudge[at] = 0.5
        found[at] = (expected(stage, gain + nudge) - expected(stage, gain - nudge))[stage.game.owner[at[0]]]
    return found


def errors(oracle: Oracle, stage: Stage, gain: Floats, tries: int, seed: int = 0) -> Floats:
    """Errors of natural gradients, ``[tries, P, n]``."""
    rng, exact = np.random.default_rng(seed), ExactOracle().natural_gradient(stage, gain, np.random.default_rng(0))
    return np.stack([oracle.natural_gradient(stage, gain, rng) - exact for _ in range(tries)])


def rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_gradient_is_that_of_the_expected_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stage = random_game(rng, n=int(rng.integers(1, 5)), sizes=((2,), (1, 2), (1, 1, 2))[seed % 3])
    gain = rng.normal(size=stage.gains.shape[1:])
    natural = ExactOracle().natural_gradient(stage, gain, rng)
    np.testing.assert_allclose(natural @ stage.states, by_differences(stage, gain), rtol=1e-8, atol=1e-9)


def test_a_run_without_noise_costs_what_the_cost_to_go_says() -> None:
    rng = np.random.default_rng(0)
    stage = replace(random_game(rng), noise=np.zeros((3, 3)))
    drawn = stage.drawn(rng, 20)
    gains = rng.normal(size=(20, 3, 3))
    for player in range(2):
        cost = np.stack([stage_cost(stage.game, stage.t, gain, stage.cost)[player] for gain in gains])
        wanted = np.einsum("sn,snm,sm->s", drawn.states, cost, drawn.states)
        np.testing.assert_allclose(stage.run(player, gains, drawn), wanted, rtol=1e-10)


def test_runs_cost_in_the_mean_what_is_expected() -> None:
    rng = np.random.default_rng(1)
    stage = random_game(rng)
    gain, drawn = 0.3 * rng.normal(size=(3, 3)), stage.drawn(rng, 200_000)
    for player, wanted in enumerate(expected(stage, gain)):
        cost = stage.run(player, np.broadcast_to(gain, (200_000, 3, 3)), drawn)
        assert abs(cost.mean() - wanted) < 4.5 * cost.std() / np.sqrt(len(cost))


@pytest.mark.parametrize("oracle", [ZerothOrderOracle(2_000, 3.0), VarianceReducedOracle(200, 3.0)])
def test_estimates_have_no_bias_even_far_from_the_centre(oracle: Oracle) -> None:
    rng = np.random.default_rng(2)
    stage = random_game(rng)
    found = errors(oracle, stage, 0.3 * rng.normal(size=(3, 3)), tries=200)
    deviation = found.mean(axis=0) / (found.std(axis=0) / np.sqrt(len(found)))
    assert np.abs(deviation).max() < 4.5
    assert rms(found) > 0.01


@pytest.mark.parametrize("kind", [ZerothOrderOracle, VarianceReducedOracle])
def test_four_times_the_samples_halve_the_error(kind: Callable[[int, float], Oracle]) -> None:
    rng = np.random.default_rng(3)
    stage, gain = random_game(rng), np.zeros((3, 3))
    few, many = (rms(errors(kind(samples, 0.5), stage, gain, tries=100)) for samples in (500, 2_000))
    assert many / few == pytest.approx(0.5, rel=0.15)


def test_a_small_radius_costs_precision_in_proportion() -> None:
    rng = np.random.default_rng(4)
    stage, gain = random_game(rng), np.zeros((3, 3))
    wide, narrow = (rms(errors(ZerothOrderOracle(500, r), stage, gain, tries=100)) for r in (0.02, 0.01))
    assert narrow / wide == pytest.approx(2, rel=0.15)


def test_the_radius_drops_out_of_differences() -> None:
    rng = np.random.default_rng(5)
    stage, gain = random_game(rng), rng.normal(size=(3, 3))
    near, far = (errors(VarianceReducedOracle(50, r), stage, gain, tries=2) for r in (0.01, 10.0))
    np.testing.assert_allclose(near, far, rtol=1e-6)


def test_differences_are_nearer_for_the_same_number_of_runs() -> None:
    rng = np.random.default_rng(6)
    stage, gain = random_game(rng), np.zeros((3, 3))
    one = rms(errors(ZerothOrderOracle(1_000, 0.5), stage, gain, tries=50))
    two = rms(errors(VarianceReducedOracle(500, 0.5), stage, gain, tries=50))
    assert two < 0.5 * one


class Valley:
    """A stage of which nothing can be learned but costs: the squared distance from a target, plus a constant."""

    def __init__(self, stage: Stage, target: Floats) -> None:
        self.game, self.gains, self.states, self.drawn = stage.game, stage.gains, stage.states, stage.drawn
        self.target = target

    def run(self, player: int, gain: Floats, drawn: object) -> Floats:
        return ((gain - self.target) ** 2)[:, self.game.owned[player]].sum(axis=(1, 2)) + 1


@pytest.mark.parametrize("oracle", [ZerothOrderOracle(400_000, 1.0), VarianceReducedOracle(100_000, 1.0)])
def test_estimates_see_costs_alone(oracle: Oracle) -> None:
    rng = np.random.default_rng(7)
    target = rng.normal(size=(3, 3))
    valley = Valley(random_game(rng), target)
    found = oracle.natural_gradient(valley, np.zeros((3, 3)), rng)
    np.testing.assert_allclose(found @ valley.states, -2 * target, atol=0.08)


def test_the_same_seed_gives_the_same_estimate() -> None:
    stage = random_game(np.random.default_rng(8))
    one, two, other = (errors(ZerothOrderOracle(10), stage, stage.gains[1], 1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0


@pytest.mark.parametrize("kind", [ZerothOrderOracle, VarianceReducedOracle])
def test_no_samples_and_no_radius_are_refused(kind: Callable[..., Oracle]) -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1; got 0"):
        kind(samples=0)
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`radius` must be positive and finite; got"):
            kind(radius=radius)
