import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.scenarios.bench.conftest import SUITE
from walras.scenarios.bench.engines import Inline
from walras.scenarios.bench.exports import export
from walras.scenarios.bench.plan import plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    store = tmp_path_factory.mktemp("exports")
    bench(plan(SUITE), store, Inline(), say=lambda text: None, progress=False)
    return Results(store)


def text_of(results: Results, form: str, tmp_path: Path) -> str:
    export(results, form, tmp_path / "out")
    return (tmp_path / "out").read_text()


def test_the_table_comes_back_from_csv(results: Results, tmp_path: Path) -> None:
    export(results, "csv", tmp_path / "out.csv")
    back = pd.read_csv(tmp_path / "out.csv")
    pd.testing.assert_frame_equal(back, results.table.reset_index(drop=True), check_dtype=False)


def test_latex_has_a_row_a_method_and_no_bare_signs(results: Results, tmp_path: Path) -> None:
    text = text_of(results, "latex", tmp_path)
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.strip()]
    assert [row.split(" & ")[0] for row in rows] == ["solved", *(row.split(" & ")[0] for row in rows[1:])]
    assert len(rows) == 3
    assert all(row.endswith(r" \\") and row.count(" & ") == 6 for row in rows)
    assert not re.search(r"(?<!\\)%", body)


def test_names_are_text_in_latex_and_in_markdown(results: Results, tmp_path: Path) -> None:
    named = Results(results.store)
    table = results.table.assign(method=[r"a|b $x_1^2$", r"\input{~}", "<b>#1 & 2%</b>"])
    vars(named)["table"] = table
    vars(named)["missing"] = pd.DataFrame(
        [{"game": "market", "method": "<i>", "seeds": [0], "error": "ValueError: a\n\n# <class 'float'>"}]
    )
    latex = text_of(named, "latex", tmp_path)
    assert r"a|b \$x\_1\textasciicircum{}2\$ & " in latex
    assert r"\textbackslash{}input\{\textasciitilde{}\} & " in latex
    assert r"<b>\#1 \& 2\%</b> & " in latex
    markdown = text_of(named, "markdown", tmp_path)
    assert r"| a\|b $x_1^2$ |" in markdown
    assert "| &lt;b&gt;#1 &amp; 2%&lt;/b&gt; |" in markdown
    assert "- &lt;i&gt; in market: ValueError: a # &lt;class 'float'&gt;\n" in markdown


def test_marl_eval_has_family_game_method_seed_and_step(results: Results, tmp_path: Path) -> None:
    content = json.loads(text_of(results, "marl-eval", tmp_path))
    runs = content["electricity"]["market"]["MAPPO"]
    assert sorted(runs) == ["seed_0", "seed_1", "seed_2", "seed_3"]
    own = results.runs[(results.runs["method"] == "MAPPO") & (results.runs["seed"] == 2)].sort_values("steps")
    assert [runs["seed_2"][f"step_{k}"]["step_count"] for k in range(3)] == [0, 32, 64]
    assert [runs["seed_2"][f"step_{k}"]["gap_at_most"] for k in range(3)] == [[value] for value in own["upper"]]
    numbers = results.numbers[(results.numbers["method"] == "MAPPO") & (results.numbers["seed"] == 2)]
    returns = numbers[numbers["measure"] == "return"]
    means = [returns.loc[returns["episode"] == k, "value"].mean() for k in range(32)]
    assert runs["seed_2"]["absolute_metrics"]["return"] == pytest.approx(means)


def test_what_is_not_finite_is_no_metric(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = results.numbers.copy()
    numbers.loc[numbers["measure"] == "upper", "value"] = np.inf
    without = Results(results.store)
    monkeypatch.setitem(vars(without), "numbers", numbers)
    text = text_of(without, "marl-eval", tmp_path)
    assert "gap_at_least" in text
    assert "gap_at_most" not in text
    assert "Infinity" not in text


def test_events_are_the_learning_curves(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason='needs pip install "walras[tensorboard]"')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export(results, "tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "market" / "MAPPO" / "seed_1"))
    events.Reload()
    told = events.Scalars("upper/market")
    own = results.runs[(results.runs["method"] == "MAPPO") & (results.runs["seed"] == 1)].sort_values("steps")
    assert [each.step for each in told] == own["steps"].tolist()
    assert [each.value for each in told] == pytest.approx(own["upper"].tolist(), rel=1e-6)


def test_an_unknown_form_is_refused(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Did you mean 'latex'"):
        export(results, "latx", tmp_path / "out")
    assert not (tmp_path / "out").exists()
