"""Environments of PettingZoo and Gymnasium from elsewhere, as games.

A game's dynamics are functions of a state; an environment keeps its state to itself, and many cannot be copied. But by
the rules of Gymnasium and PettingZoo, the seed of the reset and the actions since then fix where an environment stands.
These are the state here, together with the live environment that stands there.

A step from the latest state of an episode steps that environment. A step from an earlier state, or from one that was
copied or read from a file, first takes another environment along the same path. If agents then see something else than
the first time, the seed does not fix the environment, and it is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias, final

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray

from walras.core.checks import require, require_whole
from walras.core.game import AbstractGame, Actions, State, Step
from walras.core.typing import Bools, Floats, Image, Ints

Environment: TypeAlias = Any
"""A PettingZoo parallel environment, or one of Gymnasium."""
Objects: TypeAlias = NDArray[Any]

SOLE_AGENT = "agent"
"""Name of the agent of a Gymnasium environment."""


@final
class Path:
    """One episode of an environment from elsewhere: its seed, the actions so far, and what stands at their end.

    The live environment stays out of copies and files, in which it is made again when it is needed.
    """

    def __init__(self, seed: int, actions: list[Actions], environment: Environment) -> None:
        self.seed = seed
        self.actions = actions  # [N, A] each
        self.environment = environment  # None once the episode has ended

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self.seed, "actions": list(self.actions), "environment": None}

    def stands_at(self, time: int) -> bool:
        """Return whether the live environment has taken `time` steps."""
        return self.environment is not None and len(self.actions) == time


@final
@dataclass(frozen=True, eq=False)
class ForeignState(State):
    """Where B episodes of an environment stand."""

    path: Objects  # [B] of `Path`
    time: Ints  # [B] steps since the reset
    observation: Floats  # [B, N, ...] what agents see
    terminated: Bools  # [B] ended by the environment's rules
    truncated: Bools  # [B] cut off by the environment


@final
@dataclass(frozen=True)
class Foreign(AbstractGame[ForeignState]):
    """An environment from elsewhere as a game.

    Agents must have equal spaces, Box or Discrete actions, and end their episodes together. A seed must fix an episode.
    Solvers know nothing of such a game, but `rollout`, the shells, MAPPO, IPPO and Stable-Baselines3 do with it as with
    any other. An episode that ends for some agents by the rules and for the others by a cut counts as terminated. An
    environment whose episode has ended is used again.

    Parameters
    ----------
    make : callable
        Returns a new environment: a PettingZoo `ParallelEnv` or a Gymnasium `Env`. Its source is part of the game's
        fingerprint. What is to be saved with the game must be able to be pickled: a function of a module, not a lambda.
    discount : float
        Weight of the next reward.
    horizon : int
        Steps after which an episode is truncated, if the environment has not ended it.

    Raises
    ------
    TypeError
        If `make` returns something else, agents have different spaces or others than those, or, while playing, some
        agents end before the others.
    ValueError
        If a number is out of range, or `make` returns the same environment twice.

    Examples
    --------
    >>> from functools import partial
    >>> import gymnasium
    >>> from walras.core import Foreign, Random, rollout
    >>> game = Foreign(partial(gymnasium.make, "CartPole-v1"))
    >>> game.agents
    ('agent',)
    >>> rollout(game, Random(game), seeds=range(8)).total.shape
    (8, 1)
    """

    make: Callable[[], Environment]
    discount: float = 0.99
    horizon: int = 10_000

    def __post_init__(self) -> None:
        require(0 <= self.discount < 1, "discount", "lie in [0, 1)", self.discount)
        require_whole(self.horizon, "horizon")
        if not callable(self.make):
            raise TypeError(
                f"`make` must be a function that returns a new environment, since each row plays one of its own; "
                f"got {type(self.make).__name__}."
            )
        for space in (self.observation_space, self.action_space):
            if not isinstance(space, Box | Discrete):
                raise TypeError(f"`make` must return an environment with Box or Discrete spaces; got {space!r}.")

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The agents' names, in the environment's order."""
        return tuple(self._first.possible_agents) if _is_parallel(self._first) else (SOLE_AGENT,)

    @cached_property
    def observation_space(self) -> Space[Any]:
        """The space of one agent's observation."""
        return self._one_space("observation_space")

    @cached_property
    def action_space(self) -> Space[Any]:
        """The space of one agent's action."""
        return self._one_space("action_space")

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        """Draw seeds, ``[steps]``, of which resets use one each."""
        return rng.integers(2**31, size=steps)

    def reset(self, noise: Ints) -> ForeignState:
        """Reset an environment by each seed of ``noise [B]``."""
        begun = [self._begin(int(seed)) for seed in noise]
        path, observation = (list(column) for column in zip(*begun, strict=True))
        none = np.zeros(len(noise), dtype=np.bool_)
        return ForeignState(_objects(path), np.zeros(len(noise), dtype=np.int64), np.stack(observation), none, none)

    def step(self, state: ForeignState, action: Actions, noise: Ints) -> Step[ForeignState]:
        """Step each row's environment; rows that have ended stay as they are and earn nothing."""
        rows = [self._row(state, row, action[row]) for row in range(len(noise))]
        path, observation, reward, terminated, truncated = (list(column) for column in zip(*rows, strict=True))
        ended, cut = np.array(terminated), np.array(truncated)
        time = state.time + ~(state.terminated | state.truncated)
        after = ForeignState(_objects(path), time, np.stack(observation), ended, cut & ~ended)
        return Step(after, np.array(reward, dtype=np.float64), ended)

    def observe(self, state: ForeignState) -> Floats:
        """Return what agents see, ``[B, N, ...]``."""
        return state.observation

    def cut(self, state: ForeignState) -> Bools:
        """Return which rows the environment cut off; see `walras.core.abilities.CutShort`."""
        return state.truncated

    def text(self, state: ForeignState) -> str:
        """Return what agents see in row 0."""
        seen = zip(self.agents, state.observation[0].tolist(), strict=True)
        return "\n".join([f"step {state.time[0]}", *(f"{agent}: {values}" for agent, values in seen)])

    def image(self, state: ForeignState) -> Image:
        """Return the environment's own picture.

        Raises
        ------
        TypeError
            If it draws none.
        """
        path = self._path(state, 0)
        picture = path.environment.render()
        if path is not state.path[0]:
            self._free.append(path.environment)
        if not isinstance(picture, np.ndarray):
            raise TypeError(f"`make` must return an environment of `render_mode='rgb_array'` to draw; got {picture!r}.")
        return picture

    @cached_property
    def _first(self) -> Environment:
        """The environment that tells agents and spaces; the first to be used."""
        environment = self.make()
        if _is_parallel(environment) or isinstance(environment, gymnasium.Env):
            return environment
        raise TypeError(_what_to_do(environment))

    @cached_property
    def _free(self) -> list[Environment]:
        """Environments that no episode needs."""
        return [self._first]

    def _one_space(self, name: str) -> Space[Any]:
        if not _is_parallel(self._first):
            return getattr(self._first, name)
        spaces = {agent: getattr(self._first, name)(agent) for agent in self.agents}
        shared = spaces[self.agents[0]]
        for agent, space in spaces.items():
            if space != shared:
                raise TypeError(
                    f"`make` must return an environment whose agents have equal spaces; the {name} of {agent} is "
                    f"{space!r}, that of {self.agents[0]} {shared!r}. SuperSuit's `pad_observations_v0` and "
                    f"`pad_action_space_v0` make them equal."
                )
        return shared

    def _begin(self, seed: int) -> tuple[Path, Floats]:
        environment = self._free.pop() if self._free else self._another()
        observation, _ = environment.reset(seed=seed)
        return Path(seed, [], environment), self._seen(observation)

    def _another(self) -> Environment:
        environment = self.make()
        if environment is self._first:
            raise ValueError("`make` must return a new environment at each call; got the same one twice.")
        return environment

    def _seen(self, observation: Any) -> Floats:  # noqa: ANN401 - of one agent, or of each by name
        if not _is_parallel(self._first):
            return np.asarray(observation, dtype=self.observation_space.dtype)[None]
        return np.array([observation[agent] for agent in self.agents], dtype=self.observation_space.dtype)

    def _row(self, state: ForeignState, row: int, action: Actions) -> tuple[Path, Floats, Floats, bool, bool]:
        ended, cut = bool(state.terminated[row]), bool(state.truncated[row])
        if ended or cut:
            return state.path[row], state.observation[row], np.zeros(len(self.agents)), ended, cut
        path = self._path(state, row)
        observation, reward, ended, cut = self._stepped(path.environment, action)
        path.actions.append(action)
        if ended or cut:
            self._free.append(path.environment)
            path.environment = None
        return path, observation, reward, ended, cut

    def _path(self, state: ForeignState, row: int) -> Path:
        """Return a path whose live environment stands where `row` does: the row's own, or one that is taken again."""
        own, time = state.path[row], int(state.time[row])
        if own.stands_at(time):
            return own
        again, observation = self._begin(own.seed)
        for action in own.actions[:time]:
            observation, *_ = self._stepped(again.environment, action)
            again.actions.append(action)
        if not np.array_equal(observation, state.observation[row], equal_nan=observation.dtype.kind == "f"):
            raise RuntimeError(
                f"`make` must return an environment whose episodes are fixed by the seed of `reset` and the actions; "
                f"after {time} steps from seed {own.seed} agents see something else than the first time."
            )
        return again

    def _stepped(self, environment: Environment, action: Actions) -> tuple[Floats, Floats, bool, bool]:
        """Step one environment by ``action [N, A]``."""
        if not _is_parallel(environment):
            observation, reward, ended, cut, _ = environment.step(action[0])
            return self._seen(observation), np.array([float(reward)]), bool(ended), bool(cut)
        actions = dict(zip(self.agents, action, strict=True))
        observation, reward, terminated, truncated, _ = environment.step(actions)
        over = {agent: bool(terminated[agent] or truncated[agent]) for agent in terminated}
        self._check_all(over, environment)
        ended = all(over.values()) and any(terminated.values())
        rewards = np.array([reward[agent] for agent in self.agents], dtype=np.float64)
        return self._seen(observation), rewards, ended, all(over.values()) and not ended

    def _check_all(self, over: Mapping[str, bool], environment: Environment) -> None:
        """Refuse an environment in which an agent is missing, or has ended before the others."""
        early = [agent for agent in self.agents if over.get(agent, True)]
        if early and len(early) < len(self.agents):
            raise TypeError(
                f"`make` must return an environment whose agents end together; {early[0]} ended before the others. "
                f"SuperSuit's `black_death_v3` keeps agents that have ended in play."
            )


def _is_parallel(environment: Environment) -> bool:
    return hasattr(environment, "possible_agents") and not hasattr(environment, "agent_iter")


def _what_to_do(got: object) -> str:
    told = "`make` must return a PettingZoo parallel environment or a Gymnasium environment"
    hint = ""
    if hasattr(got, "agent_iter"):
        hint = "; `pettingzoo.utils.aec_to_parallel` makes a parallel environment of one in which agents take turns"
    elif hasattr(got, "num_envs"):
        hint = "; return a single one, since rows are made of as many as are needed"
    return f"{told}; got {type(got).__name__}{hint}."


def _objects(things: list[Any]) -> Objects:
    """Return a list as an array of one dimension, whatever the things are."""
    array = np.empty(len(things), dtype=np.object_)
    array[:] = things
    return array
