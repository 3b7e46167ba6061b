import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report import charts, curves

AGENTS = ("coal", "gas & oil")
HOURS, SEEDS = 60, 2
CONTESTANTS = {"scripted": 0.0, "learned": 12.0, "random": 30.0}  # EUR/MWh of mark-up
COST = {"coal": (20.0, 31.25), "gas & oil": (40.0, 55.5)}  # EUR/MWh
OFFERED = {"coal": (1000.0, 500.0), "gas & oil": (700.0, 900.0)}  # MW


def estimate(value: float, spread: float) -> dict[str, Any]:
    """One number as the summary has it."""
    return {"mean": value, "low": value - spread, "high": value + spread, "seeds": [value - spread, value + spread]}


def summary_of(measures: dict[str, float], market: dict[str, float], learns: bool) -> dict[str, Any]:
    """One contestant: the second agent has twice the first one's numbers."""
    spread = 0.1 if learns else 0.0
    each = {name: {a: estimate(v * (k + 1), spread * v) for k, a in enumerate(AGENTS)} for name, v in measures.items()}
    curve = [
        {
            "steps": 1000 * point,
            "reward": {a: estimate(1000.0 * point + k, 50.0) for k, a in enumerate(AGENTS)},
            "relative_gap": {a: estimate((1 + k) / 10**point, 0.2 / 10**point) for k, a in enumerate(AGENTS)},
        }
        for point in (1, 2, 3)
    ]
    return {
        "agents": each,
        "market": {name: estimate(v, spread * v) for name, v in market.items()},
        "curve": curve if learns else [],
    }


def manifest_of(scenario: str, **fields: object) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "fields": fields,
        "files": {"/data/spain.csv": "ab" * 32},
        "versions": {"walras": "0.1.0", "python": "3.11.7"},
        "machine": "x86_64",
    }


def day_ahead(hours: int = HOURS, reference: bool = True, **fields: object) -> Results:
    """A run whose numbers are known: the price is 40 plus the hour of the day, the mark-up and the seed."""
    steps = [
        {
            "step": step,
            "agent": agent,
            "price": 40.0 + step % 24 + markup + seed * bool(markup),
            "cleared": 1200.0 + 10 * (step % 24),
            "contestant": name,
            "seed": seed,
        }
        | {f"offer_{k}": COST[agent][k] + markup for k in range(2)}
        | {f"offered_{k}": OFFERED[agent][k] for k in range(2)}
        | {f"dispatch_{k}": OFFERED[agent][k] if COST[agent][k] < 35 else 0.0 for k in range(2)}
        for (name, markup), seed, step, agent in product(CONTESTANTS.items(), range(SEEDS), range(hours), AGENTS)
    ]
    time = pd.date_range("2018-01-01", periods=hours, freq="h", tz="UTC")
    price = pd.Series(45.0 + np.arange(hours) % 24)
    recorded = pd.DataFrame({"time": time, "price": price, "naive": price.shift(24)})
    measures = {"reward": 1234.5, "gap": 61.7, "relative_gap": 0.05, "lerner": 0.21}
    summary = {
        "scenario": "day_ahead",
        "agents": list(AGENTS),
        "seeds": SEEDS,
        "equilibrium": {"value": {"coal": 1111.0, "gas & oil": 2222.0}, "residual": 1e-12, "status": "Converged: x."},
        "contestants": {
            name: summary_of(measures, {"price": 51.5 + markup, "welfare_loss": markup}, learns=name == "learned")
            for name, markup in CONTESTANTS.items()
        },
        "price_error": {"scripted": {"mae": 5.25, "rmse": 6.5}, "seasonal_naive": {"mae": 1.75, "rmse": 2.5}},
    }
    table = pd.DataFrame(steps)
    if reference:
        return Results(manifest_of("day_ahead", **fields), summary, table, recorded)
    return Results(manifest_of("day_ahead", **fields), summary | {"price_error": {}}, table, None)


def cournot(**fields: object) -> Results:
    """A run of a game without prices in its state, and a contestant without profit."""
    learned = summary_of({"reward": 200.0, "gap": 1.0, "relative_gap": 0.005}, {"price": 30.0}, learns=True)
    taker = summary_of({"reward": 0.0, "gap": 1.0, "relative_gap": math.inf}, {"price": 10.0}, learns=False)
    summary = day_ahead(2).summary | {
        "scenario": "cournot",
        "contestants": {
            "learned": learned,
            "equilibrium": day_ahead(2).summary["contestants"]["scripted"],
            "taker": taker,
        },
        "price_error": {},
    }
    steps = pd.DataFrame(
        {"step": [0, 0], "agent": AGENTS, "quantity_0": [1.0, 2.0], "contestant": "learned", "seed": 0}
    )
    return Results(manifest_of("cournot", **fields), summary, steps, None)


