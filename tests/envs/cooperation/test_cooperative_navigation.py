from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core import Random, Scripted, Vector, rollout
from walras.core.typing import Floats, Ints
from walras.envs import CooperativeNavigation
from walras.envs.cooperation.arena import draw_paths
from walras.envs.cooperation.cooperative_navigation import LANDMARKS, STARTS, WALL, NavigationState
from walras.envs.cooperation.navigation_rewards import Covering, Reaching, Spreading
from walras.envs.cooperation.particles import (
    Physics,
    PositionFirst,
    VelocityFirst,
    Wall,
    contact_forces,
    distances,
    particle_forces,
    touching,
    wall_forces,
)

NAN = np.nan
NOTHING = np.empty(0)
SIDES = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])


def at(*points: tuple[float, float]) -> Floats:
    """One row of particles."""
    return np.array([points], dtype=np.float64)


def fly(game: CooperativeNavigation, position: Floats, action: Ints, steps: int) -> Floats:
    """Positions ``[steps + 1, B, N, 2]`` under the same thrusts in every step."""
    landmark = np.broadcast_to(np.array(game.landmarks), (len(position), len(game.landmarks), 2))
    state = NavigationState(position, np.zeros_like(position), landmark)
    places = [position]
    for _ in range(steps):
        state = game.step(state, action, NOTHING).state
        places.append(state.position)
    return np.stack(places)


class TestParticles:
    def test_a_thrust_gives_half_a_unit_of_velocity_and_damping_takes_a_quarter(self) -> None:
        position, velocity = Physics().move(at((0, 0)), at((1, 0)), np.array([[4]]), ())
        assert velocity[0, 0] == pytest.approx([0.75, 0.5])
        assert position[0, 0] == pytest.approx([0.075, 0.05])

    def test_in_the_other_order_the_old_velocity_moves_it(self) -> None:
        position, velocity = Physics(motion=PositionFirst()).move(at((0, 0)), at((1, 0)), np.array([[4]]), ())
        assert velocity[0, 0] == pytest.approx([0.75, 0.5])
        assert position[0, 0] == pytest.approx([0.1, 0])

    @pytest.mark.parametrize("action", range(5))
    def test_the_five_thrusts_are_none_left_right_down_up(self, action: int) -> None:
        position, _ = Physics().move(at((0, 0)), at((0, 0)), np.array([[action]]), ())
        expected = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)][action]
        assert position[0, 0] == pytest.approx(0.05 * np.array(expected))

    @pytest.mark.parametrize("motion", [VelocityFirst(), PositionFirst()])
    def test_a_particle_rests_where_its_glide_says(self, motion: Any) -> None:  # noqa: ANN401
        physics = Physics(motion=motion)
        position, velocity = at((0.3, 0)), at((2, -1))
        expected = position + motion.glide(physics) * velocity
        for _ in range(200):
            position, velocity = physics.move(position, velocity, np.array([[0]]), ())
        assert position == pytest.approx(expected)

    @pytest.mark.parametrize("motion", [VelocityFirst(), PositionFirst()])
    def test_a_thrust_moves_the_resting_point_by_a_quantum(self, motion: Any) -> None:  # noqa: ANN401
        physics = Physics(motion=motion)
        position, velocity = physics.move(at((0, 0)), at((1, 1)), np.array([[2]]), ())
        rest = position + motion.glide(physics) * velocity - motion.glide(physics) * at((1, 1))
        assert rest[0, 0] == pytest.approx([physics.quantum, 0])
        assert physics.quantum == pytest.approx(0.2)

    def test_overlapping_particles_push_each_other_apart(self) -> None:
        force = particle_forces(at((0, 0), (0.2, 0)), Physics())
        assert force[0] == pytest.approx(np.array([[-10, 0], [10, 0]]))  # 100 x the overlap of 0.1

    def test_at_the_distance_of_contact_the_margin_is_felt(self) -> None:
        force = particle_forces(at((0, 0), (0, 0.3)), Physics())
        assert force[0, 1, 1] == pytest.approx(100 * 1e-3 * np.log(2))

    def test_particles_in_one_point_do_not_push(self) -> None:
        assert not particle_forces(at((0.1, 0.1), (0.1, 0.1)), Physics()).any()

    @given(st.integers(0, 2**32))
    def test_contact_between_particles_changes_no_total_momentum(self, seed: int) -> None:
        position = np.random.default_rng(seed).uniform(-0.3, 0.3, (5, 4, 2))
        assert particle_forces(position, Physics()).sum(axis=1) == pytest.approx(0, abs=1e-12)

    def test_touching_counts_itself_and_is_strict(self) -> None:
        assert touching(at((0, 0), (0.5, 0), (0.79, 0)), Physics()).tolist() == [
            [[True, False, False], [False, True, True], [False, True, True]]
        ]

    @pytest.mark.parametrize(("name", "value"), [("dt", 0), ("mass", -1), ("radius", NAN), ("thrust", np.inf)])
    def test_constants_are_checked(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"`{name}` must be positive and finite; got {value}"):
            Physics(**{name: value})

    def test_damping_takes_no_more_than_all(self) -> None:
        with pytest.raises(ValueError, match=r"`damping` must not exceed 1; got 1.5"):
            Physics(damping=1.5)


