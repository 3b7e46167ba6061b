"""Gaps of stage games: laws of actions against draws, and what is certified of policies that are no equilibria."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from walras.core import AbstractGame, Constant, Policy, Random, Scripted, State, Step, rollout
from walras.core.policy import Profile
from walras.core.solution import Solution, Status
from walras.envs import CournotMarket, SupplyFunctionMarket
from walras.equilibria import (
    Budget,
    Gap,
    Kind,
    Stage,
    external_regret,
    gap,
    hindsight_regret,
    replay,
    solve,
    stage_of,
    swap_regret,
)
from walras.equilibria.solve import certified

DUOPOLY = CournotMarket(cost=(10.0, 10.0))


@dataclass(frozen=True)
class Coin:
    """Firm 0 sells 30, firm 1 sells 20 or 40, and says so or not."""

    said: bool = True

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        action = np.full((len(observation), 2, 1), 30.0)
        action[:, 1, 0] = rng.choice([20.0, 40.0], len(observation))
        return action


class SaidCoin(Coin):
    def mixture(self, observation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        atoms = np.full((len(observation), 2, 2, 1), 30.0)
        atoms[:, 1, 0], atoms[:, 1, 1] = 20.0, 40.0
        return np.full((len(observation), 2, 2), 0.5), atoms


class TestCournot:
    def test_a_declared_mixture_is_judged_exactly(self) -> None:
        # Against a mean of 30 the best answer is 30: firm 0 gains nothing, though each draw would have moved it.
        found = gap(DUOPOLY, SaidCoin())
        assert found.kind is Kind.EXACT
        np.testing.assert_allclose(found.per_step.lower, [0, 100], atol=1e-9)
        np.testing.assert_array_equal(found.lower, found.upper)
        assert found.certifies == "Nash"

    def test_hindsight_is_no_gap(self) -> None:
        regret = hindsight_regret(DUOPOLY, SaidCoin(), range(256))
        assert regret.regret[0] / DUOPOLY.horizon == pytest.approx(25, abs=1e-9)
        assert (regret.regret >= gap(DUOPOLY, SaidCoin()).lower - 1e-9).all()

    def test_an_undeclared_mixture_is_bounded(self) -> None:
        found = gap(DUOPOLY, Coin())
        assert found.kind is Kind.STATISTICAL
        assert found.certifies == "coarse correlated"
        assert (found.per_step.lower <= [1e-9, 100 + 1e-9]).all()
        assert (found.per_step.upper >= [0, 100 - 1e-9]).all()
        assert found.per_step.upper[0] < 5

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [(Scripted(CournotMarket()), 5_400), (Random(CournotMarket()), 92_000), (solve(CournotMarket()).policy, 0)],
    )
    def test_golden_values(self, policy: Policy, expected: float) -> None:
        found = gap(CournotMarket(), policy)
        assert found.kind is Kind.EXACT
        np.testing.assert_allclose(found.lower, expected, atol=1e-6)
        np.testing.assert_allclose(found.scale, 12_150)

    def test_offers_are_cut_before_the_mean(self) -> None:
        # Firm 1 can sell 10 of the 40 that it offers half of the time.
        game = CournotMarket(cost=(10.0, 10.0), capacity=(100.0, 10.0))
        found = gap(game, SaidCoin())
        best = (100 - 10 - 10) / 2
        assert found.kind is Kind.EXACT
        assert found.per_step.lower[0] == pytest.approx(best * (100 - best - 10 - 10) - 30 * (100 - 30 - 10 - 10))

    @pytest.mark.parametrize("audits", [60, pytest.param(400, marks=pytest.mark.slow)])
    def test_audits_of_samples_cover_the_truth(self, audits: int) -> None:
        truth, inside = np.array([0.0, 2400.0]), np.zeros(2)
        budget = Budget(samples=32)
        for number in range(audits):
            found = gap(DUOPOLY, Coin(), seeds=range(1000 * number, 1000 * number + 32), budget=budget)
            inside += (found.lower <= truth + 1e-6) & (found.upper >= truth - 1e-6)
        assert (inside >= 0.92 * audits).all()

    def test_a_deviation_attains_what_it_is_said_to(self) -> None:
        for policy in (Scripted(DUOPOLY), Coin(), Random(DUOPOLY)):
            found = gap(DUOPOLY, policy)
            gains = replay(DUOPOLY, policy, found, range(5000, 5256))
            error = gains.std(axis=0) / np.sqrt(len(gains)) + 1e-9
            assert (np.abs(gains.mean(axis=0) - found.estimate) <= 3.5 * error + 0.02 * found.estimate + 25).all()

    def test_the_best_fixed_action_in_hindsight(self) -> None:
        trajectory = rollout(DUOPOLY, Constant(np.array([[20.0], [40.0]])), (0,))
        # Against 40 the best is 25: 25 x 25 less 20 x 30; against 20 it is 35: 35 x 35 less 40 x 30.
        np.testing.assert_allclose(external_regret(DUOPOLY, trajectory), [24 * 25, 24 * 25])


@dataclass(frozen=True)
class Blank(State):
    nothing: NDArray[Any]


@dataclass(frozen=True)
class MatrixGame(AbstractGame[Blank]):
    """Two agents, two actions, one step; what agent i has is ``payoffs[i][own][other]``."""

    payoffs: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    horizon: int = 1
    discount: float = 0.0

    agents = ("row", "column")  # type: ignore[assignment] - the same for all
    observation_space, action_space = Box(0, 1, (1,)), Discrete(2)  # type: ignore[assignment]
    text = image = lambda *_: None  # type: ignore[assignment]

    def noise(self, rng: np.random.Generator, steps: int) -> NDArray[Any]:
        return np.zeros((steps, 1))

    def reset(self, noise: NDArray[Any]) -> Blank:
        return Blank(noise[:, 0])

    def observe(self, state: Blank) -> NDArray[Any]:
        return np.zeros((len(state.nothing), 2, 1))

    def reward(self, action: NDArray[Any]) -> NDArray[Any]:
        table = np.array(self.payoffs)
        return np.stack([table[i][action[..., i], action[..., 1 - i]] for i in range(2)], axis=-1)

    def step(self, state: Blank, action: NDArray[Any], noise: NDArray[Any]) -> Step[Blank]:
        return Step(state, self.reward(action), np.zeros(len(action), dtype=np.bool_))


def matrix_stage(game: MatrixGame) -> Stage:
    def replies(
        game: MatrixGame, seen: NDArray[Any], agent: int, action: NDArray[Any], weight: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        worth = np.einsum("ms,oms->mo", weight, np.array(game.payoffs)[agent][:, action[..., 1 - agent]])
        return worth.max(axis=1), worth.argmax(axis=1)

    def hindsight(game: MatrixGame, seen: NDArray[Any], action: NDArray[Any]) -> NDArray[Any]:
        best = [np.array(game.payoffs)[i].max(axis=0)[action[:, 1 - i]] for i in range(2)]
        return np.stack(best, axis=1) - game.reward(action)

    return Stage(lambda game, seen, action: game.reward(action), replies, hindsight, public=(0,))


stage_of.register(MatrixGame, matrix_stage)
PENNIES = MatrixGame((((1.0, -1.0), (-1.0, 1.0)), ((-1.0, 1.0), (1.0, -1.0))))
CHICKEN = MatrixGame((((6.0, 2.0), (7.0, 0.0)),) * 2)


@dataclass(frozen=True)
class Mixes:
    """Each agent plays its first action with a probability of its own."""

    first: tuple[float, float]

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return (rng.random(observation.shape[:2]) >= self.first).astype(np.int64)

    def mixture(self, observation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        weight = np.stack([np.array(self.first), 1 - np.array(self.first)], axis=1)
        shape = (len(observation), 2, 2)
        return np.broadcast_to(weight, shape).copy(), np.broadcast_to(np.arange(2), shape).copy()


class TrafficLight:
    """Half of the time only the first agent dares, else only the second."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        dares = rng.integers(0, 2, len(observation))
        return np.stack([dares, 1 - dares], axis=1)


