import numpy as np
import pytest

from walras.agents.no_regret.paths import gap_paths
from walras.agents.no_regret.play import mean_joint, play, strategies
from walras.agents.no_regret.rules import Hedge, PredictiveRMPlus, RegretMatching
from walras.markets.matrix.named_games import chicken, matching_pennies
from walras.markets.matrix.random_games import normal


def test_gaps_are_those_of_play_that_ends_there() -> None:
    games = normal(np.random.default_rng(0), 4, (3, 4)).normalised
    for rule in (Hedge(), PredictiveRMPlus()):
        found = gap_paths(games, rule, [7, 50])
        for k, rounds in enumerate((7, 50)):
            end = play(games, rule, rounds, alternate=False)
            np.testing.assert_allclose(found.last[k], games.gains(end.last).max(axis=1), atol=1e-12)
            np.testing.assert_allclose(found.average[k], games.gains(end.average).max(axis=1), atol=1e-12)


def test_regret_a_round_is_the_gap_of_the_mean_joint_play() -> None:
    games = normal(np.random.default_rng(1), 3, (2, 3, 2)).normalised
    found = gap_paths(games, RegretMatching(), [40])
    joint = mean_joint(strategies(games, RegretMatching(), 40))
    np.testing.assert_allclose(found.regret[0], games.gap(joint).max(axis=1), atol=1e-12)


def test_the_unit_of_payoffs_does_not_count() -> None:
    game = chicken()
    larger = type(game)(1000 * game.payoff - 5)
    first = ([[0.3, 0.7]], [[0.6, 0.4]])
    one, other = (gap_paths(each.batch, Hedge(), [30], first) for each in (game, larger))
    np.testing.assert_allclose(one.last, other.last, atol=1e-9)


@pytest.mark.parametrize("rounds", [[], [5, 5], [5, 3]])
def test_rounds_must_rise(rounds: list[int]) -> None:
    with pytest.raises(ValueError, match="`rounds` must rise"):
        gap_paths(matching_pennies().batch, Hedge(), rounds)