class TestWall:
    """The wall of the task: x from -0.25 to 0.05, y from -0.2 to 0.6; particles have a radius of 0.15."""

    @pytest.mark.parametrize(
        ("place", "force"),
        [
            ((-0.35, 0.2), (-5, 0)),  # 0.1 off the left face: an overlap of 0.05
            ((0.15, 0.5), (5, 0)),
            ((-0.1, -0.3), (0, -5)),
            ((0.0, 0.7), (0, 5)),
            ((-0.31, -0.28), (-3, -4)),  # 0.1 off the corner, in the direction 0.6, 0.8
            ((-0.2, 0.2), (-20, 0)),  # inside, 0.05 below the left face
            ((-0.08, -0.15), (0, -20)),  # inside, 0.05 above the lower face
            ((-0.4, -0.4), (0, 0)),
        ],
    )
    def test_the_force_at_some_places(self, place: tuple[float, float], force: tuple[float, float]) -> None:
        assert wall_forces(at(place), WALL, Physics())[0, 0] == pytest.approx(np.array(force), abs=1e-9)

    @given(st.integers(0, 2**32))
    def test_mirrored_places_feel_mirrored_forces(self, seed: int) -> None:
        offset = np.random.default_rng(seed).uniform(0.01, 0.6, (3, 2, 2))
        centre = np.array(WALL[:2])
        force = wall_forces(centre + offset, WALL, Physics())
        for side in SIDES:
            assert wall_forces(centre + side * offset, WALL, Physics()) == pytest.approx(side * force)

    @given(st.integers(0, 2**32))
    def test_no_force_points_to_the_middle_of_the_wall(self, seed: int) -> None:
        offset = np.random.default_rng(seed).uniform(-0.6, 0.6, (20, 2, 2))
        force = wall_forces(np.array(WALL[:2]) + offset, WALL, Physics())
        assert (force * offset >= 0).all()

    @pytest.mark.parametrize(("motion", "passes"), [(VelocityFirst(), False), (PositionFirst(), True)])
    def test_no_agent_flies_through_where_contact_acts_at_once(self, motion: Any, passes: bool) -> None:  # noqa: ANN401
        game = replace(CooperativeNavigation(), physics=Physics(motion=motion)).alone(0)
        x, y = np.meshgrid(np.linspace(-2, -0.45, 200), np.linspace(0.0, 0.4, 5))
        start = np.stack((x.ravel(), y.ravel()), axis=-1)[:, None]
        for way in (1.0, -1.0):
            mirrored = np.array(WALL[:2]) + np.array([way, 1.0]) * (start - np.array(WALL[:2]))
            action = np.full((len(start), 1), 2 if way > 0 else 1)
            depth = way * (fly(game, mirrored, action, 60)[..., 0] - WALL.x)
            assert (depth.max(axis=0) > 0).all() == passes  # beyond its middle
            assert (depth[-20:].max() < -0.15) != passes  # and outside in the end

    def test_walls_add_up(self) -> None:
        other = Wall(-0.6, 0.2, 0.3, 0.8)
        place = at((-0.35, 0.2))
        assert contact_forces(place, (WALL, other), Physics())[0, 0] == pytest.approx([0, 0], abs=1e-9)


