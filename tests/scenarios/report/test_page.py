import re
import runpy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from walras.scenarios.engine.results import run_id
from walras.scenarios.report import charts, curves
from walras.scenarios.report.page import headline, key_numbers, render, run_command

_runs = runpy.run_path(str(Path(__file__).with_name("test_charts.py")))
day_ahead, cournot = _runs["day_ahead"], _runs["cournot"]
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
def page() -> str:
    return render(day_ahead(), CHARTS)


def test_loads_nothing(page: str) -> None:
    parser = parsed(page)
    assert parser.loads == []
    assert not [tag for tag, _ in parser.tags if tag in ("link", "iframe", "img")]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_holds_plotly_once_and_every_chart(page: str) -> None:
    assert page.count("plotly.js v") == 1
    ids = [attrs.get("id") for _, attrs in parsed(page).tags]
    for index in range(1, 5):
        assert f"chart-{index}" in ids
        assert f"caption-{index}" in ids


def test_equal_results_give_equal_pages(page: str) -> None:
    assert render(day_ahead(), CHARTS) == page


def test_holds_the_numbers_of_the_summary(page: str) -> None:
    words = text(page)
    for number in ("coal", "gas & oil", "1 234", "2 469", "1 111", "2 222", "61.7", "123.4", "5.00", "10.00"):
        assert number in words
    assert "[1 111, 1 358]" in words  # the learners' interval of coal's profit
    assert "0.210" in words
    assert words.index("Seasonal naive 1.75 2.50") < words.index("Competitive equilibrium 5.25 6.50")


def test_is_accessible(page: str) -> None:
    tags = parsed(page).tags
    assert ("html", {"lang": "en"}) in tags
    assert [attrs for tag, attrs in tags if tag == "th" and "scope" not in attrs] == []
    described = [attrs["aria-describedby"] for tag, attrs in tags if tag == "figure"]
    assert described == [f"caption-{index}" for index in range(1, 5)]
    assert any(attrs.get("name") == "viewport" for _, attrs in tags)
    assert "<title>Day ahead · Walras</title>" in page


def test_escapes_what_it_is_told() -> None:
    attack = "<script>alert(1)</script>"
    results = day_ahead(hours=60, start=attack)
    summary = results.summary | {"scenario": attack}
    page = render(replace(results, summary=summary), {attack: charts.price_path})
    assert attack not in page.replace("\\u003c", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("</script>") == page.count("<script")


def test_headline_says_where_the_price_went() -> None:
    assert headline(day_ahead()) == (
        "Learned play raises the mean price from 51.5 (competitive equilibrium) to 63.5 EUR/MWh; "
        "the largest gain from deviating is 10.0 % of profit."
    )
    assert headline(cournot()).startswith("Learned play lowers the mean price from 51.5 (equilibrium) to 30.0 EUR/MWh")


def test_headline_does_not_call_noise_a_change() -> None:
    results = day_ahead()
    results.summary["contestants"]["scripted"]["market"]["price"]["mean"] = 60.0
    assert "leaves the mean price where it was, near 60.0 EUR/MWh (competitive equilibrium)" in headline(results)


def test_headline_without_learner() -> None:
    results = day_ahead()
    del results.summary["contestants"]["learned"]
    assert headline(results) == "No contestant learns in this run."
    assert ("Mean price", "51.5 EUR/MWh", "") in key_numbers(results)


def test_key_numbers_compare_with_the_baseline() -> None:
    cards = key_numbers(day_ahead())
    assert ("Mean price", "63.5 EUR/MWh", "51.5 in the competitive equilibrium") in cards
    assert ("Largest gain from deviating", "10.0 % of profit", "by gas & oil") in cards


def test_shows_an_infinite_gap() -> None:
    assert "∞" in text(render(cournot(), CURVES))


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
def test_run_command(fields: dict[str, Any], command: str) -> None:
    assert run_command(cournot(**fields).manifest) == command


def test_a_share_of_no_profit_is_absent_and_the_headline_counts_money() -> None:
    results = cournot()
    for part in (results.summary["contestants"]["learned"], results.summary["contestants"]["taker"]):
        part["agents"]["relative_gap"]["coal"] = {"mean": None, "low": None, "high": None, "seeds": [None]}
    assert headline(results).endswith("the largest gain from deviating is 2.00 EUR/h.")
    assert "\N{EN DASH}" in text(render(results, CURVES))


def test_says_how_to_run_it_again(page: str) -> None:
    results = day_ahead()
    assert f"walras replay {run_id(results.manifest)}" in page
    for fact in ("walras run day_ahead", "/data/spain.csv", "ab" * 32, "0.1.0", "3.11.7", "x86_64"):
        assert fact in text(page)


def test_run_command_is_read_back_by_the_command_line() -> None:
    from walras.scenarios.cli import How, _source

    fields = {"markup_limit": 40.0, "seeds": 3, "learner": "SAC"}
    words = run_command(day_ahead(**fields).manifest).split()
    source, _ = _source("run", words[2:], How)
    assert (source.scenario, source.fields) == ("day_ahead", fields)


def test_summary_must_be_whole() -> None:
    results = day_ahead()
    del results.summary["equilibrium"]
    with pytest.raises(ValueError, match=r"`results.summary` must have the parts .*equilibrium"):
        render(results, {})


def test_chart_that_does_not_fit_the_game() -> None:
    with pytest.raises(ValueError, match="not lack price"):
        render(cournot(), CHARTS)
