from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import walras
from walras.agents import q_pairs
from walras.core import Constant, Random, Scripted
from walras.envs import RepeatedPricing
from walras.equilibria import TabularPolicy, grim_trigger, impulse_response, memory_best_response
from walras.scenarios.engine.results import Results
from walras.scenarios.matrix import charts, measures
from walras.scenarios.matrix.algorithmic_collusion import AlgorithmicCollusion

QUICK: dict[str, Any] = {
    "prices": 4, "beta": 1e-3, "sessions": 3, "stable": 500, "limit": 20_000, "ppo_steps": 256, "checkpoints": 2,
    "seeds": 2,
}  # fmt: skip
GAME = RepeatedPricing(start=(13, 13))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return walras.run(AlgorithmicCollusion(**QUICK), root=tmp_path_factory.mktemp("runs"), workers=1, progress=False)


def test_measures_are_means_over_the_sessions() -> None:
    trained = q_pairs.train(RepeatedPricing(prices=4), 1, beta=1e-3, sessions=4, stable=500)
    each = [memory_best_response(trained.game, trained.policies[k : k + 1], trained.cycle[k][:1]) for k in range(4)]
    game = RepeatedPricing(prices=4, start=(0, 0))  # where it is judged does not matter: sessions have their own cycles
    passed = [bool((r.one_shot_gap <= 1e-9).all()) for r in each]
    np.testing.assert_allclose(measures.one_shot_equilibria(game, trained), np.mean(passed))
    np.testing.assert_allclose(measures.path_gain(game, trained), np.mean([r.path_share[0] for r in each], axis=0))
    np.testing.assert_allclose(
        measures.subgame_gain(game, trained), np.mean([r.subgame_share[0] for r in each], axis=0)
    )
    np.testing.assert_allclose(measures.profit_gain(game, trained), trained.delta.mean(axis=0))
    assert (measures.one_shot_gain(game, trained) <= measures.path_gain(game, trained)).all()
    assert (measures.path_gain(game, trained) <= measures.subgame_gain(game, trained)).all()


def test_equilibria_pass_all_tests_and_high_prices_without_a_threat_none() -> None:
    trigger = TabularPolicy.pure(GAME, grim_trigger(GAME, (13, 13), (1, 1)))
    for policy, holds in (
        (trigger, 1.0),
        (Scripted(GAME), 1.0),
        (Constant(np.array([13, 13])), 0.0),
        (Random(GAME), 0.0),
    ):
        for test in (measures.one_shot_equilibria, measures.nash_equilibria, measures.subgame_equilibria):
            np.testing.assert_array_equal(test(GAME, policy), holds)
    np.testing.assert_allclose(measures.profit_gain(GAME, trigger), 1.0, atol=1e-3)
    assert (measures.profit_gain(GAME, Scripted(GAME)) < 0.0).all()  # the grid's equilibrium lies below the continuum's


def test_a_run_tells_gains_by_three_tests(quick: Results) -> None:
    table = quick.summary.pivot(index="method", columns="measure", values="mean")
    for method in ("learned", "ppo", "static_nash", "grim_trigger"):
        row = table.loc[method]
        assert row["one_shot_gain"] <= row["path_gain"] + 1e-12
        assert row["path_gain"] <= row["subgame_gain"] + 1e-12
    assert table.loc["static_nash", ["one_shot_gain", "path_gain", "subgame_gain"]].tolist() == [0, 0, 0]
    assert table.loc["static_nash", "nash_equilibria"] == 1
    assert quick.record["methods"]["learned"]["certificate"]["kind"] == "exact"
    assert quick.record["equilibrium"]["residual"] == 0


def test_the_summary_tells_what_follows_a_cut(quick: Results) -> None:
    learned = quick.record["methods"]["learned"]
    for seed, found in enumerate(charts.sessions_of(quick)):
        for firm, agent in enumerate(quick.record["agents"]):
            start = np.array([pasts[0] for pasts in found.cycle])
            cut = impulse_response(found.game, found.policies, start, firm, measures.PERIODS)
            told = {name: part[agent]["seeds"][seed] for name, part in learned["agents"].items()}
            assert told["cut_gain"] == cut.share.mean()
            assert told["cut_loses"] == (cut.share < 0).mean()
            assert told["cut_returns"] == cut.returned.mean()
            for whose, column in (("own", firm), ("others", 1 - firm)):
                rows = [row[agent]["seeds"][seed] for row in learned["paths"][f"cut_{whose}"]]
                np.testing.assert_allclose(rows, cut.price[:, :, column].mean(axis=0))
                lower = [row[agent]["seeds"][seed] for row in learned["paths"][f"cut_{whose}_lower"]]
                np.testing.assert_allclose(lower, np.quantile(cut.price[:, :, column], 0.25, axis=0))
    rows = quick.paths[(quick.paths["method"] == "grim_trigger") & (quick.paths["agent"] == "firm_0")]
    path = rows[rows["measure"] == "cut_own"]["mean"].to_numpy()
    assert len(path) == measures.PERIODS + 1
    assert path[1] < path[0]
    assert (path[3:] == path[2]).all()  # punished for ever


