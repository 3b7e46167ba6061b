"""Shells: one game behind the interfaces that users already have. No game knows them.

| shell | interface | rows |
|---|---|---|
| `Parallel` | PettingZoo `ParallelEnv` (AEC by PettingZoo's own conversion) | 1 |
| `Vector` | arrays ``[B, N, ...]``, same-step autoreset | B |
| `SingleAgent` | Gymnasium `Env`: one agent learns, the others play given policies | 1 |
| `FlatVector` | Gymnasium `VectorEnv`: each agent of each row is a row of its own | B x N |
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Generic, NamedTuple, final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from pettingzoo import ParallelEnv

from walras.core.checks import require, require_known
from walras.core.episodes import Episodes, Seed
from walras.core.game import AbstractGame, Actions, S
from walras.core.policy import Policy, Scripted
from walras.core.typing import Bools, Floats, Image

RENDER_MODES = ["human", "ansi", "rgb_array"]


def _render(episodes: Episodes[Any], mode: str | None) -> str | Image | None:
    """Show row 0: as text, as pixels, or printed to the terminal ("human")."""
    _check_started(episodes)
    if mode is None:
        gymnasium.logger.warn("`render` does nothing without a `render_mode`: pass 'human', 'ansi' or 'rgb_array'.")
        return None
    if mode == "rgb_array":
        return episodes.game.image(episodes.state)
    text = episodes.game.text(episodes.state)
    return print(text) if mode == "human" else text


def _check_mode(mode: str | None) -> None:
    if mode is not None:
        require_known(mode, "render_mode", RENDER_MODES)


def _check_started(episodes: Episodes[Any]) -> None:
    if not episodes.started:
        raise gymnasium.error.ResetNeeded("Nothing to step or show before the first `reset`.")


@final
class Parallel(ParallelEnv[str, Floats, Any], Generic[S]):
    """One row of `game` as a PettingZoo parallel environment.

    Parameters
    ----------
    game : AbstractGame
        The game.
    render_mode : {"human", "ansi", "rgb_array"}, optional
        What `render` returns; "human" prints the text.

    Raises
    ------
    ValueError
        If `render_mode` is unknown.
    """

    def __init__(self, game: AbstractGame[S], render_mode: str | None = None) -> None:
        _check_mode(render_mode)
        self.game = game
        self.render_mode = render_mode
        self.metadata = {"name": type(game).__name__, "render_modes": RENDER_MODES, "is_parallelizable": True}
        self.possible_agents = list(game.agents)
        self.agents: list[str] = []
        self.observation_spaces = {agent: deepcopy(game.observation_space) for agent in game.agents}
        self.action_spaces = {agent: deepcopy(game.action_space) for agent in game.agents}
        self.state_space = batch_space(game.observation_space, len(game.agents))
        self._episodes = Episodes(game, rows=1)

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the observation space of `agent`."""
        require_known(agent, "agent", self.possible_agents)
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the action space of `agent`."""
        require_known(agent, "agent", self.possible_agents)
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Floats], dict[str, dict[str, Any]]]:
        """Start an episode; a seed starts the row's luck anew, no seed continues it."""
        if seed is not None or not self._episodes.started:
            self._episodes.seed([seed])
        self._episodes.reset()
        self.agents = self.possible_agents[:]
        return self._by_agent(self.state()), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Floats], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance by one step.

        Raises
        ------
        ValueError
            If an agent is missing or unknown, or an action lies outside its space.
        """
        _check_started(self._episodes)
        if not self.agents:
            raise gymnasium.error.ResetNeeded("The episode is over: call `reset` before `step`.")
        observation, reward, terminated, truncated = self._episodes.step(self._joint(actions))
        agents = self.agents
        ended, cut = terminated.item(), truncated.item()
        if ended or cut:
            self.agents = []
        return (
            self._by_agent(observation[0]),
            dict(zip(agents, reward[0].tolist(), strict=True)),
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, cut),
            {agent: {} for agent in agents},
        )

    def state(self) -> Floats:
        """Return the observations of all agents, ``[N, O]``."""
        _check_started(self._episodes)
        return self.game.observe(self._episodes.state)[0]

    def render(self) -> str | Image | None:
        """Show the last step as `render_mode` asks."""
        return _render(self._episodes, self.render_mode)

    def _by_agent(self, values: Floats) -> dict[str, Floats]:
        return dict(zip(self.possible_agents, values, strict=True))

    def _joint(self, actions: dict[str, Any]) -> Any:  # noqa: ANN401 - checked by the episodes
        """Return the agents' actions in order, ``[1, N, A]``."""
        try:
            joint = np.array([actions[agent] for agent in self.possible_agents])
        except KeyError as missing:
            raise ValueError(f"`actions` must hold one action an agent; got none for {missing}.") from None
        except ValueError:
            shapes = {agent: np.shape(action) for agent, action in actions.items()}
            raise ValueError(f"`actions` must have equal shapes; got {shapes}.") from None
        if len(actions) != len(joint):
            for agent in actions:
                require_known(agent, "actions' agent", self.possible_agents)
        return joint[None]


