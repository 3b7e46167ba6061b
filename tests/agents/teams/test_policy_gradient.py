from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from walras.agents.teams.oracles import ExactOracle
from walras.agents.teams.policy_gradient import (
    Natural,
    Rule,
    Vanilla,
    contraction,
    coupling,
    distance,
    norms,
    projected,
    receding_horizon,
    zero_gains,
)
from walras.core.typing import Floats
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, feedback_nash, stage_system

TWO = np.eye(2)


def random_game(seed: int, horizon: int = 2) -> LinearQuadratic:
    rng = np.random.default_rng(seed)
    n, players = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    sizes = rng.integers(1, 3, players)
    roots = rng.normal(size=(players, n, n))
    return LinearQuadratic.constant(
        0.7 * rng.normal(size=(n, n)),
        [rng.normal(size=(n, p)) for p in sizes],
        list(roots @ np.swapaxes(roots, 1, 2) / n),
        [np.eye(p) * rng.uniform(0.2, 2) for p in sizes],
        horizon,
    )


def opposed() -> LinearQuadratic:
    """Each player feels above all what the other moves: the equilibrium is unique and repels."""
    cost = [[[1.0, 3.0], [3.0, 10.0]], [[10.0, 3.0], [3.0, 1.0]]]
    return LinearQuadratic.constant(TWO, [[[1.0], [0.0]], [[0.0], [1.0]]], cost, [[[0.1]], [[0.1]]], horizon=1)


def learned(game: LinearQuadratic, rule: Rule, iterations: int) -> Floats:
    n = game.A.shape[1]
    rng, start = np.random.default_rng(0), zero_gains(game)
    moves = receding_horizon(game, ExactOracle(), rule, iterations, np.eye(n), np.eye(n), rng)
    return np.stack([start, *(move.gains for move in moves)])


def test_projection_scales_each_player_alone() -> None:
    game = random_game(3)
    gains = np.random.default_rng(0).normal(size=(4, 2, game.B.shape[2], game.A.shape[1])) * 3
    found, before = projected(game, gains, 2.0), norms(game, gains)
    np.testing.assert_allclose(norms(game, found), np.minimum(before, 2.0))
    inside = (before <= 2.0)[..., game.owner]
    np.testing.assert_array_equal(found[inside], gains[inside])
    assert inside.any()
    assert not inside.all()
    np.testing.assert_allclose(projected(game, found, 2.0), found)


def test_the_distance_sums_norms_over_stages_and_players() -> None:
    game = LinearQuadratic.constant(TWO, [TWO, TWO], [TWO, TWO], [TWO, TWO], horizon=2)
    path = np.zeros((3, 2, 4, 2))
    path[1, 0, 0] = [3.0, 4.0]  # 5 for player 0
    path[2, :, 2:] = 1.0  # 2 for player 1, at both stages
    np.testing.assert_allclose(distance(game, path, np.zeros((2, 4, 2))), [0, 5, 4])


def test_gains_that_are_not_finite_are_refused() -> None:
    game = opposed()
    for value in (np.inf, np.nan):
        with pytest.raises(FloatingPointError, match="take a smaller `step` or `radius`"):
            projected(game, np.array([[1.0, value], [0.0, 0.0]]), 1.0)


def test_the_rules_differ_by_the_states_alone() -> None:
    game, rng = opposed(), np.random.default_rng(0)
    gains, natural = rng.normal(size=(2, 2, 2))
    states = np.array([[2.0, 0.5], [0.5, 1.0]])
    moved = Natural(0.1).moved(game, gains, natural, states)
    np.testing.assert_allclose(moved, gains - 0.1 * natural)
    np.testing.assert_allclose(Vanilla(0.1).moved(game, gains, natural, states), gains - 0.1 * natural @ states)
    np.testing.assert_allclose(Vanilla(0.1).moved(game, gains, natural, TWO), moved)


def test_a_stage_does_not_move_before_its_turn_or_after() -> None:
    game = random_game(5, horizon=3)
    path = learned(game, Natural(0.02), 4)
    assert path.shape == (13, 3, game.B.shape[2], game.A.shape[1])
    for k, (before, after) in enumerate(pairwise(path)):
        moved = np.abs(after - before).max(axis=(1, 2)) > 0
        assert np.flatnonzero(moved).tolist() == [2 - k // 4]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_move_at_the_last_stage_is_the_affine_map_of_the_theory(seed: int) -> None:
    game = random_game(seed)
    phi, target = stage_system(game, 1, game.Q[-1])
    path = learned(game, Natural(0.01), 3)[:4, 1]
    for before, after in pairwise(path):
        np.testing.assert_allclose(after, before - 0.02 * (phi @ before - target), atol=1e-12)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_where_every_factor_is_below_one_the_nash_gains_are_found(seed: int) -> None:
    game, step = random_game(seed), 0.02
    assume(contraction(game, step).max() <= 0.98)
    gains = feedback_nash(game)[0]
    assert distance(game, learned(game, Natural(step), 1500)[-1], gains) < 1e-6 * (1 + norms(game, gains).sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_coupling_below_one_suffices_for_small_steps(seed: int) -> None:
    game = random_game(seed)
    weak = coupling(game) < 1
    assert (contraction(game, 1e-7)[weak] < 1).all()


def test_random_games_have_both_kinds_of_coupling() -> None:
    # Or the two properties above would say nothing.
    games = [random_game(seed) for seed in range(40)]
    weak = np.array([coupling(game).max() < 1 for game in games])
    fast = np.array([contraction(game, 0.02).max() <= 0.98 for game in games])
    assert 5 < weak.sum() < 35
    assert fast.sum() > 5
    assert (fast & ~weak).any()  # the condition is not necessary


@pytest.mark.parametrize("step", [5e-3, 0.1])
def test_a_unique_equilibrium_can_repel_whatever_the_step(step: float) -> None:
    game = opposed()
    gains, _, condition = feedback_nash(game)
    assert condition < 3  # unique
    assert coupling(game)[0] == pytest.approx(3 / 1.1)
    assert contraction(game, step)[0] == pytest.approx(1 + 2 * step * 1.9)  # the system's eigenvalues: 4.1 and -1.9
    path = learned(game, Natural(step, radius=100.0), round(20 / step))
    assert norms(game, path[-1]).min() == pytest.approx(100)
    assert distance(game, path[-1], gains) > 150


def test_one_player_has_no_coupling() -> None:
    game = LinearQuadratic.constant(TWO, [TWO], [TWO], [TWO], horizon=3)
    np.testing.assert_array_equal(coupling(game), 0.0)


@pytest.mark.parametrize("rule", [Natural, Vanilla])
@pytest.mark.parametrize("name", ["step", "radius"])
@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf")])
def test_steps_and_radii_are_positive(rule: Callable[..., Rule], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be positive and finite; got"):
        rule(**{name: value})
