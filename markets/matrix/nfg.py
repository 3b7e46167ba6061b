"""Games in the text format ``.nfg`` of Gambit: payoffs in a list, or outcomes and the number of one in each cell.

Cells follow each other with the **first player's action changing fastest**, which is not the order of arrays. Numbers
may be whole, decimal or fractions ``a/b`` and are kept exactly. Of equal names of players or of actions the
later ones get a number, and a warning says which: payoffs are those of the file, but its names tell no two apart.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np
from numpy.typing import NDArray

from walras.markets.normal_form import MatrixGame

TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"|(?P<mark>[{}])|(?P<word>[^\s",{}]+)|(?P<open>")')
"""A text between quotes, a brace, a word or number, or a quote that is not closed."""


def read_nfg(file: str | Path) -> MatrixGame:
    """Return the game of a file.

    Warns
    -----
    UserWarning
        If names are equal: the line, and what the later ones are called.

    Raises
    ------
    ValueError
        If the file is not in the format; the line is named.
    """
    return parse_nfg(Path(file).read_text(encoding="utf-8"), str(file))


def write_nfg(game: MatrixGame, file: str | Path, title: str = "") -> None:
    """Write a game with its payoffs in a list; `read_nfg` returns the same payoffs, bit for bit."""
    Path(file).write_text(format_nfg(game, title), encoding="utf-8")


def format_nfg(game: MatrixGame, title: str = "") -> str:
    """Return a game as text.

    Examples
    --------
    >>> from walras.markets.matrix import MatrixGame
    >>> from walras.markets.matrix.nfg import format_nfg
    >>> print(format_nfg(MatrixGame([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]), "numbers"))
    NFG 1 R "numbers" { "player_0" "player_1" }
    { { "0" "1" }
    { "0" "1" } }
    <BLANKLINE>
    1 5 3 7 2 6 4 8
    """
    players = " ".join(map(_quoted, game.agents))
    actions = "\n".join("{ " + " ".join(map(_quoted, names)) + " }" for names in game.actions)
    given = game.payoff if game.fractions is None else game.fractions
    numbers = " ".join(_number(value) for value in given.transpose(*reversed(range(1, given.ndim)), 0).ravel().tolist())
    return f"NFG 1 R {_quoted(title)} {{ {players} }}\n{{ {actions} }}\n\n{numbers}"


def parse_nfg(text: str, name: str = "text") -> MatrixGame:
    """Return the game of a text; `name` is what errors call it.

    Warns
    -----
    UserWarning
        If names are equal: the line, and what the later ones are called.

    Raises
    ------
    ValueError
        If the text is not in the format; the line is named.

    Examples
    --------
    >>> from walras.markets.matrix.nfg import parse_nfg
    >>> game = parse_nfg('NFG 1 R "" { "a" "b" } { 2 1 } 1/3 0 .5 2')
    >>> game.exact[0].tolist()
    [[Fraction(1, 3)], [Fraction(1, 2)]]
    """
    words = _Words(text, name)
    for expected in ("NFG", "1"):
        words.word(expected)
    words.word("R", "D")
    words.text()
    agents = words.names()
    actions = _actions(words, len(agents))
    if words.next_is_text():
        words.text()  # a comment
    sizes = [len(names) for names in actions]
    payoff = _outcomes(words, sizes) if words.next_is("{") else _listed(words, sizes)
    words.end()
    return MatrixGame(payoff, actions=actions, agents=agents)  # type: ignore[arg-type]


@final
@dataclass(frozen=True)
class _Word:
    kind: str
    value: str
    line: int


@final
class _Words:
    """What is left of a text, word by word."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.words = list(_words(text))
        self.at = 0

    def fail(self, expected: str) -> NoReturn:
        """Raise, with the line and what stands there."""
        if self.at < len(self.words):
            word = self.words[self.at]
            raise ValueError(f"`{self.name}` must hold {expected} in line {word.line}; got {word.value!r}.")
        line = self.words[-1].line if self.words else 1
        raise ValueError(f"`{self.name}` must hold {expected} after line {line}; got its end.")

    def next_is(self, mark: str) -> bool:
        return self.at < len(self.words) and self.words[self.at].kind == "mark" and self.words[self.at].value == mark

    def next_is_text(self) -> bool:
        return self.at < len(self.words) and self.words[self.at].kind == "text"

    def taken(self, kind: str, expected: str, *values: str) -> str:
        """Return the next word, of a kind and with one of some values."""
        if self.at == len(self.words) or self.words[self.at].kind != kind:
            self.fail(expected)
        value = self.words[self.at].value
        if values and value not in values:
            self.fail(expected)
        self.at += 1
        return value

    def word(self, *values: str) -> str:
        return self.taken("word", " or ".join(map(repr, values)), *values)

    def mark(self, value: str) -> None:
        self.taken("mark", repr(value), value)

    def text(self) -> str:
        return self.taken("text", "a text in quotes")

    def texts(self) -> list[str]:
        """Return texts between braces."""
        self.mark("{")
        found: list[str] = []
        while not self.next_is("}"):
            found.append(self.text())
        self.mark("}")
        return found

    def names(self) -> list[str]:
        """Return texts between braces of which no two are equal."""
        line = self.words[min(self.at, len(self.words) - 1)].line
        given = self.texts()
        apart = _told_apart(given)
        later = [new for old, new in zip(given, apart, strict=True) if old != new]
        if later:
            told = ", ".join(map(repr, later))
            warnings.warn(f"`{self.name}` has equal names in line {line}; the later are called {told}.", stacklevel=5)
        return apart

    def whole(self, least: int, most: float) -> int:
        """Return a whole number."""
        value = self.words[self.at].value if self.at < len(self.words) else ""
        if not re.fullmatch(r"\d+", value) or not least <= int(value) <= most:
            self.fail(f"a whole number from {least} to {most}")
        self.at += 1
        return int(value)

    def number(self) -> Fraction:
        """Return a number: whole, decimal or a fraction."""
        value = self.taken("word", "a number")
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError):
            self.at -= 1
            self.fail("a number")

    def end(self) -> None:
        if self.at < len(self.words):
            self.fail("nothing more")


