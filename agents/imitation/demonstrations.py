r"""Personal demonstrations: how each agent reaches its own goal when it is alone.

`collect` lets each agent of a game play alone (``game.alone(i)``) by its personal expert. In a grid world the expert
draws evenly among the safe actions that lie on a shortest path; elsewhere it is the game's scripted rule. `record`
keeps what the agents do together under a policy, such as the joint optimum's. `combine` takes each agent from
demonstrations of its own.

Quality
-------
With the probability `quality` an agent does as its expert says, and otherwise draws an action evenly, anew at each
step. 1 is the expert, 0 is chance. `Demonstrations.mean_return` tells what a quality is worth.

What an agent knows of a step is its own state, the leading ``game.own`` numbers of its observation. Episodes differ in
length, so steps are stored one after another: M steps of all agents, in the order of agents, episodes and time.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from walras.agents.imitation.personal_games import as_personal, near, possible
from walras.core.checks import per_agent, require, require_each
from walras.core.episodes import ActionRule
from walras.core.files import write_whole
from walras.core.game import AbstractGame, Actions
from walras.core.identity import fingerprint
from walras.core.policy import Policy, Random, Scripted
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.grid_world import GridWorld
from walras.equilibria.cooperation.grid_world import NaiveImitation

VERSION = 2
"""Of the saved files; a file of another version is refused."""

COLUMNS = ("agent", "episode", "state", "action", "next_state", "reward", "terminated")

KINDS = {
    "whole numbers": ("iu", ("agent", "episode")),
    "numbers": ("iuf", ("state", "action", "next_state", "reward")),
    "true or false": ("b", ("terminated",)),
}
"""What columns hold, numpy's kinds of such types, and which."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Demonstrations:
    """Steps of N agents, M in all.

    Raises
    ------
    ValueError
        If the arrays differ in length or hold other kinds of values, states are not vectors, or a number is not finite.
    """

    game: str  # name and fingerprint of the game in which they were made
    quality: tuple[float, ...] | None  # [N] probability of the expert's action; None where agents played together
    agent: Ints  # [M]
    episode: Ints  # [M] counted from 0 for each agent
    state: Floats  # [M, S] own state
    action: Actions  # [M, ...]
    next_state: Floats  # [M, S] own state after the step
    reward: Floats  # [M]
    terminated: Bools  # [M] whether the step ended the game; an episode that stops without was cut at the horizon

    def __post_init__(self) -> None:
        steps = len(self.agent)
        for name in ("episode", "state", "action", "next_state", "reward", "terminated"):
            length = len(getattr(self, name))
            require(length == steps, name, f"have one entry for each of the {steps} steps of `agent`", length)
        for told, (kinds, names) in KINDS.items():
            for name in names:
                dtype = getattr(self, name).dtype
                require(dtype.kind in kinds, name, f"hold {told}", dtype.name)
        require(self.state.ndim == 2, "state", "have the shape [M, S]", self.state.shape)
        require(self.state.shape == self.next_state.shape, "next_state", "have the shape of `state`", self.state.shape)
        for name in KINDS["numbers"][1]:
            values = getattr(self, name)
            require_each(np.isfinite(values), name, "be finite", values)

    def __repr__(self) -> str:
        return f"Demonstrations({self.game}, {len(self.agent)} steps, {fingerprint(self)[:12]})"

    def of(self, agent: int) -> "Demonstrations":
        """Return the steps of `agent` alone, numbered as before."""
        mine = self.agent == agent
        return replace(self, **{name: getattr(self, name)[mine] for name in COLUMNS})

    @property
    def first(self) -> Bools:
        """Whether a step is the first of its episode, ``[M]``."""
        key = np.stack((self.agent, self.episode))
        return np.append(True, (key[:, 1:] != key[:, :-1]).any(axis=0))[: len(self.agent)]

    @property
    def steps(self) -> Ints:
        """Steps of each agent, ``[N]``."""
        return np.bincount(self.agent)

    @property
    def mean_return(self) -> Floats:
        """Mean undiscounted return of each agent's episodes, ``[N]``; NaN for an agent without any."""
        with np.errstate(invalid="ignore"):
            return np.bincount(self.agent, self.reward) / np.bincount(self.agent, self.first)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse demonstrations from which agents of `game` cannot learn.

        Raises
        ------
        TypeError
            If the game has no personal tasks.
        ValueError
            If they were made in another game, lack an agent, or hold an action or a step that the game does not allow.
        """
        personal, agents = as_personal(game), len(game.agents)
        require(self.game == named(game), "demonstrations", f"be of this game, {named(game)}", self.game)
        unknown = np.unique(self.agent[(self.agent < 0) | (self.agent >= agents)]).tolist()
        require(not unknown, "demonstrations", f"be of agents 0 to {agents - 1}", unknown)
        missing = [name for i, name in enumerate(game.agents) if i not in self.agent]
        require(not missing, "demonstrations", "hold steps of every agent", f"none of {', '.join(missing)}")
        width = self.state.shape[1]
        require(width == personal.own, "demonstrations", f"hold own states of {personal.own} numbers", width)
        for agent in range(agents):
            _check_steps(self.of(agent), personal.alone(agent), game.agents[agent])

    def save(self, path: Path | str) -> None:
        """Write a parquet file, whole or not at all: one row a step, the game's hash among the metadata.

        Raises
        ------
        OSError
            If `path` cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = {key: values for name in COLUMNS for key, values in _columns(name, getattr(self, name)).items()}
        header = {"version": VERSION, "game": self.game, "quality": self.quality}
        table = pa.table(columns).replace_schema_metadata({"walras.demonstrations": json.dumps(header)})
        write_whole(Path(path), lambda beside: pq.write_table(table, beside))


