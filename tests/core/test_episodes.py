from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, Space

from walras.core import AbstractGame, Episodes, Parallel, State, Step, map_state, put_rows, take_rows
from walras.core.episodes import BLOCK, ActionRule, Outcome
from walras.core.game import End
from walras.core.typing import Floats, Image

SEEN = Box(0.0, 1.0, (1,), dtype=np.float64)


@dataclass(frozen=True)
class CounterState(State):
    count: Floats  # [B] steps since the reset
    noise: Floats  # [B] the number last drawn


@dataclass(frozen=True)
class Counter(AbstractGame[CounterState]):
    """Two agents; rows end when their first number says so; the observation is the number just drawn."""

    horizon: int = 10
    space: Space[Any] = field(default_factory=lambda: Box(-1.0, 1.0, (1,), dtype=np.float64))

    @property
    def agents(self) -> tuple[str, ...]:
        return ("ann", "bob")

    @property
    def observation_space(self) -> Space[Any]:
        return SEEN

    @property
    def action_space(self) -> Space[Any]:
        return self.space

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        return rng.random(steps)

    def reset(self, noise: Floats) -> CounterState:
        return CounterState(np.zeros(len(noise)), noise)

    def step(self, state: CounterState, action: Floats, noise: Floats) -> Step[CounterState]:
        reward = action.reshape(len(noise), 2).astype(np.float64)
        return Step(CounterState(state.count + 1, noise), reward, noise < 0.1)

    def observe(self, state: CounterState) -> Floats:
        return np.repeat(state.noise, 2).reshape(-1, 2, 1)

    def scripted(self, observation: Floats) -> Floats:
        return np.zeros((*observation.shape[:2], *(self.space.shape or ())))

    def text(self, state: CounterState) -> str:
        return str(state.count[0])

    def image(self, state: CounterState) -> Image:
        return np.zeros((1, 1, 3), dtype=np.uint8)


NOTHING = np.zeros((1, 2, 1))


def draws(seed: int, count: int) -> list[float]:
    """What a row with `seed` draws: its generator's uniform numbers, in blocks or not."""
    return np.random.default_rng(seed).random(count).tolist()


