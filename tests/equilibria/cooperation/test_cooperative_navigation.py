from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core import Random, Scripted, SolverError, Status, rollout
from walras.core.typing import Floats
from walras.envs import CooperativeNavigation
from walras.envs.cooperation.cooperative_navigation import NavigationState
from walras.envs.cooperation.navigation_rewards import Covering
from walras.envs.cooperation.particles import Physics, PositionFirst, VelocityFirst, Wall
from walras.equilibria import Budget, Kind, gap, solve
from walras.equilibria.cooperation.cooperative_navigation import (
    Lookahead,
    NavigationPlan,
    _most_in_one_place,
    upper_bound,
)

NOTHING = np.empty(0)
WITH_WALL = CooperativeNavigation.with_wall(2)


def field(starts: Floats, landmarks: Floats, **parameters: object) -> CooperativeNavigation:
    """A game without walls and without the cost of every step."""
    points = {name: tuple(map(tuple, np.asarray(p).tolist())) for name, p in (("s", starts), ("l", landmarks))}
    given = {"walls": (), "reward": Covering(self_contact=0.0), "targets": (0,) * len(points["s"])} | parameters
    return CooperativeNavigation(points["s"], points["l"], **given)


def start_of(game: CooperativeNavigation, rows: int = 1) -> NavigationState:
    return game.reset(game.noise(np.random.default_rng(0), rows))


def best_by_enumeration(game: CooperativeNavigation, state: NavigationState) -> float:
    """The largest return over all sequences of thrusts of all agents."""
    agents = len(game.agents)
    plans = np.array(list(product(range(5), repeat=game.horizon * agents))).reshape(-1, game.horizon, agents)
    state = NavigationState(*(np.repeat(v, len(plans), 0) for v in (state.position, state.velocity, state.landmark)))
    total = np.zeros(len(plans))
    for t in range(game.horizon):
        state, reward, _ = game.step(state, plans[:, t], NOTHING)
        total += reward[:, 0]
    return float(total.max())


@pytest.fixture(scope="module")
def plan() -> NavigationPlan:
    found = solve(WITH_WALL, throw=False)
    assert isinstance(found, NavigationPlan)
    return found


