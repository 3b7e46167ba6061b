"""The search for deviations finds most of what is known to be there, and says what it is worth."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from numpy.typing import NDArray

from walras.core import Foreign, Random, Scripted
from walras.core.game import AbstractGame, State, Step
from walras.envs import CournotMarket, DayAheadMarket, MeanFieldLimitLQ, SupplyFunctionMarket
from walras.equilibria import Budget, Deviation, Kind, deviation, gap, hindsight_regret, replay
from walras.equilibria.audit import Audit, judged_policy
from walras.equilibria.search import Found, search


def found_in(game: AbstractGame[Any], budget: Budget | None = None) -> Found:
    policy = judged_policy(game, Scripted(game), "joint")
    players = [(i,) for i in range(len(game.agents))]
    return search(game, policy, Audit(budget=budget or Budget()), players, {})


@pytest.mark.parametrize(
    ("game", "gain", "share"),
    [
        (CournotMarket(), [5400.0] * 3, 0.98),
        (SupplyFunctionMarket(), [974.25, 158.67, 68.32], 0.99),
        (MeanFieldLimitLQ(), [4.217038, 5.445696], 0.9),
    ],
    ids=["cournot", "supply functions", "limit of teams"],
)
def test_it_finds_most_of_the_exact_gain(game: AbstractGame[Any], gain: list[float], share: float) -> None:
    found = found_in(game)
    assert (found.gains.mean(axis=0) >= share * np.array(gain)).all()
    assert not found.growing


def test_in_the_day_ahead_market_it_finds_half_of_each_exact_gain() -> None:
    # Others offer at cost, so hindsight, which knows their outages too, is worth little more than the exact gain.
    game = DayAheadMarket()
    found, most = found_in(game), hindsight_regret(game, Scripted(game), range(64)).regret
    assert (found.gains.mean(axis=0) >= 0.5 * most).all()
    assert found.gains.mean(axis=0).sum() >= 0.6 * most.sum()


def test_a_search_that_is_too_short_says_that_it_grows() -> None:
    assert found_in(MeanFieldLimitLQ(), Budget(frames=20_000)).growing


def test_an_environment_from_elsewhere_has_a_lower_bound() -> None:
    game = Foreign(partial(gymnasium.make, "CartPole-v1"))
    judged = gap(game, Random(game))
    assert judged.kind is Kind.LOWER
    assert judged.lower[0] > 50  # of at most 500, of which chance earns some 22
    assert judged.upper[0] == np.inf


class Cycle:
    """Sells what the clock of its own says, and by the clock of the episode."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: NDArray[Any], step: int, rng: np.random.Generator) -> NDArray[Any]:
        return np.full((len(observation), 3, 1), 10.0 if step % 2 else 30.0)


def test_a_policy_that_knows_the_step_is_judged_at_each_step() -> None:
    game = CournotMarket()
    judged = gap(game, Cycle())
    own = hindsight_regret(game, Cycle()).regret  # nothing is drawn: hindsight is foresight
    assert judged.value.tolist() != gap(game, Scripted(game)).value.tolist()
    assert judged.lower == pytest.approx(own)
    assert judged.upper == pytest.approx(own)


class Uncopyable:
    """Sells as price takers do, and holds what Python cannot copy."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return np.full((len(observation), 3, 1), 30.0)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Uncopyable":
        raise RuntimeError("no copy")


def test_a_policy_that_cannot_be_copied_is_judged_all_the_same() -> None:
    judged = gap(CournotMarket(), Uncopyable())
    assert judged.upper == pytest.approx([5400.0] * 3)
    assert judged.lower == pytest.approx([5400.0] * 3)


@dataclass(frozen=True)
class Gifts(State):
    given: NDArray[Any]  # [B, 2]


@dataclass(frozen=True)
class Giving(AbstractGame[Gifts]):
    """Two agents give up to 1 each; a gift is worth 1 to the other and costs 0.2."""

    horizon: int = 10
    discount: float = 0.0

    agents = ("a", "b")  # type: ignore[assignment] - the same for all
    observation_space, action_space = Box(0, 1, (1,)), Box(0, 1, (1,))  # type: ignore[assignment]
    text = image = lambda *_: None  # type: ignore[assignment]

    def noise(self, rng: np.random.Generator, steps: int) -> NDArray[Any]:
        return np.zeros((steps, 1))

    def reset(self, noise: NDArray[Any]) -> Gifts:
        return Gifts(np.full((len(noise), 2), 0.5))

    def observe(self, state: Gifts) -> NDArray[Any]:
        return state.given[:, ::-1, None]  # what the other gave

    def step(self, state: Gifts, action: NDArray[Any], noise: NDArray[Any]) -> Step[Gifts]:
        given = action[:, :, 0]
        return Step(Gifts(given), given[:, ::-1] - 0.2 * given, np.zeros(len(given), dtype=np.bool_))


class TitForTat:
    """Gives what was given."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return observation.copy()


def keep_all(game: Giving, state: Gifts, action: NDArray[Any]) -> Deviation:
    given = action[:, :, 0]
    return Deviation(given[:, ::-1] - 0.2 * given, 0.2 * given, np.zeros_like(action))


def test_a_registered_answer_of_one_step_makes_a_game_judged_step_by_step() -> None:
    # To give more is repaid a step later, but costs in its own step, where to keep 0.5 gains 0.1.
    deviation.register(Giving, keep_all)
    game = Giving()
    judged = gap(game, TitForTat(), budget=Budget(frames=50_000))
    assert judged.upper == pytest.approx([1.0, 1.0])
    assert (judged.estimate <= judged.upper).all()
    replayed = replay(game, TitForTat(), judged, range(1000, 1032)).mean(axis=0)
    assert np.maximum(replayed, 0.0) == pytest.approx(judged.estimate)
