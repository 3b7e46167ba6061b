import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.bench.conftest import PPO, SUITE, TINY, cell_of
from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO
from walras.core import Constant, Random, rollout
from walras.core.learner import Learner, train
from walras.core.policy import Profile
from walras.envs import CournotMarket, RobustTeamLQ
from walras.equilibria import Budget, gap, hindsight_regret, solve
from walras.scenarios.bench import judge as module
from walras.scenarios.bench.judge import gini, judge
from walras.scenarios.bench.plan import Cell, Plan, plan
from walras.scenarios.bench.suite import Recipe

GAME = CournotMarket(horizon=3)


def picked(table: pd.DataFrame, **labels: object) -> list[float]:
    """Return the values of the rows with some labels."""
    keep = np.logical_and.reduce([table[name] == value for name, value in labels.items()])
    return table.loc[keep, "value"].tolist()


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> module.Judged:
    """What the learner's first block came to."""
    return judge(cell_of(plan(SUITE), "MAPPO"), tmp_path_factory.mktemp("judge"))


def test_the_gap_and_the_returns_are_those_of_the_trained_policy(judged: module.Judged) -> None:
    cell = cell_of(plan(SUITE), "MAPPO")
    learner = cell.make_method(GAME)
    assert isinstance(learner, Learner)
    for seed in (0, 1):
        trained, own = train(learner, GAME, seed), range(32 * seed, 32 * (seed + 1))
        found = gap(GAME, trained, seeds=own, budget=Budget(samples=2, frames=256))
        last: dict[str, Any] = {"seed": seed, "steps": 64}
        for name, values in {"lower": found.lower, "upper": found.upper, "attained": found.estimate}.items():
            assert picked(judged.table, measure=name, **last) == values.tolist()
        assert picked(judged.table, measure="scale", **last) == found.scale.tolist()
        played = rollout(GAME, trained, own).total
        assert picked(judged.table, measure="return", **last) == played.reshape(-1).tolist()
        regret = hindsight_regret(GAME, trained, own).regret
        assert picked(judged.table, measure="regret", **last) == regret.tolist()
        assert judged.certificates[seed]["kind"] == found.kind
        assert judged.certificates[seed]["unit"] == "EUR"


def test_checkpoints_are_judged_on_the_way(judged: module.Judged) -> None:
    table = judged.table
    assert sorted(set(table["steps"])) == [0, 32, 64]
    for steps in (0, 32):
        assert len(picked(table, measure="upper", seed=0, steps=steps)) == 3
    assert picked(table, measure="return", steps=32) == []


def test_a_player_meets_others_with_whom_it_did_not_learn(judged: module.Judged) -> None:
    cell = cell_of(plan(SUITE), "MAPPO")
    learner = cell.make_method(GAME)
    assert isinstance(learner, Learner)
    own = [train(learner, GAME, seed) for seed in (0, 1)]
    others = {
        "another seed": own[1],
        "solved": solve(GAME).policy,
        "random": Random(GAME),
    }
    for name, other in others.items():
        for i, agent in enumerate(GAME.agents):
            profile = Profile({each: own[0] if each == agent else other for each in GAME.agents})
            total = rollout(GAME, profile, range(32)).total[:, i]
            found = picked(judged.table, measure="mean_return", seed=0, agent=agent, against=name)
            chance = 6 * float(total.std()) / 32**0.5 if name == "random" else 0.0  # it draws anew
            assert found == [pytest.approx(total.mean(), rel=1e-12, abs=chance)]
    assert len(picked(judged.table, measure="mean_return", seed=1, against="another seed")) == 3


def test_opponents_that_learned_apart_are_met_and_those_that_cannot_play_are_left_out(tmp_path: Path) -> None:
    suite = replace(SUITE, evaluation=replace(TINY, opponents=("IPPO", "DQN")), seeds=1, block=1)
    cell = cell_of(plan(suite), "MAPPO")
    table = judge(cell, tmp_path).table
    game, own = cell.make_game(), train(MAPPO(**PPO | {"hidden": (4,)}, steps=64, checkpoints=2), cell.make_game(), 0)
    other = train(IPPO(steps=64, checkpoints=1), game, 1_000_000)
    for i, agent in enumerate(game.agents):
        profile = Profile({name: own if name == agent else other for name in game.agents})
        mean = rollout(game, profile, range(32)).total[:, i].mean()
        assert picked(table, measure="mean_return", agent=agent, against="IPPO trained apart") == [
            pytest.approx(mean, rel=1e-12)
        ]
    assert not table["against"].str.contains("DQN").any()
    with pytest.raises(ValueError, match=r"`opponents` must be one of .* Did you mean 'IPPO'"):
        plan(replace(suite, evaluation=replace(TINY, opponents=("IPO",))))


