import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from walras.scenarios.electricity import charts
from walras.scenarios.engine.manifest import run_id
from walras.scenarios.report import curves
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


def test_loads_nothing(page: str, made_up: SimpleNamespace) -> None:
    parser = parsed(page)
    assert parser.loads == []
    assert not [tag for tag, _ in parser.tags if tag in ("link", "iframe", "img")]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_holds_plotly_once_and_every_chart(page: str, made_up: SimpleNamespace) -> None:
    assert page.count("plotly.js v") == 1
    ids = [attrs.get("id") for _, attrs in parsed(page).tags]
    for index in range(1, 5):
        assert f"chart-{index}" in ids
        assert f"caption-{index}" in ids


def test_equal_results_give_equal_pages(page: str, made_up: SimpleNamespace) -> None:
    assert render(made_up.day_ahead(), CHARTS) == page


def test_holds_the_numbers_of_the_summary(page: str, made_up: SimpleNamespace) -> None:
    words = text(page)
    for number in ("coal", "gas & oil", "1 234", "2 469", "1 111", "2 222", "61.7", "123.4", "5.00", "10.00"):
        assert number in words
    assert "[1 111, 1 358]" in words  # the learners' interval of coal's profit
    assert "0.210" in words
    assert words.index("Seasonal naive 1.75 2.50") < words.index("Competitive equilibrium 5.25 6.50")


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


def test_escapes_what_it_is_told(made_up: SimpleNamespace) -> None:
    attack = "<script>alert(1)</script>"
    results = made_up.day_ahead(hours=60, start=attack)
    record = results.record
    record["scenario"] = record["equilibrium"]["status"] = attack
    record["objective"] |= dict.fromkeys(("reward", "unit", "gap", "meaning", "share_of"), attack)
    record["measures"] = {name: words | {"title": attack, "unit": attack} for name, words in record["measures"].items()}
    for method in record["methods"].values():
        method["title"] = attack
    page = render(results, {attack: charts.price_path} | CURVES)
    assert attack not in page.replace("\\u003c", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("</script>") == page.count("<script")


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
