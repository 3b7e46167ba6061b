from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from walras.core import Constant, Policy, Random, Scripted
from walras.core.game import Actions
from walras.core.policy import Timed
from walras.core.typing import Floats
from walras.envs import GridWorld
from walras.envs.cooperation.grid_map import GOALS, STARTS, STAY
from walras.envs.cooperation.grid_world import GridWorldState
from walras.equilibria import solve
from walras.equilibria.cooperation.best_reply import (
    best_reply,
    chances_of,
    check_chances,
    stakes,
    unilateral_gaps,
)
from walras.equilibria.cooperation.grid_world import (
    NaiveImitation,
    exact_return,
    joint_place,
    joint_positions,
    upper_bound,
)

Places = tuple[tuple[int, int], ...]

LAVA, CORRIDOR = GridWorld.lava(2), GridWorld("1 . . b\n# . # #\na . . 2", horizon=12)
THREE = GridWorld("1b . 3\n. ~ .\n2a . c", horizon=7)


@st.composite
def games(draw: st.DrawFn, horizon: int) -> tuple[GridWorld, np.random.Generator]:
    """Games of two agents on six cells."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cells = rng.choice([".", ".", ".", "#", "~", "B"], 6).astype("U2")
    starts, goals = (rng.choice(6, 2, replace=False) for _ in range(2))
    cells[starts], cells[goals] = "", ""
    for places, letters in ((starts, STARTS), (goals, GOALS)):
        for place, letter in zip(places, letters, strict=False):
            cells[place] += letter
    text = "\n".join(" ".join(row) for row in cells.reshape(2, 3))
    try:
        game = GridWorld(text, rng.choice(["a", "ab"]), bool(rng.random() < 0.5), horizon)
    except ValueError:
        game = None
    assume(game is not None)
    assert game is not None
    return game, rng


def random_chances(game: GridWorld, rng: np.random.Generator) -> Floats:
    shape = (len(joint_positions(game)), len(game.agents))
    return rng.dirichlet(np.full(5, rng.choice([0.1, 1.0])), shape)


def brute_force(game: GridWorld, agent: int, chances: Floats) -> float:
    """What an agent attains at best, by trying each action after every history, with the game's step alone."""
    agents = len(game.agents)
    orders = np.arange(len(list(permutations(range(agents)))))

    @cache
    def best(places: Places, clock: int) -> float:
        if clock == game.horizon:
            return 0.0
        drawn = chances[joint_place(game, np.array(places))]
        worth = np.zeros(5)
        for action in product(range(5), repeat=agents):
            likely = np.prod([drawn[j, a] for j, a in enumerate(action) if j != agent])
            worth[action[agent]] += likely * mean(places, clock, action)
        return worth.max()

    def mean(places: Places, clock: int, action: tuple[int, ...]) -> float:
        rows = len(orders)
        state = GridWorldState(np.array([places] * rows), np.full(rows, clock), np.zeros(rows, dtype=np.bool_))
        step = game.step(state, np.array([action] * rows), orders)
        after = [tuple(map(tuple, place)) for place in step.state.position.tolist()]
        follow = [0.0 if over else best(p, clock + 1) for over, p in zip(step.terminated, after, strict=True)]
        return float(np.mean(step.reward[:, 0] + follow))

    return best(tuple(map(tuple, game.grid.coordinates[game.grid.start].tolist())), 0)


@dataclass(frozen=True, eq=False)
class ByChances:
    """A policy that draws from chances at each joint position."""

    game: GridWorld
    chances: Floats

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        cumulated = self._at(observation).cumsum(axis=2)
        return np.minimum((rng.random(cumulated.shape[:2])[..., None] > cumulated).sum(axis=2), STAY)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        weights = self._at(observation)[..., ::-1]
        return weights, np.broadcast_to(np.arange(5)[::-1], weights.shape)

    def _at(self, observation: Floats) -> Floats:
        return self.chances[joint_place(self.game, observation[:, 0].reshape(len(observation), -1, 2).astype(np.int64))]


def declared(game: GridWorld, policy: Policy) -> Floats:
    chances = chances_of(game, policy)
    assert chances is not None
    return chances