class TestNoise:
    @pytest.mark.parametrize("steps", [3, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
    def test_a_row_draws_its_generators_numbers_one_by_one(self, steps: int) -> None:
        episodes = Episodes(Counter(horizon=10**6), 1)
        episodes.seed([7])
        episodes.reset()
        seen = [float(episodes.state.noise[0])]
        for _ in range(steps - 1):
            episodes.step(NOTHING)
            seen.append(float(episodes.state.noise[0]))
        assert seen == draws(7, steps)

    def test_rows_that_are_reset_at_different_times_draw_the_same_as_alone(self) -> None:
        # Row 2 is reset after every step, row 1 every third, row 0 never: blocks run out at different times.
        episodes = Episodes(Counter(horizon=10**6), 3)
        episodes.seed([1, 2, 3])
        episodes.reset()
        seen: list[list[float]] = [[value] for value in episodes.state.noise.tolist()]
        for turn in range(1, 700):
            episodes.step(np.zeros((3, 2, 1)))
            for row in range(3):
                seen[row].append(float(episodes.state.noise[row]))
            again = [row for row, period in ((1, 3), (2, 1)) if turn % period == 0]
            if again:
                episodes.reset(np.array(again))
                for row in again:
                    seen[row].append(float(episodes.state.noise[row]))
        for row in range(3):
            assert seen[row] == draws(row + 1, len(seen[row]))

    def test_a_reset_of_some_rows_leaves_the_others_alone(self) -> None:
        episodes = Episodes(Counter(), 3)
        episodes.seed([1, 2, 3])
        episodes.reset()
        episodes.step(np.zeros((3, 2, 1)))
        before = episodes.state
        episodes.reset(np.array([1]))
        assert episodes.state.count.tolist() == [1, 0, 1]
        assert episodes.clock.tolist() == [1, 0, 1]
        assert episodes.state.noise[[0, 2]].tolist() == before.noise[[0, 2]].tolist()
        assert before.count.tolist() == [1, 1, 1]  # the old state is not changed

    def test_seeding_again_starts_the_noise_anew(self) -> None:
        episodes = Episodes(Counter(), 1)
        for _ in range(2):
            episodes.seed([5])
            episodes.reset()
            assert episodes.state.noise.tolist() == draws(5, 1)

    def test_a_seed_sequence_is_a_seed(self) -> None:
        episodes = Episodes(Counter(), 2)
        children = np.random.SeedSequence(3).spawn(2)
        episodes.seed(children)
        episodes.reset()
        assert episodes.state.noise.tolist() == [np.random.default_rng(child).random() for child in children]

    def test_a_wrong_number_of_seeds_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`seeds` must have one entry for each of 2 rows; got 3"):
            Episodes(Counter(), 2).seed([1, 2, 3])

    @pytest.mark.parametrize("count", [0, -1])
    def test_no_rows_are_refused(self, count: int) -> None:
        with pytest.raises(ValueError, match=f"`num_envs` must be at least 1; got {count}"):
            Episodes(Counter(), count)

    def test_started_says_whether_there_is_a_state(self) -> None:
        episodes = Episodes(Counter(), 1)
        assert not episodes.started
        episodes.seed([1])
        episodes.reset()
        assert episodes.started


class FiniteCounter(Counter):
    """A game whose horizon is a rule."""

    @property
    def ends(self) -> End:
        return "rule"


def first_step(game: Counter) -> tuple[Outcome, Floats]:
    """What 200 rows return after one step, and the number that each drew in it."""
    episodes = Episodes(game, 200)
    episodes.seed(list(range(200)))
    episodes.reset()
    return episodes.step(np.zeros((200, 2, 1))), np.array([draws(seed, 2)[1] for seed in range(200)])


class TestEnds:
    def test_a_horizon_cuts_unless_the_game_says_that_it_is_a_rule(self) -> None:
        assert (Counter().ends, FiniteCounter().ends) == ("cut", "rule")

    def test_rows_are_truncated_at_a_horizon_that_cuts_unless_the_game_ended_them(self) -> None:
        outcome, drawn = first_step(Counter(horizon=1))
        assert (drawn < 0.1).any()
        assert outcome.terminated.tolist() == (drawn < 0.1).tolist()
        assert outcome.truncated.tolist() == (drawn >= 0.1).tolist()

    def test_rows_terminate_at_a_horizon_that_is_a_rule(self) -> None:
        outcome, _ = first_step(FiniteCounter(horizon=1))
        assert outcome.terminated.all()
        assert not outcome.truncated.any()

    def test_before_the_horizon_its_kind_does_not_matter(self, bits: Callable[[Any], list[Any]]) -> None:
        assert bits(first_step(FiniteCounter(horizon=2))) == bits(first_step(Counter(horizon=2)))

    def test_rows_with_clocks_of_their_own_terminate_each_at_its_own_horizon(self) -> None:
        episodes = Episodes(FiniteCounter(horizon=3), 3)
        episodes.seed([seed for seed in range(50) if min(draws(seed, 8)) >= 0.1][:3])  # none ends before
        episodes.reset()
        episodes.step(np.zeros((3, 2, 1)))
        episodes.reset(np.array([1]))
        for expected in ([False, False, False], [True, False, True]):
            outcome = episodes.step(np.zeros((3, 2, 1)))
            assert outcome.terminated.tolist() == expected
        episodes.reset(np.array([0, 2]))
        assert episodes.step(np.zeros((3, 2, 1))).terminated.tolist() == [False, True, False]

    def test_a_step_does_not_reset(self) -> None:
        episodes = Episodes(Counter(horizon=2), 1)
        episodes.seed([1])
        episodes.reset()
        episodes.step(NOTHING)
        outcome = episodes.step(NOTHING)
        assert episodes.state.count.tolist() == [2]
        assert outcome.observation[0, :, 0].tolist() == [draws(1, 3)[2]] * 2


class TestActions:
    box = Box(np.array([-1.0, 0.0]), np.array([1.0, 10.0]), dtype=np.float64)

    def test_an_action_inside_is_passed_on_exactly(self) -> None:
        action = np.array([[[0.1, 0.2], [-1.0, 10.0]]])
        assert ActionRule(self.box, 1, 2)(action).tolist() == action.tolist()

    def test_single_precision_at_the_bounds_is_accepted_and_cut(self) -> None:
        space = Box(0.1, 180.3, (1,), dtype=np.float64)
        high, low = np.float32(180.3), np.nextafter(np.float32(0.1), np.float32(0))
        assert float(high) > 180.3 or float(low) < 0.1  # the test tests something
        for bound in (high, low):
            inside = ActionRule(space, 1, 1)(np.array([[[bound]]], dtype=np.float32))
            assert space.contains(inside[0, 0])

    def test_an_action_outside_is_refused_with_value_agent_and_row(self) -> None:
        action = np.zeros((3, 2, 2))
        action[2, 1, 0] = 1.5
        with pytest.raises(ValueError, match=r"must lie in the action space, .*; got 1\.5 from agent 1 in row 2\."):
            ActionRule(self.box, 3, 2)(action)

    def test_an_excess_above_single_precision_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"got 1\.00001 from agent 0 in row 0"):
            ActionRule(self.box, 1, 1)([[[1.00001, 0.0]]])

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_not_a_number_is_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match=f"got {value} from agent 1 in row 0"):
            ActionRule(self.box, 1, 2)([[[0.0, 0.0], [0.0, value]]])

    @pytest.mark.parametrize(
        ("space", "value"),
        [
            (Box(0.0, np.inf, (1,), dtype=np.float64), -5.0),
            (Box(-np.inf, 0.0, (1,), dtype=np.float64), 5.0),
            (Box(0.0, np.inf, (1,), dtype=np.float64), np.nan),
        ],
        ids=["below", "above", "nan"],
    )
    def test_a_space_without_bound_on_one_side_still_binds_on_the_other(self, space: Box, value: float) -> None:
        with pytest.raises(ValueError, match=f"got {value} from agent 0 in row 0"):
            ActionRule(space, 1, 1)([[[value]]])

    def test_infinity_is_no_action_even_where_the_space_has_no_bound(self) -> None:
        with pytest.raises(ValueError, match="got inf from agent 0 in row 0"):
            ActionRule(Box(0.0, np.inf, (1,), dtype=np.float64), 1, 1)([[[np.inf]]])

    @pytest.mark.parametrize("shape", [(2, 2), (1, 2), (1, 3, 2), (2, 2, 2), (1, 2, 1), (1, 2, 2, 1)])
    def test_a_wrong_shape_is_refused_with_the_right_one(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"`action` must have shape \(1, 2, 2\); got \("):
            ActionRule(self.box, 1, 2)(np.zeros(shape))

    def test_the_callers_array_is_not_cut_in_place(self) -> None:
        action = np.full((1, 1, 2), 1 + 1e-9)
        action.flags.writeable = False
        assert ActionRule(self.box, 1, 1)(action)[0, 0, 0] == 1.0
        assert action[0, 0, 0] == 1 + 1e-9

    @pytest.mark.parametrize("choice", [3, 5])
    def test_discrete_choices_are_passed_on(self, choice: int) -> None:
        assert ActionRule(Discrete(3, start=3), 1, 1)([[choice]]).tolist() == [[choice]]

    @pytest.mark.parametrize("choice", [2, 6, -1])
    def test_a_choice_outside_is_refused(self, choice: int) -> None:
        with pytest.raises(ValueError, match=f"3 to 5; got {choice} from agent 0 in row 0"):
            ActionRule(Discrete(3, start=3), 1, 1)([[choice]])

    @pytest.mark.parametrize("choice", [3.7, np.array(4.5), np.float32(3.5)])
    def test_a_choice_that_is_no_whole_number_is_refused_not_rounded(self, choice: float) -> None:
        with pytest.raises(ValueError, match="`action`"):
            ActionRule(Discrete(3, start=3), 1, 1)(np.array([[choice]]))

    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
    def test_a_choice_that_is_nan_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`action`"):
            ActionRule(Discrete(3, start=3), 1, 1)(np.array([[np.nan]]))

    def test_other_spaces_are_refused_by_name(self) -> None:
        with pytest.raises(TypeError, match="`action_space` must be a Box or a Discrete space; got MultiBinary"):
            Episodes(Counter(space=MultiBinary(2)), 1)


