from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from walras.scenarios.electricity import charts
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report import curves
from walras.scenarios.report.charts import Plot, agent_colour


def named(figure: Plot, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def draw(chart: Chart, results: object) -> Plot:
    return chart(results)


def changed(results: Results, **tables: pd.DataFrame) -> Results:
    vars(results).update(tables)
    return results


def test_price_path_is_the_mean_over_seeds_of_recorded_hours(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    figure = draw(charts.price_path, results)
    (line,) = named(figure, "PPO")
    table = results.steps.query("method == 'learned' and agent == 'coal'")
    assert line.y == pytest.approx(table.groupby("step")["price"].mean())
    (low,), (high,) = named(figure, "lowest"), named(figure, "highest")
    assert low.y == pytest.approx(table.groupby("step")["price"].min())
    assert high.y == pytest.approx(table.groupby("step")["price"].max())


def test_price_path_shows_recorded_prices_and_times(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    figure = draw(charts.price_path, results)
    (actual,), (naive,) = named(figure, "actual day-ahead price"), named(figure, "seasonal naive")
    assert results.reference is not None
    assert actual.y == pytest.approx(results.reference["price"])
    assert naive.y[:24] == (None,) * 24
    assert naive.y[24:] == pytest.approx(results.reference["seasonal_naive"][24:])
    assert (actual.x0, actual.dx) == ("2018-01-01T00:00:00", 3_600_000)


def test_price_path_lists_times_that_are_not_evenly_spaced(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    assert results.reference is not None
    uneven = results.reference.assign(
        time=results.reference["time"].where(lambda t: t.index < 5, lambda t: t + pd.Timedelta("1h"))
    )
    figure = draw(charts.price_path, changed(results, reference=uneven))
    assert figure.data[-1].x[4:6] == ("2018-01-01T04:00:00", "2018-01-01T06:00:00")


def test_price_path_without_record_is_seed_zero(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead(reference=False)
    figure = draw(charts.price_path, results)
    assert {line.name for line in figure.data} == {"competitive equilibrium", "PPO", "random"}
    (line,) = named(figure, "random")
    table = results.steps.query("method == 'random' and agent == 'coal' and seed == 0")
    assert line.y == pytest.approx(table["price"])


def test_price_path_of_a_year_is_small_and_drawn_without_webgl(made_up: SimpleNamespace) -> None:
    figure = draw(charts.price_path, made_up.day_ahead(hours=8760))
    assert {trace.type for trace in figure.data} == {"scatter"}  # a page's policy keeps WebGL empty
    assert figure.layout.xaxis.rangeslider.visible
    assert len(figure.to_json()) < 500_000


def bars(traces: Iterable[Plot], axis: str) -> list[Any]:
    return [trace for trace in traces if trace.type == "bar" and trace.xaxis == axis]


@pytest.mark.parametrize(("axis", "method"), [("x", "scripted"), ("x2", "learned")])
def test_merit_order_stacks_what_is_offered(axis: str, method: str, made_up: SimpleNamespace) -> None:
    figure = draw(charts.merit_order, made_up.day_ahead())
    for traces in (figure.data, *(frame.data for frame in figure.frames)):
        blocks = sorted(
            (x, w, y) for bar in bars(traces, axis) for x, w, y in zip(bar.x, bar.width, bar.y, strict=True)
        )
        starts, widths, prices = map(np.array, zip(*blocks, strict=True))
        assert widths.sum() == sum(sum(each) for each in made_up.offered.values())
        assert starts == pytest.approx(np.cumsum(widths) - widths)
        assert prices.tolist() == sorted(prices)
        assert prices == pytest.approx(np.array([20.0, 31.25, 40.0, 55.5]) + made_up.markup[method])


@pytest.mark.parametrize(("axis", "method"), [("x", "scripted"), ("x2", "learned")])
def test_merit_order_marks_load_and_price_of_each_hour(axis: str, method: str, made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead(reference=False)
    figure = draw(charts.merit_order, results)
    ours = results.steps.query(f"method == '{method}' and seed == 0").groupby("step")
    price, cleared = ours["price"].first(), ours["cleared"].first()
    for frame in figure.frames:
        step = int(frame.name.split()[1])
        (point,) = [t for t in frame.data if t.name == "clearing price" and t.xaxis == axis]
        (load,) = [t for t in frame.data if t.name == "net load" and t.xaxis == axis]
        assert point.y == (price[step],)
        assert point.x == (cleared[step],)
        assert set(load.x) == set(point.x)


def test_merit_order_pales_what_is_not_accepted(made_up: SimpleNamespace) -> None:
    figure = draw(charts.merit_order, made_up.day_ahead())
    coal, gas = bars(figure.data, "x")
    assert (min(coal.marker.opacity), max(gas.marker.opacity)) == (1.0, 0.35)


def test_merit_order_offers_at_most_24_hours_with_the_extremes(made_up: SimpleNamespace) -> None:
    figure = draw(charts.merit_order, made_up.day_ahead(hours=200))
    labels = [frame.name for frame in figure.frames]
    assert len(labels) <= charts.CHOSEN_HOURS
    assert len(labels) == len(set(labels))
    for name in ("dearest", "median", "cheapest"):
        assert sum(f"({name})" in label for label in labels) == 1
    (slider,) = figure.layout.sliders
    assert [step.args[0][0] for step in slider.steps] == labels
    assert "(dearest)" in labels[slider.active]


def test_merit_order_of_one_hour(made_up: SimpleNamespace) -> None:
    assert len(draw(charts.merit_order, made_up.day_ahead(hours=1)).frames) == 1


@pytest.mark.parametrize("missing", ["dispatch", "cleared", "price"])
def test_merit_order_names_the_missing_column(missing: str, made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    lacking = results.steps.drop(columns=[c for c in results.steps if str(c).startswith(missing)])
    with pytest.raises(ValueError, match=f"not lack {missing}"):
        draw(charts.merit_order, changed(results, steps=lacking))


def test_price_path_names_the_missing_column(made_up: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match=r"`results\.steps` must have the columns price, not lack price"):
        draw(charts.price_path, made_up.cournot())


def test_merit_order_shows_the_reference_and_the_first_that_learns(made_up: SimpleNamespace) -> None:
    figure = draw(charts.merit_order, made_up.day_ahead())
    assert [each.text for each in figure.layout.annotations] == ["competitive equilibrium", "PPO"]
    results = made_up.day_ahead()
    del results.record["methods"]["learned"]
    figure = draw(charts.merit_order, results)
    assert [each.text for each in figure.layout.annotations] == ["competitive equilibrium", "random"]


def test_an_agent_has_one_colour_in_all_charts(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    merit = {bar.name: bar.marker.color for bar in bars(draw(charts.merit_order, results).data, "x")}
    drawn = {t.name: t.line.color for t in draw(curves.gap_curve, results).data if t.mode == "lines+markers"}
    assert merit == drawn == {agent: agent_colour(results, agent) for agent in made_up.agents}


@pytest.mark.parametrize("chart", [charts.price_path, charts.merit_order])
def test_every_chart_says_how_to_read_it_and_names_its_axes(chart: Chart, made_up: SimpleNamespace) -> None:
    layout = draw(chart, made_up.day_ahead()).layout
    assert layout.meta["caption"].endswith(".")
    assert layout.xaxis.title.text
    assert layout.yaxis.title.text
