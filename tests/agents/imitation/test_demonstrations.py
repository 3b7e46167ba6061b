from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from walras.agents.imitation import demonstrations
from walras.agents.imitation.demonstrations import Demonstrations, Faltering, collect, combine, load, record
from walras.core import Random, Scripted, rollout
from walras.envs import CooperativeNavigation, CournotMarket, GridWorld
from walras.envs.cooperation.grid_world import shortest_steps
from walras.equilibria import solve
from walras.equilibria.cooperation.grid_world import NaiveImitation

LAVA = GridWorld.lava(2)
SMALL = GridWorld(map="1 . b\n. ~ .\na . 2")
SHOWN = collect(LAVA, episodes=100)
SCALARS = ("agent", "episode", "action", "reward", "terminated")
FLIGHT = CooperativeNavigation.with_wall()


@pytest.mark.parametrize(
    ("game", "steps"),
    [
        (LAVA, [18, 18]),
        (GridWorld.lava(4), [18] * 4),
        (GridWorld.door("a"), [6, 8]),
        (GridWorld.door("b"), [13, 4]),
    ],
)
def test_experts_walk_shortest_paths(game: GridWorld, steps: list[int]) -> None:
    shown = collect(game, episodes=10)
    assert shown.steps.tolist() == [10 * n for n in steps]
    np.testing.assert_allclose(shown.mean_return, 10 - 9 * np.array(steps) / 100)
    assert shown.terminated.sum() == 10 * len(steps)


def test_experts_draw_evenly_among_the_shortest_actions() -> None:
    alone = LAVA.alone(0)
    start = np.repeat(alone.observe(alone.reset(alone.noise(np.random.default_rng(0), 1))), 4000, axis=0)
    chosen = NaiveImitation(alone).act(start, np.random.default_rng(1))
    share = np.bincount(chosen[:, 0], minlength=5) / 4000  # from (0, 0) to (9, 9): right, or row + 1
    np.testing.assert_allclose(share, [0, 0.5, 0.5, 0, 0], atol=0.03)


def test_experts_shun_lava() -> None:
    cells = LAVA.cells(SHOWN.state.astype(int))
    assert not LAVA.grid.lava[cells].any()
    assert (np.bincount(cells, minlength=100)[~LAVA.grid.lava] > 0).sum() > 60  # of 64; corners are seldom met


def test_steps_are_those_of_the_game_in_order() -> None:
    mine = SHOWN.of(1)
    assert (mine.agent == 1).all()
    assert (np.diff(mine.episode) >= 0).all()
    assert (mine.state[mine.first] == [9, 9]).all()
    assert (mine.next_state[mine.terminated] == [0, 0]).all()
    steps = shortest_steps(LAVA)[1]
    before, after = (steps[LAVA.cells(s.astype(int))] for s in (mine.state, mine.next_state))
    np.testing.assert_array_equal(before - after, 1)


def test_quality_is_the_probability_of_the_expert() -> None:
    returns = [collect(LAVA, quality, episodes=300).mean_return.mean() for quality in (1.0, 0.9, 0.5, 0.0)]
    assert (np.diff(returns) < 0).all()
    observation = np.zeros((5000, 2, 4))
    faltering = Faltering(Scripted(LAVA), Random(LAVA), quality=0.75)
    follows = faltering.act(observation, np.random.default_rng(0)) == LAVA.scripted(observation)
    assert follows.mean() == pytest.approx(0.75 + 0.25 / 5, abs=0.02)


def test_agents_have_qualities_of_their_own() -> None:
    shown = collect(LAVA, (1.0, 0.5), episodes=50)
    assert shown.quality == (1.0, 0.5)
    assert shown.mean_return[0] == pytest.approx(8.38)
    assert shown.mean_return[1] < 5


def test_seeds_fix_demonstrations_and_agents_differ(bits: Callable[[Any], list[Any]]) -> None:
    assert bits(collect(LAVA, 0.5, 20, seed=3)) == bits(collect(LAVA, 0.5, 20, seed=3))
    assert bits(collect(LAVA, 0.5, 20, seed=3)) != bits(collect(LAVA, 0.5, 20, seed=4))
    twins = collect(GridWorld(map="1 . . a\n2 . . b"), 0.5, 20)
    assert (twins.of(0).action[:40] != twins.of(1).action[:40]).any()


