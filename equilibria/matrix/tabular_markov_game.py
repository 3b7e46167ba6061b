"""Equilibria and gaps of tabular Markov games: exact wherever a policy says what it does in each state and step.

A policy that answers what it observes is a table. Where it declares its law, or draws nothing, the table is known and
`walras.equilibria.matrix.markov_response.best_response` answers it exactly; else a deviation is searched.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from walras.core.policy import Policy
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs.matrix.tabular_markov_game import TabularMarkovGame
from walras.equilibria.audit import Audit, certificate, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.matrix.markov import markov_perfect, markov_zero_sum, scale
from walras.equilibria.matrix.markov_response import MarkovResponses, best_response
from walras.equilibria.matrix.tabular_policy import ByChances
from walras.equilibria.matrix.told_chances import chances_at, of_existing, required
from walras.equilibria.search import searched_gap


@final
@dataclass(frozen=True, eq=False)
class MarkovPolicy(ByChances):
    """Each player draws by the state and, in games with a horizon, by the step; independently of the others."""

    game: TabularMarkovGame
    table: Floats  # [N, T, S, A] chances; T is the horizon, or 1

    def chances(self, observation: Floats) -> Floats:
        """Return the chances of each action, ``[B, N, A]``."""
        number, steps = self.game.index_of(observation), self.table.shape[1]
        taken = np.rint((1 - observation[:, :, -1]) * self.game.horizon).astype(np.int64)
        step = np.minimum(taken, steps - 1)
        return self.table[np.arange(len(self.table)), step, number]


@dataclass(frozen=True, kw_only=True)
class MarkovEquilibrium(Solution):
    """An equilibrium in Markov policies."""

    policies: Floats  # [N, T, S, A] chances of actions


def solve_tabular_markov_game(game: TabularMarkovGame) -> MarkovEquilibrium:
    """Return optimal policies of two players with opposite rewards, or a Markov perfect equilibrium."""
    opposite = game.markov.players == 2 and not game.markov.reward.sum(axis=0).any()
    found = (markov_zero_sum if opposite else markov_perfect)(game.markov, throw=False)
    return MarkovEquilibrium(
        policy=MarkovPolicy(game, found.policies),
        value=found.value[:, 0] @ game.markov.start,
        residual=found.residual,
        iterations=found.iterations,
        status=found.status,
        policies=found.policies,
    )


def reward_stake(game: TabularMarkovGame) -> Floats:
    """Return the spread of each player's rewards over all steps that count."""
    return scale(game.markov)


def markov_gap(game: TabularMarkovGame, policy: Policy, audit: Audit) -> Gap:
    """Return what each player gains from the start."""
    judged = judged_policy(game, policy, audit.device)
    table = table_of(game, judged, audit)
    if table is None:
        return searched_gap(game, judged, audit, {})
    found = best_response(game.markov, table[None])
    return _certified(game, judged, audit, found, found.gap[0])


def markov_subgame_gap(game: TabularMarkovGame, policy: Policy, audit: Audit) -> Gap:
    """Return the most that each player gains in any state and step, from then on.

    Raises
    ------
    ValueError
        If the policy has no table.
    """
    judged = judged_policy(game, policy, audit.device)
    table = required(table_of(game, judged, audit), judged)
    found = best_response(game.markov, table[None])
    return _certified(game, judged, audit, found, found.subgame_gap[0])


def table_of(game: TabularMarkovGame, policy: Policy, audit: Audit) -> Floats | None:
    """Return the chances of each action in each step and state, ``[N, T, S, A]``, or none where they are not known."""
    steps = game.markov.horizon or 1
    seen = np.concatenate([game.observe(game.state_of(np.arange(game.states), t)) for t in range(steps)])
    told = chances_at(game, policy, seen, audit)
    if told is None:
        return None
    table = told.reshape(steps, game.states, len(game.agents), int(game.action_space.n))
    return of_existing(np.moveaxis(table, 2, 0), game.markov.sizes)


def _certified(game: TabularMarkovGame, policy: Policy, audit: Audit, found: MarkovResponses, gain: Floats) -> Gap:
    replies = np.eye(int(game.action_space.n))[found.reply[0]]
    more: dict[str, Any] = {"deviation": MarkovPolicy(game, replies)}
    method = "best response to the table"
    return certificate(game, policy, audit, exactly(gain), found.start_value[0], Kind.EXACT, method, **more)
