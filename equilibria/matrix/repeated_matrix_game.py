"""Equilibria of repeated matrix games: a Nash equilibrium of the stage game, repeated whatever happened."""

from dataclasses import dataclass

import numpy as np

from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame
from walras.equilibria.matrix.tabular_policy import TabularPolicy
from walras.equilibria.normal_form.nash import NashSolution, judged, nash
from walras.equilibria.normal_form.pure import pure_nash
from walras.markets.normal_form import Mixed, pure_profile


@dataclass(frozen=True, kw_only=True)
class RepeatedEquilibrium(Solution):
    """A Nash equilibrium of the stage game, repeated."""

    mixed: Mixed  # N arrays [A_i]


def solve_repeated_matrix_game(game: RepeatedMatrixGame) -> RepeatedEquilibrium:
    """Return a Nash equilibrium of the stage game, repeated: a pure one of the largest welfare if there is any."""
    found = _static(game)
    table = np.zeros((len(game.agents), game.states, game.actions))
    for i, own in enumerate(found.mixed):
        table[i, :, : len(own)] = own
    return RepeatedEquilibrium(
        policy=TabularPolicy(game, table),
        value=found.value * game.span,
        residual=found.residual,
        iterations=found.iterations,
        status=found.status,
        mixed=found.mixed,
    )


def payoff_stake(game: RepeatedMatrixGame) -> Floats:
    """Return the spread of each player's payoffs over all steps that count."""
    payoff = game.game.payoff.reshape(len(game.agents), -1)
    return np.ptp(payoff, axis=1) * game.span


def _static(game: RepeatedMatrixGame) -> NashSolution:
    cells = np.argwhere(pure_nash(game.game))
    if not len(cells):
        return nash(game.game, throw=False)
    best = max(cells.tolist(), key=lambda cell: float(game.game.payoff[(slice(None), *cell)].sum()))
    return judged(game.game, pure_profile(game.game.sizes, best), "comparison", 1)
