import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import plotly.graph_objects as go
import pytest
from jinja2 import UndefinedError

from walras.scenarios.electricity import charts
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.report import curves
from walras.scenarios.report.figures import ASSETS
from walras.scenarios.report.frame import template_at
from walras.scenarios.report.page import render, run_command

CURVES = {"Gap": curves.gap_curve, "Profit while learning": curves.reward_curve}
CHARTS = {"Prices": charts.price_path, "Merit order": charts.merit_order} | CURVES


class Page(HTMLParser):
    """What a page loads, and its text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.loads, self.tags, self.words, self._silent = [], [], [], False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def parsed(page: str) -> Page:
    parser = Page()
    parser.feed(page)
    return parser


def text(page: str) -> str:
    return " ".join(" ".join(parsed(page).words).split())


@pytest.fixture(scope="module")
def page(made_up: SimpleNamespace) -> str:
    return render(made_up.day_ahead(), CHARTS)


def policy_of(page: str) -> dict[str, list[str]]:
    """The page's content security policy."""
    (content,) = [attrs["content"] for tag, attrs in parsed(page).tags if tag == "meta" and "http-equiv" in attrs]
    return {name: sources for name, *sources in (part.split() for part in content.split("; "))}


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_loads_nothing(page: str) -> None:
    parser = parsed(page)
    assert parser.loads == []
    assert not [tag for tag, _ in parser.tags if tag in ("link", "iframe", "img")]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert policy_of(page)["default-src"] == ["'none'"]


def test_the_policy_names_the_scripts_and_styles_of_the_page_and_no_others(page: str) -> None:
    policy, scripts = policy_of(page), re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy["script-src"] == [hashed(script) for script in scripts]
    assert policy["style-src"] == [hashed(style) for style in re.findall(r"<style>(.*?)</style>", page, re.DOTALL)] + [
        hashed("")
    ]
    assert "unsafe" not in " ".join(source for sources in policy.values() for source in sources)


def test_holds_plotly_once_and_every_chart(page: str) -> None:
    assert page.count("Licensed under the MIT license") == page.count("plotly.js (basic - minified) v") == 1
    ids = [attrs.get("id") for _, attrs in parsed(page).tags]
    for index in range(1, 5):
        assert f"chart-{index}" in ids
        assert f"caption-{index}" in ids


def test_other_traces_are_drawn_by_all_of_plotly(made_up: SimpleNamespace) -> None:
    page = render(made_up.cournot(), {"Heat": lambda results: go.Figure(go.Heatmap(z=[[1, 2]]))})
    assert "plotly.js (basic" not in page
    assert page.count("plotly.js v") == 1
    assert policy_of(page)["script-src"] == [hashed(s) for s in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)]


def test_a_page_is_small(page: str) -> None:
    assert len(page.encode()) < 1.5e6


def test_equal_results_give_equal_pages(page: str, made_up: SimpleNamespace) -> None:
    assert render(made_up.day_ahead(), CHARTS) == page


def test_holds_the_numbers_of_the_summary(page: str, made_up: SimpleNamespace) -> None:
    words = text(page)
    for number in ("coal", "gas & oil", "1 234", "2 469", "1 111", "2 222", "61.7", "123", "5.00", "10.0"):
        assert number in words
    assert "[1 111, 1 358]" in words  # the learners' interval of coal's profit
    assert "0.210" in words
    assert words.index("Seasonal naive 1.75") < words.index("Competitive equilibrium 5.25")


