from pathlib import Path
from typing import Any

import numpy as np
import pytest

import walras
from walras.envs import SequentialPublicGoods
from walras.scenarios.engine.results import Results
from walras.scenarios.matrix import public_goods_charts as charts
from walras.scenarios.matrix.public_goods import PublicGoods

QUICK: dict[str, Any] = {"steps": 1200, "checkpoints": 2, "seeds": 2}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return walras.run(PublicGoods(**QUICK), root=tmp_path_factory.mktemp("runs"), workers=1, progress=False)


def test_a_run_tells_the_known_solutions(quick: Results) -> None:
    table = quick.summary.pivot_table(index="method", columns="measure", values="mean", aggfunc="sum")
    np.testing.assert_allclose(table.loc["subgame_perfect", ["given", "welfare"]].tolist(), [2.2568, 2.87423392])
    np.testing.assert_allclose(table.loc["simultaneous", "given"], 1.82)
    np.testing.assert_allclose(table.loc["optimum", ["given", "welfare"]].tolist(), [3.0, 3.6])
    np.testing.assert_allclose(table.loc["alone", "given"], 1.5)
    assert table.loc["subgame_perfect", ["gap", "subgame_gain"]].tolist() == [0, 0]
    assert table.loc["simultaneous", "gap"] == 0  # an equilibrium on its path, which rests on empty threats
    assert table.loc["simultaneous", "subgame_gain"] > 0.01
    for method in ("learned", "alone", "optimum"):
        assert table.loc[method, "subgame_gain"] >= table.loc[method, "relative_gap"] - 1e-3
    assert quick.record["methods"]["learned"]["certificate"]["kind"] == "lower bound"
    assert quick.record["equilibrium"]["residual"] == 0


def test_solutions_along_a_parameter_are_the_known_ones() -> None:
    game = SequentialPublicGoods(observation="sum", low=0.1)
    swept = charts.changes(game)
    for name, ends in {"rho": (0, 3.6), "gamma": (0, 0.5), "penalty": (0, 1)}.items():
        assert swept[name][0][[0, -1]].tolist() == pytest.approx(ends)
    assert swept["rho"][1] == game
    assert swept["penalty"][1].threshold == 1.5
    seen, unseen, best = charts.solutions(SequentialPublicGoods(observation="sum", high=5.0))
    np.testing.assert_allclose(seen, [0.72, 0.744, 0.7928], atol=1e-9)
    np.testing.assert_allclose(unseen, [0.5, 0.6, 0.72], atol=1e-9)
    np.testing.assert_allclose(best, 2.5, atol=1e-9)


def test_charts_show_three_solutions_and_every_seed(quick: Results) -> None:
    game = PublicGoods().game()
    for chart in (charts.given_chart, charts.welfare_chart):
        figure = chart(game, quick)
        assert len(figure.data) == 3 * len(charts.SOLUTIONS)  # type: ignore[arg-type]
    at = int(np.argmin(np.abs(np.array(figure.data[0].x) - 1.5)))  # type: ignore[index]
    welfare = [figure.data[k].y[at] for k in range(3)]  # type: ignore[index]
    assert welfare[1] < welfare[0] < welfare[2]
    answers = charts.answers_chart(quick)
    assert sum("learned" in str(line.name) for line in answers.data) == game.n - 1  # type: ignore[attr-defined]
    last: Any = next(line for line in answers.data if line.name == "agent_2, equilibrium")  # type: ignore[attr-defined]
    np.testing.assert_allclose(last.y, np.minimum(0.2 * np.array(last.x) + 0.5, 1), atol=1e-9)
    assert "Answers to what was given" in quick.report().read_text(encoding="utf-8")


def test_charts_of_a_run_without_its_cells_say_what_is_missing(quick: Results, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`results` must come with the cells of learned"):
        charts.answers_chart(Results(quick.manifest, quick.record, tmp_path))


def test_no_agents_are_no_group() -> None:
    with pytest.raises(ValueError, match="`n` must be a whole number, at least 1"):
        PublicGoods(n=0).game()
