"""MkDocs hook: LaTeX becomes MathML when the site is built, so that no page needs a script for it."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">(?:\\\(|\\\[)(?P<latex>.*?)(?:\\\)|\\\])</(?P=tag)>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:  # noqa: ANN401 - MkDocs' own signature
    """Replace what `pymdownx.arithmatex` marked."""
    return FORMULA.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    display = "inline" if found["tag"] == "span" else "block"
    return convert(html.unescape(found["latex"]).strip(), display=display)
