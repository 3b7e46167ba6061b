from dataclasses import replace
from typing import Any

import numpy as np

from walras.envs import TeamMeanFieldLQ
from walras.equilibria import solve
from walras.equilibria.teams.team_mean_field import feedback
from walras.scenarios.teams import measures

GAME = replace(TeamMeanFieldLQ.mild(), horizon=3)


def test_the_equilibrium_is_at_no_distance_from_itself() -> None:
    np.testing.assert_array_equal(measures.gain_distance(GAME, solve(GAME).policy), 0)


def test_the_distance_adds_norms_over_the_stages() -> None:
    found: Any = solve(GAME)
    moved = found.deviation.copy()
    moved[0] += 0.3  # both gains of both teams
    moved[2, 0, 0] -= 0.4
    distance = measures.gain_distance(GAME, feedback(GAME, moved, found.mean))
    expected = np.repeat([0.3 * np.sqrt(2) + 0.4, 0.3 * np.sqrt(2)], len(GAME.agents) // 2)
    np.testing.assert_allclose(distance, expected)


def test_distances_are_told_on_a_logarithmic_scale() -> None:
    assert (measures.gain_distance.title, measures.gain_distance.scale) == ("distance of gains", "log")
