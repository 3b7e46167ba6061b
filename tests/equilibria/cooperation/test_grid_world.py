from collections.abc import Callable
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from walras.core import Constant, Policy, Random, Scripted, rollout
from walras.core.game import Actions
from walras.core.policy import Mixed
from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.envs import GridWorld
from walras.envs.cooperation.grid_map import GOALS, STARTS, STAY
from walras.envs.cooperation.grid_world import GridWorldState
from walras.equilibria import Budget, JointOptimum, Kind, gap, replay, solve
from walras.equilibria.cooperation.grid_world import (
    NaiveImitation,
    exact_return,
    is_small,
    joint_positions,
    upper_bound,
)
from walras.equilibria.cooperation.joint_plan import JointPlan, certain_return, find_plan, stay

Places = tuple[tuple[int, int], ...]

# Agent 1's short way leads through lava, which it survives if agent 2 bumps into agent 3.
BRIDGE = "1 ~ a\n. # .\n. . .\n# # #\n2b 3c #"
CORRIDOR = "1 . . b\n# . # #\na . . 2"
WIDE = "1b . . .\n.  . . .\n.  . . 2a"


def small_game(rng: np.random.Generator, agents: int, horizon: int) -> GridWorld | None:
    """Draw a game on six cells, or none where the map is refused."""
    cells = rng.choice([".", ".", ".", "#", "~", "B" if agents > 1 else "."], 6).astype("U2")
    starts, goals = (rng.choice(6, agents, replace=False) for _ in range(2))
    cells[starts], cells[goals] = "", ""
    for places, letters in ((starts, STARTS), (goals, GOALS)):
        for place, letter in zip(places, letters, strict=False):
            cells[place] += letter
    text = "\n".join(" ".join(row) for row in cells.reshape(2, 3))
    try:
        return GridWorld(text, rng.choice(["a", GOALS[:agents]]), bool(rng.random() < 0.5), horizon)
    except ValueError:
        return None


@st.composite
def games(draw: st.DrawFn, horizon: int = 6) -> tuple[GridWorld, np.random.Generator]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    game = small_game(rng, draw(st.integers(1, 2)), draw(st.integers(1, horizon)))
    assume(game is not None)
    assert game is not None
    return game, rng


def brute_force(game: GridWorld) -> float:
    """The largest expected return, by trying every joint action after every history, with the game's step alone."""
    agents = len(game.agents)
    orders = np.arange(len(list(permutations(range(agents)))))

    @cache
    def best(places: Places, clock: int) -> float:
        if clock == game.horizon:
            return 0.0
        return max(mean(places, clock, action) for action in product(range(5), repeat=agents))

    def mean(places: Places, clock: int, action: tuple[int, ...]) -> float:
        rows = len(orders)
        state = GridWorldState(np.array([places] * rows), np.full(rows, clock), np.zeros(rows, dtype=np.bool_))
        step = game.step(state, np.array([action] * rows), orders)
        after = [tuple(map(tuple, place)) for place in step.state.position.tolist()]
        follow = [0.0 if over else best(p, clock + 1) for over, p in zip(step.terminated, after, strict=True)]
        return float(np.mean(step.reward[:, 0] + follow))

    return best(tuple(map(tuple, game.grid.coordinates[game.grid.start].tolist())), 0)


def random_chances(game: GridWorld, rng: np.random.Generator) -> Floats:
    """Chances of a random stationary policy, some of it nearly deterministic."""
    shape = (len(joint_positions(game)), len(game.agents))
    return rng.dirichlet(np.full(5, rng.choice([0.05, 1.0])), shape)


class ByChances:
    """A policy that draws from chances at each joint position."""

    def __init__(self, game: GridWorld, chances: Floats) -> None:
        self.places = {place.tobytes(): k for k, place in enumerate(joint_positions(game))}
        self.chances = chances

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        place = observation[:, 0].astype(np.int64)
        cumulated = self.chances[[self.places[p.tobytes()] for p in place]].cumsum(axis=2)
        return np.minimum((rng.random(cumulated.shape[:2])[..., None] > cumulated).sum(axis=2), STAY)


