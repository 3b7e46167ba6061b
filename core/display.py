"""How things of the suite show themselves: one line on a terminal, a small table in a notebook."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from html import escape
from typing import Any

import numpy as np

WIDTH = 60
"""Characters of a value, at most."""


def line(name: str, /, **facts: object) -> str:
    """Return ``Name(fact=value, ...)``, each value in short.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.core.display import line
    >>> line("Solution", value=np.array([0.5, 1 / 3]), residual=1e-15)
    'Solution(value=[0.5, 0.3333], residual=1e-15)'
    """
    return f"{name}({', '.join(f'{fact}={short(value)}' for fact, value in facts.items())})"


def heading(name: str, /, **facts: object) -> str:
    """Return the same as a line of HTML."""
    return f"<p><strong>{escape(name)}</strong> {escape(', '.join(f'{k} {short(v)}' for k, v in facts.items()))}</p>"


def table(name: str, /, **facts: object) -> str:
    """Return the same as a table of HTML, a row a fact."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(fact)}</th><td style="text-align:left">{escape(short(value))}</td></tr>'
        for fact, value in facts.items()
    )
    return f"<table><caption>{escape(name)}</caption><tbody>{rows}</tbody></table>"


def differing(thing: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Return the fields of a dataclass that differ from their defaults."""
    return {
        field.name: getattr(thing, field.name)
        for field in fields(thing)
        if field.default is MISSING or short(getattr(thing, field.name)) != short(field.default)
    }


def short(value: object) -> str:
    """Return a value in short: numbers with four digits, what is long cut off."""
    match value:
        case str():
            text = value
        case bool() | int() | None:
            text = repr(value)
        case float() | np.floating():
            text = f"{value:.4g}"
        case np.ndarray() if value.size > 8:
            text = f"array of shape {value.shape}"
        case np.ndarray():
            text = short(value.tolist())
        case list() | tuple():
            text = f"[{', '.join(map(short, value))}]"
        case Mapping():
            text = f"{{{', '.join(f'{k}: {short(v)}' for k, v in value.items())}}}"
        case _:
            text = repr(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
