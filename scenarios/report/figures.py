"""A plotly figure as the page holds it, as JSON with text that is only text, and the script that draws it."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from walras.scenarios.report.charts import Plot

ASSETS = Path(__file__).with_name("assets")
BASIC = ("bar", "pie", "scatter")
"""Traces of plotly's basic bundle."""
MARKUP = ("<br>", "<extra></extra>")
"""What charts may write in plotly's own HTML: a new line, and a hover label without a second box."""
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def drawn(figure: Plot) -> dict[str, Any]:
    """Return a figure as JSON has it, with all text escaped but for `MARKUP`.

    Plotly takes text for HTML of a few tags, links among them. Here a tag in a name is shown as it is written.
    """
    return _as_text({**json.loads(figure.to_json()), "config": CONFIG})


def library(figures: Iterable[Mapping[str, Any]]) -> Markup:
    """Return the script that draws `figures`: plotly's basic bundle, or all of plotly where one needs it."""
    kinds = {trace["type"] for figure in figures for trace in figure["data"]}
    if kinds <= set(BASIC):
        return asset("plotly-basic.min.js")
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())


@cache
def asset(name: str) -> Markup:
    """Return a file of the package, which is written on a page as it is."""
    return Markup((ASSETS / name).read_text(encoding="utf-8"))


def _as_text(part: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    match part:
        case dict():
            return {name: _as_text(value) for name, value in part.items()}
        case list():
            return [_as_text(value) for value in part]
        case str():
            return _escaped(part)
        case _:
            return part


def _escaped(text: str) -> str:
    """Return `text` as plotly shows it letter by letter."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, entity)
    for tag in MARKUP:
        text = text.replace(tag.replace("<", "&lt;").replace(">", "&gt;"), tag)
    return text
