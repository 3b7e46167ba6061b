import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scenarios.bench.conftest import SUITE
from walras.scenarios.bench.engines import Inline
from walras.scenarios.bench.page import LEAST, _ticks, curve_figure, leaderboard_page, profile_figure
from walras.scenarios.bench.plan import Plan, plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench
from walras.scenarios.engine.statistics import estimate


def run(planned: Plan, store: Path) -> Results:
    bench(planned, store, Inline(), say=lambda text: None, progress=False)
    return Results(store)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(plan(SUITE), tmp_path_factory.mktemp("page"))


class Cells(HTMLParser):
    """The rows of all tables, as texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.within = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.within = tag in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.within:
            self.rows[-1][-1] += data


def test_the_page_shows_every_game_and_method(results: Results) -> None:
    rows = Cells(leaderboard_page(results)).rows
    shown = {(row[0], row[1]): row for row in rows if len(row) == 8}
    for row in results.table.to_dict("records"):
        assert shown[row["game"], row["method"]][2] == row["role"]
        assert f"{100 * row['upper']:.3g} %" in shown[row["game"], row["method"]][4]


def test_the_page_loads_nothing_and_is_the_same_for_the_same_results(results: Results) -> None:
    page = leaderboard_page(results)
    assert page == leaderboard_page(Results(results.store))
    without_scripts = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=", without_scripts)
    assert "default-src 'none'" in unescape(page)


def test_names_are_text(settling: Callable[..., Plan], tmp_path: Path) -> None:
    planned = settling(seeds=1, block=1)
    cells = tuple(_named(cell, "<b>own</b>") for cell in planned.cells)
    page = leaderboard_page(run(Plan(planned.suite, cells, ()), tmp_path))
    assert "<b>own</b>" not in page
    assert "&lt;b&gt;own&lt;/b&gt;" in page


def _named(cell: Any, name: str) -> Any:  # noqa: ANN401 - a cell
    from dataclasses import replace

    return replace(cell, method=name) if cell.method == "own" else cell


def line(figure: Any, name: str) -> Any:  # noqa: ANN401 - plotly is untyped
    return next(trace for trace in figure.data if trace.name == name)


def test_a_learning_curve_is_the_estimate_at_each_checkpoint(results: Results) -> None:
    figure = curve_figure(results, "market")
    runs = results.runs[results.runs["method"] == "MAPPO"]
    wanted = [estimate(runs.loc[runs["steps"] == steps, "attained"].to_numpy()).mean for steps in (0, 32, 64)]
    drawn = line(figure, "MAPPO")
    assert list(drawn.x) == [0, 32, 64]
    assert list(drawn.y) == pytest.approx(np.maximum(wanted, LEAST))
    (level,) = figure.layout.shapes
    assert level.y0 == LEAST  # the equilibrium, proved to rounding
    assert figure.layout.annotations[0].y == np.log10(LEAST)


def test_a_long_axis_has_a_tick_a_power_of_ten_also_where_one_seed_has_no_interval(results: Results) -> None:
    figure = curve_figure(results, "market")
    assert figure.layout.yaxis.dtick == 1
    figure.data[0].y = [np.nan] * len(figure.data[0].y)
    assert _ticks(figure) == {"dtick": 1}
    figure.layout.shapes = []
    for trace in figure.data:
        trace.y = [0.5] * len(trace.y)
    assert _ticks(figure) == {}


def test_profiles_are_those_of_the_results(results: Results) -> None:
    figure = profile_figure(results)
    own = results.profiles[(results.profiles["method"] == "random") & (results.profiles["threshold"] > 0)]
    assert list(line(figure, "random").y) == own["share"].tolist()


def test_what_has_no_result_is_told(settling: Callable[..., Plan], tmp_path: Path) -> None:
    page = leaderboard_page(run(settling(fails="raises"), tmp_path))
    assert "own in market, seeds 0, 1: FloatingPointError: The loss is NaN." in page


def test_entries_stand_beside(results: Results) -> None:
    entry = results.table.head(1).assign(method="theirs", role="entry", family="trading")
    page = leaderboard_page(results, [entry])
    assert ["market", "theirs", "entry"] in [row[:3] for row in Cells(page).rows]
    assert re.findall(r"<option>(\w+)</option>", page) == ["electricity", "trading"]


def test_figures_are_json(results: Results) -> None:
    page = leaderboard_page(results)
    figures = re.findall(r'<script type="application/json" class="figure"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert [len(json.loads(figure)["data"]) > 0 for figure in figures] == [True, True]
