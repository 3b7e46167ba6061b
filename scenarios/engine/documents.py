"""Files that describe a scenario, as trees of frozen dataclasses.

A file of YAML has the keys of its dataclass, and where a field is itself a dataclass, a mapping with the keys of that.
One list of keys, `keys_of`, gives the parser, the JSON Schema, and the table of the documentation; tyro makes the
options of the command line from the same dataclasses.
"""

import ast
import dataclasses
import inspect
import textwrap
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Union

import yaml

from walras.core.checks import require_known
from walras.scenarios.engine.strict_yaml import BOOL, FLOAT, INT, NULL, entries, line_of, read_yaml

if TYPE_CHECKING:
    from walras.scenarios.engine.scenario import AbstractScenario
    from walras.scenarios.engine.study import AbstractStudy

Tree = TypeVar("Tree")
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class AbstractFile(ABC):
    """What a file says: a frozen dataclass whose fields are its keys."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path) -> Self:
        """Return what the file at `path` says."""

    @abstractmethod
    def totals(self) -> dict[str, float]:
        """Return numbers of what it describes, by words, after all that it names is read."""

    @abstractmethod
    def scenario(self) -> "AbstractScenario | AbstractStudy":
        """Return what it describes."""


@dataclass(frozen=True)
class Key:
    """A key of a file."""

    name: str
    hint: Any
    default: Any
    doc: str

    @property
    def section(self) -> bool:
        """Whether it holds keys itself."""
        return dataclasses.is_dataclass(self.hint)


def keys_of(kind: type[Any]) -> tuple[Key, ...]:
    """Return the keys of a dataclass, each with the text below its field."""
    hints, docs = typing.get_type_hints(kind), _docs(kind)
    return tuple(
        Key(field.name, hints[field.name], default_of(field), docs.get(field.name, ""))
        for field in dataclasses.fields(kind)
    )


def default_of(field: "dataclasses.Field[Any]") -> Any:  # noqa: ANN401 - a field's value
    """Return the default of a field, made anew where it has a factory."""
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _docs(kind: type[Any]) -> dict[str, str]:
    """Return the text that stands below each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
            case _:
                pass
    return found


# Parsing


def read_tree(kind: type[Tree], path: Path) -> Tree:
    """Return the tree of a file of YAML; paths in it are from its own folder.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it holds no YAML, a key twice or one that is not known, or a value of another type or out of its range; with
        the file, the line, the key and the nearest one that is known.
    """
    return _tree(kind, read_yaml(path), path, "")


def _tree(kind: type[Tree], node: yaml.Node, path: Path, within: str) -> Tree:
    if not isinstance(node, yaml.MappingNode):
        raise _refusal(path, node, within or kind.__name__, f"be a mapping with the keys {_listed(kind)}")
    known = {key.name: key for key in keys_of(kind)}
    found = entries(node, path)
    for name, value in found.items():
        with _placed(path, value):
            require_known(name, f"key of {within}" if within else "key", known)
    values = {
        name: _tree(known[name].hint, value, path, name)
        if known[name].section
        else _value(known[name].hint, value, path, f"{within}.{name}" if within else name)
        for name, value in found.items()
    }
    with _placed(path, node):
        return kind(**values)


def _value(hint: Any, node: yaml.Node, path: Path, name: str) -> Any:  # noqa: ANN401 - whatever the hint says
    """Return the value of a node, of the first type of the hint that takes it."""
    for choice in _choices(hint):
        taken = _taken(choice, node, path, name)
        if taken is not NOTHING:
            return taken
    raise _refusal(path, node, name, f"be {' or '.join(map(_word, _choices(hint)))}")


NOTHING: Any = object()
"""What a type returns that does not take a node."""


def _taken(hint: Any, node: yaml.Node, path: Path, name: str) -> Any:  # noqa: ANN401 - as above
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    match node:
        case yaml.SequenceNode() if origin is tuple:
            return tuple(_value(parts[0], each, path, f"{name}[{k}]") for k, each in enumerate(node.value))
        case yaml.MappingNode() if origin is not None and issubclass(origin, Mapping):
            return {key: _value(parts[1], each, path, f"{name}.{key}") for key, each in entries(node, path).items()}
        case yaml.ScalarNode() if origin is tuple:
            one = _taken(parts[0], node, path, name)
            return NOTHING if one is NOTHING else (one,)
        case yaml.ScalarNode() if origin is Literal:
            with _placed(path, node):
                require_known(node.value, name, parts)
            return node.value
        case yaml.ScalarNode() if hint in SCALARS:
            return SCALARS[hint](node, path)
        case _:
            return NOTHING


