"""The text of a MATPOWER case file: a MATLAB function of a few forms, read without MATLAB.

==============================  ========================================================================================
statement                       becomes
==============================  ========================================================================================
``mpc.NAME = ...``              a matrix of numbers, a number or a text; once for each name
``mpc.NAME(:, COLUMNS) = ...``  other numbers in these columns, as case files use to change units
``NAME = ...``                  a number, for the statements below it
``[PQ, PV, ...] = idx_bus``     names of columns, as of ``idx_brch`` and the others; the usual ones are known
==============================  ========================================================================================

Numbers may be expressions (`walras.markets.electricity.case_expressions`) of what was assigned before. Comments, also
those between ``%{`` and ``%}``, are left out, and lines that end in ``...`` go on in the next. Any other statement is
refused with its line: what is not understood might change a number. Fields that are not asked for are not evaluated.
Bytes that are not UTF-8 are read as Latin-1. All takes time linear in the text.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from walras.core.files import read_text
from walras.core.typing import Floats
from walras.markets.electricity.case_expressions import COLUMNS, IN_ORDER, Expression, Failure

Value: TypeAlias = Floats | float | str | None

OPENING = {"]": "[", ")": "(", "}": "{"}
QUIET = re.compile(r"('[^'\n]*'|\"[^\"\n]*\")|[%#].*|\.\.\.(.*)")
PIECES = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|[\[\](){};,\n]")
FUNCTION = re.compile(r"function\s+(\w+)\s*=\s*(\w+)\s*(?:\(\s*\))?")
NAMES = re.compile(r"\[([\w\s,~]*)\]\s*=\s*(idx_\w+)\s*(?:\(\s*\))?")
TARGET = re.compile(r"([A-Za-z]\w*)((?:\.[A-Za-z]\w*)*)\s*(\(.*\))?", re.DOTALL)
TEXT = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")
IDLE = ("", "end", "endfunction", "define_constants")
RETURN = "return"
"""Behind it nothing is evaluated."""
REMEDY = "load the case in MATLAB or Octave and write it with MATPOWER's savecase"


class Statement(NamedTuple):
    """A statement, and the line it begins in."""

    line: int
    text: str


@dataclass
class Reader:
    """What has been assigned so far."""

    path: Path
    wanted: Collection[str]  # fields that are evaluated
    struct: str = "mpc"
    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=lambda: dict(COLUMNS))

    def read(self, statement: Statement) -> None:
        """Understand one statement, or refuse it."""
        text = statement.text
        if text in IDLE:
            return
        if text.startswith("function"):
            self._begin(statement)
        elif names := NAMES.fullmatch(text):
            self._name_columns(names, statement)
        else:
            self._assign(statement)

    def _begin(self, statement: Statement) -> None:
        head = FUNCTION.fullmatch(statement.text)
        if head is None or self.name:
            rule = "be one function that returns a case of format version 2, `function mpc = NAME`"
            self.refuse("path", rule, statement)
        self.struct, self.name = head[1], head[2]

    def _name_columns(self, names: re.Match[str], statement: Statement) -> None:
        order = IN_ORDER.get(names[2])
        given = names[1].replace(",", " ").split()
        if order is None or len(given) > len(order):
            self.refuse("path", f"name columns by one of {', '.join(IN_ORDER)}", statement)
        self.known |= {name: COLUMNS[usual] for name, usual in zip(given, order, strict=False)}

    def _assign(self, statement: Statement) -> None:
        left, equals, right = statement.text.partition("=")
        target = TARGET.fullmatch(left.strip())
        if not equals or target is None or right.startswith("="):
            self.refuse("path", "hold assignments alone that this reader understands", statement)
        start, parts, index = target[1], target[2][1:], target[3]
        if start != self.struct and not parts and index is None:
            self.known[start] = self._number(right, statement)
        elif start == self.struct and parts:
            self._assign_field(parts, index, right.strip(), statement)
        else:
            self.refuse("path", f"assign to fields of `{self.struct}` and to numbers alone", statement)

    def _assign_field(self, name: str, index: str | None, right: str, statement: Statement) -> None:
        if index is None and name in self.fields:
            self.refuse(name, "be assigned once", statement)
        if name not in self.wanted:
            self.fields.setdefault(name, None)
        elif index is None:
            self.fields[name] = self._value(name, right, statement)
            self.known[f"{self.struct}.{name}"] = self.fields[name]
        else:
            self._change(name, index, right, statement)

    def _change(self, name: str, index: str, right: str, statement: Statement) -> None:
        """Assign to a part of a matrix."""
        matrix = self.fields.get(name)
        if not isinstance(matrix, np.ndarray):
            self.refuse(name, "be a matrix before a part of it is changed", statement)
        try:
            where = self._expression(index).index(matrix)
            matrix[where] = np.asarray(self._expression(right).value(), dtype=np.float64)
        except (Failure, ValueError) as failure:
            self.refuse(name, f"be changed in a way that this reader understands ({failure})", statement)

    def _value(self, name: str, right: str, statement: Statement) -> Value:
        text = TEXT.fullmatch(right)
        if text:
            return text[1] if text[1] is not None else text[2]
        if right.startswith("[") and right.find("]") == len(right) - 1 and right.count("[") == 1:
            return self._matrix(name, right[1:-1], statement)
        return self._number(right, statement)

    def _number(self, right: str, statement: Statement) -> Any:  # noqa: ANN401 - a number or an array
        try:
            return self._expression(right).value()
        except (Failure, ValueError) as failure:
            self.refuse("path", f"hold expressions alone that this reader understands ({failure})", statement)

    def _matrix(self, name: str, body: str, statement: Statement) -> Floats:
        rows = [row for row in (self._row(name, *each) for each in _rows(body, statement.line)) if row]
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            written = [Statement(line, row.strip()) for line, row in _rows(body, statement.line) if row.strip()]
            odd = next(k for k, row in enumerate(rows) if len(row) != len(rows[0]))
            self.refuse(name, f"have rows of one length, not {widths}", written[odd])
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else 0)

    def _row(self, name: str, line: int, text: str) -> list[float]:
        words = text.replace(",", " ").split()
        try:
            return [_plain(word) for word in words]
        except ValueError:
            pass
        try:
            return self._expression(text).numbers()
        except (Failure, ValueError) as failure:
            self.refuse(name, f"hold numbers only ({failure})", Statement(line, text.strip()))

    def _expression(self, text: str) -> Expression:
        return Expression(text, self.known)

    def refuse(self, name: str, rule: str, statement: Statement) -> NoReturn:
        """Raise the error that names the field, the rule, the file and the line."""
        shown = statement.text.replace("\r", " ").strip()
        shown = shown if len(shown) < 80 else f"{shown[:77]}..."
        raise ValueError(f"`{name}` must {rule}; got {shown!r} in line {statement.line} of {self.path}: {REMEDY}.")


def read_case(path: str | Path, wanted: Collection[str]) -> tuple[str, dict[str, Value]]:
    """Read a case file.

    Parameters
    ----------
    path : str or Path
        The ``.m`` file.
    wanted : collection of str
        Fields that are evaluated.

    Returns
    -------
    tuple
        The function's name, or nothing, and the fields by name; those that are not wanted hold None.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If a statement is not understood or a field is assigned twice; with file, line and remedy.
    """
    reader = Reader(Path(path), wanted)
    for statement in _statements(_without_comments(read_text(path), reader), reader):
        if statement.text == RETURN:
            break
        reader.read(statement)
    return reader.name, reader.fields


def _without_comments(text: str, reader: Reader) -> str:
    """Return the text with comments left out; a line that goes on in the next ends in a carriage return."""
    kept: list[str] = []
    opened: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip()
        if bare in ("%{", "#{"):
            opened.append(number)
        elif bare in ("%}", "#}") and opened:
            opened.pop()
        quiet = "" if opened or bare in ("%}", "#}") else QUIET.sub(_quoted, line)
        kept.append(f"{quiet[:-1]}\r" if quiet.endswith("\0") else f"{quiet}\n")
    if opened:
        reader.refuse("path", "close each block comment with %}", Statement(opened[0], "%{"))
    return "".join(kept)


def _quoted(found: re.Match[str]) -> str:
    """Return what is kept: a quoted text, or the mark of a line that goes on."""
    return found[1] or ("\0" if found[0].startswith("...") else "")


def _statements(text: str, reader: Reader) -> Iterator[Statement]:
    """Yield the statements: they end with a semicolon, a comma or a line, outside of all brackets."""
    start, line, opened = 0, 1, list[tuple[str, int]]()
    for piece in PIECES.finditer(text):
        sign, at = piece[0], piece.start()
        if sign in "[({":
            opened.append((sign, at))
        elif sign in OPENING:
            if not opened or opened.pop()[0] != OPENING[sign]:
                reader.refuse("path", "close each bracket that it opens", _at(text, start, line, at))
        elif sign in ";,\n" and not opened:
            yield _at(text, start, line, at)
            line += text.count("\n", start, at + 1) + text.count("\r", start, at + 1)
            start = at + 1
    if opened:
        reader.refuse("path", "close each bracket that it opens", _at(text, start, line, len(text)))
    yield _at(text, start, line, len(text))


def _at(text: str, start: int, line: int, end: int) -> Statement:
    """Return the statement between two places, and the line in which its first sign is."""
    whole = text[start:end]
    bare = whole.lstrip()
    before = whole[: len(whole) - len(bare)]
    return Statement(line + before.count("\n") + before.count("\r"), bare.rstrip())


def _rows(body: str, line: int) -> Iterator[tuple[int, str]]:
    """Yield the rows of a matrix that begins in `line`, and the lines they are in."""
    for part in re.split(r"([;\n])", body):
        if part not in (";", "\n"):
            yield line, part
        line += (part == "\n") + part.count("\r")


def _plain(word: str) -> float:
    """Return a number that is written out."""
    if "_" in word:
        raise ValueError(word)
    return float(word)