def test_a_cut_against_equilibria(quick: Results) -> None:
    table = quick.summary.pivot(index="method", columns="measure", values="mean")
    assert table.loc["grim_trigger", "cut_gain"] < 0
    assert table.loc["grim_trigger", ["cut_loses", "cut_returns"]].tolist() == [1, 0]
    assert table.loc["static_nash", ["cut_gain", "cut_loses", "cut_returns"]].tolist() == [0, 0, 1]
    assert -1 < table.loc["ppo", "cut_gain"] < 1


@pytest.mark.parametrize("firm", [0, 1])
def test_a_cut_of_pure_policies_starts_as_the_game_does(firm: int) -> None:
    """The game draws its first past: prices are means over all of them."""
    game = RepeatedPricing(prices=4)
    policies = np.random.default_rng(0).integers(0, 4, (2, game.states))
    every = np.repeat(policies[None], game.states, axis=0)
    each = impulse_response(game, every, np.arange(game.states), firm, measures.PERIODS)
    cut = measures.cuts_of(game, TabularPolicy.pure(game, policies))[firm]
    np.testing.assert_allclose(cut.price[0], each.price.mean(axis=0))
    value = memory_best_response(game, policies[None]).value[0, firm]
    np.testing.assert_allclose(cut.share, each.share @ value / value.sum())


def test_the_sentences_of_a_cut_are_those_of_the_summary(quick: Results) -> None:
    record = deepcopy(quick.record)
    firm = record["methods"]["learned"]["agents"]
    for name, value in (("cut_gain", -0.0247), ("cut_loses", 0.9), ("cut_returns", 0.8)):
        firm[name]["firm_0"]["mean"] = value
    told = charts.cut_sentences(Results(quick.manifest, record, quick.folder))
    assert "The cut loses 2.5 % of the value of going on and is unprofitable in 90 % of the sessions; in 80 %" in told
    firm["cut_gain"]["firm_0"]["mean"] = 0.011
    assert "The cut gains 1.1 %" in charts.cut_sentences(Results(quick.manifest, record, quick.folder))


def test_charts_show_every_session(quick: Results) -> None:
    assert sum(len(each.policies) for each in charts.sessions_of(quick)) == 6
    gains = charts.gains_chart(quick)
    assert [len(line.x) for line in gains.data] == [7, 7, 7]  # type: ignore[attr-defined]
    impulse = charts.impulse_chart(AlgorithmicCollusion(**QUICK).game(), quick)
    assert charts.cut_sentences(quick) in impulse.layout.meta["caption"]  # type: ignore[index]
    own: list[Any] = [line for line in impulse.data if line.name == "firm_0"]  # type: ignore[attr-defined]
    rows = quick.record["methods"]["learned"]["paths"]["cut_own"]
    assert list(own[0].y) == [row["firm_0"]["mean"] for row in rows]
    response = charts.response_chart(quick)
    firms = [line for line in response.data if str(line.name).startswith("firm")]  # type: ignore[attr-defined]
    assert [len(line.x) for line in firms] == [charts.PERIODS + 1] * 2  # type: ignore[union-attr]
    assert "What deviations gain" in quick.report().read_text(encoding="utf-8")


def test_charts_of_a_run_without_its_cells_say_what_is_missing(quick: Results, tmp_path: Path) -> None:
    elsewhere = Results(quick.manifest, quick.record, tmp_path)
    with pytest.raises(FileNotFoundError, match="`results` must come with the cells of learned"):
        charts.gains_chart(elsewhere)


def test_no_firms_are_no_market() -> None:
    with pytest.raises(ValueError, match="`firms` must be a whole number, at least 1"):
        AlgorithmicCollusion(firms=0)