def returns(game: GridWorld, policy: Policy, deviation: Timed, agent: int, episodes: int) -> Floats:
    """Returns of episodes in which one agent deviates, ``[episodes]``."""
    rng = np.random.default_rng(0)
    noise = game.noise(rng, (game.horizon + 1) * episodes).reshape(game.horizon + 1, episodes)
    state, total, alive = game.reset(noise[0]), np.zeros(episodes), np.ones(episodes, dtype=np.bool_)
    for t in range(game.horizon):
        seen = game.observe(state)
        action = policy.act(seen, rng)
        action[:, agent] = deviation.act_at(seen, t, rng)[:, agent]
        state, reward, terminated = game.step(state, action, noise[t + 1])
        total += reward[:, 0] * alive
        alive &= ~terminated
    return total


class TestGolden:
    """spec/gap.md, section 7."""

    @pytest.mark.parametrize(
        ("policy", "gain", "shortfall"),
        [
            (solve(LAVA).policy, 0.0, 0.0),
            (Scripted(LAVA), 0.0, 0.0),
            (Random(LAVA), 0.0020242, 8.381115),
            (NaiveImitation(LAVA), 1.348691, 1.350100),
            (Constant(np.full(2, STAY)), 0.0, 8.38),
        ],
        ids=["solved", "scripted", "random", "naive", "all stay"],
    )
    def test_gaps_and_shortfalls_on_lava(self, policy: Policy, gain: float, shortfall: float) -> None:
        found = unilateral_gaps(LAVA, declared(LAVA, policy))
        assert found is not None
        assert found[0] == pytest.approx([gain] * 2, abs=1e-6)
        assert 8.38 - found[1] == pytest.approx(shortfall, abs=1e-6)

    def test_stakes(self) -> None:
        assert stakes(LAVA) == pytest.approx([8.38, 8.38])
        door = stakes(CORRIDOR)
        assert door is not None
        assert (door > 0).all()

    def test_large_maps_have_no_answer(self) -> None:
        game = GridWorld.lava(3)
        assert chances_of(game, Random(game)) is None
        assert best_reply(game, 0, np.zeros((1, 3, 5))) is None
        assert unilateral_gaps(game, np.zeros((1, 3, 5))) is None
        assert stakes(game) is None


