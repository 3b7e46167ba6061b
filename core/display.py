"""How things of the suite show themselves: one line on a terminal, a small table in a notebook."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from html import escape
from typing import Any

import numpy as np

WIDTH = 60
"""Characters of a value, at most."""


class Shown:
    """Gives dataclasses, and those that derive from them, a short `repr`, and a table in notebooks."""

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - those of other bases
        super().__init_subclass__(**options)
        cls.__repr__ = Shown.__repr__  # `dataclass` would write one that tells all

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={short(value)}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        rows = (
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(short(value))}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption><tbody>{''.join(rows)}</tbody></table>"

    def _facts(self) -> dict[str, object]:
        """Return what is shown: the fields."""
        known = fields(self) if is_dataclass(self) else ()
        return {field.name: getattr(self, field.name) for field in known if field.repr}


def differing(thing: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    """Return the fields of a dataclass that differ from their defaults."""
    values = {field.name: (getattr(thing, field.name), _default(field)) for field in fields(thing)}
    return {name: value for name, (value, default) in values.items() if repr(value) != repr(default)}


def short(value: object) -> str:
    """Return a value in short: numbers with four digits, what is long cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.core.display import short
    >>> short((np.array([0.5, 1 / 3]), 1e-15, np.zeros((3, 7))))
    '[[0.5, 0.3333], 1e-15, array of shape (3, 7)]'
    """
    match value:
        case str():
            text = value
        case Enum():
            text = value.name
        case float() | np.floating():
            text = f"{value:.4g}"
        case np.ndarray():
            text = short(value.tolist()) if value.size <= 8 else f"array of shape {value.shape}"
        case list() | tuple():
            text = f"[{', '.join(map(short, value))}]"
        case Mapping():
            text = f"{{{', '.join(f'{key}: {short(each)}' for key, each in value.items())}}}"
        case _:
            text = " ".join(repr(value).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()