def _number(node: yaml.ScalarNode, path: Path) -> Any:  # noqa: ANN401 - a number, or nothing
    return float(node.value) if node.tag in (INT, FLOAT) else NOTHING


def _whole(node: yaml.ScalarNode, path: Path) -> Any:  # noqa: ANN401 - as above
    if node.tag == INT:
        return int(node.value)
    return int(float(node.value)) if node.tag == FLOAT and float(node.value).is_integer() else NOTHING


SCALARS: dict[Any, Callable[[yaml.ScalarNode, Path], Any]] = {
    bool: lambda node, path: node.value == "true" if node.tag == BOOL else NOTHING,
    int: _whole,
    float: _number,
    Path: lambda node, path: path.parent / node.value if node.value and node.tag != NULL else NOTHING,
    str: lambda node, path: NOTHING if node.tag == NULL else node.value,
    NoneType: lambda node, path: None if node.tag == NULL else NOTHING,
}
"""How each type reads a scalar."""


@contextmanager
def _placed(path: Path, node: yaml.Node) -> Generator[None]:
    """Say in which file and line a refusal arose."""
    try:
        yield
    except ValueError as wrong:
        raise ValueError(f"{path}, line {line_of(node)}: {wrong}") from wrong


def _refusal(path: Path, node: yaml.Node, name: str, rule: str) -> ValueError:
    got = repr(node.value) if isinstance(node, yaml.ScalarNode) else f"a {node.tag.rpartition(':')[2]}"
    return ValueError(f"{path}, line {line_of(node)}: `{name}` must {rule}; got {got}.")


# JSON Schema and table


def schema_of(kind: type[Any], title: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the files of a kind."""
    return {"$schema": DRAFT, "title": title, **_section(kind)}


def _section(kind: type[Any]) -> dict[str, Any]:
    properties = {
        key.name: (_section(key.hint) if key.section else {"description": key.doc, **_typed(key)})
        for key in keys_of(kind)
    }
    summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return {"description": summary, "type": "object", "additionalProperties": False, "properties": properties}


def _typed(key: Key) -> dict[str, Any]:
    choices = [_schema(choice) for choice in _choices(key.hint)]
    default = key.default if isinstance(key.default, bool | int | float | str) and key.default != "" else None
    shape = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return shape if default is None else {**shape, "default": default}


def _schema(hint: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
    """Return the schema of a type; what may be many may also be one."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple:
        one = _schema(parts[0])
        return {"anyOf": [one, {"type": "array", "items": one}]}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(parts[1])}
    return {"type": JSON[hint]}


JSON = {bool: "boolean", int: "integer", float: "number", Path: "string", str: "string", NoneType: "null"}
WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", Path: "a path", str: "text", NoneType: "null"
}  # fmt: skip


def table_of(kind: type[Any]) -> str:
    """Return the table of a file's keys in Markdown."""
    rows = [f"| `{name}` | {_kinds(key)} | {_default(key)} | {key.doc} |" for name, key in _all_keys(kind, "")]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _all_keys(kind: type[Any], within: str) -> Iterator[tuple[str, Key]]:
    for key in keys_of(kind):
        if key.section:
            yield from _all_keys(key.hint, f"{key.name}.")
        else:
            yield within + key.name, key


def _kinds(key: Key) -> str:
    return ", ".join(_word(choice) for choice in _choices(key.hint) if choice is not NoneType)


def _default(key: Key) -> str:
    empty = key.default is None or key.default in ("", (), {})
    return "" if empty else f"`{key.default}`"


def _word(hint: Any) -> str:  # noqa: ANN401 - a type
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return ", ".join(part or "nothing" for part in parts)
    if origin is tuple:
        return f"{_word(parts[0])}, or a list"
    if origin is not None and issubclass(origin, Mapping):
        return f"a mapping to {_word(parts[1])}"
    return WORDS[hint]


def _choices(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    """Return the types of a union, or the type itself."""
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, UnionType) else (hint,)


def _listed(kind: type[Any]) -> str:
    return ", ".join(key.name for key in keys_of(kind))
