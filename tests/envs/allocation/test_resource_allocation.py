from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from walras.core import Constant, Random, Scripted, Vector, rollout
from walras.core.typing import Floats
from walras.envs import ResourceAllocation
from walras.envs.allocation.resource_allocation import FLOOR, AllocationState
from walras.mechanisms import EqualSplit, PartialAllocation, ProportionalFairness, Utilitarian, nash_welfare, utility

NAN, INF = float("nan"), float("inf")
TASTES = ((2.0, 1.0), (1.0, 2.0))
ONES = ((1.0, 1.0), (1.0, 1.0))
OPPOSED = ResourceAllocation(players=2, values=TASTES, demands=ONES, budget=0.5)
BOTH = ResourceAllocation(misreports="values+demands")


def state_of(values: object, demands: object) -> AllocationState:
    v, x = np.array([values], dtype=float), np.array([demands], dtype=float)
    return AllocationState(v, x, np.zeros_like(v))


def play(game: ResourceAllocation, state: AllocationState, action: object) -> Floats:
    noise = np.zeros((1, 2, game.players + 1, game.resources))
    return game.step(state, np.array([action], dtype=float), noise).reward[0]


class TestDynamics:
    def test_truth_pays_the_utility_of_the_mechanism_at_the_true_types(self) -> None:
        for mechanism in (None, PartialAllocation(), EqualSplit(), Utilitarian()):
            game = ResourceAllocation(mechanism=mechanism)
            state = game.reset(game.noise(np.random.default_rng(0), 20))
            reward = game.step(
                state, game.scripted(game.observe(state)), game.noise(np.random.default_rng(1), 20)
            ).reward
            v, x = torch.from_numpy(state.values), torch.from_numpy(state.demands)
            rule = mechanism or ProportionalFairness()
            expected = utility(rule(v, x, torch.full((20, 2), 0.825, dtype=torch.float64)), v, x)
            assert reward == pytest.approx(expected.numpy(), abs=1e-7)

    def test_a_lie_on_paper(self) -> None:
        # Prices (1, 1) under truth. Agent 0 claims to be almost indifferent at prices (2 / 3, 4 / 3), gets good 0 for
        # 2 / 3 of its money and a quarter of good 1 for the rest.
        state = state_of(TASTES, ONES)
        assert play(OPPOSED, state, [[1, 0.5], [0.5, 1]]) == pytest.approx([2, 2], abs=1e-6)
        assert play(OPPOSED, state, [[0.5001, 1], [0.5, 1]]) == pytest.approx([2.25, 1.5], abs=1e-3)

    def test_only_ratios_of_values_count(self) -> None:
        state = state_of(TASTES, ONES)
        one, other = (play(OPPOSED, state, report) for report in ([[1, 0.5], [0.3, 1]], [[0.2, 0.1], [0.15, 0.5]]))
        assert one == pytest.approx(other, abs=1e-7)

    def test_what_lies_beyond_the_true_demand_is_worth_nothing(self) -> None:
        game = ResourceAllocation(
            players=2, resources=1, values=((1,), (1,)), demands=((0.2,), (1,)), budget=0.5, misreports="values+demands"
        )
        state = state_of(((1,), (1,)), ((0.2,), (1,)))
        assert play(game, state, [[1, 0.2], [1, 1]]) == pytest.approx([0.2, 0.8], abs=1e-6)
        assert play(game, state, [[1, 1.0], [1, 1]]) == pytest.approx([0.2, 0.5], abs=1e-6)

    def test_public_demands_are_the_true_ones(self) -> None:
        state = OPPOSED.reset(np.zeros((1, 2, 3, 2)))
        assert OPPOSED.reported(state, np.ones((1, 2, 2)))[1].tolist() == [[list(row) for row in ONES]]

    def test_a_report_of_nothing_is_read_as_no_preference(self) -> None:
        for game in (ResourceAllocation(), BOTH):
            state = game.reset(game.noise(np.random.default_rng(0), 1))
            nothing = np.zeros((1, 3, *(game.action_space.shape or ())))
            values, demands = game.reported(state, nothing)
            assert (values == FLOOR).all()
            assert (demands > 0).all()
            assert np.isfinite(play(game, state, nothing[0])).all()

    def test_heavier_agents_get_more(self) -> None:
        game = ResourceAllocation(
            players=2, resources=1, values=((1,), (1,)), demands=((1,), (1,)), budget=0.5, weights=(3, 1)
        )
        assert play(game, game.reset(np.zeros((1, 2, 3, 1))), [[1], [1]]) == pytest.approx([0.75, 0.25], abs=1e-6)

    def test_types_are_drawn_anew_at_each_step_between_low_and_high(self) -> None:
        game = ResourceAllocation(low=0.2, high=0.6, horizon=400)
        state = rollout(game, Scripted(game), [0]).state
        types = np.stack((state.values, state.demands))
        assert types.min() > 0.2
        assert types.max() < 0.6
        assert types.mean() == pytest.approx(0.4, abs=0.01)
        assert len(np.unique(types)) == types.size

    def test_fixed_types_stay(self) -> None:
        state = rollout(OPPOSED, Scripted(OPPOSED), [0, 1]).state
        assert (state.values == np.array(TASTES)).all()
        assert (state.demands == 1).all()
        half = ResourceAllocation(players=2, values=TASTES)
        state = half.reset(half.noise(np.random.default_rng(0), 5))
        assert (state.values == np.array(TASTES)).all()
        assert len(np.unique(state.demands)) == 20

    def test_the_state_remembers_the_allocation(self) -> None:
        vector = Vector(OPPOSED, 1)
        observation = vector.reset(seed=0)
        assert (vector.state.allocation == 0).all()
        vector.step(OPPOSED.scripted(observation))
        assert vector.state.allocation[0] == pytest.approx(np.eye(2), abs=1e-6)

    def test_each_agent_sees_its_type_and_the_budgets(self) -> None:
        observation = OPPOSED.observe(state_of(TASTES, ONES))
        assert observation[0].tolist() == [[2, 1, 1, 1, 1, 1], [1, 2, 1, 1, 1, 1]]

    def test_truth_is_relative_values_and_if_asked_demands(self) -> None:
        observation = OPPOSED.observe(state_of(TASTES, ((0.3, 0.4), (0.5, 0.6))))
        assert OPPOSED.scripted(observation)[0].tolist() == [[1, 0.5], [0.5, 1]]
        both = ResourceAllocation(players=2, budget=0.5, misreports="values+demands")
        assert both.scripted(observation)[0].tolist() == [[1, 0.5, 0.3, 0.4], [0.5, 1, 0.5, 0.6]]
        assert both.action_space.shape == (4,)

    def test_rows_are_independent_with_private_demands(self, assert_rows_independent: Callable[..., None]) -> None:
        assert_rows_independent(BOTH, (1, 5))

    def test_random_play_of_private_demands_stays_in_bounds(self) -> None:
        trajectory = rollout(BOTH, Random(BOTH), [0, 1])
        assert trajectory.state.allocation.sum(axis=-2).max() <= 0.825 + 1e-9
        assert trajectory.reward.min() >= 0

    def test_lies_cost_the_others_welfare(self) -> None:
        # Agents that all claim the same taste are treated as if nobody had one.
        game = ResourceAllocation(horizon=50)
        truth, lie = (rollout(game, policy, [3]).reward for policy in (Scripted(game), Constant(np.ones((3, 2)))))
        welfare = [float(nash_welfare(torch.from_numpy(reward)).mean()) for reward in (truth, lie)]
        assert welfare[0] > 1.01 * welfare[1]

    def test_text_and_image_show_the_allocation(self) -> None:
        state = AllocationState(np.ones((1, 2, 2)), np.ones((1, 2, 2)), np.array([[[0.25, 0.5], [0.75, 0.125]]]))
        text = OPPOSED.text(state).splitlines()
        assert text[0].split() == ["resource_0", "resource_1"]
        assert text[1].split() == ["agent_0", "0.250", "0.500"]
        assert text[3].split() == ["given", "1.000", "0.625"]
        assert text[4].split() == ["of", "1.000", "1.000"]
        full, empty = OPPOSED.image(state), OPPOSED.image(AllocationState(*(np.zeros((1, 2, 2)) for _ in range(3))))
        assert full.shape == empty.shape
        assert (full != empty).any()