class TestByOtherRoads:
    @settings(max_examples=25, deadline=None)
    @given(drawn=games(4))
    def test_brute_force(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, rng = drawn
        chances = random_chances(game, rng)
        for agent in range(2):
            found = best_reply(game, agent, chances)
            assert found is not None
            assert found[0] == pytest.approx(brute_force(game, agent, chances), abs=1e-12)

    @settings(max_examples=25, deadline=None)
    @given(drawn=games(9))
    def test_between_the_profile_and_the_joint_optimum(self, drawn: tuple[GridWorld, np.random.Generator]) -> None:
        game, rng = drawn
        chances, other = random_chances(game, rng), random_chances(game, rng)
        gaps = unilateral_gaps(game, chances)
        assert gaps is not None
        gain, value, _ = gaps
        optimum = solve(game, throw=False).value[0]
        assert (gain >= -1e-12).all()
        assert (value + gain <= optimum + 1e-9).all()
        assert optimum <= upper_bound(game) + 1e-9
        for agent in range(2):
            deviated = chances.copy()
            deviated[:, agent] = other[:, agent]
            assert exact_return(game, deviated) <= value + gain[agent] + 1e-9

    @pytest.mark.parametrize("game", [CORRIDOR, THREE], ids=["corridor", "three agents"])
    def test_replies_earn_in_play_what_they_promise(self, game: GridWorld) -> None:
        policy = ByChances(game, random_chances(game, np.random.default_rng(0)))
        found = unilateral_gaps(game, policy.chances)
        assert found is not None
        gain, value, replies = found
        assert isinstance(replies, Timed)
        for agent in range(len(game.agents)):
            total = returns(game, policy, replies, agent, 20_000)
            assert abs(total.mean() - value - gain[agent]) < 3.5 * total.std() / np.sqrt(len(total))

    def test_an_agent_that_cannot_help_gains_nothing_by_its_own_chances(self) -> None:
        chances = random_chances(CORRIDOR, np.random.default_rng(1))
        other = chances.copy()
        other[:, 0] = 0.2
        first, second = best_reply(CORRIDOR, 0, chances), best_reply(CORRIDOR, 0, other)
        assert first is not None
        assert second is not None
        assert first[0] == second[0]
        np.testing.assert_array_equal(first[1], second[1])

    def test_the_last_step_is_in_a_hurry(self) -> None:
        # One agent, two cells: it goes at once, and stays nowhere on the way.
        game = GridWorld("1 a", horizon=3)
        found = best_reply(game, 0, np.full((2, 1, 5), 0.2))
        assert found is not None
        assert found[0] == pytest.approx(game.prize(1.0))
        assert found[1][:, 0].tolist() == [1, 1, 1]


class TestChances:
    def test_declared_ones(self) -> None:
        chances = random_chances(CORRIDOR, np.random.default_rng(2))
        np.testing.assert_allclose(declared(CORRIDOR, ByChances(CORRIDOR, chances)), chances)
        naive = declared(CORRIDOR, NaiveImitation(CORRIDOR))
        assert set(np.unique(naive).tolist()) <= {0.0, 0.5, 1.0}
        assert (declared(CORRIDOR, Random(CORRIDOR)) == 0.2).all()
        solved = declared(CORRIDOR, solve(CORRIDOR, throw=False).policy)
        assert set(np.unique(solved).tolist()) == {0.0, 1.0}

    def test_policies_that_declare_nothing(self) -> None:
        class Silent:
            def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
                return np.zeros(observation.shape[:2], dtype=np.int64)

        assert chances_of(CORRIDOR, Silent()) is None

    def test_declarations_that_are_no_chances(self) -> None:
        with pytest.raises(ValueError, match="`policy` must declare actions of the game; got 7"):
            chances_of(CORRIDOR, Constant(np.full(2, 7)))
        half = ByChances(CORRIDOR, random_chances(CORRIDOR, np.random.default_rng(2)) / 2)
        with pytest.raises(ValueError, match="`chances` must sum to one over the actions"):
            chances_of(CORRIDOR, half)

    def test_bad_arguments(self) -> None:
        chances = random_chances(CORRIDOR, np.random.default_rng(2))
        with pytest.raises(ValueError, match=r"`agent` must lie in 0 .. 1; got 2"):
            best_reply(CORRIDOR, 2, chances)
        with pytest.raises(ValueError, match="`chances` must have the shape"):
            best_reply(CORRIDOR, 0, chances[1:])
        with pytest.raises(ValueError, match="`chances` must not be negative"):
            best_reply(CORRIDOR, 0, chances - 0.5)

    @pytest.mark.parametrize("game", [CORRIDOR, THREE], ids=["corridor", "three agents"])
    def test_true_declarations_are_accepted(self, game: GridWorld) -> None:
        policies: list[Policy] = [Random(game), NaiveImitation(game), Scripted(game), solve(game, throw=False).policy]
        policies += [ByChances(game, random_chances(game, np.random.default_rng(seed))) for seed in range(6)]
        rare = np.full((len(joint_positions(game)), len(game.agents), 5), 1e-5)
        rare[:, :, STAY] = 1 - 4e-5
        for policy in [*policies, ByChances(game, rare)]:
            for seed in range(3):
                assert check_chances(game, policy, declared(game, policy), [seed]) is None

    def test_lies_are_found(self) -> None:
        chances = declared(CORRIDOR, Random(CORRIDOR))
        other = chances * 0.9 + 0.1 * np.eye(5)[0]
        assert "its chances are not the declared ones" in str(
            check_chances(CORRIDOR, ByChances(CORRIDOR, other), chances, [0])
        )
        solved = declared(CORRIDOR, solve(CORRIDOR, throw=False).policy)
        reason = check_chances(CORRIDOR, ByChances(CORRIDOR, 0.999 * solved + 0.001 * chances), solved, [0])
        assert reason is not None
        assert "takes an action to which it gives no chance" in reason

    def test_a_common_device_is_found(self) -> None:
        class Device:
            def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
                return np.repeat(rng.integers(0, 5, (len(observation), 1)), 2, axis=1)

        chances = declared(CORRIDOR, Random(CORRIDOR))
        assert check_chances(CORRIDOR, Device(), chances, [0]) == "in play, agents do not draw independently"