def test_says_what_each_gap_is_worth(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    weak = {"kind": "statistical", "concept": "nash", "certifies": "coarse correlated", "confidence": 0.9}
    results.record["methods"]["random"]["certificate"] = weak
    words = text(render(results, {}))
    assert "Competitive equilibrium gain from deviating: exact; concept: Nash coal" in words
    assert "Random gain from deviating: 90 % confidence; concept: coarse correlated coal" in words
    assert "solution (Nash) converged, residual 1.0e-12" in words


def test_is_accessible(page: str, made_up: SimpleNamespace) -> None:
    tags = parsed(page).tags
    assert ("html", {"lang": "en"}) in tags
    assert [attrs for tag, attrs in tags if tag == "th" and "scope" not in attrs] == []
    described = [attrs["aria-describedby"] for tag, attrs in tags if tag == "figure"]
    assert described == [f"caption-{index}" for index in range(1, 5)]
    assert any(attrs.get("name") == "viewport" for _, attrs in tags)
    assert "<title>Day ahead · Walras</title>" in page


def test_escapes_what_it_is_told(attack: str, made_up: SimpleNamespace) -> None:
    results = made_up.attacked(made_up.day_ahead(hours=60, start=attack), attack)
    page = render(results, {attack: charts.price_path} | CHARTS)
    assert ("<" in attack) == (attack not in page)
    assert text(page).count(attack) > 40  # as text it is there, and not what a template would make of it
    assert page.count("</script>") == page.count("<script")
    assert [tag for tag, _ in parsed(page).tags if tag in ("img", "a")] == []
    for figure in figures(page):
        assert "<" not in re.sub("<br>|<extra></extra>", "", json.dumps(figure))


def figures(page: str) -> list[dict[str, Any]]:
    """The figures on a page, as the browser reads them."""
    return [json.loads(each) for each in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)]


def test_figures_are_those_of_the_charts(page: str, made_up: SimpleNamespace) -> None:
    shown, drawn = figures(page), [json.loads(chart(made_up.day_ahead()).to_json()) for chart in CHARTS.values()]
    assert [[t["type"] for t in figure["data"]] for figure in shown] == [
        [t["type"] for t in figure["data"]] for figure in drawn
    ]
    assert [figure["data"][0]["y"] for figure in shown] == [figure["data"][0]["y"] for figure in drawn]
    assert "gas &amp; oil" in json.dumps(shown)  # plotly reads entities


def test_a_template_refuses_what_it_was_not_given() -> None:
    with pytest.raises(UndefinedError, match="undefined"):
        template_at(ASSETS / "page.html").render()


def test_shows_an_infinite_gap(made_up: SimpleNamespace) -> None:
    assert "∞" in text(render(made_up.cournot(), CURVES))


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({}, "walras run cournot"),
        ({"markup_limit": 40.0, "seeds": 3}, "walras run cournot --markup-limit 40.0 --seeds 3"),
        ({"cost": [1.0, 2.5]}, "walras run cournot --cost 1.0 2.5"),
        ({"data": "/my data/x.csv"}, "walras run cournot --data '/my data/x.csv'"),
        ({"quick": True, "slow": False}, "walras run cournot --quick --no-slow"),
    ],
)
def test_run_command(fields: dict[str, Any], command: str, made_up: SimpleNamespace) -> None:
    assert run_command(made_up.cournot(**fields).manifest) == command


def test_a_share_of_no_profit_is_absent(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["methods"]["taker"]["agents"]["relative_gap"]["coal"] = dict.fromkeys(("mean", "low", "high"))
    assert "\N{EN DASH}" in text(render(results, CURVES))


def test_says_how_to_run_it_again(page: str, made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    assert f"walras replay {run_id(results.manifest)}" in page
    for fact in ("walras run day_ahead", "/data/spain.csv", "ab" * 32, "0.1.0", "3.11.7", "x86_64"):
        assert fact in text(page)


def test_run_command_is_read_back_by_the_command_line(made_up: SimpleNamespace) -> None:
    from walras.scenarios.cli import How, _source

    fields = {"markup_limit": 40.0, "seeds": 3, "learner": "SAC"}
    words = run_command(made_up.day_ahead(**fields).manifest).split()
    source, _ = _source("run", words[2:], How)
    assert (source.scenario, source.fields) == ("day_ahead", fields)


def test_the_record_must_be_whole(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    del results.record["equilibrium"]
    with pytest.raises(ValueError, match=r"`results.record` must have the parts .*equilibrium"):
        render(results, {})


def test_chart_that_does_not_fit_the_game(made_up: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="not lack price"):
        render(made_up.cournot(), CHARTS)
