from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.core import Random, Scripted, rollout
from walras.envs import GridWorld
from walras.envs.cooperation.grid_map import GOALS, STARTS
from walras.envs.cooperation.grid_pictures import agents_paths, count_visits, draw_paths, draw_positions, draw_visits
from walras.envs.cooperation.grid_world import GridWorldState, personal_actions, shortest_steps

LEFT, RIGHT, UP, DOWN, STAY = range(5)  # as the paper's code calls them: up is row + 1
Cell = tuple[int, int]


def drawn_map(rng: np.random.Generator, agents: int, doors: bool = True) -> str:
    """Draw a small map; it may be one that is refused."""
    rows, columns = rng.integers(1, 4), rng.integers(2, 5)
    terrain = [".", ".", ".", "#", "~", *"AB"[: agents if doors else 0]]
    tokens = rng.choice(terrain, rows * columns, p=[*[0.7 / 3] * 3, *[0.3 / (len(terrain) - 3)] * (len(terrain) - 3)])
    starts = rng.choice(len(tokens), min(agents, len(tokens)), replace=False)
    goals = rng.choice(len(tokens), min(agents, len(tokens)), replace=False)
    marked = [""] * len(tokens)
    for marks, cells in ((STARTS, starts), (GOALS, goals)):
        for mark, cell in zip(marks, cells, strict=False):
            marked[cell] += mark
    cells = [mark or str(token) for mark, token in zip(marked, tokens, strict=True)]
    return "\n".join(" ".join(cells[r * columns : (r + 1) * columns]) for r in range(rows))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[GridWorld, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    agents = draw(st.integers(1, 3))
    finish = draw(st.sampled_from([None, "a", GOALS[:agents]]))
    try:
        game = GridWorld(
            drawn_map(rng, agents), finish, lava_waits=draw(st.booleans()), horizon=draw(st.integers(1, 9))
        )
    except ValueError:
        assume(False)
        raise
    return game, rng


def by_the_rules(
    game: GridWorld, places: list[Cell], clock: int, actions: list[int], order: list[int]
) -> tuple[list[Cell], float, bool]:
    """Step once by the rules of spec/personal_demonstrations.md 3.2, agent by agent: places, reward, terminated."""
    tokens = [line.split() for line in game.map.splitlines()]
    found = {(r, c): token for r, line in enumerate(tokens) for c, token in enumerate(line)}
    goal = {GOALS.index(mark): cell for cell, token in found.items() for mark in token if mark in GOALS}
    at_home = [places[i] == goal[i] for i in range(len(places))]
    places, collide = places.copy(), False
    for i in order:
        r, c = places[i]
        there = {LEFT: (r, c - 1), RIGHT: (r, c + 1), UP: (r + 1, c), DOWN: (r - 1, c), STAY: (r, c)}[actions[i]]
        token = found.get(there, "#")
        if token == "#" or (token in "ABC" and not at_home["ABC".index(token)]):
            continue
        if any(places[j] == there for j in range(len(places)) if j != i):
            collide = True
            continue
        places[i] = there
    assert game.finish is not None
    if all(places[GOALS.index(letter)] == goal[GOALS.index(letter)] for letter in game.finish):
        return places, 10 - 9 * (clock + 1) / game.horizon, True
    lava = any(found[place] == "~" for place in places)
    if collide:
        return places, -1.0, lava and not game.lava_waits
    return places, 0.0, lava


def order_of(*agents: int) -> np.ndarray:
    """The noise of one row in which `agents` move in this order."""
    return np.array([list(permutations(range(len(agents)))).index(agents)])


def stepped(game: GridWorld, places: list[Cell], actions: list[int], *order: int, clock: int = 0):  # noqa: ANN201
    state = GridWorldState(np.array([places]), np.array([clock]), np.array([False]))
    step = game.step(state, np.array([actions]), order_of(*order))
    after = [tuple(place) for place in step.state.position[0].tolist()]
    return after, step.reward[0].tolist(), bool(step.terminated[0]), bool(step.state.collided[0])


class TestStep:
    @given(worlds())
    def test_a_walk_by_the_rules_is_the_same(self, world: tuple[GridWorld, np.random.Generator]) -> None:
        game, rng = world
        n = len(game.agents)
        free = np.argwhere(~game.grid.wall.reshape(game.grid.shape))
        assume(len(free) >= n)
        for _ in range(20):
            places = [(int(r), int(c)) for r, c in rng.permutation(free)[:n]]
            actions, order = rng.integers(0, 5, n).tolist(), rng.permutation(n).tolist()
            clock = int(rng.integers(0, game.horizon))
            after, reward, terminated = by_the_rules(game, places, clock, actions, order)
            assert stepped(game, places, actions, *order, clock=clock)[:3] == (
                after,
                [pytest.approx(reward)] * n,
                terminated,
            )

    def test_moves_off_the_map_and_into_walls_are_ignored(self) -> None:
        game = GridWorld("1 # a\n. . .")
        assert stepped(game, [(0, 0)], [LEFT], 0) == ([(0, 0)], [0], False, False)
        assert stepped(game, [(0, 0)], [RIGHT], 0) == ([(0, 0)], [0], False, False)
        assert stepped(game, [(0, 0)], [DOWN], 0) == ([(0, 0)], [0], False, False)
        assert stepped(game, [(0, 0)], [UP], 0) == ([(1, 0)], [0], False, False)

    def test_the_order_of_moves_decides_whether_a_follower_collides(self) -> None:
        game = GridWorld("1 2 . b\n. . . a")
        assert stepped(game, [(0, 0), (0, 1)], [RIGHT, RIGHT], 1, 0) == ([(0, 1), (0, 2)], [0, 0], False, False)
        assert stepped(game, [(0, 0), (0, 1)], [RIGHT, RIGHT], 0, 1) == ([(0, 0), (0, 2)], [-1, -1], False, True)

    def test_the_first_of_two_takes_the_cell(self) -> None:
        game = GridWorld("1 . 2\na . b")
        assert stepped(game, [(0, 0), (0, 2)], [RIGHT, LEFT], 0, 1) == ([(0, 1), (0, 2)], [-1, -1], False, True)
        assert stepped(game, [(0, 0), (0, 2)], [RIGHT, LEFT], 1, 0) == ([(0, 0), (0, 1)], [-1, -1], False, True)

    def test_agents_cannot_swap(self) -> None:
        game = GridWorld("1b 2a")
        for order in ((0, 1), (1, 0)):
            assert stepped(game, [(0, 0), (0, 1)], [RIGHT, LEFT], *order) == ([(0, 0), (0, 1)], [-1, -1], False, True)

    def test_each_order_is_as_likely(self) -> None:
        drawn = GridWorld.lava(3).noise(np.random.default_rng(0), 6000)
        assert np.bincount(drawn, minlength=6) == pytest.approx([1000] * 6, abs=120)  # four standard deviations

    def test_lava_ends_the_episode_without_reward(self) -> None:
        game = GridWorld.lava(2)
        assert stepped(game, [(1, 2), (9, 9)], [UP, STAY], 0, 1) == ([(2, 2), (9, 9)], [0, 0], True, False)

    def test_a_collision_hides_lava_unless_told_otherwise(self) -> None:
        game = GridWorld("1 ~ b\n2 . a\n. . .")
        places, actions = [(0, 0), (1, 0)], [RIGHT, DOWN]  # agent 2 bumps into agent 1, which then steps into lava
        assert stepped(game, places, actions, 1, 0) == ([(0, 1), (1, 0)], [-1, -1], False, True)
        assert stepped(replace(game, lava_waits=False), places, actions, 1, 0) == (
            [(0, 1), (1, 0)],
            [-1, -1],
            True,
            True,
        )
        assert stepped(game, [(0, 1), (1, 0)], [RIGHT, STAY], 1, 0)[2:] == (False, False)  # and it may walk out

    def test_arrival_comes_before_collision_and_lava(self) -> None:
        game = GridWorld("1 a 2\n. ~ b", finish="a", horizon=10)
        bump = stepped(game, [(0, 0), (0, 2)], [RIGHT, LEFT], 0, 1)
        assert bump == ([(0, 1), (0, 2)], [pytest.approx(9.1)] * 2, True, True)
        burn = stepped(game, [(0, 0), (1, 2)], [RIGHT, LEFT], 0, 1, clock=4)
        assert burn == ([(0, 1), (1, 1)], [pytest.approx(5.5)] * 2, True, False)

    def test_all_goals_must_be_reached_at_once_by_default(self) -> None:
        game = GridWorld("1 a\n2 b")
        assert stepped(game, [(0, 0), (1, 0)], [RIGHT, STAY], 0, 1) == ([(0, 1), (1, 0)], [0, 0], False, False)
        assert stepped(game, [(0, 1), (1, 0)], [STAY, RIGHT], 0, 1)[1:3] == ([pytest.approx(9.91)] * 2, True)

    def test_a_door_is_open_the_step_after_its_agent_stood_on_its_goal(self) -> None:
        game = GridWorld.door("a")
        assert stepped(game, [(2, 2), (2, 8)], [RIGHT, RIGHT], 1, 0) == ([(2, 2), (2, 9)], [0, 0], False, False)
        assert stepped(game, [(2, 2), (2, 9)], [RIGHT, LEFT], 1, 0) == ([(2, 3), (2, 8)], [0, 0], False, False)
        assert stepped(game, [(2, 3), (2, 8)], [RIGHT, STAY], 1, 0)[0] == [(2, 4), (2, 8)]  # it shuts nobody in

    def test_two_doors_have_agents_of_their_own(self) -> None:
        game = GridWorld("1 a\n2 b\n. A\n. B\n3 c", finish="c")
        for homes, opened in (([0], {2}), ([1], {3}), ([0, 1], {2, 3}), ([], set[int]())):
            places = [(0, 1) if 0 in homes else (0, 0), (1, 1) if 1 in homes else (1, 0)]
            for row in (2, 3):
                after, *_ = stepped(game, [*places, (row, 0)], [STAY, STAY, RIGHT], 0, 1, 2)
                assert after[2] == ((row, 1) if row in opened else (row, 0))


class TestMaps:
    @pytest.mark.parametrize(
        ("agents", "starts", "goals"),
        [  # spec/personal_demonstrations.md 3.2
            (2, [(0, 0), (9, 9)], [(9, 9), (0, 0)]),
            (3, [(0, 0), (0, 9), (9, 9)], [(9, 9), (9, 0), (0, 0)]),
            (4, [(0, 0), (0, 9), (9, 9), (9, 0)], [(9, 9), (9, 0), (0, 0), (0, 9)]),
        ],
    )
    def test_the_lava_maps(self, agents: int, starts: list[Cell], goals: list[Cell]) -> None:
        game = GridWorld.lava(agents)
        lava = game.grid.lava.reshape(game.grid.shape)
        assert (game.grid.shape, lava.sum(), lava[2:8, 2:8].all()) == ((10, 10), 36, True)
        assert not game.grid.wall.any()
        assert [tuple(place) for place in game.grid.coordinates[game.grid.start].tolist()] == starts
        assert [tuple(place) for place in game.grid.coordinates[game.grid.goal].tolist()] == goals
        assert (game.horizon, game.discount, game.finish) == (100, 0.99, "abcd"[:agents])
        assert shortest_steps(game)[np.arange(agents), game.grid.start].tolist() == [18] * agents

    @pytest.mark.parametrize(
        ("case", "goals", "steps"), [("a", [(2, 6), (2, 9)], [6, 8]), ("b", [(2, 9), (0, 7)], [13, 4])]
    )
    def test_the_door_maps(self, case: str, goals: list[Cell], steps: list[int]) -> None:
        game = GridWorld.door(case)
        wall = [(r, 3) for r in (0, 1, 3, 4)] + [(r, 7) for r in (1, 2, 3, 4)]
        assert sorted(map(tuple, np.argwhere(game.grid.wall.reshape(5, 10)).tolist())) == sorted(wall)
        assert np.argwhere(game.grid.door.reshape(5, 10) >= 0).tolist() == [[2, 3]]
        assert game.grid.door.max() == 1
        assert game.grid.coordinates[game.grid.start].tolist() == [[2, 0], [2, 5]]
        assert [tuple(place) for place in game.grid.coordinates[game.grid.goal].tolist()] == goals
        assert (game.finish, game.horizon, game.agents) == ("a", 100, ("agent_1", "agent_2"))
        assert shortest_steps(game)[[0, 1], game.grid.start].tolist() == steps

    @pytest.mark.parametrize("name", ["lava", "door"])
    def test_maps_that_the_papers_do_not_have_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"`(agents|case)` must be .*; got 'z'"):
            getattr(GridWorld, name)("z")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1 . a\n. X .", r"`map` must hold .* in row 1, column 1 \(both counted from 0\); got 'X'"),
            ("1 . a\n. a1 .", r"`map` must hold .* in row 1, column 1 .*; got 'a1'"),
            ("1~ . a", r"`map` must hold .* in row 0, column 0 .*; got '1~'"),
            ("1 . a\n. .", r"`map` must have 3 cells in row 1, as in row 0; got '\. \.'"),
            ("", "`map` must hold at least one cell; got ''"),
            (". .", r"`map` must hold an agent: a start 1 and a goal a; got"),
            ("a .", "`map` must hold the start 1 exactly once; got '0 times 1'"),
            ("1 .", "`map` must hold the goal a exactly once; got '0 times a'"),
            ("1 1 a", "`map` must hold the start 1 exactly once; got '2 times 1'"),
            ("1 a a", "`map` must hold the goal a exactly once; got '2 times a'"),
            ("1 3 a b c", "`map` must hold the start 2 exactly once; got '0 times 2'"),
            ("1 A a", "`map` must let agent 1 reach its goal a without lava; got 'no way from row 0, column 0'"),
            ("1 B a", "`map` must hold the start 2 exactly once"),
            ("1 # a", "`map` must let agent 1 reach its goal a without lava; got 'no way from row 0, column 0'"),
            (
                "1 a\n2 ~\n~ b",
                "`map` must let agent 2 reach its goal b without lava; got 'no way from row 1, column 0'",
            ),
            ("1 B a\n# # #\n2 A b", "`map` must let agent 1 reach its goal a without lava"),
        ],
    )
    def test_a_bad_map_is_refused(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            GridWorld(text)

    @pytest.mark.parametrize("finish", ["", "c", "a2", "A"])
    def test_goals_that_are_not_there_cannot_end_the_episode(self, finish: str) -> None:
        with pytest.raises(ValueError, match=f"`finish` must be letters out of ab; got {finish!r}"):
            GridWorld("1 a\n2 b", finish=finish)

    @pytest.mark.parametrize("horizon", [0, 10.5, True])
    def test_the_horizon_is_a_whole_number(self, horizon: Any) -> None:  # noqa: ANN401
        with pytest.raises(ValueError, match=rf"`horizon` must be a whole number(, at least 1)?; got {horizon}"):
            GridWorld(horizon=horizon)

    @pytest.mark.parametrize("discount", [-0.1, 1.0])
    def test_the_discount_lies_below_one(self, discount: float) -> None:
        with pytest.raises(ValueError, match=r"`discount` must lie in \[0, 1\); got"):
            GridWorld(discount=discount)

    def test_a_door_is_a_way_if_its_agent_can_reach_its_goal(self) -> None:
        assert GridWorld("1 B a\n# # #\n2 . b").agents == ("agent_1", "agent_2")

    @given(worlds())
    def test_the_text_of_a_map_is_read_as_the_same_map(self, world: tuple[GridWorld, np.random.Generator]) -> None:
        game, _ = world
        again = GridWorld(f"\n   {game.map}\n\n", game.finish, game.lava_waits, game.horizon)
        assert again == game
        assert game.text(game.reset(np.zeros(1, dtype=np.int64))) == f"step 0\n{game.map}"


class TestSight:
    def test_each_agent_sees_its_own_place_first_and_the_others_in_a_circle(self) -> None:
        state = GridWorldState(np.array([[[0, 1], [2, 3], [4, 5]]]), np.array([0]), np.array([False]))
        seen = GridWorld.lava(3).observe(state)
        assert seen.tolist() == [[[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 0, 1], [4, 5, 0, 1, 2, 3]]]
        assert GridWorld.own == 2

    def test_the_text_shows_who_stands_where(self) -> None:
        game = GridWorld.door("b")
        state = GridWorldState(np.array([[[2, 3], [0, 7]]]), np.array([7]), np.array([True]))
        lines = game.text(state).splitlines()
        assert lines[0] == "step 7, collision"
        assert lines[1].split()[7] == "2b"
        assert lines[3].split() == [".", ".", ".", "1B", ".", ".", ".", "#", ".", "a"]

    def test_rows_do_not_feel_the_batch(self, assert_rows_independent: Callable[..., None]) -> None:
        for game in (GridWorld.lava(4), GridWorld.door("b"), GridWorld.door("b").alone(1)):
            assert_rows_independent(game, (1, 17))


class TestAlone:
    def test_the_doors_of_others_stand_open(self) -> None:
        first, second = (GridWorld.door("b").alone(agent) for agent in (0, 1))
        assert (first.grid.door >= 0).sum() == 0
        assert second.grid.door.reshape(5, 10)[2, 3] == 0  # its own does not
        assert rollout(first, Scripted(first), [0]).total.tolist() == [[pytest.approx(10 - 0.09 * 13)]]
        assert rollout(second, Scripted(second), [0]).total.tolist() == [[pytest.approx(10 - 0.09 * 4)]]

    @given(worlds())
    def test_it_has_the_agents_own_start_goal_and_steps(self, world: tuple[GridWorld, np.random.Generator]) -> None:
        game, _ = world
        steps = shortest_steps(game)
        for agent in range(len(game.agents)):
            single = game.alone(agent)
            assert (single.agents, single.finish, single.horizon) == (("agent_1",), "a", game.horizon)
            assert single.grid.start == game.grid.start[agent]
            assert single.grid.goal == game.grid.goal[agent]
            assert shortest_steps(single)[0].tolist() == steps[agent].tolist()

    @pytest.mark.parametrize("agent", [-1, 2])
    def test_there_must_be_such_an_agent(self, agent: int) -> None:
        with pytest.raises(ValueError, match=rf"`agent` must lie in 0 \.\. 1; got {agent}"):
            GridWorld.lava(2).alone(agent)

    @given(worlds())
    def test_the_truthful_rule_alone_takes_the_shortest_path(
        self, world: tuple[GridWorld, np.random.Generator]
    ) -> None:
        game = replace(world[0], horizon=100)
        for agent, steps in enumerate(shortest_steps(game)[np.arange(len(game.agents)), game.grid.start]):
            single = game.alone(agent)
            total = rollout(single, Scripted(single), [0]).total
            assert total.tolist() == [[pytest.approx(10 - 0.09 * max(steps, 1))]]

    @given(worlds())
    def test_personal_actions_are_those_that_lead_nearer(self, world: tuple[GridWorld, np.random.Generator]) -> None:
        game, _ = world
        steps, shown = shortest_steps(game), personal_actions(game)
        assert shown.any(axis=2).all()
        for agent in range(len(game.agents)):
            moves = game.grid.moves(np.arange(len(game.agents)) != agent)
            inside = np.isfinite(steps[agent]) & (steps[agent] > 0)
            nearer = steps[agent][moves[inside]] == steps[agent][inside, None] - 1
            assert (shown[agent][inside] == nearer).all()
            assert shown[agent, game.grid.goal[agent]].tolist() == [False] * 4 + [True]


class TestPictures:
    game = GridWorld.door("b")

    def test_paths_end_with_their_episodes(self) -> None:
        game = GridWorld.door("a")
        first, second = agents_paths(rollout(game, Scripted(game), [0, 1]))
        assert [path.shape for path in first + second] == [(13, 2)] * 4
        assert first[0][[0, -1]].tolist() == [[2, 0], [2, 6]]

    def test_visits_are_counted(self) -> None:
        visits = count_visits(self.game.grid, np.array([[[0, 0], [4, 9]], [[0, 0], [2, 2]]]))
        assert (visits[0, 0], visits[4, 9], visits[2, 2], visits.sum()) == (2, 1, 1, 4)

    def test_pictures_differ_with_what_they_show(self) -> None:
        paths = agents_paths(rollout(self.game, Random(self.game), [0, 1]))
        start, other = (np.array([[2, c], [2, 5]]) for c in (0, 1))
        grid = self.game.grid
        drawn = [
            draw_positions(grid, start),
            draw_positions(grid, other),
            draw_paths(grid, paths),
            draw_paths(grid, [[], []]),
        ]
        assert all(image.dtype == np.uint8 and image.shape == drawn[0].shape for image in drawn)
        assert len({image.tobytes() for image in drawn}) == 4
        heat = [draw_visits(grid, paths[agent][0]) for agent in (0, 1)]
        assert heat[0].tobytes() != heat[1].tobytes()

    @pytest.mark.parametrize(
        ("position", "message"),
        [
            ([[5, 0]], r"`position` must be rows and columns of a map of \(5, 10\); got 5\.0 at index \[0, 0\]"),
            ([[0, -1]], r"`position` must be rows and columns of a map of \(5, 10\); got -1\.0 at index \[0, 1\]"),
            ([[0, 0.5]], r"`position` must be rows and columns .*; got 0\.5"),
            ([0, 1, 2], r"`position` must hold rows and columns, \[\.\.\., 2\]; got \(3,\)"),
        ],
    )
    def test_positions_off_the_map_are_refused(self, position: list[object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            count_visits(self.game.grid, position)  # pyright: ignore[reportArgumentType]

    def test_paths_need_one_entry_an_agent(self) -> None:
        with pytest.raises(ValueError, match="`paths` must have one entry for each of 2 agents; got 1"):
            draw_paths(self.game.grid, [[]])
