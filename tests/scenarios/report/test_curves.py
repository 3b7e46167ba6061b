import math
from types import SimpleNamespace
from typing import Any

import pytest

from walras.scenarios.engine.scenario import Chart
from walras.scenarios.report import curves
from walras.scenarios.report.charts import Plot


def named(figure: Plot, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def draw(chart: Chart, results: object) -> Plot:
    return chart(results)


def test_curves_are_means_and_bands_of_the_summary(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    points = results.record["methods"]["learned"]["curve"]
    for chart, measure, scale in ((curves.gap_curve, "relative_gap", 100), (curves.reward_curve, "reward", 1)):
        figure = draw(chart, results)
        for agent in made_up.agents:
            low, high, mean = [t for t in figure.data if t.legendgroup == agent][:3]
            for trace, part in ((mean, "mean"), (low, "low"), (high, "high")):
                assert trace.x == (1000, 2000, 3000)
                assert trace.y == pytest.approx([scale * p[measure][agent][part] for p in points])


def test_a_measure_of_the_scenario_has_a_curve(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    for k, point in enumerate(results.record["methods"]["learned"]["curve"]):
        each = {"mean": 10.0**-k, "low": 0.5 * 10.0**-k, "high": 2 * 10.0**-k}
        point["distance"] = dict.fromkeys(made_up.agents, each)
    figure = draw(curves.measure_curve("distance", "Zero is the equilibrium.", "updates"), results)
    assert figure.layout.yaxis.type == "log"
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [line.y for line in lines] == [pytest.approx((1, 0.1, 0.01))] * len(made_up.agents)
    assert {line.x for line in lines} == {(4, 8, 12)}
    assert figure.layout.meta["caption"].endswith("Zero is the equilibrium.")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("updates", "distance of quantities, MW")


def test_a_share_has_a_curve_in_per_cent(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    for point in results.record["methods"]["learned"]["curve"]:
        point["share"] = {agent: {"mean": 0.5, "low": 0.05, "high": 0.75} for agent in made_up.agents}
    figure = draw(curves.measure_curve("share", "Full at 100 %."), results)
    (line, _) = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert (line.y, line.customdata[0]) == ((50, 50, 50), [5, 75])
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis.type) == ("output, % of capacity", None)
    assert figure.layout.xaxis.title.text == "environment steps"


def test_curves_are_drawn_against_what_is_counted() -> None:
    with pytest.raises(ValueError, match=r"`horizontal` must be one of .*steps.*updates"):
        curves.measure_curve("distance", "", "frames")


def test_gap_curve_is_logarithmic_over_decades_and_tells_levels(made_up: SimpleNamespace) -> None:
    figure = draw(curves.gap_curve, made_up.cournot())
    assert figure.layout.yaxis.type == "log"
    (line,) = named(figure, "Nash equilibrium: 7.50 %")
    assert line.y == pytest.approx((7.5, 7.5))
    (hidden,) = named(figure, "price takers: no share of nothing")
    assert hidden.y == (None, None)


def test_gap_curve_is_linear_where_a_gap_is_zero(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    for point in results.record["methods"]["learned"]["curve"]:
        point["relative_gap"]["coal"]["low"] = 0.0
    assert draw(curves.gap_curve, results).layout.yaxis.type is None


def test_reward_curve_shows_equilibrium_values(made_up: SimpleNamespace) -> None:
    figure = draw(curves.reward_curve, made_up.cournot())
    dashed = {t.name: t.y for t in figure.data if t.line.dash == "dash"}
    assert dashed == {"coal": (1111.0, 1111.0), "gas & oil": (2222.0, 2222.0)}


def test_reward_curve_prefers_values_of_the_training_game(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["equilibrium"]["training_value"] = {"coal": 7.0, "gas & oil": 8.0}
    dashed = {t.name: t.y for t in draw(curves.reward_curve, results).data if t.line.dash == "dash"}
    assert dashed == {"coal": (7.0, 7.0), "gas & oil": (8.0, 8.0)}


def test_gap_curve_leaves_out_a_share_of_no_profit(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["methods"]["taker"]["agents"]["relative_gap"]["coal"]["mean"] = None
    results.record["methods"]["learned"]["curve"][0]["relative_gap"]["coal"] = dict.fromkeys(("mean", "low", "high"))
    figure = draw(curves.gap_curve, results)
    (hidden,) = named(figure, "price takers: no share of nothing")
    assert hidden.y == (None, None)
    assert math.isnan(named(figure, "coal")[0].y[0])


@pytest.mark.parametrize("chart", [curves.gap_curve, curves.reward_curve])
def test_curves_need_a_learner(chart: Chart, made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    del results.record["methods"]["learned"]
    with pytest.raises(ValueError, match=r"`results.record` must hold the learning curve of a method"):
        chart(results)


@pytest.mark.parametrize("chart", [curves.gap_curve, curves.reward_curve])
def test_every_chart_says_how_to_read_it_and_names_its_axes(chart: Chart, made_up: SimpleNamespace) -> None:
    layout = draw(chart, made_up.cournot()).layout
    assert layout.meta["caption"].endswith(".")
    assert layout.xaxis.title.text == "environment steps"
    assert layout.yaxis.title.text


def test_curves_speak_of_what_agents_play_for(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["objective"] |= {"reward": "utility", "unit": "points", "gap": "regret", "meaning": "what is missed"}
    results.record["measures"]["reward"] |= {"title": "utility", "unit": "points"}
    results.record["measures"]["relative_gap"] |= {"title": "regret", "unit": "of the best"}
    gap, reward = draw(curves.gap_curve, results), draw(curves.reward_curve, results)
    assert gap.layout.yaxis.title.text == "regret, % of the best"
    assert (
        "The regret is what is missed; lines show what deviations gain that were found." in gap.layout.meta["caption"]
    )
    assert reward.layout.yaxis.title.text == "utility, points"
    assert "each agent's utility in the known solution (Nash)" in reward.layout.meta["caption"]
    assert "points" in next(t.hovertemplate for t in reward.data if t.line.dash == "dash")
    assert "profit" not in f"{gap.to_json()}{reward.to_json()}"
    assert "EUR" not in f"{gap.to_json()}{reward.to_json()}"
