"""YAML that means what it says: a key stands once, and a word is a word.

YAML's older rules read ``NO`` as false, ``12:30`` as 750, ``010`` as 8 and ``2018-01-01`` as a date, and let the last
of two equal keys win. Here only ``true`` and ``false`` are truth values, ``null`` and ``~`` nothing, and digits without
a leading zero whole numbers; ``1e3`` is a number. All else is text.
"""

# PyYAML's types are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from pathlib import Path
from typing import Any

import yaml

from walras.core.checks import require
from walras.core.files import read_text

BOOL, NULL, INT, FLOAT, TEXT = (f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "int", "float", "str"))
RULES = (
    (BOOL, r"true|false", "tf"),
    (NULL, r"null|~", "n~"),
    (INT, r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        FLOAT,
        r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
)
"""Tag, pattern and first characters of what is no text."""
DEEPEST = 64
"""Brackets within brackets, at most."""


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the rules above."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own name and type

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: ANN401 - PyYAML's own names
        """Refuse brackets within brackets without end: PyYAML's time grows with the square of their depth."""
        if self.flow_level >= DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


for _tag, _pattern, _first in RULES:
    StrictLoader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


class PlainLoader(StrictLoader):
    """The same for files without types of their own, in which no value is nothing."""


PlainLoader.add_implicit_resolver(NULL, re.compile("^$"), [""])


def read_yaml(path: Path, name: str = "path", loader: type[StrictLoader] = StrictLoader) -> yaml.Node:
    """Return the content of a file as a tree of nodes, each with its line.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it holds no YAML, nothing, several documents, nesting without end, or a key twice.
    """
    text = read_text(path, name)
    try:
        node = yaml.compose(text, loader)
    except yaml.YAMLError as wrong:
        raise ValueError(f"`{name}` must be a file of YAML; got {path}: {' '.join(str(wrong).split())}.") from wrong
    except RecursionError:
        raise ValueError(f"`{name}` must be a file of YAML; got {path}, which is nested too deep.") from None
    require(node is not None, name, "hold something", f"{path}, which is empty")
    assert node is not None
    return node


def load_yaml(path: Path, name: str = "path") -> Any:  # noqa: ANN401 - what the file holds
    """Return the content of a file as mappings, lists, words, numbers, truth values and nothing; errors as `read_yaml`.

    A value that holds itself is refused as well.
    """
    node = read_yaml(path, name, PlainLoader)
    _check_keys(node, path, frozenset(), set())
    try:
        return PlainLoader("").construct_document(node)
    except yaml.YAMLError as wrong:  # a tag of its own
        raise ValueError(f"`{name}` must be a file of YAML; got {path}: {' '.join(str(wrong).split())}.") from wrong


def entries(node: yaml.MappingNode, path: Path) -> dict[str, yaml.Node]:
    """Return the nodes of a mapping by key.

    Raises
    ------
    ValueError
        If a key stands twice, or is itself a list or a mapping; with its line.
    """
    found: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        place = f"{path}, line {line_of(key)}"
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"{place}: a key must be a word; got a {key.tag.rpartition(':')[2]}.")
        if key.value in found:
            raise ValueError(f"{place}: `{key.value}` must stand once; it stands in line {lines[key.value]} already.")
        found[key.value], lines[key.value] = value, line_of(key)
    return found


def _check_keys(node: yaml.Node, path: Path, above: frozenset[int], seen: set[int]) -> None:
    """Refuse keys that stand twice or are no words, and what holds itself, in a tree; each node is looked at once."""
    if id(node) in above:
        raise ValueError(f"{path}, line {line_of(node)}: a value must not hold itself.")
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    held = entries(node, path).values() if isinstance(node, yaml.MappingNode) else node.value
    for part in held:
        _check_keys(part, path, above | {id(node)}, seen)


def line_of(node: yaml.Node) -> int:
    """Return the line in which a node begins, from 1 on."""
    return node.start_mark.line + 1
