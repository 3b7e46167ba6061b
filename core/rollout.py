"""Rollout: play a policy for one episode a seed, and keep everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from walras.core.checks import require
from walras.core.episodes import Episodes
from walras.core.game import AbstractGame, Actions, S, map_state
from walras.core.policy import Policy, Timed, check_policy
from walras.core.typing import Bools, Floats


@dataclass(frozen=True, eq=False)
class Trajectory(Generic[S]):
    """One episode a row. Steps after a row's end are padding, with `alive` false and reward 0."""

    state: S  # [T + 1, B, ...] the state before each step, and the last one
    observation: Floats  # [T, B, N, O] what the agents saw
    action: Actions  # [T, B, N, A] what they did
    reward: Floats  # [T, B, N]
    alive: Bools  # [T, B] whether the step belongs to the episode
    terminated: Bools  # [T, B]
    truncated: Bools  # [T, B]
    final_observation: Floats  # [B, N, O] after each row's own last step

    @property
    def total(self) -> Floats:
        """The undiscounted return of each agent, ``[B, N]``."""
        return self.reward.sum(axis=0)


def rollout(game: AbstractGame[S], policy: Policy, seeds: Sequence[int]) -> Trajectory[S]:
    """Play one episode for each seed.

    Parameters
    ----------
    game : AbstractGame
        The game.
    policy : Policy
        Acts for all agents.
    seeds : sequence of int
        One seed a row, B in all; the policy's own chance follows from all of them.

    Raises
    ------
    TypeError
        If `game` is no game, or `policy` no policy.
    ValueError
        If `seeds` is empty.
    """
    check_policy(policy)
    require(len(seeds) > 0, "seeds", "hold at least one seed", list(seeds))
    episodes = Episodes(game, len(seeds))
    episodes.seed(list(seeds))
    episodes.reset()
    rng = np.random.default_rng([len(seeds), *seeds])
    timed = isinstance(policy, Timed)
    states, steps = [episodes.state], list[tuple[Any, ...]]()
    observation = final = game.observe(episodes.state)
    alive = np.ones(len(seeds), dtype=np.bool_)
    while alive.any():
        action = policy.act_at(observation, len(steps), rng) if timed else policy.act(observation, rng)
        outcome = episodes.step(action)
        reward = outcome.reward * alive[:, None]
        terminated, truncated = outcome.terminated & alive, outcome.truncated & alive
        steps.append((observation, action, reward, alive, terminated, truncated))
        states.append(episodes.state)
        observation = outcome.observation
        final = np.where(alive[:, None, None], observation, final)
        alive = alive & ~(terminated | truncated)
    state = map_state(lambda *values: np.stack(values), *states)
    columns = [np.stack(column) for column in zip(*steps, strict=True)]
    return Trajectory(state, *columns, final_observation=final)
