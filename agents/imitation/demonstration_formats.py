"""Demonstrations in the formats of other packages: Minari datasets, and the trajectory folders of `imitation`.

Both know one agent, so each agent gets a dataset of its own: its states as observations, T + 1 in an episode of T,
actions, rewards, and whether the game ended or the horizon cut it off. What comes back is checked against the game.

Minari is needed to write and to read its datasets (``pip install walras[minari]``); they land where Minari keeps all.
`imitation` 1.0.1 asks for gymnasium 0.29 and stable-baselines3 2.2, so it cannot be installed beside this suite. Its
folders hold one Arrow table, a row a trajectory, and two small files that describe it; they are written and read here
without it. In an environment of its own ``imitation.data.serialize.load(folder)`` takes them.

References
----------
[1] O. G. Younis et al., Minari, the Farama Foundation, https://minari.farama.org.
[2] A. Gleave et al., imitation: clean imitation learning implementations, 2022; arXiv 2211.11972.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box

from walras.agents.imitation.demonstrations import COLUMNS, Demonstrations, named
from walras.agents.imitation.personal_games import as_personal
from walras.core.checks import require
from walras.core.files import write_whole
from walras.core.game import AbstractGame, Actions
from walras.core.lazy import needed
from walras.core.typing import Floats

ARROW = "data-00000-of-00001.arrow"
INFO = "dataset_info.json"
QUALITY = "walras_quality"
"""Where the quality of demonstrations is kept among what describes a dataset."""


class Episode(NamedTuple):
    """T steps of one agent."""

    state: Floats  # [T + 1, S]
    action: Actions  # [T, ...]
    reward: Floats  # [T]
    terminated: bool


def episodes(demonstrations: Demonstrations, agent: int) -> list[Episode]:
    """Return the episodes of `agent`, in order."""
    steps = demonstrations.of(agent)
    bounds = pairwise([*np.flatnonzero(steps.first).tolist(), len(steps.agent)])
    return [_episode(steps, slice(start, end)) for start, end in bounds]


def of_episodes(
    game: AbstractGame[Any], shown: Sequence[Iterable[Episode]], quality: tuple[float, ...] | None
) -> Demonstrations:
    """Return demonstrations made of episodes: those of each agent, in the agents' order.

    Parameters
    ----------
    game : AbstractGame
        Whose agents have tasks of their own.
    shown : sequence of iterables of Episode
        One an agent.
    quality : tuple of float or None
        As in `Demonstrations`; NaN where it is unknown.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If they do not fit the game (`Demonstrations.check`).
    """
    numbered = [(i, e, one) for i, mine in enumerate(shown) for e, one in enumerate(mine)]
    require(len(numbered) > 0, "shown", "hold an episode", shown)
    rows = [_rows(agent, number, episode) for agent, number, episode in numbered]
    columns = {name: np.concatenate([row[name] for row in rows]) for name in COLUMNS}
    found = Demonstrations(named(game), quality, **columns)
    found.check(game)
    return found


def to_minari(demonstrations: Demonstrations, game: AbstractGame[Any], name: str) -> list[Any]:
    """Write one Minari dataset an agent, ``<name>/<agent>-v0``, and return them.

    Raises
    ------
    ImportError
        If Minari is not installed.
    TypeError, ValueError
        As `Demonstrations.check`; or if Minari has datasets of this name.
    """
    minari = needed("minari", "minari")
    demonstrations.check(game)
    own = as_personal(game).own
    seen = Box(game.observation_space.low[:own], game.observation_space.high[:own], dtype=np.float64)  # type: ignore[attr-defined]
    found: list[Any] = []
    for agent, who in enumerate(game.agents):
        dataset = minari.create_dataset_from_buffers(
            f"{name}/{who}-v0",
            [_buffer(minari, number, episode) for number, episode in enumerate(episodes(demonstrations, agent))],
            observation_space=seen,
            action_space=game.action_space,
            description=f"{who} of {demonstrations.game}",
            data_format="arrow",
        )
        dataset.storage.update_metadata({QUALITY: demonstrations.quality})
        found.append(dataset)
    return found


def from_minari(game: AbstractGame[Any], datasets: Sequence[Any]) -> Demonstrations:
    """Return the demonstrations in Minari datasets, one an agent, in the agents' order.

    Raises
    ------
    TypeError, ValueError
        As `of_episodes`.
    """
    shown = [
        [Episode(e.observations, e.actions, e.rewards, bool(e.terminations[-1])) for e in dataset.iterate_episodes()]
        for dataset in datasets
    ]
    return of_episodes(game, shown, _quality([dataset.storage.metadata for dataset in datasets]))


def to_imitation(demonstrations: Demonstrations, game: AbstractGame[Any], folder: Path | str) -> list[Path]:
    """Write one trajectory folder an agent, ``<folder>/<agent>``, and return them.

    Raises
    ------
    TypeError, ValueError
        As `Demonstrations.check`.
    OSError
        If they cannot be written.
    """
    import pyarrow as pa

    demonstrations.check(game)
    folders = [Path(folder) / who for who in game.agents]
    for agent, where in enumerate(folders):
        mine = episodes(demonstrations, agent)
        columns = {
            "obs": [episode.state.tolist() for episode in mine],
            "acts": [episode.action.tolist() for episode in mine],
            "infos": [["{}"] * len(episode.action) for episode in mine],
            "terminal": [episode.terminated for episode in mine],
            "rews": [episode.reward.tolist() for episode in mine],
        }
        _write_arrow(pa.table(columns), where / ARROW)
        _write_json(_state(demonstrations.game), where / "state.json")
        told = {"description": f"{game.agents[agent]} of {demonstrations.game}", QUALITY: demonstrations.quality}
        _write_json(told, where / INFO)
    return folders


def from_imitation(game: AbstractGame[Any], folders: Sequence[Path | str]) -> Demonstrations:
    """Return the demonstrations in trajectory folders, one an agent, in the agents' order.

    Their quality is what `to_imitation` wrote down; folders from elsewhere do not tell it, and are taken to show agents
    that were alone. Where they played together, `of_episodes` with the quality None takes them.

    Parameters
    ----------
    game : AbstractGame
        Whose agents have tasks of their own.
    folders : sequence of paths
        As `to_imitation` or ``imitation.data.serialize.save`` wrote them.

    Raises
    ------
    FileNotFoundError
        If a folder is not there.
    TypeError, ValueError
        As `of_episodes`.
    """
    shown = [read_trajectories(folder) for folder in folders]
    return of_episodes(game, shown, _quality([json.loads((Path(folder) / INFO).read_text()) for folder in folders]))


def read_trajectories(folder: Path | str) -> list[Episode]:
    """Return the episodes of one agent in a trajectory folder.

    Raises
    ------
    FileNotFoundError
        If the folder is not there.
    """
    return [_trajectory(row) for row in _read_arrow(Path(folder))]


def _quality(described: Sequence[Mapping[str, Any]]) -> tuple[float, ...] | None:
    """Return the quality that the first of the datasets tells of all agents; NaN where none is told."""
    unknown = (nan,) * len(described)
    told = described[0].get(QUALITY, unknown) if described else unknown
    return None if told is None else tuple(told)


def _episode(steps: Demonstrations, rows: slice) -> Episode:
    state = np.concatenate((steps.state[rows], steps.next_state[rows][-1:]))
    return Episode(state, steps.action[rows], steps.reward[rows], bool(steps.terminated[rows][-1]))


def _rows(agent: int, number: int, episode: Episode) -> dict[str, Any]:
    """Return an episode as the columns of `Demonstrations`."""
    steps = len(episode.action)
    return {
        "agent": np.full(steps, agent),
        "episode": np.full(steps, number),
        "state": np.asarray(episode.state[:-1], dtype=np.float64),
        "action": np.asarray(episode.action),
        "next_state": np.asarray(episode.state[1:], dtype=np.float64),
        "reward": np.asarray(episode.reward, dtype=np.float64),
        "terminated": (np.arange(steps) == steps - 1) & episode.terminated,
    }


def _buffer(minari: Any, number: int, episode: Episode) -> Any:  # noqa: ANN401
    last = np.arange(len(episode.action)) == len(episode.action) - 1
    ends = {"terminations": last & episode.terminated, "truncations": last & (not episode.terminated)}
    return minari.data_collector.EpisodeBuffer(
        id=number, observations=episode.state, actions=episode.action, rewards=episode.reward, **ends
    )


def _trajectory(row: dict[str, Any]) -> Episode:
    return Episode(np.array(row["obs"]), np.array(row["acts"]), np.array(row["rews"]), row["terminal"])


def _state(game: str) -> dict[str, Any]:
    """Return what the datasets package wants to know of a folder: one file, of this content, in no special format."""
    fixed = dict.fromkeys(("_format_columns", "_format_type", "_split"))
    files = {"_data_files": [{"filename": ARROW}], "_fingerprint": game.replace(" ", "-")}
    return files | fixed | {"_format_kwargs": {}, "_output_all_columns": False}


def _read_arrow(folder: Path) -> list[dict[str, Any]]:
    import pyarrow as pa

    names = [file["filename"] for file in json.loads((folder / "state.json").read_text())["_data_files"]]
    return [row for name in names for row in pa.ipc.open_stream((folder / name).read_bytes()).read_all().to_pylist()]


def _write_arrow(table: Any, path: Path) -> None:  # noqa: ANN401 - an Arrow table
    import pyarrow as pa

    def write(beside: Path) -> None:
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)

    write_whole(path, write)


def _write_json(content: dict[str, Any], path: Path) -> None:
    write_whole(path, lambda beside: beside.write_text(json.dumps(content)))