class VectorStep(NamedTuple):
    """What `Vector.step` returns; rows that ended have already been reset in `observation`."""

    observation: Floats  # [B, N, O]
    reward: Floats  # [B, N]
    terminated: Bools  # [B]
    truncated: Bools  # [B]
    final_observation: Floats  # [B, N, O] before any reset; equals `observation` in rows that go on


@final
class Vector(Generic[S]):
    """B rows of `game` as arrays, with same-step autoreset.

    Parameters
    ----------
    game : AbstractGame
        The game.
    rows : int
        B, the number of concurrent episodes.
    """

    def __init__(self, game: AbstractGame[S], rows: int) -> None:
        self.game = game
        self.rows = rows
        self._episodes = Episodes(game, rows)

    @property
    def state(self) -> S:
        """The current state, ``[B, ...]``."""
        return self._episodes.state

    def reset(self, seed: int | Sequence[Seed] | None = None) -> Floats:
        """Start an episode in each row and return the observations ``[B, N, O]``.

        Parameters
        ----------
        seed : int or one seed a row, optional
            One integer is spawned into independent seeds; no seed continues the rows' luck.
        """
        if (seed is None and not self._episodes.started) or isinstance(seed, int | np.integer):
            seed = np.random.SeedSequence(seed if seed is None else int(seed)).spawn(self.rows)
        if seed is not None:
            self._episodes.seed(seed)
        self._episodes.reset()
        return self.game.observe(self._episodes.state)

    def step(self, action: Actions) -> VectorStep:
        """Advance each row by one step and reset the rows that ended.

        Raises
        ------
        ValueError
            If `action` is not ``[B, N, A]`` inside the action space.
        """
        _check_started(self._episodes)
        final_observation, reward, terminated, truncated = self._episodes.step(action)
        ended = np.flatnonzero(terminated | truncated)
        observation = final_observation
        if ended.size:
            self._episodes.reset(ended)
            observation = self.game.observe(self._episodes.state)
        return VectorStep(observation, reward, terminated, truncated, final_observation)


