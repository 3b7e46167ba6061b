from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_api_test

from walras.agents.no_regret import Record, RegretRecorder
from walras.core import Parallel
from walras.core.typing import Floats
from walras.envs import CournotMarket, GridWorld, RepeatedMatrixGame, RepeatedPricing, TabularMarkovGame
from walras.envs.matrix.tabular_markov_game import big_match
from walras.markets.matrix import MatrixGame
from walras.markets.matrix.random_games import normal


class Pennies(ParallelEnv[str, Any, Any]):
    """An environment from elsewhere: matching pennies, in which actions begin at 1."""

    metadata: dict[str, Any] = {"name": "pennies"}  # noqa: RUF012 - as PettingZoo has it

    def __init__(self) -> None:
        self.possible_agents = ["odd", "even"]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Box:
        return Box(0, 1, (1,))

    def action_space(self, agent: str) -> Discrete:
        return Discrete(2, start=1)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:  # noqa: ANN401
        self.agents = self.possible_agents[:]
        return {agent: np.zeros(1, np.float32) for agent in self.agents}, {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:  # noqa: ANN401
        same = 1.0 if actions["odd"] == actions["even"] else -1.0
        seen = {agent: np.zeros(1, np.float32) for agent in self.agents}
        flags = dict.fromkeys(self.agents, False)
        return seen, {"odd": -same, "even": same}, flags, dict(flags), {agent: {} for agent in self.agents}


def told(env: Pennies, actions: Mapping[str, int]) -> dict[str, list[float]]:
    signs = [2.0 * (actions["even"] == a) - 1 for a in (1, 2)], [2.0 * (actions["odd"] == a) - 1 for a in (1, 2)]
    return {"odd": [-s for s in signs[0]], "even": signs[1]}


def played(env: Any, rounds: int, seed: int = 0) -> Record:  # noqa: ANN401 - a parallel environment
    recorder, rng = RegretRecorder(env), np.random.default_rng(seed)
    recorder.reset(seed=seed)
    for _ in range(rounds):
        spaces: list[Any] = [recorder.action_space(agent) for agent in recorder.possible_agents]
        actions = {
            a: int(rng.integers(s.start, s.start + s.n)) for a, s in zip(env.possible_agents, spaces, strict=True)
        }
        recorder.step(actions)
        if not recorder.agents:
            recorder.reset()
    return recorder.record


class TestIdentities:
    def test_regret_a_round_is_the_gap_of_the_play(self) -> None:
        game = normal(np.random.default_rng(0), 1, (3, 3, 3))[0]
        record = played(Parallel(RepeatedMatrixGame(game, horizon=70)), 300)  # over several episodes
        assert record.joint().sum() == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(record.cce_gap, game.gap(record.joint()), atol=1e-12)
        np.testing.assert_allclose(record.ce_gap, game.gap(record.joint(), "correlated"), atol=1e-12)

    def test_regrets_by_definition(self) -> None:
        game = normal(np.random.default_rng(1), 1, (3, 3))[0]
        record = played(Parallel(RepeatedMatrixGame(game)), 25)
        first, second = record.action.T
        own = [float(game.payoff[0, a, b]) for a, b in zip(first, second, strict=True)]
        rules = product(range(3), repeat=3)
        swapped = [sum(float(game.payoff[0, rule[a], b]) for a, b in zip(first, second, strict=True)) for rule in rules]
        assert record.swap[0] == pytest.approx(max(swapped) - sum(own))
        fixed = [float(game.payoff[0, a, second].sum()) for a in range(3)]
        assert record.external[0] == pytest.approx(max(fixed) - sum(own))
        assert record.dynamic[0] == pytest.approx(float(game.payoff[0][:, second].max(axis=0).sum()) - sum(own))
        assert record.switches[0] == sum(a != b for a, b in zip(first[1:], first[:-1], strict=True))
        assert record.path("player_0")[-1] == pytest.approx(record.external[0])
        assert (record.dynamic >= record.swap - 1e-12).all()
        assert (record.swap >= record.external - 1e-12).all()

    def test_players_of_fewer_actions_do_not_gain_by_those_that_they_lack(self) -> None:
        game = normal(np.random.default_rng(2), 1, (2, 4))[0]
        record = played(Parallel(RepeatedMatrixGame(game)), 40)
        np.testing.assert_array_equal(record.utility[0][:, 2:], record.utility[0][:, 1:2].repeat(2, axis=1))


class TestReplay:
    @pytest.mark.parametrize("make", [lambda: TabularMarkovGame(big_match()), RepeatedPricing, GridWorld])
    def test_recording_changes_nothing_and_tells_what_would_have_been(self, make: Callable[[], Any]) -> None:
        game, rng = make(), np.random.default_rng(5)
        plain, recorder = Parallel(game), RegretRecorder(Parallel(game))
        assert np.array_equal(plain.reset(seed=3)[0][game.agents[0]], recorder.reset(seed=3)[0][game.agents[0]])
        for _ in range(12):
            actions = {agent: int(rng.integers(0, game.action_space.n)) for agent in game.agents}
            other = actions | {game.agents[1]: (actions[game.agents[1]] + 1) % int(game.action_space.n)}
            joint = np.array([[each[agent] for agent in game.agents] for each in (actions, other)])
            foreseen = plain.alternatives(joint)
            seen, reward, ended, cut, _ = plain.step(actions)
            kept = recorder.step(actions)
            assert kept[1] == reward
            assert foreseen[0].tolist() == list(reward.values())
            assert recorder.record.utility[1][-1, other[game.agents[1]]] == foreseen[1, 1]
            for agent in game.agents:
                assert np.array_equal(seen[agent], kept[0][agent])
            if ended[game.agents[0]] or cut[game.agents[0]]:
                plain.reset()
                recorder.reset()
        earned = recorder.record.earned
        assert earned.shape == (12, len(game.agents))

    def test_noise_that_was_looked_at_is_still_drawn(self) -> None:
        game = TabularMarkovGame(big_match())
        plain, looked = Parallel(game), Parallel(game)
        plain.reset(seed=0)
        looked.reset(seed=0)
        for _ in range(600):  # over the ends of blocks of noise
            looked.alternatives(np.zeros((2, 2), dtype=int))
            one, other = (env.step({"player_0": 0, "player_1": 1})[1] for env in (plain, looked))
            assert one == other
            if not plain.agents:
                plain.reset()
                looked.reset()


class TestElsewhere:
    def test_a_counterfactual_is_used(self) -> None:
        recorder, rng = RegretRecorder(Pennies(), told), np.random.default_rng(0)
        recorder.reset()
        for _ in range(50):
            recorder.step({agent: int(rng.integers(1, 3)) for agent in recorder.possible_agents})
        record = recorder.record
        game = MatrixGame([[[-1, 1], [1, -1]], [[1, -1], [-1, 1]]])
        np.testing.assert_allclose(record.cce_gap, np.maximum(game.gap(record.joint()), 0), atol=1e-12)
        np.testing.assert_allclose(record.earned[:, 0], -record.earned[:, 1])
        assert not record.estimated

    def test_estimates_are_labelled(self) -> None:
        recorder, rng = RegretRecorder(Pennies(), estimate=True), np.random.default_rng(0)
        recorder.reset()
        for _ in range(4000):
            recorder.step({"odd": int(rng.integers(1, 3)), "even": 1})
        record = recorder.record
        assert record.external[0] / 4000 == pytest.approx(1, abs=0.05)  # the action 2 always wins
        assert record.external[1] / 4000 == pytest.approx(0, abs=0.05)  # the other was never tried
        assert np.isnan(record.dynamic).all()
        assert all(verdict.estimated for verdict in record.summary().values())

    def test_neither_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`counterfactual` must be given for an environment from elsewhere"):
            RegretRecorder(Pennies())
        with pytest.raises(TypeError, match="`env` must have Discrete actions"):
            RegretRecorder(Parallel(CournotMarket()))
        recorder = RegretRecorder(Pennies(), lambda env, actions: {"odd": [0.0], "even": [0.0, 0.0]})
        recorder.reset()
        with pytest.raises(ValueError, match="`counterfactual` must tell 2 finite rewards of odd"):
            recorder.step({"odd": 1, "even": 1})
        with pytest.raises(ValueError, match="`record` must be asked for after a step"):
            _ = recorder.record
        with pytest.raises(ValueError, match="`actions` must hold one action an agent"):
            recorder.step({"odd": 1})

    def test_it_is_a_parallel_environment(self) -> None:
        parallel_api_test(RegretRecorder(Parallel(RepeatedMatrixGame())), num_cycles=20)


class TestVerdicts:
    @staticmethod
    def verdict(utility: Floats, action: Any) -> Any:  # noqa: ANN401
        return Record(("a",), (utility,), np.asarray(action)[:, None]).summary()["a"]

    def test_the_leader_has_regret_and_hedge_has_not(self) -> None:
        losses = np.array([(0.5, 0.0), *[(0.0, 1.0), (1.0, 0.0)] * 12])
        leader = np.concatenate([[0], np.cumsum(losses, axis=0)[:-1].argmin(axis=1)])
        found = self.verdict(-losses, leader)
        assert found.regret == pytest.approx(12.5)
        assert found.tests.p_value == pytest.approx(1)
        assert not found.no_regret
        rng, T, eta = np.random.default_rng(0), 4000, np.sqrt(8 * np.log(3) / 4000)
        utility, logs, action = rng.random((T, 3)) * [1.0, 0.8, 0.9], np.zeros(3), np.zeros(T, dtype=int)
        for t in range(T):
            chance = np.exp(logs - logs.max())
            action[t] = rng.choice(3, p=chance / chance.sum())
            logs += eta * utility[t]
        assert self.verdict(utility, action).no_regret

    def test_a_regret_beyond_the_bound_is_regret(self) -> None:
        utility = np.tile([1.0, 0.0], (200, 1))
        action = (np.arange(200) < 120).astype(int)  # wrong for 120 rounds, then right: both tests pass
        found = self.verdict(utility, action)
        assert found.regret > found.bound
        assert not found.no_regret