class TestGolden:
    @pytest.mark.parametrize(
        ("game", "value", "steps"),
        [  # spec/personal_demonstrations.md 3.2: 18, 12 and 15 steps
            (GridWorld.lava(2), 8.38, 18),
            (GridWorld.lava(3), 8.38, 18),
            (GridWorld.lava(4), 8.38, 18),
            (GridWorld.door("a"), 8.92, 12),
            (GridWorld.door("b"), 8.65, 15),
        ],
        ids=["lava 2", "lava 3", "lava 4", "door a", "door b"],
    )
    def test_the_papers_maps(self, game: GridWorld, value: float, steps: int) -> None:
        best = solve(game)
        assert best.value.tolist() == pytest.approx([value] * len(game.agents))
        assert (best.residual <= 1e-9, best.status) == (True, Status.CONVERGED)
        episodes = rollout(game, best.policy, range(30))
        assert (episodes.alive.sum(axis=0) == steps).all()
        assert episodes.total == pytest.approx(value)

    def test_each_agents_own_optimum(self) -> None:
        found = [solve(game) for game in (GridWorld.lava(3), GridWorld.door("a"), GridWorld.door("b"))]
        assert all(isinstance(best, JointOptimum) for best in found)
        personal = [best.personal.tolist() for best in found if isinstance(best, JointOptimum)]
        steps = ([18, 18, 18], [6, 8], [13, 4])
        assert personal == [pytest.approx([10 - 0.09 * k for k in each]) for each in steps]

    def test_naive_imitation_blocks_the_gap_of_door_b_alone(self) -> None:
        values = [solve(GridWorld.door(case)) for case in "ab"]
        # Agent 2 stands in the gap after 4 steps; agent 1, there after 13 - 3 = 10 moves, bumps into it 90 times.
        assert [best.naive.tolist() for best in values if isinstance(best, JointOptimum)] == [
            pytest.approx([8.92] * 2),
            pytest.approx([-90.0] * 2),
        ]

    def test_naive_imitation_of_many_is_simulated_on_stated_seeds(self) -> None:
        game = GridWorld.lava(3)
        best = solve(game)
        assert isinstance(best, JointOptimum)
        assert not best.exact
        assert best.naive.tolist() == rollout(game, NaiveImitation(game), range(1024)).total.mean(axis=0).tolist()
        assert best.naive.max() < 0


