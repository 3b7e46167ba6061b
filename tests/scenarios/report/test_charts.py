from types import SimpleNamespace

from walras.scenarios.engine.results import Results
from walras.scenarios.report import charts


def run_of(roles: dict[str, str], made_up: SimpleNamespace) -> Results:
    """A run of methods with these roles."""
    results = made_up.cournot()
    one = results.record["methods"]["learned"]
    results.record["methods"] = {name: one | {"title": "", "role": role} for name, role in roles.items()}
    return results


def test_colours_follow_role_and_order(made_up: SimpleNamespace) -> None:
    roles = {"b": "rule", "x": "learner", "optimum": "reference", "y": "learner", "plan": "reference", "a": "rule"}
    results = run_of(roles, made_up)
    found = {name: charts.method_colour(results, name) for name in roles}
    assert len(set(found.values())) == len(roles)
    assert (found["optimum"], found["plan"]) == charts.REFERENCE_COLOURS
    assert found["x"] == charts.VERMILION
    renamed = run_of({f"{name}_2": role for name, role in roles.items()}, made_up)
    assert [charts.method_colour(renamed, name) for name in renamed.record["methods"]] == list(found.values())


def test_vermilion_is_kept_for_what_learns(made_up: SimpleNamespace) -> None:
    results = run_of({"a": "rule", "b": "rule"}, made_up)
    assert charts.VERMILION not in [charts.method_colour(results, name) for name in "ab"]
    assert charts.reference_of(results) == "a"


def test_there_is_a_colour_for_any_number_of_methods(made_up: SimpleNamespace) -> None:
    results = run_of({f"m{k}": "learner" for k in range(30)}, made_up)
    assert {charts.method_colour(results, name) for name in results.record["methods"]} == {
        charts.VERMILION, *charts.OTHER_COLOURS
    }  # fmt: skip


def test_a_method_without_a_title_is_called_by_its_name(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    assert charts.title_of(results, "learned") == "PPO"
    assert charts.title_of(results, "seasonal_naive") == "seasonal naive"
    assert charts.title_of(run_of({"best_response": "rule"}, made_up), "best_response") == "best response"


def test_what_learns_may_have_no_curve(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    results.record["methods"]["learned"]["curve"] = []
    assert charts.learners(results) == ["learned"]
    assert charts.with_curves(results) == []


def test_ticks_are_numbers_and_powers_not_letters() -> None:
    figure = charts.blank_figure("profit", "steps", height=300)
    for axis in (figure.layout.template.layout.xaxis, figure.layout.template.layout.yaxis):
        assert (axis.exponentformat, axis.separatethousands) == ("none", True)
    assert figure.update_yaxes(**charts.LOGARITHMIC).layout.yaxis.exponentformat == "power"


def test_a_menu_shows_the_traces_of_its_title() -> None:
    figure = charts.blank_figure("", "", height=300)
    for k in range(5):
        figure.add_scatter(y=[k])
    charts.add_menu(figure, ["one", "two"], each=2, first=1)
    assert [trace.visible for trace in figure.data] == [True, False, False, True, True]
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["one", "two"]
    assert menu.buttons[0].args[0]["visible"] == [True, True, True, False, False]
