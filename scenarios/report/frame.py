"""The frame of all pages: each opens without a network, and is the same for the same results.

A page is a template that escapes whatever it is told. A policy in its head lets the browser run only the scripts and
styles whose hashes it names, and load nothing.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from walras.scenarios.report.charts import Plot
from walras.scenarios.report.figures import ASSETS, asset, drawn, library


def framed(template: Path, charts: Mapping[str, Plot], scripts: Sequence[Markup] = (), **told: Any) -> str:  # noqa: ANN401
    """Return a page.

    Parameters
    ----------
    template : Path
        What stands within the frame, which it extends; it includes the figures.
    charts : mapping of str to figure
        Figures by title. A figure's ``layout.meta["caption"]`` is printed under it.
    scripts : sequence of Markup
        What runs beside the script that draws.
    **told
        What the template writes; `title`, `kicker` over it, `facts` under it, and `without_scripts`, what then works.
    """
    drawings = [_chart(title, figure) for title, figure in charts.items()]
    style, run = asset("style.css"), (library(each["figure"] for each in drawings), asset("draw.js"), *scripts)
    return template_at(template).render(policy=policy(run, (style,)), style=style, scripts=run, charts=drawings, **told)


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return the policy by which the browser runs these scripts and styles alone, and loads nothing.

    Plotly adds a style element without content, which it then fills by rules; its pictures are data.
    """
    run, shown = (" ".join(map(_hash, parts)) for parts in (scripts, (*styles, "")))
    closed = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:"
    return f"{closed}; script-src {run}; style-src {shown}"


@cache
def template_at(path: Path) -> Any:  # noqa: ANN401 - jinja2's template is only partly typed
    """Return a template that escapes what it is told, and refuses what it is not."""
    house = Environment(loader=FileSystemLoader([path.parent, ASSETS]), autoescape=True, undefined=StrictUndefined)
    return house.get_template(path.name)


def _chart(title: str, figure: Plot) -> dict[str, Any]:
    """Return what the template writes of a figure: its title, its caption, and itself."""
    caption = str((figure.layout.meta or {"caption": ""})["caption"])
    return {"title": title, "caption": caption, "figure": drawn(figure)}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