class TestMatrixGames:
    def test_even_pennies_are_an_equilibrium(self) -> None:
        found = gap(PENNIES, Mixes((0.5, 0.5)))
        assert found.kind is Kind.EXACT
        assert found.certifies == "Nash"
        np.testing.assert_allclose(found.upper, 0, atol=1e-12)

    def test_uneven_pennies_are_answered(self) -> None:
        found = gap(PENNIES, Mixes((0.5, 0.6)))
        np.testing.assert_allclose(found.lower, [0.2, 0], atol=1e-12)
        np.testing.assert_array_equal(found.lower, found.upper)

    def test_a_joint_device_is_judged_as_one(self) -> None:
        # Who leaves the device before it draws has 4 for 4.5: 0.5 less.
        found = gap(CHICKEN, TrafficLight())
        assert found.certifies == "coarse correlated"
        np.testing.assert_array_equal(found.upper, 0.0)

    def test_a_device_whose_agents_draw_alone_is_judged_so(self) -> None:
        found = gap(CHICKEN, TrafficLight(), seeds=range(1024), device="product")
        assert found.certifies == "Nash"
        assert (found.lower <= 0.25).all()
        assert (found.upper >= 0.25).all()
        np.testing.assert_allclose(found.estimate, 0.25, atol=0.2)
        np.testing.assert_allclose(gap(CHICKEN, Mixes((0.5, 0.5))).lower, 0.25, atol=1e-12)

    def test_swaps_gain_no_less_than_a_fixed_action(self) -> None:
        played = rollout(CHICKEN, Mixes((0.5, 0.5)), range(400))
        assert (swap_regret(CHICKEN, played) >= external_regret(CHICKEN, played) - 1e-9).all()
        light = rollout(CHICKEN, TrafficLight(), range(400))
        np.testing.assert_allclose(swap_regret(CHICKEN, light), 0.0, atol=1e-9)