class TestRowsOfStates:
    state = CounterState(np.arange(4.0), np.arange(4.0) / 10)

    def test_taken_rows_keep_their_fields(self) -> None:
        taken = take_rows(self.state, np.array([2, 0]))
        assert taken.count.tolist() == [2, 0]
        assert taken.noise.tolist() == [0.2, 0]

    def test_put_rows_replaces_them_and_changes_neither_argument(self) -> None:
        fresh = CounterState(np.array([9.0]), np.array([0.9]))
        assert put_rows(self.state, np.array([1]), fresh).count.tolist() == [0, 9, 2, 3]
        assert self.state.count.tolist() == [0, 1, 2, 3]
        assert fresh.count.tolist() == [9]

    def test_a_function_of_several_states_is_applied_field_by_field(self) -> None:
        assert map_state(np.subtract, self.state, self.state).noise.tolist() == [0, 0, 0, 0]


class TestWhatIsNoGame:
    def test_an_environment_is_refused_with_what_makes_a_game_of_it(self) -> None:
        with pytest.raises(
            TypeError, match=r"`game` must be a game; got the environment .*`walras.core.Foreign\(make\)`"
        ):
            Episodes(gymnasium.make("CartPole-v1"), 1)  # type: ignore[arg-type]

    def test_a_shell_is_refused_with_where_its_game_is(self) -> None:
        with pytest.raises(TypeError, match=r"got the environment Parallel\. A shell .* holds its game as `\.game`"):
            Episodes(Parallel(Counter()), 1)  # type: ignore[arg-type]

    def test_anything_else_is_refused(self) -> None:
        with pytest.raises(TypeError, match="`game` must be a game, an `AbstractGame`; got str"):
            Episodes("cournot", 1)  # type: ignore[arg-type]