def test_flights_are_the_personal_experts() -> None:
    shown = collect(FLIGHT, episodes=5)
    assert shown.state.shape == (2 * 5 * 25, 8)
    assert np.flatnonzero(shown.terminated).tolist() == list(
        range(24, 250, 25)
    )  # the last steps: the horizon is a rule
    alone = FLIGHT.alone(1)
    again = rollout(alone, Scripted(alone), demonstrations._seeds(0, 1, 5))
    np.testing.assert_array_equal(shown.of(1).state[:25], again.observation[:, 0, 0])
    np.testing.assert_array_equal(shown.of(1).next_state[24], again.final_observation[0, 0])


def test_joint_demonstrations_show_the_joint_optimum() -> None:
    game = GridWorld.door("b")
    shown = record(game, solve(game).policy, episodes=3)
    np.testing.assert_allclose(shown.mean_return, 8.65)
    assert shown.steps.tolist() == [45, 45]
    shown.check(game)


def test_parts_are_combined_agent_by_agent(bits: Callable[[Any], list[Any]]) -> None:
    good, bad = collect(LAVA, episodes=3, seed=1), collect(LAVA, quality=0.5, episodes=2, seed=2)
    mixed = combine([good, bad])
    assert bits(mixed.of(0).state) == bits(good.of(0).state)
    assert bits(mixed.of(1).next_state) == bits(bad.of(1).next_state)
    assert len(mixed.agent) == good.steps[0] + bad.steps[1]
    assert mixed.quality == (1, 0.5)
    mixed.check(LAVA)
    met = record(LAVA, Random(LAVA), episodes=2)
    assert combine([good, met]).quality is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], r"`parts` must hold demonstrations; got \[\]"),
        ([SHOWN, collect(SMALL, episodes=1)], "`parts` must be of one game; got .*GridWorld .*GridWorld"),
        ([SHOWN, SHOWN.of(0)], r"`parts` must hold steps of agent i in part i; got .none of \[1\]"),
        ([SHOWN, SHOWN, SHOWN], r"`parts` must hold steps of agent i in part i; got .none of \[2\]"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: list[Demonstrations], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        combine(parts)


def test_files_give_back_what_was_saved(tmp_path: Path, bits: Callable[[Any], list[Any]]) -> None:
    for shown in (SHOWN, collect(FLIGHT, 0.5, 3), record(LAVA, Random(LAVA), 3)):
        shown.save(tmp_path / "shown.parquet")
        found = load(tmp_path / "shown.parquet")
        assert bits(found) == bits(shown)
    assert pq.read_table(tmp_path / "shown.parquet").column_names[:4] == ["agent", "episode", "state_0", "state_1"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    with pytest.raises(FileNotFoundError):
        load(path)
    path.write_text("nothing")
    with pytest.raises(ValueError, match=r"`path` must be a file of demonstrations; got .*other\.parquet"):
        load(path)
    SHOWN.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"`path` must be a file of demonstrations; got .*other\.parquet"):
        load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, r"`path` must be a file of demonstrations; got .*other\.parquet"),
        ("[" * 100_000, r"`path` must be a file of demonstrations; got .*other\.parquet"),
        ("[]", r"`path` must be a file of demonstrations; got .*other\.parquet"),
        ('{"version": 0}', r"`path` must be of version 2; got .*other\.parquet: 0"),
        ('{"version": 2, "game": ""}', r"`path` must name game and quality; got .*other\.parquet: version, game"),
    ],
)
def test_other_headers_are_refused(tmp_path: Path, header: str | None, message: str) -> None:
    table = pa.table({"a": [1]})
    named = table if header is None else table.replace_schema_metadata({"walras.demonstrations": header})
    pq.write_table(named, tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "other.parquet")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    SHOWN.save(path)
    pq.write_table(pq.read_table(path).drop_columns(["reward", "next_state_0", "next_state_1"]), path)
    with pytest.raises(ValueError, match=r"`path` must hold the columns agent, .* without next_state, reward"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *((name, None, rf"hold a value in each row; got .*shown\.parquet with nulls in {name}") for name in SCALARS),
        ("state_1", None, r"hold a value in each row; got .*shown\.parquet with nulls in state_1"),
        ("agent", 0.5, r"hold demonstrations; got .*shown\.parquet': `agent` must hold whole numbers; got 'float64'"),
        ("episode", np.nan, r"hold demonstrations; got .*: `episode` must hold whole numbers; got 'float64'"),
        ("terminated", 1, r"hold demonstrations; got .*: `terminated` must hold true or false; got 'int64'"),
        ("reward", "much", r"hold demonstrations; got .*: `reward` must hold numbers; got 'object'"),
        ("reward", np.nan, r"hold demonstrations; got .*: `reward` must be finite; got nan"),
        ("next_state_0", np.inf, r"hold demonstrations; got .*: `next_state` must be finite; got inf"),
        ("action", np.nan, r"hold demonstrations; got .*: `action` must be finite; got nan"),
    ],
)
def test_files_with_values_that_no_step_has_are_refused(tmp_path: Path, name: str, value: object, message: str) -> None:
    path = tmp_path / "shown.parquet"
    SHOWN.save(path)
    table = pq.read_table(path)
    values = table[name].to_pylist()
    if value is None:
        values[7] = None
    else:
        values = [type(value)(entry) for entry in values[:-1]] + [value]  # a column has one type
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(values)), path)
    with pytest.raises(ValueError, match=f"`path` must {message}"):
        load(path)


