"""The search for deviations finds most of what is known to be there, and says what it is worth."""

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from walras.core import Foreign, Random, Scripted
from walras.core.game import AbstractGame
from walras.envs import CournotMarket, DayAheadMarket, MeanFieldLimitLQ, SupplyFunctionMarket
from walras.equilibria import Budget, Kind, gap, hindsight_regret
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


def test_in_the_day_ahead_market_it_finds_half_of_what_is_known() -> None:
    game = DayAheadMarket()
    found, most = found_in(game), hindsight_regret(game, Scripted(game), range(64)).regret
    assert found.gains.mean(axis=0).sum() >= 0.5 * most.sum()
    assert (found.gains.mean(axis=0) > 0.25 * most).all()


def test_a_search_that_is_too_short_says_that_it_grows() -> None:
    assert found_in(CournotMarket(), Budget(frames=4 * 64 * 4 * 24)).growing


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