class CutCounter(Counter):
    """A game that cuts an episode off where the number drawn is above 0.5, or below 0.1, where it also terminates."""

    def cut(self, state: CounterState) -> Any:  # noqa: ANN401
        return (state.noise > 0.5) | (state.noise < 0.1)


class FiniteCutCounter(CutCounter, FiniteCounter):
    """The same, but its horizon is a rule."""


def test_a_game_that_cuts_episodes_off_truncates_them_unless_they_terminated() -> None:
    outcome, drawn = first_step(CutCounter())
    assert outcome.truncated.tolist() == (drawn > 0.5).tolist()
    assert not (outcome.truncated & outcome.terminated).any()
    assert outcome.terminated.any()


@pytest.mark.parametrize(("game", "terminates"), [(CutCounter(horizon=1), False), (FiniteCutCounter(horizon=1), True)])
def test_at_the_horizon_a_game_that_cuts_episodes_off_sets_the_flag_that_it_declares(
    game: CutCounter, terminates: bool
) -> None:
    outcome, drawn = first_step(game)
    assert outcome.terminated.tolist() == ((drawn < 0.1) | terminates).tolist()
    assert (outcome.terminated ^ outcome.truncated).all()


def pay(monkeypatch: pytest.MonkeyPatch, reward: Callable[[Floats], Floats]) -> Episodes[CounterState]:
    """Return three rows of a game whose rewards are a function of its actions ``[B, N]``."""
    plain = Counter.step

    def step(game: Counter, state: CounterState, action: Floats, noise: Floats) -> Step[CounterState]:
        return plain(game, state, action, noise)._replace(reward=reward(action.reshape(*action.shape[:2])))

    monkeypatch.setattr(Counter, "step", step)
    episodes = Episodes(Counter(), 3)
    episodes.seed([4, 5, 6])
    episodes.reset()
    return episodes


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_reward_that_is_not_finite_is_told_with_its_step_and_seed(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = pay(monkeypatch, lambda action: np.where(action > 0.5, wrong, action))
    game = episodes.game
    action = np.zeros((3, len(game.agents), *game.action_space.shape))  # type: ignore[misc] - a box
    episodes.step(action)
    episodes.reset()
    action[1, -1] = 0.9
    told = rf"got {wrong} for {game.agents[-1]} at step 1 of an episode, step 2 of those by seed 5\."
    with pytest.raises(FloatingPointError, match=told):
        episodes.step(action)


def test_rewards_whose_sum_is_not_finite_are_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = pay(monkeypatch, lambda action: np.full_like(action, 1e308))
    game = episodes.game
    with np.errstate(over="ignore"):
        outcome = episodes.step(np.zeros((3, len(game.agents), *game.action_space.shape)))  # type: ignore[misc]
    assert (outcome.reward == 1e308).all()
