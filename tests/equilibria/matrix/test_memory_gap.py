from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted
from walras.core.typing import Floats, Ints
from walras.envs import RepeatedPricing
from walras.equilibria import Kind, TabularPolicy, gap, grim_trigger, memory_best_response, replay, solve, stakes

GAME = RepeatedPricing(prices=5, cost=(1.0, 1.2), discount=0.8)
RNG = np.random.default_rng(0)
PURE = TabularPolicy.pure(GAME, RNG.integers(0, 5, (2, 25)))
DRAWN = TabularPolicy(GAME, RNG.dirichlet(np.ones(5), (2, 25)))


@dataclass
class Undeclared:
    """Plays a table and does not say so."""

    table: TabularPolicy

    def act(self, observation: Floats, rng: np.random.Generator) -> Ints:
        return self.table.act(observation, rng)


@dataclass
class Clocked:
    """Prices high for three periods and low ever after."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Ints:
        return np.full(observation.shape[:2], 4)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Ints:
        return np.full(observation.shape[:2], 4 if step < 3 else 1)


def test_the_gap_of_a_table_is_that_of_its_best_responses() -> None:
    found = gap(GAME, PURE)
    direct = memory_best_response(GAME, PURE.table.argmax(axis=2)[None])
    assert found.kind is Kind.EXACT
    assert found.certifies == "Nash"
    np.testing.assert_array_equal(found.lower, direct.gap[0])
    np.testing.assert_array_equal(found.upper, found.lower)
    np.testing.assert_array_equal(found.value, direct.start_value[0])
    everywhere = gap(GAME, PURE, concept="subgame perfect")
    np.testing.assert_array_equal(everywhere.lower, direct.subgame_gap[0])
    assert (everywhere.lower > found.lower).all()


def test_against_a_table_that_draws_both_ends_are_proved() -> None:
    found, direct = gap(GAME, DRAWN), memory_best_response(GAME, DRAWN.table[None])
    assert found.kind is Kind.BOUNDS
    assert (found.lower <= direct.gap[0]).all()
    assert (found.upper >= direct.gap[0]).all()
    assert (found.upper - found.lower < 1e-10).all()


@pytest.mark.parametrize("policy", [PURE, DRAWN, Random(GAME), Scripted(GAME), Constant(np.array([3, 0]))])
def test_the_deviation_attains_the_gap_when_it_is_played(policy: Any) -> None:  # noqa: ANN401
    found = gap(GAME, policy)
    gains = replay(GAME, policy, found, range(512))
    error = gains.std(axis=0) / np.sqrt(512)
    assert (np.abs(gains.mean(axis=0) - found.estimate) <= 4 * error + 1e-9).all()


def test_an_undeclared_policy_that_draws_nothing_is_read_as_a_table() -> None:
    found, known = gap(GAME, Undeclared(PURE)), gap(GAME, PURE)
    assert found.kind is Kind.EXACT
    np.testing.assert_array_equal(found.lower, known.lower)


@pytest.mark.parametrize("number", [4, 20])
@pytest.mark.parametrize("of_rows", [True, False])
def test_a_policy_that_depends_on_its_row_or_their_number_is_no_table(number: int, of_rows: bool) -> None:
    class Knowing:
        def act(self, observation: Floats, rng: np.random.Generator) -> Ints:
            rows = np.arange(len(observation)) if of_rows else np.full(len(observation), len(observation))
            return np.repeat(np.where(rows < number, 4, 1)[:, None], 2, axis=1)

    found = gap(GAME, Knowing())
    assert found.kind is Kind.LOWER
    assert found.certifies == ""


@pytest.mark.parametrize("policy", [Undeclared(DRAWN), Clocked()])
def test_of_an_unknown_law_the_lower_end_is_played_and_the_upper_one_trivial(policy: Any) -> None:  # noqa: ANN401
    found = gap(GAME, policy)
    assert found.kind is Kind.LOWER
    assert found.certifies == ""
    assert (found.lower > 0).any()
    assert (found.lower <= found.upper).all()
    assert (found.upper <= GAME.profits.reshape(2, -1).max(axis=1) * GAME.span).all()
    if isinstance(policy, Undeclared):
        exact = gap(GAME, DRAWN)
        assert (found.lower <= exact.upper).all()
        assert (found.upper >= exact.lower).all()
        assert (found.estimate >= 0.7 * exact.estimate).all()
    with pytest.raises(ValueError, match="`policy` must be memoryless and declare its law"):
        gap(GAME, policy, concept="subgame perfect")


def test_values_are_discounted_sums_over_play_without_end() -> None:
    at = GAME.static_equilibria[0]
    found = gap(GAME, Constant(at))
    np.testing.assert_allclose(found.value, GAME.profits[(slice(None), *at)] / (1 - 0.8))
    np.testing.assert_allclose(found.scale, found.value)
    assert found.discount == 0.8
    assert found.span == pytest.approx(5)
    high = gap(GAME, Constant(np.array([4, 4])))
    np.testing.assert_allclose(high.per_step.lower, high.lower * 0.2)
    assert "profit in play without end, discounted by 0.8" in repr(high)
    assert high.to_json()["discount"] == 0.8


def test_the_horizon_decides_nothing() -> None:
    short = replace(GAME, horizon=2)
    np.testing.assert_array_equal(
        gap(short, Constant(np.array([4, 4]))).lower, gap(GAME, Constant(np.array([4, 4]))).lower
    )


def test_static_equilibria_repeated_are_subgame_perfect() -> None:
    game = RepeatedPricing()
    found: Any = solve(game)
    assert found.converged
    assert found.equilibria.tolist() == [[1, 1], [2, 2]]
    np.testing.assert_allclose(found.price, 1.466469, atol=1e-6)
    for action in found.equilibria:
        for concept in ("nash", "subgame perfect"):
            np.testing.assert_array_equal(gap(game, Constant(action), concept=concept).upper, 0.0)
    for action in ([1, 2], [3, 3], [13, 13]):
        assert gap(game, Constant(np.array(action))).lower.max() > 1e-3


def test_grim_trigger_from_the_path_is_an_equilibrium_at_high_prices() -> None:
    game = RepeatedPricing(start=(13, 13))
    policy = TabularPolicy.pure(game, grim_trigger(game, (13, 13), (1, 1)))
    found = gap(game, policy)
    np.testing.assert_array_equal(found.upper, 0.0)
    np.testing.assert_allclose(found.value, game.profits[:, 13, 13] * 20)
    assert (found.value > stakes(game) * 1.4).all()


def test_a_table_draws_by_its_chances() -> None:
    table = np.zeros((2, 25, 5))
    table[:, :, [0, 3]] = 0.25, 0.75
    drawn = TabularPolicy(GAME, table).act(GAME.observe(GAME.state_of(np.repeat(np.arange(25), 400))), RNG)
    assert set(np.unique(drawn)) == {0, 3}
    assert np.abs((drawn == 3).mean(axis=0) - 0.75).max() < 4 * np.sqrt(0.75 * 0.25 / 10_000)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((2, 25)), r"`table` must have shape \[2, 25, 5\]"),
        (np.full((2, 25, 5), 0.3), "`table` must hold chances that sum to 1"),
        (np.full((2, 25, 5), np.nan), "`table` must hold chances that are not negative"),
    ],
)
def test_what_is_no_table_is_refused(table: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularPolicy(GAME, table)
    with pytest.raises(ValueError, match="`actions` must be known, 0 to 4"):
        TabularPolicy.pure(GAME, np.full((2, 25), 5))