class TestRewards:
    def test_covering_counts_landmarks_and_agents_and_the_contact_of_each_with_itself(self) -> None:
        # Agent 0 is 0.1 from landmark 0, agent 1 is 0.2 from landmark 1: 0.2 + 0.1 for each, less 1, by two.
        distance = np.array([[[0.1, 2.0], [3.0, 0.2]]])
        alone, both = np.eye(2, dtype=bool)[None], np.ones((1, 2, 2), dtype=bool)
        assert Covering()(distance, alone, (0, 1))[0] == pytest.approx([-0.8, -0.8])
        assert Covering()(distance, both, (0, 1))[0] == pytest.approx([-2.8, -2.8])
        assert Covering(self_contact=0.0)(distance, alone, (0, 1))[0] == pytest.approx([1.2, 1.2])

    def test_covering_takes_the_nearest_and_nothing_beyond_the_threshold(self) -> None:
        # Both agents at landmark 0, 0.1 and 0.2 away: 0.2 for the landmark, 0.2 + 0.1 for the agents.
        distance = np.array([[[0.1, 0.3], [0.2, 0.4]]])
        assert Covering()(distance, np.eye(2, dtype=bool)[None], (0, 1))[0] == pytest.approx([-1, -1])

    def test_covering_sums_over_three_agents(self) -> None:
        distance = np.full((1, 3, 3), 9.0)
        touch = np.array([[[1, 1, 0], [1, 1, 1], [0, 1, 1]]], dtype=bool)  # two pairs
        assert Covering()(distance, touch, (0, 1, 2))[0] == pytest.approx([-7, -7, -7])

    def test_spreading_shares_distance_and_not_contact(self) -> None:
        distance = np.array([[[0.5, 2.0], [1.0, 0.7]]])
        touch = np.ones((1, 2, 2), dtype=bool)
        assert Spreading(0.25)(distance, touch, (0, 1))[0] == pytest.approx([-0.75 * 1.2 - 0.25] * 2)

    def test_reaching_is_the_distance_to_ones_own(self) -> None:
        distance = np.array([[[0.5, 2.0], [1.0, 0.7]]])
        assert Reaching()(distance, np.eye(2, dtype=bool)[None], (1, 0))[0].tolist() == [-2, -1]

    def test_the_game_rewards_where_agents_are_after_the_step(self) -> None:
        game = CooperativeNavigation()
        state = NavigationState(at((0.9, -0.35), (0.55, -0.275)), at((0, -1), (0, 0)), at(*LANDMARKS[:2]))
        step = game.step(state, np.zeros((1, 2), dtype=np.int64), NOTHING)
        # Agent 0 moves by 0.075 to 0.025 from its landmark: 2 x (0.275 + 0.3), less 1, by two.
        assert step.reward[0] == pytest.approx([0.3, 0.3], abs=1e-3)
        assert not step.terminated.any()

    def test_bad_constants_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`threshold` must be positive and finite; got 0"):
            Covering(threshold=0)
        with pytest.raises(ValueError, match=r"`self_contact` must be finite; got nan"):
            Covering(self_contact=NAN)
        with pytest.raises(ValueError, match=r"`local_ratio` must lie in \[0, 1\]; got 2"):
            Spreading(2)


