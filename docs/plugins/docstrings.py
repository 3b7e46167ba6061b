"""Griffe extension: the package's docstrings as Markdown, so that a fact is written once, in the code.

The code follows numpydoc, whose mathematics, tables and references are reStructuredText. This turns them into
what the site renders, and makes the comment beside a field the field's documentation.
"""

import re
from typing import Any

from griffe import Attribute, Class, Docstring, Extension, Module, Object

HEADING = re.compile(r"^(?P<title>\S[^\n]*)\n-{3,}$", re.MULTILINE)
INLINE = re.compile(r":math:`(.+?)`", re.DOTALL)
DISPLAY = re.compile(r"^\.\. math:: (.+?)(?=\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)
CITED = re.compile(r"\[(\d+)\]_")
REFERENCE = re.compile(r"^(?:\.\. )?(?=\[\d+\] )", re.MULTILINE)
TABLE = re.compile(r"^=+ +=+\n(?P<head>.+)\n=+ +=+\n(?P<body>(?:.+\n)+?)=+ +=+$", re.MULTILINE)
PARAMETERS = re.compile(r"(?<=# Parameters\n)(?P<lines>(?:\S.*\n)+)")
ENTRY = re.compile(r"^(\w+(?:, \w+)*) : ", re.MULTILINE)
COMMENT = re.compile(r"  # (?!noqa|type:|pyright)(.+)$")


class Markdown(Extension):
    """Rewrites each docstring as it is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:  # noqa: ANN401 - Griffe's own signature
        """Rewrite the docstring of `obj`, or make one of the comment beside it."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = _markdown(_untitled(text) if isinstance(obj, Module) else text)
        elif isinstance(obj, Attribute) and isinstance(obj.parent, Class) and (beside := _comment(obj)):
            obj.docstring = Docstring(beside, parent=obj)


def _comment(field: Attribute) -> str:
    found = COMMENT.search("\n".join(field.lines))
    return found[1] if found else ""


def _untitled(text: str) -> str:
    """Turn the sections of a module's page into Markdown headings, which no docstring parser takes apart."""
    text = HEADING.sub(r"# \g<title>\n", text).replace("# Parameters\n\n", "# Parameters\n")
    return PARAMETERS.sub(lambda found: "\n" + ENTRY.sub(r"- `\1`: ", found["lines"]), text)


def _markdown(text: str) -> str:
    text = DISPLAY.sub(lambda found: f"$$\n{' '.join(found[1].split())}\n$$", text)
    text = INLINE.sub(lambda found: rf"\({' '.join(found[1].split())}\)", text)
    text = TABLE.sub(_pipes, text)
    return CITED.sub(r"[\1]", REFERENCE.sub("- ", text))


def _pipes(found: re.Match[str]) -> str:
    """Turn a simple table of two columns into a Markdown table."""
    width = found[0].index(" ")
    rows = [found["head"], *found["body"].splitlines()]
    split = [(row, row.index(" ", width)) for row in rows]
    cells = [f"| {row[:end].strip()} | {row[end:].strip()} |" for row, end in split]
    return "\n".join([cells[0], "|---|---|", *cells[1:]])