class TestSupplyFunctions:
    def test_golden_values(self) -> None:
        game = SupplyFunctionMarket()
        found = gap(game, Scripted(game))
        assert found.kind is Kind.EXACT
        np.testing.assert_allclose(found.lower, [974.25, 158.67, 68.32], atol=0.01)
        np.testing.assert_allclose(found.scale, [7831.73, 4661.40, 4363.15], atol=0.01)

    def test_random_curves_lie_between_the_ends(self) -> None:
        game = SupplyFunctionMarket()
        found = gap(game, Random(game))
        assert (hindsight_regret(game, Random(game)).regret >= found.estimate).all()
        known = np.array([1692, 1874, 2565])
        assert (found.lower <= known + 10).all()
        assert (found.upper >= known - 10).all()
        np.testing.assert_allclose(found.estimate, known, rtol=0.06)


@dataclass
class Counter:
    """Sells more at each call."""

    calls: list[int] = field(default_factory=list)

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        self.calls.append(1)
        return np.full((len(observation), 2, 1), 30.0 + 10 * (len(self.calls) % 2))


@dataclass
class Slips:
    """Both firms play the equilibrium, but in the first of the games side by side, in which they sell nothing."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        action = np.full((len(observation), 2, 1), 30.0)
        action[0] = 0.0
        return action


class Remembers:
    """Sells the equilibrium quantity, but floods the market once it has seen the other sell anything else."""

    angry: bool = False

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        self.angry = self.angry or bool((np.abs(observation[:, :, 0] - 30) > 1e-9).any())
        return np.full((len(observation), 2, 1), 45.0 if self.angry else 30.0)


class TestPoliciesThatAreNoEquilibria:
    def test_a_policy_that_counts_its_calls_is_not_exact(self) -> None:
        found = gap(DUOPOLY, Counter())
        assert found.kind is not Kind.EXACT
        assert "memory" in found.method[0]
        assert (found.upper > 0).all()

    def test_what_few_episodes_carry_is_no_certificate(self) -> None:
        found = gap(DUOPOLY, Slips(), budget=Budget(samples=32))
        assert found.rare
        assert found.method == ("policy with a memory: answers, and hindsight (rare gains)",) * 2
        loose = Solution(
            policy=Slips(), value=np.zeros(2), tol=0.5, residual=np.inf, iterations=0, status=Status.UNCERTIFIED
        )
        told = certified(DUOPOLY, loose, budget=Budget(samples=32))
        assert told.residual < 0.5
        assert told.status is Status.UNCERTIFIED

    def test_a_policy_that_remembers_is_not_certified(self) -> None:
        found = gap(DUOPOLY, Remembers())
        assert found.kind is not Kind.EXACT
        assert (found.upper > 0).all()

    def test_agents_in_another_order_are_no_equilibrium(self) -> None:
        game = CournotMarket(cost=(10.0, 40.0))
        swapped = Constant(solve(game).policy.act(np.zeros((1, 2, 6)), np.random.default_rng(0))[0][::-1])
        assert (gap(game, swapped).lower > 1).all()

    def test_a_profile_is_put_into_the_order_of_the_game(self) -> None:
        game = CournotMarket(cost=(10.0, 40.0))
        nash, chance = solve(game).policy, Random(game)
        mixed = gap(game, Profile({"firm_1": chance, "firm_0": nash}))
        assert mixed.lower[1] > mixed.lower[0] * 0.5
        with pytest.raises(ValueError, match=r"missing \['firm_1'\], unknown \['firm_7'\]"):
            gap(game, Profile({"firm_0": nash, "firm_7": nash}))


class TestBadInput:
    def test_a_policy_without_act_is_named_by_its_type(self) -> None:
        with pytest.raises(TypeError, match=r"`policy` must have the method `act.*got int"):
            gap(DUOPOLY, 3)

    def test_shapes_and_nan(self) -> None:
        with pytest.raises(ValueError, match=r"`policy` must return actions of shape"):
            gap(DUOPOLY, Constant(np.zeros((3, 1))))
        with pytest.raises(ValueError, match="NaN from firm_1"):
            gap(DUOPOLY, Constant(np.array([[1.0], [np.nan]])))

    def test_seeds_confidence_budget_and_names(self) -> None:
        policy = Scripted(DUOPOLY)
        with pytest.raises(TypeError, match="`seeds` must be a sequence"):
            gap(DUOPOLY, policy, seeds=3)
        with pytest.raises(ValueError, match="`seeds` must hold at least one"):
            gap(DUOPOLY, policy, seeds=())
        with pytest.raises(ValueError, match="`confidence` must lie in"):
            gap(DUOPOLY, policy, confidence=1.0)
        with pytest.raises(ValueError, match="`samples` must be a whole number, at least 1; got 0"):
            Budget(samples=0)
        with pytest.raises(ValueError, match="`concept` must be one of"):
            gap(DUOPOLY, policy, concept="walrasian")
        for other in ("competitive", "joint optimum", "correlated", "subgame perfect"):
            with pytest.raises(ValueError, match=f"`concept` must be nash in a game without other .*; got {other}"):
                gap(DUOPOLY, policy, concept=other)
        with pytest.raises(ValueError, match="`device` must be one of"):
            gap(DUOPOLY, policy, device="coin")

    def test_actions_outside_the_space_are_cut(self) -> None:
        found = gap(DUOPOLY, Constant(np.array([[1e9], [0.0]])))
        assert np.isfinite(found.lower).all()


def test_a_gap_is_short_in_print_and_long_in_a_table() -> None:
    found: Gap = gap(CournotMarket(cost=(10.0,) * 40), Scripted(CournotMarket(cost=(10.0,) * 40)))
    assert len(repr(found)) < 1500
    assert len(repr(found).splitlines()) <= 12
    assert len(found.to_frame()) == 40
    assert found.to_json()["kind"] == "exact"