Shown: TypeAlias = Demonstrations | Callable[..., Demonstrations]
"""Demonstrations, or what makes those of a game and a seed: ``partial(collect, quality=0.5)`` called with ``seed=``."""


def of_seed(shown: Shown, game: AbstractGame[Any], seed: int) -> Demonstrations:
    """Return what is shown to a learner of this seed."""
    return shown if isinstance(shown, Demonstrations) else shown(game, seed=seed)


def load(path: Path | str) -> Demonstrations:
    """Return the demonstrations that `save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is damaged or holds no demonstrations, or is of another version, or columns are missing or hold
        nulls or other values than they should.
    """
    header, columns = _read(path)
    missing = [name for name in COLUMNS if not any(_holds(name, key) for key in columns)]
    require(not missing, "path", f"hold the columns {', '.join(COLUMNS)}", f"{path} without {', '.join(missing)}")
    quality = None if header["quality"] is None else tuple(header["quality"])
    try:
        return Demonstrations(header["game"], quality, *(_array(name, columns) for name in COLUMNS))
    except ValueError as wrong:
        raise ValueError(f"`path` must hold demonstrations; got {str(path)!r}: {wrong}") from wrong


def collect(
    game: AbstractGame[Any], quality: float | Sequence[float] = 1.0, episodes: int = 200, seed: int = 0
) -> Demonstrations:
    """Let each agent show its own task, alone.

    Parameters
    ----------
    game : AbstractGame
        A game whose agents have tasks of their own: a grid world or navigation.
    quality : float or one an agent
        Probability, at each step, of the expert's action; a random one otherwise.
    episodes : int
        Of each agent.
    seed : int
        Of all chance.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If `quality` is no probability, or there are no episodes.

    Examples
    --------
    >>> from walras.agents import demonstrations
    >>> from walras.envs import GridWorld
    >>> shown = demonstrations.collect(GridWorld.lava(agents=2), episodes=20)
    >>> shown.steps, shown.mean_return
    (array([360, 360]), array([8.38, 8.38]))
    """
    personal = as_personal(game)
    qualities = np.array(per_agent("quality", quality, len(game.agents)))
    require_each((qualities >= 0) & (qualities <= 1), "quality", "lie in [0, 1]", qualities)
    require(episodes >= 1, "episodes", "be at least 1", episodes)
    parts: list[Demonstrations] = []
    for agent, level in enumerate(qualities.tolist()):
        alone = personal.alone(agent)
        policy = Faltering(expert(alone), Random(alone), level)
        steps = _steps(rollout(alone, policy, _seeds(seed, agent, episodes)), personal.own)
        steps["agent"] += agent
        parts.append(Demonstrations(named(game), tuple(qualities.tolist()), **steps))
    return combine(parts)


def record(game: AbstractGame[Any], policy: Policy, episodes: int = 200, seed: int = 0) -> Demonstrations:
    """Keep what the agents do together under `policy`: joint demonstrations.

    Parameters
    ----------
    game : AbstractGame
        A game whose agents have tasks of their own.
    policy : Policy
        Acts for all agents, such as ``walras.equilibria.solve(game).policy``.
    episodes : int
        Of all agents.
    seed : int
        Of all chance.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If there are no episodes.
    """
    own = as_personal(game).own
    require(episodes >= 1, "episodes", "be at least 1", episodes)
    return Demonstrations(named(game), None, **_steps(rollout(game, policy, _seeds(seed, 0, episodes)), own))


def combine(parts: Sequence[Demonstrations]) -> Demonstrations:
    """Take each agent's steps from a part of its own, as of teams that never met.

    Parameters
    ----------
    parts : sequence of Demonstrations
        Of one game; agent i is taken from ``parts[i]``.

    Raises
    ------
    ValueError
        If there are no parts, they were made in different games, or a part lacks its agent.
    """
    require(len(parts) > 0, "parts", "hold demonstrations", list(parts))
    games = list(dict.fromkeys(part.game for part in parts))
    require(len(games) == 1, "parts", "be of one game", games)
    lacking = [agent for agent, part in enumerate(parts) if agent not in part.agent]
    require(not lacking, "parts", "hold steps of agent i in part i", f"none of {lacking}")
    shown = [part.of(agent) for agent, part in enumerate(parts)]
    columns = {name: np.concatenate([getattr(part, name) for part in shown]) for name in COLUMNS}
    return Demonstrations(games[0], _quality(parts), **columns)