class TestParameters:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"players": 0}, "`players` must be at least 1; got 0"),
            ({"resources": 0}, "`resources` must be at least 1; got 0"),
            ({"horizon": 0}, "`horizon` must be a whole number, at least 1; got 0"),
            ({"discount": 1.0}, r"`discount` must lie in \[0, 1\); got 1\.0"),
            ({"low": 0.0}, "`low` must be positive and at most `high`"),
            ({"low": 2.0}, r"`low` must be positive and at most `high`, 1\.0; got 2\.0"),
            ({"low": 1e-9}, "`low` must be at least 1e-06 of `high`"),
            ({"high": NAN}, "`low` must be positive and at most `high`, nan"),
            ({"budget": 0.0}, r"`budget` must be positive and finite; got 0\.0"),
            ({"max_demand": INF}, "`max_demand` must be positive and finite; got inf"),
            ({"max_demand": 0.5}, r"`max_demand` must reach the largest demand, 1\.0; got 0\.5"),
            ({"demands": ((1, 2), (1, 1), (1, 1))}, r"`max_demand` must reach the largest demand, 2\.0"),
            ({"misreports": "value"}, "`misreports` must be one of .* Did you mean 'values'?"),
            ({"weights": (1.0, 2.0)}, "`weights` must be one number or 3 numbers"),
            ({"weights": 0.0}, r"`weights` must be positive and finite; got 0\.0"),
            ({"values": ((1, 1), (1, 1))}, r"`values` must have shape \(3, 2\); got \(2, 2\)"),
            ({"values": (1, 1)}, "`values` must have 2 dimensions"),
            ({"values": ((1, 1), (1, 0), (1, 1))}, r"`values` must be positive and finite; got 0\.0 at index \[1, 1\]"),
            ({"values": ((1, 1), (1, NAN), (1, 1))}, "`values` must hold no NaN"),
            ({"demands": ((1, 1), (1, INF), (1, 1))}, "`demands` must be positive and finite"),
        ],
    )
    def test_a_bad_parameter_is_refused_by_name(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ResourceAllocation(**parameters)

    def test_arrays_serve_as_types(self) -> None:
        game = ResourceAllocation(players=2, values=np.array(TASTES), demands=np.array(ONES), budget=0.5)  # pyright: ignore[reportArgumentType]
        assert game == OPPOSED