def test_references_are_judged_and_meet_nobody(tiny: Plan, tmp_path: Path) -> None:
    table = judge(cell_of(tiny, "solved"), tmp_path).table
    assert max(picked(table, measure="upper")) < 1e-9
    assert picked(table, measure="mean_return") == []
    assert max(picked(table, measure="price_distance")) < 1e-9
    assert len(set(picked(table, measure="welfare"))) == 1
    profit = 3 * 22.5**2  # a firm's in equilibrium, (a - c)^2 / (N + 1)^2, over three steps
    assert picked(table, measure="return", seed=0) == pytest.approx([profit] * 32 * 3)


def test_agents_of_a_team_are_one_player(tmp_path: Path) -> None:
    suite = replace(SUITE, games={"team": Recipe("teams.team_mean_field_lq", {"size": 3})}, seeds=1, block=1)
    table = judge(cell_of(plan(suite), "solved"), tmp_path).table
    assert len(picked(table, measure="upper")) == 2
    assert len(set(table.loc[table["measure"] == "return", "agent"])) == 2


def test_a_cell_that_was_cut_off_ends_with_the_same_numbers(tmp_path: Path, judged: module.Judged) -> None:
    cell = cell_of(plan(SUITE), "MAPPO")
    for k in (0, 0, 1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "gap", gap_until(k))
            with pytest.raises(KeyboardInterrupt):
                judge(cell, tmp_path)
    pd.testing.assert_frame_equal(judge(cell, tmp_path).table, judged.table, check_exact=True)


def gap_until(k: int) -> Callable[..., Any]:
    """Return a gap that is interrupted after k calls."""
    calls = itertools.count()

    def cut_off(game: Any, policy: Any, **options: Any) -> Any:  # noqa: ANN401 - those of `gap`
        if next(calls) == k:
            raise KeyboardInterrupt
        return gap(game, policy, **options)

    return cut_off


def test_the_threads_of_the_caller_come_back(tiny: Plan, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        judge(cell_of(tiny, "random"), tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("fails", "error", "told"),
    [
        ("raises", FloatingPointError, "The loss is NaN."),
        ("nan", ValueError, "`policy` must return numbers; got NaN from firm_0"),
    ],
)
def test_an_error_comes_with_the_seed_and_the_step(
    fails: str, error: type[Exception], told: str, settling: Callable[..., Plan], tmp_path: Path
) -> None:
    cell = cell_of(settling(fails=fails), "own")
    with pytest.raises(error, match=told) as raised:
        judge(cell, tmp_path)
    step = 32 if fails == "raises" else 0
    assert raised.value.__notes__ == [f"own in market, seed 1, after the checkpoint at step {step} of 64"]


def test_a_users_learner_is_judged(settling: Callable[..., Plan], tmp_path: Path) -> None:
    cell: Cell = cell_of(settling(), "own", first=2)
    table = judge(cell, tmp_path).table
    for seed in (2, 3):
        found = gap(GAME, Constant(np.full((3, 1), 10.0 + seed)), seeds=range(32 * seed, 32 * (seed + 1)))
        assert picked(table, measure="upper", seed=seed, steps=64) == pytest.approx(found.upper.tolist())


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=6).filter(lambda values: sum(values) > 1e-6))
def test_the_gini_coefficient_is_half_the_mean_difference_by_the_mean(values: list[float]) -> None:
    pairs = [abs(a - b) for a in values for b in values]
    assert gini(np.array(values)) == pytest.approx(sum(pairs) / len(pairs) / 2 / (sum(values) / len(values)))


def test_feedback_that_strangers_lead_far_is_cut_to_the_action_space() -> None:
    game, rng = RobustTeamLQ(size=2), np.random.default_rng(0)
    known, far = solve(game).policy, np.full((1, len(game.agents), game.observation_space.shape[0]), 100.0)
    far[..., -1] = 0.0  # of the horizon has passed
    assert np.abs(known.act(far, rng)).max() > game.limit
    own = np.eye(len(game.agents), dtype=np.bool_)[:1]
    among = module.Among(game, Random(game), known, own)
    assert np.abs(among.act(far, rng)).max() == game.limit


def test_the_gini_coefficient_of_one_who_has_all() -> None:
    assert gini(np.array([0.0, 0.0, 0.0, 8.0])) == pytest.approx(0.75)
    assert gini(np.full(4, 3.0)) == 0.0


def test_an_error_among_others_says_of_which_seed_and_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def act(self, observation: np.ndarray, rng: object) -> np.ndarray:
            return np.full((len(observation), 3, 1), np.nan)

    monkeypatch.setattr(module, "played_apart", lambda game: iter([("silence", Silent())]))
    with pytest.raises(ValueError, match=r"must lie in the action space, .* got nan") as raised:
        judge(cell_of(plan(SUITE), "MAPPO", first=2), tmp_path)
    assert raised.value.__notes__ == ["MAPPO in market, seed 2, each agent among silence"]
