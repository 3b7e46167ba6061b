"""The report of a study: its numbers, its charts, and what it leaves out, in the frame of all pages."""

from collections.abc import Mapping

from walras.scenarios.engine.manifest import run_id
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.study import Chart
from walras.scenarios.report.figures import ASSETS
from walras.scenarios.report.frame import framed
from walras.scenarios.report.numbers import brief
from walras.scenarios.report.page import provenance, run_command
from walras.scenarios.report.words import capital


def render_study(results: Results, charts: Mapping[str, Chart]) -> str:
    """Return the page of a study.

    Parameters
    ----------
    results : Results
        A finished study.
    charts : mapping of str to chart
        From the study's tables to figures, by title.
    """
    told = results.record["study"]
    headline = told.get("headline") or _accuracy(told["residual"])
    return framed(
        ASSETS / "page.html",
        {title: figure for title, chart in charts.items() if (figure := chart(results.tables)) is not None},
        kicker="study" if told.get("headline") else "market study",
        title=capital(str(results.record["scenario"]).replace("_", " ")),
        headline=" ".join([headline, *told["left_out"]]),
        facts=[f"run {run_id(results.manifest)}", *(f"{name}.csv" for name in told["tables"])],
        cards=[_card(words, value) for words, value in told["facts"].items()],
        tables=[],
        commands=[run_command(results.manifest), f"walras replay {run_id(results.manifest)}"],
        provenance=provenance(results.manifest),
        without_scripts="The charts need JavaScript; the tables are the CSV files beside this page.",
    )


def _accuracy(residual: float) -> str:
    return f"The largest violation of the conditions of an optimum is {residual:.1e} of its size."


def _card(words: str, value: float) -> dict[str, str]:
    title, _, unit = words.rstrip(")").partition(" (")
    return {"title": title, "value": f"{value:,}" if isinstance(value, int) else brief(value), "unit": unit, "note": ""}
