"""Shells: one game behind the interfaces that users already have. No game knows them.

| shell | interface | rows |
|---|---|---|
| `Parallel` | PettingZoo `ParallelEnv` (AEC by PettingZoo's own conversion) | 1 |
| `walras.core.Turns` | PettingZoo `AECEnv` of a game in which agents move in turn | 1 |
| `Vector` | arrays ``[B, N, ...]``, same-step autoreset | B |
| `SingleAgent` | Gymnasium `Env`: one agent learns, the others play given policies | 1 |
| `FlatVector` | Gymnasium `VectorEnv`: each agent of each row is a row of its own | B x N |

All but `Vector` take a `dtype`: with ``np.float32``, observations and the bounds of Box spaces are in single precision,
which many learners ask for. Games compute in double precision all the same. The way back, from an environment from
elsewhere to a game, is `walras.core.foreign`.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Generic, NamedTuple, final

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import DTypeLike
from pettingzoo import ParallelEnv

from walras.core.checks import require, require_known
from walras.core.episodes import Episodes, Seed
from walras.core.game import AbstractGame, Actions, S
from walras.core.policy import Policy, Scripted, Timed, check_policy
from walras.core.typing import Bools, Floats, Image

METADATA: dict[str, Any] = {"render_modes": ["human", "ansi", "rgb_array"], "render_fps": 4}


def _in(dtype: DTypeLike | None, space: Space[Any]) -> Space[Any]:
    """Return a copy of `space`; of a Box, in `dtype`."""
    if dtype is None or not isinstance(space, Box):
        return deepcopy(space)
    kind: Any = np.dtype(dtype).type
    require(issubclass(kind, np.floating), "dtype", "be a type of floating-point numbers", kind)
    return Box(space.low.astype(kind), space.high.astype(kind), dtype=kind)


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
        require_known(mode, "render_mode", METADATA["render_modes"])


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
    dtype : type, optional
        Of observations and of the bounds of Box spaces, such as ``np.float32``; the game's by default.

    Raises
    ------
    TypeError
        If `game` is no game.
    ValueError
        If `render_mode` is unknown, or `dtype` no type of floating-point numbers.
    """

    def __init__(self, game: AbstractGame[S], render_mode: str | None = None, dtype: DTypeLike | None = None) -> None:
        self._episodes = Episodes(game, num_envs=1)
        _check_mode(render_mode)
        self.game = game
        self.render_mode = render_mode
        self.metadata = {"name": type(game).__name__, "is_parallelizable": True} | METADATA
        self.possible_agents = list(game.agents)
        self.agents: list[str] = []
        self.observation_spaces = {agent: _in(dtype, game.observation_space) for agent in game.agents}
        self.action_spaces = {agent: _in(dtype, game.action_space) for agent in game.agents}
        self.state_space = batch_space(_in(dtype, game.observation_space), len(game.agents))

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
        """Start an episode; a seed starts the row's noise anew, no seed continues it."""
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
            self._by_agent(observation[0].astype(self.state_space.dtype, copy=False)),
            dict(zip(agents, reward[0].tolist(), strict=True)),
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, cut),
            {agent: {} for agent in agents},
        )

    def alternatives(self, actions: Actions) -> Floats:
        """Return what agents would earn in the next step by K joint actions ``[K, N, A]``, under its noise.

        Returns
        -------
        array
            Rewards, ``[K, N]``; the environment stays where it is.

        Raises
        ------
        ValueError
            If an action lies outside its space.
        """
        _check_started(self._episodes)
        return self._episodes.alternatives(np.asarray(actions)[:, None])[:, 0]

    @property
    def current(self) -> S:
        """The game's state, ``[1, ...]``."""
        _check_started(self._episodes)
        return self._episodes.state

    def state(self) -> Floats:
        """Return the observations of all agents, ``[N, O]``."""
        _check_started(self._episodes)
        return self.game.observe(self._episodes.state)[0].astype(self.state_space.dtype, copy=False)

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
    num_envs : int
        B, the number of concurrent episodes.

    Raises
    ------
    TypeError
        If `game` is no game.
    ValueError
        If `num_envs` is less than 1.
    """

    def __init__(self, game: AbstractGame[S], num_envs: int) -> None:
        self._episodes = Episodes(game, num_envs)
        self.game = game
        self.num_envs = num_envs

    @property
    def state(self) -> S:
        """The current state, ``[B, ...]``."""
        return self._episodes.state

    def reset(self, seed: int | Sequence[Seed] | None = None) -> Floats:
        """Start an episode in each row and return the observations ``[B, N, O]``.

        Parameters
        ----------
        seed : int or one seed a row, optional
            One integer is spawned into independent seeds; no seed continues the rows' noise.
        """
        if (seed is None and not self._episodes.started) or isinstance(seed, int | np.integer):
            seed = np.random.SeedSequence(seed if seed is None else int(seed)).spawn(self.num_envs)
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
    dtype : type, optional
        Of observations and of the bounds of Box spaces, such as ``np.float32``; the game's by default.

    Raises
    ------
    TypeError
        If `game` is no game, `others` no policy, or there is no scripted rule to take its place.
    ValueError
        If `agent` or `render_mode` is unknown, or `dtype` no type of floating-point numbers.
    """

    def __init__(
        self,
        game: AbstractGame[S],
        agent: str | None = None,
        others: Policy | None = None,
        render_mode: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._episodes = Episodes(game, num_envs=1)
        _check_mode(render_mode)
        agent = game.agents[0] if agent is None else agent
        require_known(agent, "agent", game.agents)
        self.game = game
        self.agent = agent
        self.others: Policy = Scripted(game) if others is None else others
        check_policy(self.others)
        self.render_mode = render_mode
        self.metadata = METADATA
        self.observation_space = _in(dtype, game.observation_space)
        self.action_space = _in(dtype, game.action_space)
        self._index = game.agents.index(agent)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Start an episode; a seed starts the noise of the game and of the others anew."""
        super().reset(seed=seed)
        if seed is not None or not self._episodes.started:
            self._episodes.seed([seed])
            self._rng = np.random.default_rng(None if seed is None else [seed, 1])
        self._episodes.reset()
        self._observation, self._over = self.game.observe(self._episodes.state), False
        return self._seen(), {}

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
        others = self._others_act()
        joint = np.array(others, dtype=np.result_type(others, np.asarray(action)))
        require(np.shape(action) == joint.shape[2:], "action", f"have shape {joint.shape[2:]}", np.shape(action))
        joint[0, self._index] = action
        outcome = self._episodes.step(joint)
        self._observation = outcome.observation
        reward = float(outcome.reward[0, self._index])
        ended, cut = bool(outcome.terminated[0]), bool(outcome.truncated[0])
        self._over = ended or cut
        return self._seen(), reward, ended, cut, {}

    def render(self) -> Any:  # noqa: ANN401 - Gymnasium's own signature
        """Show the last step as `render_mode` asks."""
        return _render(self._episodes, self.render_mode)

    def _seen(self) -> Floats:
        return self._observation[0, self._index].astype(self.observation_space.dtype, copy=False)

    def _others_act(self) -> Actions:
        if isinstance(self.others, Timed):
            return self.others.act_at(self._observation, int(self._episodes.clock[0]), self._rng)
        return self.others.act(self._observation, self._rng)


@final
class FlatVector(VectorEnv[Floats, Any, Any], Generic[S]):
    """Each agent of each row of `game` as a row of a Gymnasium vector environment: shared-policy training.

    Row ``b * N + i`` is agent ``i`` of row ``b``. All agents of a row end together, with same-step autoreset:
    ``info["final_obs"] [B * N, O]`` holds the observations before the reset and ``info["_final_obs"]`` says
    in which rows they count. For Stable-Baselines3, which has an interface of its own, see `walras.agents.sb3.vec_env`.

    Parameters
    ----------
    game : AbstractGame
        The game.
    num_envs : int
        B, the number of concurrent episodes; the attribute `num_envs`, which Gymnasium defines, is B x N.
    dtype : type, optional
        Of observations and of the bounds of Box spaces, such as ``np.float32``; the game's by default.

    Raises
    ------
    TypeError
        If `game` is no game.
    ValueError
        If `num_envs` is less than 1, or `dtype` no type of floating-point numbers.
    """

    def __init__(self, game: AbstractGame[S], num_envs: int, dtype: DTypeLike | None = None) -> None:
        self._vector = Vector(game, num_envs)
        self.game = game
        self.num_envs = num_envs * len(game.agents)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = _in(dtype, game.observation_space)
        self.single_action_space = _in(dtype, game.action_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[Seed] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Start an episode in each row; seeds as in `Vector.reset`."""
        return self._seen(self._vector.reset(seed)), {}

    def step(self, actions: Any) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:  # noqa: ANN401
        """Advance each row by one step and reset the rows that ended."""
        agents = len(self.game.agents)
        actions, shape = np.asarray(actions), (self.num_envs, *(self.single_action_space.shape or ()))
        require(actions.shape == shape, "actions", f"have shape {shape}", actions.shape)
        joint = actions.reshape(self._vector.num_envs, agents, *actions.shape[1:])
        step = self._vector.step(joint)
        terminated, truncated = np.repeat(step.terminated, agents), np.repeat(step.truncated, agents)
        ended = terminated | truncated
        info = {"final_obs": self._seen(step.final_observation), "_final_obs": ended} if ended.any() else {}
        return self._seen(step.observation), self._flat(step.reward), terminated, truncated, info

    def _flat(self, values: Floats) -> Floats:
        return values.reshape(self.num_envs, *values.shape[2:])

    def _seen(self, observation: Floats) -> Floats:
        return self._flat(observation).astype(self.single_observation_space.dtype, copy=False)