@final
@dataclass(frozen=True, eq=False)
class Faltering:
    """Follows one policy with the probability `quality`, and another otherwise, anew for each agent and step."""

    expert: Policy
    other: Policy
    quality: float

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw who decides."""
        first, second = self.expert.act(observation, rng), self.other.act(observation, rng)
        follows = rng.random(first.shape[:2]) < self.quality
        return np.where(follows.reshape(*follows.shape, *(1,) * (first.ndim - 2)), first, second)


def expert(game: AbstractGame[Any]) -> Policy:
    """Return the policy that demonstrates what each agent would do alone."""
    return NaiveImitation(game) if isinstance(game, GridWorld) else Scripted(game)


def named(game: AbstractGame[Any]) -> str:
    """Return a game's name and the first digits of its fingerprint."""
    return f"{type(game).__name__} {fingerprint(game)[:12]}"


def _quality(parts: Sequence[Demonstrations]) -> tuple[float, ...] | None:
    """Return the quality of agent i in part i; None if one of them was not alone."""
    known = [part.quality[agent] for agent, part in enumerate(parts) if part.quality is not None]
    return tuple(known) if len(known) == len(parts) else None


def _seeds(seed: int, agent: int, episodes: int) -> list[int]:
    return np.random.SeedSequence([seed, agent]).generate_state(episodes).tolist()


def _steps(played: Trajectory[Any], own: int) -> dict[str, NDArray[Any]]:
    """Return the steps of a trajectory, agent after agent, episode after episode."""
    count = played.reward.shape[2]
    alive = np.repeat(played.alive.T[None], count, axis=0)  # [N, B, T]
    agent, episode, _ = np.nonzero(alive)
    seen = np.concatenate((played.observation, played.final_observation[None]))[..., :own]
    ended = np.repeat(played.terminated[..., None], count, axis=2)
    values = played.action, seen[:-1], seen[1:], played.reward, ended
    taken = (np.moveaxis(value, (2, 1, 0), (0, 1, 2))[alive] for value in values)
    named = zip(("action", "state", "next_state", "reward", "terminated"), taken, strict=True)
    return {"agent": agent, "episode": episode, **dict(named)}


def _check_steps(steps: Demonstrations, alone: AbstractGame[Any], name: str) -> None:
    """Refuse actions outside the space, states that do not follow each other, and steps that the game does not make."""
    action = ActionRule(alone.action_space, len(steps.agent), 1)(steps.action[:, None])
    steps = replace(steps, action=action[:, 0])
    continues = np.append(~steps.first[1:], False)
    jumps = continues & ~near(np.roll(steps.state, -1, axis=0), steps.next_state)
    _refuse(jumps, f"hold states of {name} that follow one another", steps)
    _refuse(~possible(alone, steps), f"hold steps that {name} can make", steps)


def _refuse(wrong: Bools, rule: str, steps: Demonstrations) -> None:
    """Raise with the first wrong step, if there is one."""
    for at in np.flatnonzero(wrong):
        told = ", ".join(str(values[at].tolist()) for values in (steps.state, steps.action, steps.next_state))
        require(False, "demonstrations", rule, f"{told} (state, action, next state) in episode {steps.episode[at]}")


def _read(path: Path | str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the columns of a file that `Demonstrations.save` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Path(path).open("rb") as file:
        try:
            table = pq.read_table(file)
            header = json.loads((table.schema.metadata or {}).get(b"walras.demonstrations", "{}"))
        except (pa.ArrowException, OSError, ValueError, RecursionError) as damaged:
            raise ValueError(f"`path` must be a file of demonstrations; got {str(path)!r} ({damaged}).") from damaged
    require(isinstance(header, dict) and "version" in header, "path", "be a file of demonstrations", str(path))
    require(header["version"] == VERSION, "path", f"be of version {VERSION}", f"{path}: {header['version']}")
    require({"game", "quality"} <= header.keys(), "path", "name game and quality", f"{path}: {', '.join(header)}")
    columns = dict(zip(table.column_names, table.columns, strict=True))
    lacking = [name for name, column in columns.items() if column.null_count]
    require(not lacking, "path", "hold a value in each row", f"{path} with nulls in {', '.join(lacking)}")
    return header, {name: column.to_numpy() for name, column in columns.items()}


def _columns(name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return an array ``[M]`` as one column, ``[M, K]`` as K."""
    if values.ndim == 1:
        return {name: values}
    return {f"{name}_{k}": np.ascontiguousarray(column) for k, column in enumerate(values.T)}


def _array(name: str, columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if name in columns:
        return columns[name]
    return np.stack([column for key, column in columns.items() if _holds(name, key)], axis=1)


def _holds(name: str, key: str) -> bool:
    """Return whether the column `key` is the array `name`, or a part of it."""
    return key == name or key.startswith(f"{name}_")