@final
class SingleAgent(gymnasium.Env[Floats, Any], Generic[S]):
    """One agent of `game` as a Gymnasium environment, against given policies.

    Parameters
    ----------
    game : AbstractGame
        The game.
    agent : str, optional
        The agent that learns; the first one by default.
    others : Policy, optional
        Acts for the other agents; the game's scripted rule by default.
    render_mode : {"human", "ansi", "rgb_array"}, optional
        What `render` returns.

    Raises
    ------
    ValueError
        If `agent` or `render_mode` is unknown.
    """

    def __init__(
        self,
        game: AbstractGame[S],
        agent: str | None = None,
        others: Policy | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check_mode(render_mode)
        agent = game.agents[0] if agent is None else agent
        require_known(agent, "agent", game.agents)
        self.game = game
        self.agent = agent
        self.others: Policy = Scripted(game) if others is None else others
        self.render_mode = render_mode
        self.metadata = {"render_modes": RENDER_MODES}
        self.observation_space = deepcopy(game.observation_space)
        self.action_space = deepcopy(game.action_space)
        self._index = game.agents.index(agent)
        self._episodes = Episodes(game, rows=1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Start an episode; a seed starts the luck of the game and of the others anew."""
        super().reset(seed=seed)
        if seed is not None or not self._episodes.started:
            self._episodes.seed([seed])
            self._rng = np.random.default_rng(None if seed is None else [seed, 1])
        self._episodes.reset()
        self._observation, self._over = self.game.observe(self._episodes.state), False
        return self._observation[0, self._index], {}

    def step(self, action: Any) -> tuple[Floats, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Advance by one step.

        Raises
        ------
        ValueError
            If `action` lies outside the action space.
        """
        _check_started(self._episodes)
        if self._over:
            raise gymnasium.error.ResetNeeded("The episode is over: call `reset` before `step`.")
        others = self.others.act(self._observation, self._rng)
        joint = np.array(others, dtype=np.result_type(others, np.asarray(action)))
        require(np.shape(action) == joint.shape[2:], "action", f"have shape {joint.shape[2:]}", np.shape(action))
        joint[0, self._index] = action
        outcome = self._episodes.step(joint)
        self._observation = outcome.observation
        reward = float(outcome.reward[0, self._index])
        ended, cut = bool(outcome.terminated[0]), bool(outcome.truncated[0])
        self._over = ended or cut
        return self._observation[0, self._index], reward, ended, cut, {}

    def render(self) -> Any:  # noqa: ANN401 - Gymnasium's own signature
        """Show the last step as `render_mode` asks."""
        return _render(self._episodes, self.render_mode)


@final
class FlatVector(VectorEnv[Floats, Any, Any], Generic[S]):
    """Each agent of each row of `game` as a row of a Gymnasium vector environment: shared-policy training.

    Row ``b * N + i`` is agent ``i`` of row ``b``. All agents of a row end together, with same-step autoreset:
    ``info["final_obs"] [B * N, O]`` holds the observations before the reset and ``info["_final_obs"]`` says
    in which rows they count.
    """

    def __init__(self, game: AbstractGame[S], rows: int) -> None:
        self.game = game
        self.num_envs = rows * len(game.agents)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = game.observation_space
        self.single_action_space = game.action_space
        self.observation_space = batch_space(game.observation_space, self.num_envs)
        self.action_space = batch_space(game.action_space, self.num_envs)
        self._vector = Vector(game, rows)

    def reset(
        self, *, seed: int | Sequence[Seed] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Start an episode in each row; seeds as in `Vector.reset`."""
        return self._flat(self._vector.reset(seed)), {}

    def step(self, actions: Any) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:  # noqa: ANN401
        """Advance each row by one step and reset the rows that ended."""
        agents = len(self.game.agents)
        actions, shape = np.asarray(actions), (self.num_envs, *(self.single_action_space.shape or ()))
        require(actions.shape == shape, "actions", f"have shape {shape}", actions.shape)
        joint = actions.reshape(self._vector.rows, agents, *actions.shape[1:])
        step = self._vector.step(joint)
        terminated, truncated = np.repeat(step.terminated, agents), np.repeat(step.truncated, agents)
        ended = terminated | truncated
        info = {"final_obs": self._flat(step.final_observation), "_final_obs": ended} if ended.any() else {}
        return self._flat(step.observation), self._flat(step.reward), terminated, truncated, info

    def _flat(self, values: Floats) -> Floats:
        return values.reshape(self.num_envs, *values.shape[2:])