class TestDynamicProgram:
    @settings(max_examples=20)
    @given(games(horizon=4))
    def test_it_agrees_with_brute_force(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, _ = drawn
        assert solve(game, throw=False).value == pytest.approx(brute_force(game), abs=1e-12)

    @settings(max_examples=40)
    @given(games())
    def test_no_policy_is_worth_more_than_the_optimum(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, rng = drawn
        best = solve(game, throw=False)
        assert isinstance(best, JointOptimum)
        for _ in range(5):
            assert exact_return(game, random_chances(game, rng)) <= best.value[0] + 1e-12
        assert best.naive[0] <= best.value[0] + 1e-12
        assert -1e-12 <= best.value[0] <= upper_bound(game) + 1e-12
        if not game.lava_waits:  # together no agent arrives sooner than alone, past open doors
            assert best.value[0] <= best.personal[game.finishers].min() + 1e-12

    @settings(max_examples=30)
    @given(games())
    def test_the_residual_is_what_the_policy_misses(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, _ = drawn
        best = solve(game, throw=False)
        action = best.policy.act(game.observe(_at(game, joint_positions(game))), np.random.default_rng(0))
        played = exact_return(game, np.eye(5)[action])
        assert best.value[0] - played == pytest.approx(best.residual, abs=1e-12)
        assert best.converged == (best.residual <= 1e-9)

    def test_the_return_that_is_computed_is_that_of_many_episodes(self) -> None:
        game = GridWorld(CORRIDOR, horizon=20)
        chances = random_chances(game, np.random.default_rng(3))
        total = rollout(game, ByChances(game, chances), range(4000)).total[:, 0]
        error = total.std() / np.sqrt(len(total))
        assert exact_return(game, chances) == pytest.approx(total.mean(), abs=4 * error)

    @pytest.mark.parametrize(
        ("horizon", "lava_waits", "value"),
        [  # through lava: 2 steps and one collision; round it: 6 steps; a step costs 9 / horizon
            (9, True, 10 - 2 - 1),
            (9, False, 10 - 6),
            (100, True, 10 - 0.09 * 6),
        ],
    )
    def test_a_collision_is_the_price_of_crossing_lava(self, horizon: int, lava_waits: bool, value: float) -> None:
        game = GridWorld(BRIDGE, "a", lava_waits, horizon)
        best = solve(game)
        assert best.value == pytest.approx(value)
        assert upper_bound(game) == pytest.approx(value)
        assert rollout(game, best.policy, range(4)).total == pytest.approx(value)

    def test_bounds_that_do_not_meet_are_told(self) -> None:
        # With little time left it is better to stay than to go on, and the policy does not see the clock.
        game = GridWorld(".  .  b\n2a ~  1", finish="a", horizon=4)
        best = solve(game, throw=False)
        assert isinstance(best, JointOptimum)
        assert best.optimum == pytest.approx(brute_force(game))
        assert best.value == pytest.approx(best.attained) == pytest.approx(best.optimum - 0.25)
        judged = gap(game, best.policy, concept="joint optimum")
        assert (best.status, best.residual) == (Status.BOUNDS_APART, judged.relative.upper.max())
        assert judged.upper == pytest.approx(0.25)
        with pytest.raises(SolverError, match="Bounds do not meet"):
            solve(game)


def _at(game: GridWorld, position: np.ndarray) -> GridWorldState:
    rows = len(position)
    return GridWorldState(position, np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_))


class TestBounds:
    def test_bystanders_that_come_too_late_keep_nobody_from_arriving(self) -> None:
        # Agent 1 stands on its goal; the dynamic program is too large for 30 cells.
        rows = ["1a" + 9 * " .", "2" + 8 * " ." + " b", "3" + 8 * " ." + " c"]
        game = GridWorld("\n".join(rows), finish="a", horizon=5)
        best = solve(game)
        assert (best.value[0], best.residual) == (pytest.approx(8.2), pytest.approx(0, abs=1e-12))

    def test_agents_that_need_not_arrive_may_end_anywhere(self) -> None:
        rows = GridWorld.door("b").map.splitlines()
        rows[4] = "c . . # . . . # . 3"  # a bystander behind two walls, too far away to arrive in time
        best = solve(GridWorld("\n".join(rows), finish="a"), throw=False)
        assert best.residual < 1

    @settings(max_examples=30)
    @given(games())
    def test_plans_lie_below_the_optimum(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, rng = drawn
        value = float(solve(game, throw=False).value[0])
        for steps in range(1, game.horizon + 1):
            plan = find_plan(game, steps, rng)
            if plan is not None:
                total = certain_return(game, plan)
                assert total <= value + 1e-12
                assert total >= game.prize(np.array(steps)) - 1e-12
                assert rollout(game, plan, range(3)).total == pytest.approx(total)

    @pytest.mark.parametrize("game", [GridWorld.lava(2), GridWorld(WIDE), GridWorld.door("a")])
    def test_plans_find_the_optimum_of_the_dynamic_program(self, game: GridWorld) -> None:
        rng = np.random.default_rng(0)
        steps = round((10 - float(solve(game).value[0])) / 0.09)
        assert any(find_plan(game, steps, rng) is not None for _ in range(30))
        assert all(find_plan(game, steps - 1, rng) is None for _ in range(10))

    def test_agents_do_not_follow_each_other_closely(self) -> None:
        game, rng = GridWorld("1 2 . a b"), np.random.default_rng(0)
        assert all(find_plan(game, 3, rng) is None for _ in range(20))  # three steps each, if nobody were in the way
        plans = [plan for plan in (find_plan(game, 4, rng) for _ in range(20)) if plan is not None]
        assert [certain_return(game, plan) for plan in plans] == [pytest.approx(10 - 0.09 * 4)] * len(plans) != []

    def test_a_plan_goes_on_from_where_the_agents_stand(self) -> None:
        game = GridWorld.lava(4)
        plan = solve(game).policy
        assert isinstance(plan, JointPlan)
        seen = game.observe(_at(game, plan.position[7:9]))
        assert plan.act(seen, np.random.default_rng(0)).tolist() == plan.action[7:9].tolist()
        elsewhere = game.observe(_at(game, np.array([[[9, 8], [5, 0], [8, 9], [0, 5]]])))
        assert plan.act(elsewhere, np.random.default_rng(0)).tolist() == game.scripted(elsewhere).tolist()

    def test_a_plan_that_the_order_of_moves_can_break_is_refused(self) -> None:
        game = GridWorld("1 2 a b")
        follow = JointPlan(game, game.grid.coordinates[game.grid.start][None], np.array([[1, 1]]))
        with pytest.raises(ValueError, match="`plan` must not depend on the order of moves; it does after 0 steps"):
            certain_return(game, follow)

    def test_staying_is_worth_nothing(self) -> None:
        game = GridWorld.lava(3)
        assert certain_return(game, stay(game)) == 0
        assert rollout(game, stay(game), [0]).total.max() == 0

    def test_a_large_game_without_a_plan_says_so(self) -> None:
        # A corridor one cell wide, in which three agents must pass each other.
        line = "1c 2 . . . . . . . . . . . . . . . . . . . . . . . . . . . . b 3a"
        game = GridWorld(line)
        assert not is_small(game)
        best = solve(game, max_iter=60, throw=False)
        assert isinstance(best, JointOptimum)
        assert (best.status, best.attained, best.value.max()) == (Status.BOUNDS_APART, 0, 0)
        assert best.residual == best.optimum  # nothing is known to be at stake: absolute
        with pytest.raises(SolverError, match="Bounds do not meet"):
            solve(game, max_iter=60)

    def test_goals_out_of_reach_in_time_are_worth_nothing(self) -> None:
        for agents in (2, 3):
            best = solve(GridWorld(GridWorld.lava(agents).map, horizon=17))
            assert isinstance(best, JointOptimum)
            assert (best.value.tolist(), best.residual) == ([0.0] * agents, 0.0)
            assert best.personal.tolist() == [0.0] * agents

    def test_an_agent_that_starts_on_its_goal_needs_one_step(self) -> None:
        best = solve(GridWorld("1a .", horizon=10))
        assert isinstance(best, JointOptimum)
        assert best.value == best.personal == pytest.approx(9.1)


class Undeclared:
    """A policy that keeps its chances to itself."""

    def __init__(self, inner: Policy) -> None:
        self.inner = inner

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        return self.inner.act(observation, rng)


class TestGap:
    @pytest.mark.parametrize("game", [GridWorld.door("b"), GridWorld.lava(3)])
    def test_in_play_it_is_the_optimum_less_the_return(self, game: GridWorld) -> None:
        found = gap(game, Undeclared(Random(game)), concept="joint optimum", seeds=range(32))
        total = rollout(game, Random(game), range(32)).total
        best = solve(game).value
        assert found.estimate == pytest.approx(best - total.mean(axis=0))
        assert found.value == pytest.approx(total.mean(axis=0))
        assert (found.lower <= found.upper).all()

    def test_recorded_gaps(self) -> None:
        game = GridWorld()
        alone, together = gap(game, Random(game)), gap(game, Random(game), concept="joint optimum")
        assert alone.kind is together.kind is Kind.EXACT
        assert alone.lower.max() == pytest.approx(0.0020242, abs=1e-6)
        assert together.lower == pytest.approx(8.381115, abs=1e-6)
        assert alone.scale == pytest.approx(8.38)
        stays = Constant(np.full(2, STAY))
        assert gap(game, stays).upper.tolist() == [0, 0]
        assert gap(game, stays, concept="joint optimum").lower == pytest.approx(8.38)

    def test_the_optimum_has_none(self) -> None:
        for game in (GridWorld.door("a"), GridWorld()):
            for concept in ("nash", "joint optimum"):
                assert gap(game, solve(game).policy, concept=concept).upper == pytest.approx(0, abs=1e-9)
        judged = gap(GridWorld.door("b"), Scripted(GridWorld.door("b")), concept="joint optimum")
        assert judged.lower == pytest.approx(98.65)

    @pytest.mark.parametrize(
        "alter",
        [
            lambda action, seen: action[:, ::-1],
            lambda action, seen: np.repeat(action[:, :1], 2, axis=1),
            lambda action, seen: np.full_like(action, STAY),
        ],
        ids=["agents in another order", "copies of the first agent", "idle"],
    )
    def test_a_declaration_that_is_not_kept_certifies_nothing(
        self, alter: Callable[[Actions, Floats], Actions]
    ) -> None:
        game = GridWorld()
        inner = solve(game).policy

        class Altered(Undeclared):
            def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
                return alter(self.inner.act(observation, rng), observation)

            def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
                assert isinstance(self.inner, Mixed)
                return self.inner.mixture(observation)

        judged = gap(game, Altered(inner), budget=Budget(frames=50_000))
        assert judged.kind is Kind.STATISTICAL
        assert judged.upper.min() > 1

    def test_the_deviation_attains_it(self) -> None:
        game = GridWorld()
        policy = NaiveImitation(game)
        found = gap(game, policy)
        assert found.lower == pytest.approx([1.348691, 1.348691], abs=0.05)
        gains = replay(game, policy, found, range(900, 1924))
        error = gains.std(axis=0) / np.sqrt(len(gains))
        assert (np.abs(gains.mean(axis=0) - found.estimate) < 4 * error).all()


class TestBadInput:
    game = GridWorld(WIDE)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c[:-1], r"`chances` must have the shape \(144, 2, 5\); got \(143, 2, 5\)"),
            (lambda c: c * 0.5, r"`chances` must sum to one over the actions; got 0\.5"),
            (lambda c: np.where(np.arange(5) == 0, -0.2, 0.3) + 0 * c, r"`chances` must not be negative; got -0\.2"),
        ],
    )
    def test_chances_that_are_none_are_refused(self, change: "object", message: str) -> None:
        assert callable(change)
        with pytest.raises(ValueError, match=message):
            exact_return(self.game, change(np.full((144, 2, 5), 0.2)))

    def test_a_large_game_has_no_exact_return(self) -> None:
        with pytest.raises(ValueError, match="`game` must have at most 20000000 joint transitions"):
            exact_return(GridWorld.lava(3), np.zeros((1, 3, 5)))

    def test_a_gap_needs_seeds(self) -> None:
        with pytest.raises(ValueError, match="`seeds` must hold at least one seed"):
            gap(self.game, Constant(np.array([STAY, STAY])), seeds=[])
