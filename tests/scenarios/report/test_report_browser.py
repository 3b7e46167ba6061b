import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from walras.scenarios.electricity import charts
from walras.scenarios.report import curves
from walras.scenarios.report.page import render

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path"),
    pytest.mark.xdist_group("browser"),
]

Chromium: TypeAlias = Any
"""Playwright may be missing, and its types with it."""
CHARTS = {
    "Prices": charts.price_path,
    "Merit order": charts.merit_order,
    "Gap": curves.gap_curve,
    "Profit": curves.reward_curve,
}
WAIT = 30_000  # ms


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=[60, 8760], ids=["days", "year"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, made_up: SimpleNamespace) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(made_up.day_ahead(hours=request.param), CHARTS), encoding="utf-8")
    return path


class Visit:
    """A page opened without a network, and what went wrong on it."""

    def __init__(self, browser: Chromium, report: Path, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri(), timeout=WAIT)
        self.page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 4", timeout=WAIT)


@pytest.fixture(scope="module")
def visit(browser: Chromium, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, width=1200)
    yield visit
    visit.context.close()


@pytest.fixture(scope="module")
def narrow(browser: Chromium, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, width=400)
    yield visit
    visit.context.close()


def test_opens_offline_without_error_or_request(visit: Visit, report: Path) -> None:
    assert visit.errors == []
    assert visit.requests == [report.as_uri()]


def test_every_chart_is_drawn(visit: Visit) -> None:
    drawn = "[1, 2, 3, 4].map(k => document.querySelectorAll(`#chart-${k} .main-svg`).length > 0)"
    assert visit.page.evaluate(drawn) == [True] * len(CHARTS)
    marks = "[1, 2, 3, 4].map(k => document.querySelectorAll(`#chart-${k} path`).length > 10)"
    assert visit.page.evaluate(marks) == [True] * len(CHARTS)


def merit(visit: Visit) -> tuple[Any, str]:
    """Return the clearing prices that the merit order shows, and the hour that it names."""
    prices = "document.getElementById('chart-2').data.filter(t => t.name == 'clearing price').map(t => t.y[0])"
    hour = visit.page.locator("#chart-2 .slider-label").first.text_content()
    return visit.page.evaluate(prices), hour


@pytest.mark.parametrize(("button", "prices"), [("cheapest", [40, 52]), ("dearest", [63, 75])])
def test_another_hour_is_chosen(visit: Visit, button: str, prices: list[float]) -> None:
    visit.page.locator("#chart-2 .updatemenu-button", has_text=button).click()
    visit.page.wait_for_function(f"document.querySelector('#chart-2 .slider-label').textContent.includes('{button}')")
    shown, hour = merit(visit)
    assert shown == prices
    assert button in hour


def test_the_slider_moves_the_hour(visit: Visit) -> None:
    before = merit(visit)
    rail = visit.page.locator("#chart-2 .slider-rail-touch-rect")
    rail.scroll_into_view_if_needed()  # a click by coordinates misses what lies outside the window
    box = rail.bounding_box()
    rail.click(position={"x": 0.1 * box["width"], "y": box["height"] / 2})  # waits until the page stands still
    visit.page.wait_for_function(
        "hour => document.querySelector('#chart-2 .slider-label').textContent != hour", arg=before[1], timeout=WAIT
    )
    assert merit(visit)[1] != before[1]
    assert visit.errors == []


def test_fits_a_narrow_screen(narrow: Visit) -> None:
    assert narrow.page.evaluate("document.documentElement.scrollWidth") == 400
    assert narrow.page.evaluate("document.body.scrollWidth <= 400")
    assert narrow.errors == []
