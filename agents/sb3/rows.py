"""Experience for Stable-Baselines3: the rows of a vector of games behind its `VecEnv`, scaled to [-1, 1].

Its usual road to multi-agent games goes through conversions that lose the seed; this one keeps it, keeps truncation
apart from termination, and hands over the final observation.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, final

import numpy as np
from gymnasium.spaces import Box
from stable_baselines3.common.vec_env import VecEnv

from walras.agents.sb3.lockstep import Table
from walras.core.game import AbstractGame, Actions
from walras.core.shells import FlatVector
from walras.core.typing import Bools, Floats

Scale: TypeAlias = tuple[Floats, Floats]  # [N] mean and standard deviation of each agent's reward


@final
class Rows(VecEnv):
    """Rows of scaled experience behind Stable-Baselines3's interface."""

    def __init__(
        self,
        game: AbstractGame[Any],
        rows: int,
        first: Floats,
        exchange: Callable[[Actions], tuple[Floats, Floats, Bools, Bools, Floats]],
    ) -> None:
        self._seen, self._does = window(game.observation_space), bounded(game.action_space)
        unit = Box(-1.0, 1.0, self._does.shape, dtype=np.float32)
        super().__init__(rows, Box(-1.0, 1.0, self._seen.shape, dtype=np.float32), unit)
        self._first, self._exchange = first, exchange

    def reset(self) -> Floats:
        """Return the first observations; the games were reset when the rows were made."""
        return scaled(self._first, self._seen)

    def step_async(self, actions: Actions) -> None:
        """Keep the actions."""
        self._actions = unscaled(actions, self._does)

    def step_wait(self) -> Any:  # noqa: ANN401 - Stable-Baselines3's own signature
        """Step the games and return what Stable-Baselines3 expects."""
        observation, reward, terminated, truncated, final = self._exchange(self._actions)
        ended = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(ended):
            infos[row]["terminal_observation"] = scaled(final[row], self._seen)
            infos[row]["TimeLimit.truncated"] = bool(truncated[row])
        return scaled(observation, self._seen), reward.astype(np.float32), ended, infos

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


def seat_rows(table: Table, game: AbstractGame[Any], agent: int, scale: Scale) -> Rows:
    """Return the rows in which `agent` alone learns."""

    def exchange(action: Actions) -> tuple[Floats, Floats, Bools, Bools, Floats]:
        step = table.exchange(agent, action)
        reward = (step.reward[:, agent] - scale[0][agent]) / scale[1][agent]
        observation, final = step.observation[:, agent], step.final_observation[:, agent]
        return observation, reward, step.terminated, step.truncated, final

    first = table.observation[:, agent]
    return Rows(game, len(first), first, exchange)


def shared_rows(game: AbstractGame[Any], rows: int, scale: Scale, seed: int) -> Rows:
    """Return the rows in which every agent of every game feeds one learner."""
    flat = FlatVector(game, rows)
    mean, spread = (np.tile(values, rows) for values in scale)

    def exchange(action: Actions) -> tuple[Floats, Floats, Bools, Bools, Floats]:
        observation, reward, terminated, truncated, info = flat.step(action)
        return observation, (reward - mean) / spread, terminated, truncated, info.get("final_obs", observation)

    return Rows(game, flat.num_envs, flat.reset(seed=seed)[0], exchange)


def bounded(space: Any) -> Box:  # noqa: ANN401 - any space
    """Return `space` if it is a Box with finite bounds.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not (isinstance(space, Box) and np.all(np.isfinite(space.low)) and np.all(np.isfinite(space.high))):
        raise TypeError(f"`game` must have bounded Box spaces for this adapter; got {space!r}.")
    return space


def window(space: Any) -> Box:  # noqa: ANN401 - any space
    """Return `space` with [-1, 1] where a bound is infinite: those entries reach the learner as they are.

    Raises
    ------
    TypeError
        If it is not a Box.
    """
    if not isinstance(space, Box):
        raise TypeError(f"`game` must have Box spaces for this adapter; got {space!r}.")
    known = np.isfinite(space.low) & np.isfinite(space.high)
    low, high = np.where(known, space.low, -1.0), np.where(known, space.high, 1.0)
    return Box(low, high, dtype=np.float64)


def scaled(values: Floats, box: Box) -> Any:  # noqa: ANN401 - single precision, for the networks
    """Map ``[..., O]`` from the box to [-1, 1]; entries whose bounds coincide become 0."""
    width = np.where(box.high > box.low, box.high - box.low, 1.0)
    centred = (2 * values - box.low - box.high) / width
    return centred.astype(np.float32)


def unscaled(values: Any, box: Box) -> Floats:  # noqa: ANN401
    """Map ``[..., A]`` from [-1, 1], cutting what lies outside, to the box."""
    share = (np.clip(values.astype(np.float64), -1.0, 1.0) + 1) / 2
    return box.low + share * (box.high - box.low)
