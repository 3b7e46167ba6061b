"""Turns: a game in which agents move one after another, as an environment that asks only the mover."""

from typing import Any, Generic, final

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import DTypeLike
from pettingzoo import AECEnv

from walras.core.abilities import Turned
from walras.core.game import AbstractGame, S
from walras.core.shells import Parallel
from walras.core.typing import Floats


@final
class Turns(AECEnv[str, Floats, Any], Generic[S]):
    """One row of a game in which agents move in turn, as a PettingZoo AEC environment that asks only the mover.

    The game says by `walras.core.abilities.Turned` whose action counts. The episode is that of `Parallel`, bit for bit:
    agents whose turn it is not are given any action, which the game passes over. PettingZoo's own conversion would ask
    every agent at every step.

    Parameters
    ----------
    game : AbstractGame
        A game that tells who moves.
    render_mode : {"human", "ansi", "rgb_array"}, optional
        What `render` returns; "human" prints the text.
    dtype : type, optional
        As in `Parallel`.

    Raises
    ------
    TypeError
        If `game` is no game, or does not tell who moves.
    ValueError
        As `Parallel`.
    """

    def __init__(self, game: AbstractGame[S], render_mode: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__()
        self._parallel = Parallel(game, render_mode, dtype)
        if not isinstance(game, Turned):
            raise TypeError(f"`game` must tell whose turn it is, by `mover`; got {type(game).__name__}.")
        self.game, self._mover = game, game.mover
        self.render_mode, self.metadata = render_mode, self._parallel.metadata
        self.possible_agents = list(game.agents)
        self.agents: list[str] = []
        self.observation_spaces, self.action_spaces = self._parallel.observation_spaces, self._parallel.action_spaces
        self.state_space = self._parallel.state_space
        self._passed_over = _any_action(game.action_space)

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the observation space of `agent`."""
        return self._parallel.observation_space(agent)

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the action space of `agent`."""
        return self._parallel.action_space(agent)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Start an episode; a seed starts the row's noise anew, no seed continues it."""
        self._parallel.reset(seed)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self._ask()

    def step(self, action: Any) -> None:  # noqa: ANN401 - checked by the episodes
        """Take the action of the agent whose turn it is; when all movers have acted, the game makes a step.

        Raises
        ------
        ValueError
            If the action lies outside its space.
        """
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self._acted[agent] = action
        if self._asked:
            self.agent_selection = self._asked.pop(0)
            return
        joint = dict.fromkeys(self.possible_agents, self._passed_over) | self._acted
        _, self.rewards, self.terminations, self.truncations, self.infos = self._parallel.step(joint)
        self._accumulate_rewards()
        self._ask()

    def observe(self, agent: str) -> Floats:
        """Return what `agent` sees."""
        return self.state()[self.possible_agents.index(agent)]

    def state(self) -> Floats:
        """Return the observations of all agents, ``[N, O]``."""
        return self._parallel.state()

    def render(self) -> Any:  # noqa: ANN401 - PettingZoo's own signature
        """Show the last step as `render_mode` asks."""
        return self._parallel.render()

    def close(self) -> None:
        """Hold nothing to release."""

    def _ask(self) -> None:
        """Select who moves next: one agent, or all in their order; once it is over, the first, for its reward."""
        if any(self.terminations.values()) or any(self.truncations.values()):
            self.agent_selection = self.agents[0]
            return
        mover = int(self._mover(self._parallel.current)[0])
        self._asked = self.possible_agents[:] if mover < 0 else [self.possible_agents[mover]]
        self._acted: dict[str, Any] = {}
        self.agent_selection = self._asked.pop(0)


def _any_action(space: Space[Any]) -> Any:  # noqa: ANN401 - of the space's own kind
    """Return an action of a space."""
    if isinstance(space, Box):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    return space.start if isinstance(space, Discrete) else space.sample()