class TestSimpleSpread:
    @pytest.mark.parametrize("agents", [1, 2, 3])
    @pytest.mark.parametrize("ratio", [0.5, 0.2])
    def test_it_is_that_of_mpe2_step_by_step(self, agents: int, ratio: float) -> None:
        spread = pytest.importorskip("mpe2.simple_spread_v3", reason="mpe2 is in the extra `dev`")
        env = spread.parallel_env(N=agents, local_ratio=ratio, max_cycles=25)
        game, rng, contacts = CooperativeNavigation.simple_spread(agents, ratio), np.random.default_rng(agents), 0
        for episode in range(6):
            env.reset(seed=episode)
            world = env.unwrapped.world
            for agent in world.agents:
                agent.state.p_pos = rng.uniform(-0.3, 0.3, 2)  # near, so that they collide
            position = np.array([[agent.state.p_pos for agent in world.agents]])
            landmark = np.array([[each.state.p_pos for each in world.landmarks]])
            state = NavigationState(position, np.zeros_like(position), landmark)
            for turn in range(25):
                action = rng.integers(0, 5, (1, agents))
                state, reward, _ = game.step(state, action, NOTHING)
                names = dict(zip(game.agents, action[0].tolist(), strict=True))
                observations, rewards, _, cut, _ = env.step(names)
                assert np.abs(game.observe(state)[0] - list(observations.values())).max() < 1e-6
                assert np.abs(reward[0] - list(rewards.values())).max() < 1e-6
                assert np.abs(state.position[0] - [agent.state.p_pos for agent in world.agents]).max() < 1e-6
                assert set(cut.values()) == {turn == 24}
                contacts += int(touching(state.position, game.physics).sum()) - agents
        assert contacts > 10 or agents == 1

    def test_its_spaces_are_those_of_mpe2(self) -> None:
        spread = pytest.importorskip("mpe2.simple_spread_v3", reason="mpe2 is in the extra `dev`")
        env, game = spread.parallel_env(N=3), CooperativeNavigation.simple_spread()
        assert env.observation_space("agent_0").shape == game.observation_space.shape
        assert env.action_space("agent_0") == game.action_space
        assert tuple(env.possible_agents) == game.agents
        assert game.horizon == 25

    def test_everything_starts_anywhere_in_the_square(self) -> None:
        game = CooperativeNavigation.simple_spread()
        state = game.reset(game.noise(np.random.default_rng(0), 2000))
        for places in (state.position, state.landmark):
            assert -1 <= places.min() < -0.99
            assert 0.99 < places.max() <= 1
        assert not state.velocity.any()

    @pytest.mark.parametrize("agents", [1, 3, 5])
    def test_rows_are_independent(self, agents: int, assert_rows_independent: Callable[..., None]) -> None:
        assert_rows_independent(CooperativeNavigation.simple_spread(agents), (1, 2, 9))


class TestWithWall:
    def test_agents_start_on_the_line_and_noise_moves_them_evenly(self) -> None:
        fixed, noisy = CooperativeNavigation.with_wall(3), CooperativeNavigation.with_wall(3, start_spread=0.2)
        noise = fixed.noise(np.random.default_rng(0), 500)
        assert (fixed.reset(noise).position == np.array(STARTS)).all()
        moved = noisy.reset(noise).position - np.array(STARTS)
        assert moved.min(axis=(0, 1)) == pytest.approx([-0.2, -0.2], abs=0.01)
        assert moved.max(axis=(0, 1)) == pytest.approx([0.2, 0.2], abs=0.01)
        assert (noisy.reset(noise).landmark == np.array(LANDMARKS)).all()

    def test_the_default_is_the_task_of_two(self) -> None:
        assert CooperativeNavigation() == CooperativeNavigation.with_wall(2)
        assert CooperativeNavigation().observation_space.shape == (12,)
        assert CooperativeNavigation().own == 8

    def test_an_agent_sees_itself_the_landmarks_and_the_others(self) -> None:
        game = CooperativeNavigation.with_wall(3)
        state = NavigationState(at((0, 0), (1, 2), (3, 5)), at((7, 8), (0, 0), (0, 0)), at(*LANDMARKS))
        seen = game.observe(state)[0]
        landmarks = np.array(LANDMARKS)
        assert seen[0].tolist() == [7, 8, 0, 0, *landmarks.ravel(), 1, 2, 3, 5, 0, 0, 0, 0]
        assert seen[1] == pytest.approx(np.array([0, 0, 1, 2, *(landmarks - (1, 2)).ravel(), -1, -2, 2, 3, *[0] * 4]))

    def test_the_state_can_be_recalled(self, played: Callable[..., Any]) -> None:
        game = CooperativeNavigation.with_wall(3, start_spread=0.2)
        state = played(game, rows=4, steps=7).state
        found = game.recall(game.observe(state))
        for name in ("position", "velocity", "landmark"):
            assert getattr(found, name) == pytest.approx(getattr(state, name))

    def test_the_third_agent_is_thrown_out_to_the_left(self) -> None:
        game = CooperativeNavigation.with_wall(3)
        start = np.array(STARTS)[None]
        places = fly(game, start, np.zeros((1, 3), dtype=np.int64), 3)
        assert places[3, 0, 2, 0] < WALL.x - WALL.width / 2 - game.physics.radius

    @pytest.mark.parametrize("agents", [2, 3])
    def test_rows_are_independent(self, agents: int, assert_rows_independent: Callable[..., None]) -> None:
        assert_rows_independent(CooperativeNavigation.with_wall(agents, start_spread=0.2), (1, 2, 9))