class TestUpperBound:
    @settings(max_examples=25)
    @given(st.integers(0, 2**32))
    def test_no_plan_of_two_agents_exceeds_it(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        walls = (Wall(*rng.uniform(-0.3, 0.3, 2), *rng.uniform(0.1, 0.5, 2)),) * int(rng.integers(2))
        motion = (VelocityFirst(), PositionFirst())[rng.integers(2)]
        points = rng.uniform(-0.5, 0.5, (4, 2))
        physics = Physics(motion=motion, thrust=float(rng.uniform(2, 40)))
        game = field(points[:2], points[2:], walls=walls, physics=physics, horizon=3)
        start = start_of(game)
        assert best_by_enumeration(game, start) <= upper_bound(game, start)[0] + 1e-9

    @pytest.mark.parametrize("seed", range(60))
    def test_a_wall_throws_no_agent_farther(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        wall = Wall(*rng.uniform(-0.2, 0.2, 2), *rng.uniform(0.3, 0.8, 2))
        motion = (VelocityFirst(), PositionFirst())[rng.integers(2)]
        physics = Physics(motion=motion, thrust=float(rng.uniform(1, 10)))
        points = rng.uniform(-0.2, 0.2, (1, 2)), rng.uniform(-1, 1, (1, 2))
        game = field(*points, walls=(wall,), physics=physics, horizon=5)
        start = start_of(game)
        assert best_by_enumeration(game, start) <= upper_bound(game, start)[0] + 1e-9

    @pytest.mark.parametrize("seed", range(60))
    def test_an_agent_throws_no_other_farther(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        motion = (VelocityFirst(), PositionFirst())[rng.integers(2)]
        physics = Physics(motion=motion, thrust=float(rng.uniform(1, 10)))
        game = field(rng.uniform(-0.1, 0.1, (2, 2)), rng.uniform(-1, 1, (2, 2)), physics=physics, horizon=3)
        start = start_of(game)
        assert best_by_enumeration(game, start) <= upper_bound(game, start)[0] + 1e-9

    @settings(max_examples=10)
    @given(st.integers(0, 2**32))
    def test_no_policy_exceeds_it(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        game = CooperativeNavigation.with_wall(int(rng.integers(2, 4)), start_spread=float(rng.uniform(0, 0.5)))
        for policy in (Random(game), Scripted(game), Lookahead(game, game.targets, depth=1)):
            played = rollout(game, policy, [seed, seed + 1])
            first = NavigationState(*(v[0] for v in vars(played.state).values()))
            assert (played.total <= upper_bound(game, first)[:, None]).all()

    @pytest.mark.parametrize("motion", [VelocityFirst(), PositionFirst()])
    @pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
    def test_one_agent_may_arrive_when_full_thrust_along_an_axis_does(
        self, motion: VelocityFirst | PositionFirst, direction: tuple[int, int]
    ) -> None:
        game = field([(0.1, 0.2)], [np.array((0.1, 0.2)) + np.array(direction)], physics=Physics(motion=motion))
        state, arrival = start_of(game), 0
        action = {(1, 0): 2, (-1, 0): 1, (0, 1): 4, (0, -1): 3}[direction]
        while np.abs(state.position - state.landmark).max() > 0.3:
            state, arrival = game.step(state, np.array([[action]]), NOTHING).state, arrival + 1
        assert upper_bound(game, start_of(game))[0] == pytest.approx((50 - arrival + 1) * 0.6)

    def test_agents_that_start_on_their_landmarks_may_stay(self) -> None:
        # Two agents, two landmarks: 0.3 for each of the four, for each agent, in each of 50 steps.
        game = field([(0, 0), (2, 2)], [(0, 0), (2, 2)])
        assert upper_bound(game, start_of(game))[0] == pytest.approx(50 * 2 * 4 * 0.3)

    def test_no_wall_helps_an_agent_to_its_middle(self) -> None:
        # Full thrust takes the agents past the middle, 0.45 and 0.8 away, in steps 5 and 7; contact is not worth less.
        lone = [replace(WITH_WALL, starts=(s,), targets=(0,)) for s in WITH_WALL.starts]
        bounds = [upper_bound(game, start_of(game))[0] for game in lone]
        assert bounds == pytest.approx([(50 - 7) * 0.6 - 50, (50 - 5) * 0.6 - 50])

    def test_that_of_the_task(self) -> None:
        # Two steps with overlaps let the agents arrive in steps 4 and 3: (47 + 48) x 1.2 - 2 x 2 - 100.
        assert upper_bound(WITH_WALL, start_of(WITH_WALL))[0] == pytest.approx(10.0)

    def test_each_row_has_its_own(self) -> None:
        game = CooperativeNavigation.with_wall(3, start_spread=0.3)
        starts = start_of(game, rows=20)
        single = [upper_bound(game, NavigationState(*(v[i : i + 1] for v in vars(starts).values()))) for i in range(20)]
        assert upper_bound(game, starts) == pytest.approx(np.concatenate(single))
        assert len(set(np.concatenate(single).round(9))) > 1

    @given(st.integers(0, 2**32), st.integers(1, 4))
    def test_no_place_has_more_from_all_landmarks(self, seed: int, landmarks: int) -> None:
        landmark = np.random.default_rng(seed).uniform(-0.3, 0.3, (1, landmarks, 2))
        grid = np.stack(np.meshgrid(*[np.linspace(-0.4, 0.4, 60)] * 2), axis=-1).reshape(-1, 1, 2)
        had = np.maximum(0.3 - np.hypot(*np.moveaxis(grid - landmark[0], -1, 0)), 0).sum(axis=1).max()
        assert had <= _most_in_one_place(landmark, 0.3)[0]

    def test_two_landmarks_far_apart_cannot_be_had_from_one_place(self) -> None:
        assert _most_in_one_place(np.array([[[0.0, 0], [0.5, 0]]]), 0.3)[0] == pytest.approx(0.3)
        assert _most_in_one_place(np.array([[[0.0, 0], [0.1, 0]]]), 0.3)[0] == pytest.approx(0.5)

    def test_agents_must_start_at_rest(self) -> None:
        start = start_of(WITH_WALL)
        with pytest.raises(ValueError, match=r"`start` must be at rest; got"):
            upper_bound(WITH_WALL, replace(start, velocity=start.velocity + 1))


class TestSolve:
    def test_the_value_is_what_the_policy_attains(self, plan: NavigationPlan) -> None:
        assert plan.value == pytest.approx(rollout(WITH_WALL, plan.policy, [0]).total[0])
        judged = gap(WITH_WALL, plan.policy, concept="joint optimum")
        assert judged.upper == pytest.approx(plan.upper - plan.value)
        assert plan.residual == pytest.approx(judged.relative.upper.max())
        assert plan.upper == pytest.approx(10.0)

    def test_it_is_better_than_what_agents_do_alone(self, plan: NavigationPlan) -> None:
        assert plan.value[0] > -27
        assert plan.value[0] > rollout(WITH_WALL, Scripted(WITH_WALL), [0]).total.max() + 10

    def test_it_says_that_the_bounds_are_apart(self, plan: NavigationPlan) -> None:
        assert (plan.status, plan.converged, plan.iterations) == (Status.BOUNDS_APART, False, 7)

    def test_bounds_that_do_not_meet_are_raised(self) -> None:
        game = replace(WITH_WALL, horizon=8)
        with pytest.raises(SolverError, match=r"Bounds do not meet: .* residual="):
            solve(game)

    def test_bounds_that_meet_are_exact(self) -> None:
        game = replace(WITH_WALL, horizon=1)  # no landmark can be reached: two contacts with oneself
        found = solve(game)
        assert (found.status, found.residual) == (Status.CONVERGED, 0.0)
        assert found.value.tolist() == [-2, -2]

    def test_noise_is_averaged_over_seeds_on_which_nothing_was_chosen(self) -> None:
        game = replace(CooperativeNavigation.with_wall(2, start_spread=0.2), horizon=6)
        found = solve(game, episodes=3, throw=False)
        assert isinstance(found, NavigationPlan)
        assert found.value == pytest.approx(rollout(game, found.policy, found.seeds).total.mean(axis=0))

    def test_more_agents_than_landmarks_share_them(self) -> None:
        game = field([(0, 0), (1, 0), (0, 1)], [(0.1, 0.1), (0.9, 0.1)], horizon=3)
        found = solve(game, throw=False)
        assert isinstance(found.policy, Lookahead)
        assert sorted(set(found.policy.targets)) == [0, 1]

    def test_other_rewards_and_no_episode_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`game.reward` must be Covering .*; got Spreading\(local_ratio=0.5\)"):
            solve(CooperativeNavigation.simple_spread())
        with pytest.raises(ValueError, match=r"`episodes` must be at least 1; got 0"):
            solve(WITH_WALL, episodes=0)


class TestLookahead:
    def test_it_never_does_worse_than_its_pilots_over_the_steps_it_sees(self) -> None:
        game = replace(CooperativeNavigation.with_wall(3, start_spread=0.2), horizon=1)
        pilots = replace(game, targets=(0, 1, 2))
        for depth in (1, 2):
            policy = Lookahead(game, (0, 1, 2), depth=depth)
            state = start_of(replace(game, start_spread=0.4), rows=30)
            seen = game.observe(state)
            ours, theirs = policy.act(seen, np.random.default_rng(0)), pilots.scripted(seen)
            onward = policy._pilot.ways_on(state.landmark)
            assert (policy._earned(state, onward, ours) >= policy._earned(state, onward, theirs) - 1e-9).all()

    def test_it_takes_the_thrust_that_enumeration_finds(self) -> None:
        # One agent, one step: the best of five.
        game = field([(0.2, 0.0)], [(0.0, 0.05)], horizon=1)
        start = start_of(game)
        done = rollout(game, Lookahead(game, (0,), depth=1), [0])
        assert done.total[0, 0] == best_by_enumeration(game, start)


class TestGap:
    def test_it_lies_between_what_the_plan_has_and_what_nobody_exceeds(self, plan: NavigationPlan) -> None:
        found, played = (
            gap(WITH_WALL, Random(WITH_WALL), concept="joint optimum"),
            rollout(WITH_WALL, Random(WITH_WALL), range(64)),
        )
        assert found.kind is Kind.STATISTICAL
        assert found.value == pytest.approx(played.total.mean(axis=0))
        assert found.estimate == pytest.approx(plan.value - found.value)
        assert (found.upper >= plan.upper - found.value).all()

    def test_the_plan_is_nearer_than_chance(self, plan: NavigationPlan) -> None:
        ours, random = (gap(WITH_WALL, p, concept="joint optimum") for p in (plan.policy, Random(WITH_WALL)))
        assert ours.upper == pytest.approx([33.93] * 2, abs=0.01)
        assert random.lower.min() > ours.upper.max() + 40
        assert ours.scale == pytest.approx([40.97, 76.07], abs=0.01)

    def test_alone_nobody_gains_more_than_all_together(self) -> None:
        found = gap(WITH_WALL, Scripted(WITH_WALL), seeds=range(32), budget=Budget(frames=20_000))
        assert found.kind is Kind.STATISTICAL
        assert (found.upper <= 53.23).all()
        assert (found.lower <= found.upper).all()