def _words(text: str) -> Iterator[_Word]:
    line, last = 1, 0
    for found in TOKEN.finditer(text):
        line += text.count("\n", last, found.start())
        last = found.start()
        kind = found.lastgroup or "open"
        value = found.group(kind)
        yield _Word(kind, re.sub(r"\\(.)", r"\1", value) if kind == "text" else value, line)


def _actions(words: _Words, players: int) -> list[list[str]]:
    """Return names of actions: as told, or the numbers of as many as are told."""
    words.mark("{")
    found: list[list[str]] = []
    for _ in range(players):
        if words.next_is("{"):
            found.append(words.names())
        else:
            found.append([str(k + 1) for k in range(words.whole(1, np.inf))])
    words.mark("}")
    return found


def _listed(words: _Words, sizes: Sequence[int]) -> NDArray[Any]:
    """Return payoffs ``[N, A_1, .., A_N]`` of a list."""
    count = int(np.prod(sizes, dtype=object)) * len(sizes)
    return _in_array([words.number() for _ in range(count)], sizes)


def _outcomes(words: _Words, sizes: Sequence[int]) -> NDArray[Any]:
    """Return payoffs of outcomes and their numbers; number 0 pays nothing."""
    players = len(sizes)
    known = [[Fraction(0)] * players]
    words.mark("{")
    while not words.next_is("}"):
        words.mark("{")
        words.text()
        known.append([words.number() for _ in range(players)])
        words.mark("}")
    words.mark("}")
    cells = int(np.prod(sizes, dtype=object))
    chosen = [known[words.whole(0, len(known) - 1)] for _ in range(cells)]
    return _in_array([value for payoffs in chosen for value in payoffs], sizes)


def _in_array(values: list[Fraction], sizes: Sequence[int]) -> NDArray[Any]:
    """Return numbers, the players' in each cell and the first action fastest, as an array ``[N, A_1, .., A_N]``."""
    table = np.empty(len(values), dtype=object)
    table[:] = values
    return table.reshape(*reversed(sizes), len(sizes)).transpose()


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return names of which no two are equal: later ones get a number."""
    found: list[str] = []
    for name in names:
        others = (f"{name}_{k}" for k in range(2, len(names) + 2))
        found.append(name if name not in found else next(other for other in others if other not in (*found, *names)))
    return found


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _number(value: float | Fraction) -> str:
    """Return a number so that reading it gives the same one."""
    if isinstance(value, Fraction):
        return str(value)
    return str(int(value)) if value == int(value) else repr(value)