class TestAlone:
    @pytest.mark.parametrize("agent", [0, 1])
    def test_the_expert_ends_beside_its_own_landmark(self, agent: int) -> None:
        game = CooperativeNavigation().alone(agent)
        shown = rollout(game, Scripted(game), seeds=range(100))
        end = shown.state.position[-1, :, 0]
        assert np.hypot(*(end - LANDMARKS[(1, 0)[agent]]).T).max() < 0.15  # half a quantum on both axes
        assert len(shown.reward) == 25

    def test_it_keeps_the_terrain_and_the_own_state(self) -> None:
        game = CooperativeNavigation()
        alone = game.alone(1)
        assert (alone.starts, alone.landmarks, alone.walls) == (game.starts[1:], game.landmarks, game.walls)
        assert (alone.own, alone.observation_space.shape) == (game.own, (8,))
        assert alone.reward == Reaching()
        starts = alone.reset(alone.noise(np.random.default_rng(0), 400)).position - game.starts[1]
        assert np.abs(starts).max() == pytest.approx(0.2, abs=0.01)

    def test_own_states_are_those_that_the_agent_would_see_among_others(self) -> None:
        game, place, speed = CooperativeNavigation(), (0.3, 0.1), (1.0, 2.0)
        joint = game.observe(NavigationState(at((5, 5), place), at((0, 0), speed), at(*LANDMARKS[:2])))
        alone = game.alone(1)
        own = alone.observe(NavigationState(at(place), at(speed), at(*LANDMARKS[:2])))
        assert joint[0, 1, : game.own].tolist() == own[0, 0, : alone.own].tolist()

    def test_an_unknown_agent_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`agent` must be a number below 2; got 2"):
            CooperativeNavigation().alone(2)