def test_whole_numbers_are_actions_whatever_their_type() -> None:
    replace(SHOWN, action=SHOWN.action.astype(np.float32)).check(LAVA)


def _step(steps: Demonstrations, row: int, **changed: Any) -> Demonstrations:  # noqa: ANN401
    columns = {name: getattr(steps, name).copy() for name in changed}
    for name, value in changed.items():
        columns[name][row] = value
    return replace(steps, **columns)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (
            collect(GridWorld.door(), episodes=1),
            r"`demonstrations` must be of this game, GridWorld \w+; got 'GridWorld",
        ),
        (collect(replace(LAVA, horizon=99), episodes=1), "`demonstrations` must be of this game"),
        (SHOWN.of(0), "`demonstrations` must hold steps of every agent; got 'none of agent_2'"),
        (_step(SHOWN, 0, agent=7), r"`demonstrations` must be of agents 0 to 1; got \[7\]"),
        (_step(SHOWN, 5, action=5), r"`action` must lie in the action space, 0 to 4; got 5"),
        (
            _step(SHOWN, 17, next_state=(5, 5)),
            r"hold steps that agent_1 can make; got .*, \[5.0, 5.0\] \(state, action",
        ),
        (_step(SHOWN, 3, next_state=(0, 9)), "hold states of agent_1 that follow one another"),
        (_step(SHOWN, 0, state=(0.5, 0)), "hold steps that agent_1 can make"),
        (_step(SHOWN, 0, state=(-1, 0)), "hold steps that agent_1 can make"),
        (
            replace(SHOWN, state=SHOWN.state[:, :1], next_state=SHOWN.next_state[:, :1]),
            "`demonstrations` must hold own states of 2 numbers; got 1",
        ),
    ],
)
def test_demonstrations_that_do_not_fit_are_refused(shown: Demonstrations, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shown.check(LAVA)


def test_games_without_personal_tasks_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`game` must have personal tasks \(`own` and `alone`\); got CournotMarket"):
        collect(CournotMarket())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"quality": 1.5}, r"`quality` must lie in \[0, 1\]; got 1.5"),
        ({"quality": (1.0, 1.0, 1.0)}, "`quality` must be one number or 2 numbers"),
        ({"episodes": 0}, "`episodes` must be at least 1; got 0"),
    ],
)
def test_bad_arguments_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collect(SMALL, **wrong)


def test_arrays_must_agree() -> None:
    with pytest.raises(ValueError, match="`action` must have one entry for each of the 3600 steps of `agent`; got 2"):
        replace(SHOWN, action=SHOWN.action[:2])
    with pytest.raises(ValueError, match="`state` must be finite; got nan"):
        _step(SHOWN, 0, state=np.nan)
    with pytest.raises(ValueError, match=r"`state` must have the shape \[M, S\]; got \(3600,\)"):
        replace(SHOWN, state=SHOWN.state[:, 0], next_state=SHOWN.state[:, 0])
