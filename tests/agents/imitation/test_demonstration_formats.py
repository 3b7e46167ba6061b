import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from walras.agents.imitation import demonstration_formats as formats
from walras.agents.imitation.demonstrations import collect, record
from walras.envs import CooperativeNavigation, GridWorld
from walras.equilibria.cooperation.grid_world import NaiveImitation

LAVA, FLIGHT = GridWorld.lava(2), CooperativeNavigation.with_wall()
SHOWN = collect(LAVA, (0.9, 0.5), episodes=10)


def test_episodes_are_whole_and_in_order() -> None:
    episodes = formats.episodes(SHOWN, 1)
    mine = SHOWN.of(1)
    assert len(episodes) == 10
    assert sum(len(episode.action) for episode in episodes) == len(mine.agent)
    np.testing.assert_array_equal(np.concatenate([e.state[1:] for e in episodes]), mine.next_state)
    assert [episode.terminated for episode in episodes] == mine.terminated[np.append(mine.first[1:], True)].tolist()


@pytest.mark.parametrize(("game", "ended"), [(FLIGHT, True), (CooperativeNavigation.simple_spread(2), False)])
def test_the_last_step_of_an_episode_is_terminal_where_the_horizon_is_a_rule(
    game: CooperativeNavigation, ended: bool, tmp_path: Path
) -> None:
    shown = collect(game, episodes=2)
    for agent, folder in enumerate(formats.to_imitation(shown, game, tmp_path)):
        table = pa.ipc.open_stream((folder / formats.ARROW).read_bytes()).read_all()
        assert table.column("terminal").to_pylist() == [ended, ended]
        assert [episode.terminated for episode in formats.read_trajectories(folder)] == [ended, ended]
        assert shown.of(agent).terminated.sum() == 2 * ended


BLOCKED = record(LAVA, NaiveImitation(LAVA), episodes=5)  # agents that block each other
EACH = pytest.mark.parametrize(
    ("game", "shown"), [(LAVA, SHOWN), (LAVA, BLOCKED), (FLIGHT, collect(FLIGHT, 0.5, episodes=4))]
)


@EACH
def test_trajectory_folders_give_back_what_was_written(
    game: Any,  # noqa: ANN401
    shown: Any,  # noqa: ANN401
    tmp_path: Path,
    bits: Callable[[Any], list[Any]],
) -> None:
    folders = formats.to_imitation(shown, game, tmp_path / "shown")
    assert [folder.name for folder in folders] == list(game.agents)
    assert bits(formats.from_imitation(game, folders)) == bits(shown)


def test_folders_from_elsewhere_do_not_tell_the_quality(tmp_path: Path) -> None:
    folders = formats.to_imitation(BLOCKED, LAVA, tmp_path)
    for folder in folders:
        (folder / "dataset_info.json").write_text("{}")
    with pytest.raises(ValueError, match="hold steps that agent_1 can make"):
        formats.from_imitation(LAVA, folders)
    together = formats.of_episodes(LAVA, [formats.read_trajectories(folder) for folder in folders], None)
    np.testing.assert_array_equal(together.state, BLOCKED.state)
    alone = formats.to_imitation(SHOWN, LAVA, tmp_path)
    (alone[0] / "dataset_info.json").write_text("{}")
    assert np.isnan(formats.from_imitation(LAVA, alone).quality or ()).all()


def test_trajectory_folders_are_those_of_imitation(tmp_path: Path) -> None:
    """The schema that imitation 1.0.1 writes, and the keys that datasets 4 asks for when it loads a folder."""
    folder = formats.to_imitation(SHOWN, LAVA, tmp_path)[0]
    state = json.loads((folder / "state.json").read_text())
    special = {"_format_columns", "_format_kwargs", "_format_type", "_output_all_columns", "_split"}
    assert set(state) == special | {"_data_files", "_fingerprint"}
    (file,) = (entry["filename"] for entry in state["_data_files"])
    table = pa.ipc.open_stream((folder / file).read_bytes()).read_all()
    names = ["obs", "acts", "infos", "terminal", "rews"]
    numbers = pa.list_(pa.float64())
    kinds = [pa.list_(numbers), pa.list_(pa.int64()), pa.list_(pa.string()), pa.bool_(), numbers]
    assert table.schema.equals(pa.schema(list(zip(names, kinds, strict=True))))
    first = table.slice(0, 1).to_pylist()[0]
    assert len(first["obs"]) == len(first["acts"]) + 1 == len(first["infos"]) + 1


def test_imitation_loads_the_folders(tmp_path: Path) -> None:
    serialize = pytest.importorskip("imitation.data.serialize")
    folder = formats.to_imitation(SHOWN, LAVA, tmp_path)[0]
    loaded = serialize.load(str(folder))
    for ours, theirs in zip(formats.episodes(SHOWN, 0), loaded, strict=True):
        np.testing.assert_array_equal(theirs.obs, ours.state)
        np.testing.assert_array_equal(theirs.acts, ours.action)
        assert theirs.terminal == ours.terminated
    serialize.save(str(tmp_path / "theirs"), loaded)
    again = formats.from_imitation(LAVA, [tmp_path / "theirs", tmp_path / "agent_2"])
    np.testing.assert_array_equal(again.state, SHOWN.state)


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
@EACH
def test_minari_gives_back_what_was_written(
    game: Any,  # noqa: ANN401
    shown: Any,  # noqa: ANN401
    tmp_path: Path,
    bits: Callable[[Any], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    formats.to_minari(shown, game, "walras/task")
    datasets = [minari.load_dataset(f"walras/task/{agent}-v0") for agent in game.agents]
    assert datasets[0].total_steps == len(shown.of(0).agent)
    assert bits(formats.from_minari(game, datasets)) == bits(shown)


def test_without_minari_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "minari", None)
    with pytest.raises(ImportError, match=r"pip install .walras\[minari\]"):
        formats.to_minari(SHOWN, LAVA, "walras/task")


def test_what_comes_in_is_checked(tmp_path: Path) -> None:
    folders = formats.to_imitation(SHOWN, LAVA, tmp_path)
    with pytest.raises(ValueError, match="hold steps that agent_1 can make"):
        formats.from_imitation(GridWorld(map="1 # b\n. . .\na . 2"), folders)
    with pytest.raises(ValueError, match="hold steps of every agent; got 'none of agent_2'"):
        formats.from_imitation(LAVA, folders[:1])
    with pytest.raises(ValueError, match="`shown` must hold an episode"):
        formats.of_episodes(LAVA, [[], []], None)
    with pytest.raises(ValueError, match="`shown` must hold an episode"):
        formats.from_imitation(LAVA, [])
    with pytest.raises(FileNotFoundError):
        formats.from_imitation(LAVA, [tmp_path / "nothing"])