class TestTruthful:
    def test_without_walls_no_thrust_is_wasted(self) -> None:
        # 1.0 right and 0.6 up are five and three quanta: eight thrusts, then none.
        game = replace(CooperativeNavigation().alone(0), walls=(), landmarks=((0.1, 1.05), (0.1, 1.05)), start_spread=0)
        flown = rollout(replace(game, demonstration_spread=0, horizon=40), Scripted(game), [0])
        thrusts = flown.action[:, 0, 0]
        assert sorted(thrusts[:8]) == [2] * 5 + [4] * 3
        assert not thrusts[8:].any()
        assert flown.state.position[-1, 0, 0] == pytest.approx([0.1, 1.05], abs=1e-4)

    @settings(max_examples=15)
    @given(st.integers(0, 2**32))
    def test_an_agent_alone_arrives_from_everywhere_outside_the_wall(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        start = rng.uniform(-1.5, 1.5, 2)
        clear = np.abs(start - WALL[:2]) - np.array(WALL[2:]) / 2
        start = start if clear.max() > 0.16 else np.array([-1.0, 0.2])
        game = replace(CooperativeNavigation().alone(0), starts=(tuple(start),), start_spread=0.0, horizon=60)
        end = rollout(game, Scripted(game), [0]).state.position[-1, 0, 0]
        assert np.hypot(*(end - LANDMARKS[1])) < 0.15


class TestRefused:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"starts": ()}, r"`starts` must have 2 dimensions; got \(0,\)"),
            (
                {"starts": ((0.0, 0.0, 1.0),), "targets": (0,)},
                r"`starts` must hold at least one point \(x, y\); got \(\(0",
            ),
            ({"landmarks": ((np.inf, 0.0), (0.0, 0.0))}, r"`landmarks` must be finite; got inf at index \[0, 0\]"),
            ({"landmarks": ((NAN, 0.0), (0.0, 0.0))}, r"`landmarks` must hold no NaN"),
            ({"start_spread": -0.1}, r"`start_spread` must be finite and not negative; got -0.1"),
            ({"walls": ((0.0, 0.0, 0.0, 1.0),)}, r"`walls` must be \(x, y, width, height\) with positive sides; got"),
            ({"walls": ((0.0, 0.0, 1.0),)}, r"`walls` must be \(x, y, width, height\) with positive sides; got"),
            ({"targets": (0,)}, r"`targets` must be one of 2 landmarks for each agent; got \(0,\)"),
            ({"targets": (0, 2)}, r"`targets` must be one of 2 landmarks for each agent; got \(0, 2\)"),
            ({"discount": 1.0}, r"`discount` must lie in \[0, 1\); got 1"),
            ({"demonstration_steps": 0}, "`demonstration_steps` must be a whole number, at least 1; got 0"),
            ({"horizon": 10.5}, "`horizon` must be a whole number; got 10.5"),
        ],
    )
    def test_parameters_are_checked(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            CooperativeNavigation(**parameters)

    def test_there_is_a_task_for_two_and_for_three(self) -> None:
        with pytest.raises(ValueError, match=r"`agents` must be 2 or 3; got 4"):
            CooperativeNavigation.with_wall(4)

    def test_a_thrust_that_does_not_exist_is_refused(self) -> None:
        vector = Vector(CooperativeNavigation(), 1)
        vector.reset(0)
        with pytest.raises(ValueError, match=r"`action` must lie in the action space, 0 to 4; got 5 from agent 1"):
            vector.step(np.array([[0, 5]]))


class TestPictures:
    def test_the_text_lists_the_agents(self) -> None:
        game = CooperativeNavigation()
        state = NavigationState(at((0.9, -0.35), (0.1, 0.2)), at((0, -1), (0, 0)), at(*LANDMARKS[:2]))
        lines = game.text(state).splitlines()
        assert lines[1].split() == ["agent_0", "0.90", "-0.35", "0.00", "-1.00", "0,", "0.10", "away"]

    def test_paths_of_each_agent_are_drawn(self) -> None:
        game = CooperativeNavigation.with_wall(2, start_spread=0.2)
        flown = rollout(game, Random(game), seeds=range(3))
        paths = [[flown.state.position[:, row, agent] for row in range(3)] for agent in range(2)]
        empty, drawn = draw_paths(game.walls, game.landmarks, []), draw_paths(game.walls, game.landmarks, paths)
        assert empty.shape == drawn.shape
        assert drawn.shape[2] == 3
        assert (empty != drawn).any()

    def test_a_path_far_away_widens_the_picture(self) -> None:
        near = draw_paths((), LANDMARKS, [])
        assert (near != draw_paths((), LANDMARKS, [[np.array([[5.0, 5.0], [6.0, 6.0]])]])).any()

    def test_what_is_no_path_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`paths` must hold at least one point, .*; got \(4, 3\)"):
            draw_paths((), LANDMARKS, [[np.zeros((4, 3))]])
        with pytest.raises(ValueError, match=r"`landmark` must have 2 dimensions"):
            draw_paths((), (0.0, 1.0), [])


def test_distances_are_euclidean() -> None:
    assert distances(at((0, 0), (3, 4)), at((3, 4), (0, 1)))[0].tolist() == [[5, 1], [0, np.sqrt(18)]]