def named(figure: charts.Plot, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def draw(chart: Chart, results: Results) -> charts.Plot:
    return chart(results)


def test_price_path_is_the_mean_over_seeds_of_recorded_hours() -> None:
    results = day_ahead()
    figure = draw(charts.price_path, results)
    (line,) = named(figure, "learned")
    table = results.steps.query("contestant == 'learned' and agent == 'coal'")
    assert line.y == pytest.approx(table.groupby("step")["price"].mean())
    (low,), (high,) = named(figure, "lowest"), named(figure, "highest")
    assert low.y == pytest.approx(table.groupby("step")["price"].min())
    assert high.y == pytest.approx(table.groupby("step")["price"].max())


def test_price_path_shows_recorded_prices_and_times() -> None:
    results = day_ahead()
    figure = draw(charts.price_path, results)
    (actual,), (naive,) = named(figure, "actual day-ahead price"), named(figure, "seasonal naive")
    assert results.reference is not None
    assert actual.y == pytest.approx(results.reference["price"])
    assert naive.y[:24] == (None,) * 24
    assert naive.y[24:] == pytest.approx(results.reference["naive"][24:])
    assert (actual.x0, actual.dx) == ("2018-01-01T00:00:00", 3_600_000)


def test_price_path_lists_times_that_are_not_evenly_spaced() -> None:
    results = day_ahead()
    assert results.reference is not None
    uneven = results.reference.assign(
        time=results.reference["time"].where(lambda t: t.index < 5, lambda t: t + pd.Timedelta("1h"))
    )
    figure = draw(charts.price_path, replace(results, reference=uneven))
    assert figure.data[-1].x[4:6] == ("2018-01-01T04:00:00", "2018-01-01T06:00:00")


def test_price_path_without_record_is_seed_zero() -> None:
    results = day_ahead(reference=False)
    figure = draw(charts.price_path, results)
    assert {line.name for line in figure.data} == {"competitive equilibrium", "learned", "random"}
    (line,) = named(figure, "random")
    table = results.steps.query("contestant == 'random' and agent == 'coal' and seed == 0")
    assert line.y == pytest.approx(table["price"])


def test_price_path_of_a_year_is_small_and_drawn_by_webgl() -> None:
    figure = draw(charts.price_path, day_ahead(hours=8760))
    assert [trace.type for trace in figure.data[:-1]] == ["scattergl"] * (len(figure.data) - 1)
    assert figure.data[-1].type == "scatter"  # the range slider draws no WebGL
    assert figure.layout.xaxis.rangeslider.visible
    assert len(figure.to_json()) < 500_000


def bars(traces: Iterable[charts.Plot], axis: str) -> list[Any]:
    return [trace for trace in traces if trace.type == "bar" and trace.xaxis == axis]


@pytest.mark.parametrize(("axis", "contestant"), [("x", "scripted"), ("x2", "learned")])
def test_merit_order_stacks_what_is_offered(axis: str, contestant: str) -> None:
    figure = draw(charts.merit_order, day_ahead())
    for traces in (figure.data, *(frame.data for frame in figure.frames)):
        blocks = sorted(
            (x, w, y) for bar in bars(traces, axis) for x, w, y in zip(bar.x, bar.width, bar.y, strict=True)
        )
        starts, widths, prices = map(np.array, zip(*blocks, strict=True))
        assert widths.sum() == sum(sum(each) for each in OFFERED.values())
        assert starts == pytest.approx(np.cumsum(widths) - widths)
        assert prices.tolist() == sorted(prices)
        assert prices == pytest.approx(np.array([20.0, 31.25, 40.0, 55.5]) + CONTESTANTS[contestant])


@pytest.mark.parametrize(("axis", "contestant"), [("x", "scripted"), ("x2", "learned")])
def test_merit_order_marks_load_and_price_of_each_hour(axis: str, contestant: str) -> None:
    results = day_ahead(reference=False)
    figure = draw(charts.merit_order, results)
    ours = results.steps.query(f"contestant == '{contestant}' and seed == 0").groupby("step")
    price, cleared = ours["price"].first(), ours["cleared"].first()
    for frame in figure.frames:
        step = int(frame.name.split()[1])
        (point,) = [t for t in frame.data if t.name == "clearing price" and t.xaxis == axis]
        (load,) = [t for t in frame.data if t.name == "net load" and t.xaxis == axis]
        assert point.y == (price[step],)
        assert point.x == (cleared[step],)
        assert set(load.x) == set(point.x)


def test_merit_order_pales_what_is_not_accepted() -> None:
    figure = draw(charts.merit_order, day_ahead())
    coal, gas = bars(figure.data, "x")
    assert (min(coal.marker.opacity), max(gas.marker.opacity)) == (1.0, 0.35)


def test_merit_order_offers_at_most_24_hours_with_the_extremes() -> None:
    figure = draw(charts.merit_order, day_ahead(hours=200))
    labels = [frame.name for frame in figure.frames]
    assert len(labels) <= charts.CHOSEN_HOURS
    assert len(labels) == len(set(labels))
    for name in ("dearest", "median", "cheapest"):
        assert sum(f"({name})" in label for label in labels) == 1
    (slider,) = figure.layout.sliders
    assert [step.args[0][0] for step in slider.steps] == labels
    assert "(dearest)" in labels[slider.active]


def test_merit_order_of_one_hour() -> None:
    assert len(draw(charts.merit_order, day_ahead(hours=1)).frames) == 1


@pytest.mark.parametrize("missing", ["dispatch", "cleared", "price"])
def test_merit_order_names_the_missing_column(missing: str) -> None:
    results = day_ahead()
    lacking = results.steps.drop(columns=[c for c in results.steps if str(c).startswith(missing)])
    with pytest.raises(ValueError, match=f"not lack {missing}"):
        draw(charts.merit_order, replace(results, steps=lacking))


def test_price_path_names_the_missing_column() -> None:
    with pytest.raises(ValueError, match=r"`results\.steps` must have the columns price, not lack price"):
        draw(charts.price_path, cournot())


def test_curves_are_means_and_bands_of_the_summary() -> None:
    results = cournot()
    points = results.summary["contestants"]["learned"]["curve"]
    for chart, measure, scale in ((curves.gap_curve, "relative_gap", 100), (curves.reward_curve, "reward", 1)):
        figure = draw(chart, results)
        for agent in AGENTS:
            low, high, mean = [t for t in figure.data if t.legendgroup == agent][:3]
            for trace, part in ((mean, "mean"), (low, "low"), (high, "high")):
                assert trace.x == (1000, 2000, 3000)
                assert trace.y == pytest.approx([scale * p[measure][agent][part] for p in points])


def test_a_measure_of_the_scenario_has_a_curve() -> None:
    results = cournot()
    for k, point in enumerate(results.summary["contestants"]["learned"]["curve"]):
        point["distance"] = {agent: {"mean": 10.0**-k, "low": 0.5 * 10.0**-k, "high": 2 * 10.0**-k} for agent in AGENTS}
    figure = draw(curves.measure_curve("distance", "distance, MW", "Zero is the equilibrium."), results)
    assert figure.layout.yaxis.type == "log"
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [line.y for line in lines] == [pytest.approx((1, 0.1, 0.01))] * len(AGENTS)
    assert figure.layout.meta["caption"].endswith("Zero is the equilibrium.")


def test_gap_curve_is_logarithmic_over_decades_and_tells_levels() -> None:
    figure = draw(curves.gap_curve, cournot())
    assert figure.layout.yaxis.type == "log"
    (line,) = named(figure, "equilibrium: 7.5 %")
    assert line.y == pytest.approx((7.5, 7.5))
    (hidden,) = named(figure, "taker: no profit to compare with")
    assert hidden.y == (None, None)


def test_gap_curve_is_linear_where_a_gap_is_zero() -> None:
    results = cournot()
    for point in results.summary["contestants"]["learned"]["curve"]:
        point["relative_gap"]["coal"]["low"] = 0.0
    assert draw(curves.gap_curve, results).layout.yaxis.type is None


def test_reward_curve_shows_equilibrium_values() -> None:
    figure = draw(curves.reward_curve, cournot())
    dashed = {t.name: t.y for t in figure.data if t.line.dash == "dash"}
    assert dashed == {"coal": (1111.0, 1111.0), "gas & oil": (2222.0, 2222.0)}


def test_reward_curve_prefers_values_of_the_training_game() -> None:
    results = cournot()
    results.summary["equilibrium"]["training_value"] = {"coal": 7.0, "gas & oil": 8.0}
    dashed = {t.name: t.y for t in draw(curves.reward_curve, results).data if t.line.dash == "dash"}
    assert dashed == {"coal": (7.0, 7.0), "gas & oil": (8.0, 8.0)}


def test_gap_curve_leaves_out_a_share_of_no_profit() -> None:
    results = cournot()
    results.summary["contestants"]["taker"]["agents"]["relative_gap"]["coal"]["mean"] = None
    results.summary["contestants"]["learned"]["curve"][0]["relative_gap"]["coal"] = dict.fromkeys(
        ("mean", "low", "high")
    )
    figure = draw(curves.gap_curve, results)
    (hidden,) = named(figure, "taker: no profit to compare with")
    assert hidden.y == (None, None)
    assert math.isnan(named(figure, "coal")[0].y[0])


@pytest.mark.parametrize("chart", [curves.gap_curve, curves.reward_curve])
def test_curves_need_a_learner(chart: Chart) -> None:
    results = cournot()
    del results.summary["contestants"]["learned"]
    with pytest.raises(ValueError, match="hold the learning curve of a contestant"):
        chart(results)


def test_an_agent_has_one_colour_in_all_charts() -> None:
    results = day_ahead()
    merit = {bar.name: bar.marker.color for bar in bars(draw(charts.merit_order, results).data, "x")}
    drawn = {t.name: t.line.color for t in draw(curves.gap_curve, results).data if t.mode == "lines+markers"}
    assert merit == drawn == {agent: charts.agent_colour(results, agent) for agent in AGENTS}


@pytest.mark.parametrize("chart", [charts.price_path, charts.merit_order, curves.gap_curve, curves.reward_curve])
def test_every_chart_says_how_to_read_it_and_names_its_axes(chart: Chart) -> None:
    layout = draw(chart, day_ahead()).layout
    assert layout.meta["caption"].endswith(".")
    assert layout.xaxis.title.text
    assert layout.yaxis.title.text
