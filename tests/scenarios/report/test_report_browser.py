import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

import walras
from walras.scenarios.electricity import charts
from walras.scenarios.report import curves
from walras.scenarios.report.page import render

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the path")

Chromium: TypeAlias = Any
"""Playwright may be missing, and its types with it."""
CHARTS = {
    "Prices": charts.price_path,
    "Merit order": charts.merit_order,
    "Gap": curves.gap_curve,
    "Profit": curves.reward_curve,
}
WAIT, PHONE = 30_000, 390  # ms, pixels


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

    def __init__(self, browser: Chromium, report: Path, width: int, **options: str) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri(), timeout=WAIT)
        drawn = "[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.modebar'))"
        self.page.wait_for_function(drawn, timeout=WAIT)


@pytest.fixture(scope="module")
def visit(browser: Chromium, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, width=1200)
    yield visit
    visit.context.close()


@pytest.fixture(scope="module")
def narrow(browser: Chromium, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, width=PHONE)
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


def test_fits_a_phone(narrow: Visit) -> None:
    assert narrow.page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert narrow.page.evaluate("document.body.scrollWidth") == PHONE
    wide = """[...document.body.querySelectorAll(':not(.scroll *):not(.chart *):not(pre *)')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert narrow.page.evaluate(wide) == []
    assert narrow.errors == []


def test_tables_scroll_in_boxes_of_their_own(narrow: Visit) -> None:
    boxes = "[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth > e.clientWidth, e.clientWidth])"
    scrolls, widths = zip(*narrow.page.evaluate(boxes), strict=True)
    assert any(scrolls)
    assert max(widths) <= PHONE
    assert len(narrow.page.query_selector_all(".scroll > table")) == len(narrow.page.query_selector_all("table"))


def test_long_names_of_files_break_and_their_hashes_stay_in_a_few_lines(narrow: Visit) -> None:
    narrow.page.evaluate("""() => {
        const row = document.querySelector('.provenance tr')
        row.querySelector('th').textContent = '/home/someone/data/' + 'spain_power_2015_2018_clean'.repeat(3)
        row.querySelector('td').textContent = '0123456789abcdef'.repeat(4)
    }""")
    height = narrow.page.evaluate("document.querySelector('.provenance tr').getBoundingClientRect().height")
    assert height < 200
    assert narrow.page.evaluate("document.querySelector('.provenance .scroll').scrollWidth") <= PHONE


def test_the_modebar_covers_no_legend(visit: Visit, narrow: Visit) -> None:
    overlaps = """[...document.querySelectorAll('.chart')].flatMap(chart => {
        const bar = chart.querySelector('.modebar').getBoundingClientRect()
        return [...chart.querySelectorAll('.legend')].map(legend => legend.getBoundingClientRect())
            .filter(box => bar.height > 0 && box.top < bar.bottom && box.bottom > bar.top && box.right > bar.left)
    }).length"""
    assert [each.page.evaluate(overlaps) for each in (visit, narrow)] == [0, 0]
    assert visit.page.evaluate("document.querySelector('.modebar').getBoundingClientRect().height") > 0
    assert narrow.page.evaluate("document.querySelectorAll('.chart .legend').length") == len(CHARTS)


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast ratio of WCAG 2 of two colours."""
    light = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in (*one, *other)]
    first, second = (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (light[:3], light[3:]))
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(scheme: str, browser: Chromium, report: Path) -> None:
    visit = Visit(browser, report, 1200, color_scheme=scheme)
    colours = """['body', 'h1', '.headline', '.facts', '.kicker', 'figcaption', '.interval', 'th', '.strip span']
        .map(s => document.querySelector(s)).map(e => [getComputedStyle(e).color, getComputedStyle(document.body)
        .backgroundColor].map(c => c.match(/\\d+/g).slice(0, 3).map(Number)))"""
    pairs = visit.page.evaluate(colours)
    assert [contrast(tuple(ink), tuple(paper)) >= 4.5 for ink, paper in pairs] == [True] * 9
    assert (sum(pairs[0][1]) < 128) == (scheme == "dark")
    filtered = visit.page.evaluate("getComputedStyle(document.querySelector('.chart')).filter")
    assert (filtered != "none") == (scheme == "dark")  # charts follow
    visit.context.close()


def test_what_it_is_told_runs_nothing_in_the_browser(
    attack: str, browser: Chromium, tmp_path: Path, made_up: SimpleNamespace
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(made_up.attacked(made_up.day_ahead(hours=60), attack), CHARTS), encoding="utf-8")
    visit = Visit(browser, path, width=1200)
    assert visit.errors == []
    assert visit.requests == [path.as_uri()]
    assert visit.page.evaluate("document.querySelectorAll('img, a[href], .chart a').length") == 0
    assert visit.dialogs == []
    shown = visit.page.locator("#chart-3 .legendtext").first.text_content()
    assert attack.split()[0] in shown
    visit.context.close()


def test_the_policy_keeps_a_script_that_got_in_from_running(browser: Chromium, report: Path, tmp_path: Path) -> None:
    path, page = tmp_path / "report.html", report.read_text(encoding="utf-8")
    path.write_text(page.replace("<h1>", "<script>document.title = 'ran'</script><h1>"), encoding="utf-8")
    visit = Visit(browser, path, width=1200)
    assert visit.page.title() == "Day ahead · Walras"
    assert any("Content Security Policy" in error for error in visit.errors)
    visit.context.close()


NETWORK = {
    "fleet.csv": "unit,owner,capacity_mw,marginal_cost_eur_mwh,bus\nn,north,60,20,N\n"
    "s,south,60,30,S\nt,south,60,50,S\n",
    "demand.csv": "time,mw\n2018-01-01T00:00Z,100\n2018-01-01T01:00Z,40\n",
    "buses.csv": "bus,latitude,longitude\nN,43,-3\nS,37,-6\n",
    "branches.csv": "branch,from_bus,to_bus,limit_mw,susceptance_mw_rad\nNS,N,S,30,500\n",
    "market.yaml": "market: {kind: dispatch}\nfleet: {file: fleet.csv}\ndemand: {file: demand.csv, columns: {S: mw}}\n"
    "network: {buses: buses.csv, branches: branches.csv}\n",
}


@pytest.mark.parametrize("width", [1200, PHONE])
def test_a_dispatch_opens_offline_without_error_or_request(browser: Chromium, width: int, tmp_path: Path) -> None:
    for name, text in NETWORK.items():
        (tmp_path / name).write_text(text)
    report = walras.run(str(tmp_path / "market.yaml"), root=tmp_path / "runs", progress=False).report()
    visit = Visit(browser, report, width)
    assert (visit.errors, visit.requests) == ([], [report.as_uri()])
    assert visit.page.locator(".chart").count() == 7
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.context.close()
