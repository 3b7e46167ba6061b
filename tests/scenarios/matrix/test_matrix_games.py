from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import walras
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.study import Found
from walras.scenarios.matrix import play_charts, play_tables
from walras.scenarios.matrix.matrix_games import RulesOfPlay


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("runs")
    return walras.run(RulesOfPlay(rounds=100, seeds=2, size=3), root=root, progress=False)


def verdict_of(last: list[float], average: list[float]) -> str:
    """What is said of gaps at some rounds, the same for all seeds; the other rules stand still."""
    rounds = [1, 10, 60, 70, 80, 90, 100]
    parts = [
        pd.DataFrame({"game": "one", "rule": rule, "seed": seed, "round": rounds, "regret": 0.0}
                     | ({"last": last, "average": average} if rule == "Hedge" else {"last": 0.5, "average": 0.5}))
        for rule in play_tables.RULES for seed in (0, 1)
    ]  # fmt: skip
    told = play_tables.verdicts_table(pd.concat(parts), tolerance=0.01)
    assert (told[told["rule"] != "Hedge"]["verdict"] == "settles elsewhere").all()
    return str(told[told["rule"] == "Hedge"]["verdict"].iloc[0])


def test_verdicts_follow_from_gaps() -> None:
    falls, wide = [1.0, 0.1, 0.009, 0.008, 0.007, 0.006, 0.005], [0.3, 0.9, 0.4, 0.8, 0.3, 0.9, 0.5]
    assert verdict_of(falls, wide) == "converges"
    assert verdict_of(wide, falls) == "average only"
    assert verdict_of(wide, wide) == "cycles"
    assert verdict_of(wide, [each * 10 for each in falls]) == "still falling"
    assert verdict_of([0.3, 0.2, *[0.2] * 5], wide) == "settles elsewhere"
    assert verdict_of([*falls[:-2], 0.02, 0.005], wide) != "converges"  # it must be small throughout the second half


def test_slopes_are_those_of_powers() -> None:
    rounds = np.array([1, 10, 30, 100, 300, 1000])
    table = pd.DataFrame(
        {"seed": s, "round": rounds, "last": (1 + s) / rounds, "average": 2 / np.sqrt(rounds)} for s in range(4)
    ).explode(["round", "last", "average"])
    np.testing.assert_allclose(play_tables.slope_of(table, "last"), -1, atol=1e-9)
    np.testing.assert_allclose(play_tables.slope_of(table, "average"), -0.5, atol=1e-9)
    assert play_tables.slope_of(table.assign(last=0.0), "last")[1] == -np.inf


def test_a_run_tells_of_every_rule_in_every_game(results: Results) -> None:
    told = results.tables["verdicts"]
    assert len(told) == len(play_tables.RULES) * (len(play_tables.NAMED) + len(play_tables.DRAWN))
    known = told.set_index(["game", "rule"])
    assert known.loc[("prisoner's dilemma", "predictive RM+"), "verdict"] == "converges"
    assert known.loc[("matching pennies", "Hedge"), "last_small"] == 0
    assert results.record["study"]["residual"] <= 1e-12
    counted = [results.record["study"]["facts"][f"{name} (of {len(told)} pairs)"] for name in play_tables.VERDICTS]
    assert sum(counted) == len(told)
    page = results.report().read_text(encoding="utf-8")
    assert f"Of {len(told)} pairs of a rule and a game" in page


def test_charts_show_all_of_it(results: Results) -> None:
    tables, rules = results.tables, len(play_tables.RULES)
    games = len(play_tables.NAMED) + len(play_tables.DRAWN)
    squares = play_charts.verdict_chart(tables).data
    assert sum(len(trace.x) for trace in squares) == rules * games  # type: ignore[attr-defined]
    assert len(play_charts.gap_chart(tables).data) == 2 * rules * games  # type: ignore[arg-type]
    assert len(play_charts.slope_chart(tables).data) == 2 * games  # type: ignore[arg-type]
    paths = play_charts.simplex_chart(tables).data
    assert len(paths) == 1 + rules * len(play_tables.SIMPLEX)  # type: ignore[arg-type]
    x, y = np.array(paths[1].x), np.array(paths[1].y)  # type: ignore[index]
    assert (x[0], y[0]) == pytest.approx((0.3 + 0.1, 0.2 * np.sqrt(3) / 2))  # from the known start


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rounds": 50}, "`rounds` must be at least 100"),
        ({"seeds": 0}, "`seeds` must be a whole number, at least 1"),
        ({"size": 0}, "`size` must be a whole number, at least 1"),
        ({"tolerance": 0.0}, r"`tolerance` must lie in \(0, 1\)"),
    ],
)
def test_what_is_no_study_is_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RulesOfPlay(**fields)  # type: ignore[arg-type]


def test_a_study_without_a_headline_tells_its_violation(tmp_path: Path) -> None:
    assert Found({}, 0.5).headline == ""
