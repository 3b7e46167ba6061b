"""Rows of games behind Stable-Baselines3's `VecEnv`, scaled to [-1, 1] where its own learners train.

Its usual road to multi-agent games goes through conversions that lose the seed; this one keeps it, keeps truncation
apart from termination, and hands over the final observation.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from stable_baselines3.common.vec_env import VecEnv

from walras.agents.sb3.lockstep import Table
from walras.agents.sb3.returns import Counted
from walras.core.game import AbstractGame, Actions
from walras.core.shells import FlatVector
from walras.core.typing import Bools, Floats

Scale: TypeAlias = tuple[Floats, Floats]  # [N] mean and standard deviation of each agent's reward

UNBOUNDED = 1e30
"""Bounds from here on say that there is none: some environments write them so."""


class RowStep(NamedTuple):
    """What M rows return after one step; rows that ended have already been reset in `observation`."""

    observation: Floats  # [M, O]
    reward: Floats  # [M]
    terminated: Bools  # [M]
    truncated: Bools  # [M]
    final: Floats  # [M, O] before any reset


@final
class Units:
    """A game's observations and actions as networks take them.

    Observations and Box actions are scaled to [-1, 1] by their bounds; choices are counted from 0.

    Raises
    ------
    TypeError
        If observations are no Box of one dimension, or actions neither Discrete nor in a bounded Box of one.
    """

    def __init__(self, game: AbstractGame[Any]) -> None:
        self._seen, self._does = window(game.observation_space), playable(game.action_space)
        self.observation_space = Box(-1.0, 1.0, self._seen.shape, dtype=np.float32)
        self.action_space: Space[Any] = (
            Box(-1.0, 1.0, self._does.shape, dtype=np.float32)
            if isinstance(self._does, Box)
            else Discrete(int(self._does.n))
        )

    def seen(self, observation: Floats) -> Any:  # noqa: ANN401 - single precision
        """Return ``[..., O]`` as networks see it."""
        return scaled(observation, self._seen)

    def played(self, action: Any) -> Actions:  # noqa: ANN401 - of a network
        """Return what networks did, ``[..., A]`` or ``[...]``, as the game plays it."""
        return unscaled(action, self._does) if isinstance(self._does, Box) else action + self._does.start


@final
class Rows(VecEnv):
    """M rows behind Stable-Baselines3's interface.

    Parameters
    ----------
    num_envs : int
        M.
    observation_space, action_space : Space
        Of one row.
    restart : callable
        From a seed, or nothing, to the first observations ``[M, O]``.
    exchange : callable
        From the rows' actions to what they return.
    """

    def __init__(
        self,
        num_envs: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        restart: Callable[[int | None], Floats],
        exchange: Callable[[Actions], RowStep],
    ) -> None:
        super().__init__(num_envs, observation_space, deepcopy(action_space))  # each model seeds and samples its own
        self._restart, self._exchange = restart, exchange

    def reset(self) -> Any:  # noqa: ANN401 - single or double precision
        """Return the first observations."""
        observation = self._restart(self._seeds[0])
        self._reset_seeds()
        return observation

    def step_async(self, actions: Actions) -> None:
        """Keep the actions."""
        self._actions = actions

    def step_wait(self) -> Any:  # noqa: ANN401 - Stable-Baselines3's own signature
        """Step the games and return what Stable-Baselines3 expects."""
        step = self._exchange(self._actions)
        ended = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(ended):
            infos[row]["terminal_observation"] = step.final[row]
            infos[row]["TimeLimit.truncated"] = bool(step.truncated[row])
        return step.observation, step.reward.astype(np.float32), ended, infos

    def close(self) -> None:
        """Close nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ANN401
        """Return an attribute, for each row."""
        return [None if attr_name == "render_mode" else getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:  # noqa: ANN401
        """Refuse."""
        raise NotImplementedError("The rows share one game: make another one instead.")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ANN401
        """Refuse."""
        raise NotImplementedError("The rows share one game and have no methods of their own.")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:  # noqa: ANN401
        """Return that no row is wrapped."""
        return [False] * self.num_envs


def seat_rows(table: Table, units: Units, agent: int, scale: Scale) -> Rows:
    """Return the rows in which `agent` alone learns; the table's games have been reset."""
    mean, spread = scale[0][agent], scale[1][agent]

    def exchange(action: Actions) -> RowStep:
        step = table.exchange(agent, units.played(action))
        observation, final = (units.seen(part[:, agent]) for part in (step.observation, step.final_observation))
        return RowStep(observation, (step.reward[:, agent] - mean) / spread, step.terminated, step.truncated, final)

    first = units.seen(table.observation[:, agent])
    return Rows(len(first), units.observation_space, units.action_space, lambda _: first, exchange)


def shared_rows(vector: Counted, units: Units, scale: Scale, seed: int) -> Rows:
    """Return the rows in which every agent of every game feeds one learner; row ``b * N + i`` is agent i of game b."""
    mean, spread = scale
    first = vector.reset(seed)  # [B, N, O]
    games, agents = first.shape[:2]

    def flat(values: Any) -> Any:  # noqa: ANN401 - an array
        return values.reshape(games * agents, *values.shape[2:])

    def exchange(action: Actions) -> RowStep:
        joint = units.played(action)
        step = vector.step(joint.reshape(games, agents, *joint.shape[1:]))
        observation, final = (flat(units.seen(part)) for part in (step.observation, step.final_observation))
        terminated, truncated = (np.repeat(part, agents) for part in (step.terminated, step.truncated))
        return RowStep(observation, flat((step.reward - mean) / spread), terminated, truncated, final)

    start = flat(units.seen(first))
    return Rows(games * agents, units.observation_space, units.action_space, lambda _: start, exchange)


def vec_env(flat: FlatVector[Any]) -> Rows:
    """Return a `FlatVector` as it is behind Stable-Baselines3's interface, for a learner of your own.

    Nothing is scaled. What such a learner's model does in a game is `walras.agents.sb3.ModelPolicy`.

    Examples
    --------
    >>> import numpy as np
    >>> from stable_baselines3 import PPO
    >>> from walras.agents import sb3
    >>> from walras.core import FlatVector
    >>> from walras.envs import CournotMarket
    >>> rows = sb3.vec_env(FlatVector(CournotMarket(), num_envs=4, dtype=np.float32))
    >>> PPO("MlpPolicy", rows, n_steps=16, device="cpu").learn(256).num_timesteps
    384
    """

    def exchange(action: Actions) -> RowStep:
        observation, reward, terminated, truncated, info = flat.step(action)
        return RowStep(observation, reward, terminated, truncated, info.get("final_obs", observation))

    spaces = flat.single_observation_space, flat.single_action_space
    return Rows(flat.num_envs, *spaces, lambda seed: flat.reset(seed=seed)[0], exchange)


def playable(space: Any) -> Box | Discrete:  # noqa: ANN401 - any space
    """Return `space` if it is Discrete, or a Box of one dimension with finite bounds.

    Raises
    ------
    TypeError
        If it is not.
    """
    if isinstance(space, Discrete):
        return space
    if isinstance(space, Box) and len(space.shape) == 1 and _finite(space).all():
        return space
    raise TypeError(f"`game.action_space` must be Discrete or a bounded Box of one dimension; got {space!r}.")


def window(space: Any) -> Box:  # noqa: ANN401 - any space
    """Return `space` with [-1, 1] where a bound is infinite: those entries reach the learner as they are.

    Raises
    ------
    TypeError
        If it is not a Box of one dimension.
    """
    if not (isinstance(space, Box) and len(space.shape) == 1):
        raise TypeError(f"`game.observation_space` must be a Box of one dimension; got {space!r}.")
    known, low, high = _finite(space), space.low.astype(np.float64), space.high.astype(np.float64)
    return Box(np.where(known, low, -1.0), np.where(known, high, 1.0), dtype=np.float64)


def _finite(space: Box) -> Bools:
    return (np.abs(space.low) < UNBOUNDED) & (np.abs(space.high) < UNBOUNDED)


def scaled(values: Floats, box: Box) -> Any:  # noqa: ANN401 - single precision, for the networks
    """Map ``[..., O]`` from the box to [-1, 1]; entries whose bounds coincide become 0."""
    width = np.where(box.high > box.low, box.high - box.low, 1.0)
    centred = (2 * values - box.low - box.high) / width
    return centred.astype(np.float32)


def unscaled(values: Any, box: Box) -> Floats:  # noqa: ANN401
    """Map ``[..., A]`` from [-1, 1], cutting what lies outside, to the box."""
    share = (np.clip(values.astype(np.float64), -1.0, 1.0) + 1) / 2
    return box.low + share * (box.high - box.low)
