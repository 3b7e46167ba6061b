"""The expressions of MATPOWER case files: numbers, names, a few functions, and columns of matrices.

The grammar is MATLAB's, as far as it goes:

.. code-block:: text

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/" | ".*" | "./") signed)*
    signed  = ("+" | "-")* power
    power   = atom (("^" | ".^") ("+" | "-")* atom)*
    atom    = number | "(" sum ")" | "[" list "]" | name ["(" arguments ")"]

In a list, blanks separate, and a sign that touches what follows it alone begins a new number. Arrays and arrays are
combined entry by entry only: a product of matrices is refused.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from walras.core.typing import Floats

DEEP = 50
"""Brackets within brackets that are read."""

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)|(?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)"
    r"|(?P<sign>\.\*|\./|\.\^|[-+*/^():,;\[\]]))"
)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs, "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "cos": np.cos, "exp": np.exp,
    "log": np.log, "sin": np.sin, "sqrt": np.sqrt, "tan": np.tan,
}  # fmt: skip
CONSTANTS = {"pi": np.pi, "Inf": np.inf, "inf": np.inf, "NaN": np.nan, "nan": np.nan, "NAN": np.nan}

_TYPES = ("PQ PV REF NONE",)
_BUS = ("BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN", "LAM_P LAM_Q MU_VMAX MU_VMIN")
_BRANCH = (
    "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS",
    "ANGMIN ANGMAX",
    "PF QF PT QT MU_SF MU_ST",
    "MU_ANGMIN MU_ANGMAX",
)
_GEN = (
    "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN",
    "PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF",
    "MU_PMAX MU_PMIN MU_QMAX MU_QMIN",
)
_MODELS, _COST = ("PW_LINEAR POLYNOMIAL",), ("MODEL STARTUP SHUTDOWN NCOST COST",)


def _names(*parts: str) -> list[str]:
    return " ".join(parts).split()


COLUMNS = {
    name: float(place)
    for parts in (_TYPES, _BUS, _BRANCH, _GEN, _MODELS, _COST)
    for place, name in enumerate(_names(*parts), start=1)
}
"""MATPOWER's names of columns, counted from 1, and of the types of buses and the models of costs."""
IN_ORDER = {
    "idx_bus": _names(*_TYPES, *_BUS),
    "idx_brch": _names(_BRANCH[0], _BRANCH[2], _BRANCH[1], _BRANCH[3]),
    "idx_gen": _names(_GEN[0], _GEN[2], _GEN[1]),
    "idx_cost": _names(*_MODELS, *_COST),
}
"""What MATPOWER's functions of these names return, in their order."""


class Failure(Exception):
    """An expression that is not understood."""


class Token(NamedTuple):
    """A number, a name or a sign, and whether blanks stand before and after it."""

    kind: str
    text: str
    before: bool
    after: bool


END = Token("end", "", True, True)


class Expression:
    """An expression, and what its names stand for.

    Parameters
    ----------
    text : str
        The expression.
    known : mapping
        Numbers and arrays by name.
    """

    def __init__(self, text: str, known: Mapping[str, Any]) -> None:
        self._tokens, self._known = _tokens(text), known
        self._at, self._depth = 0, 0

    def value(self) -> Any:  # noqa: ANN401 - a number or an array
        """Return the value.

        Raises
        ------
        Failure
            If it is not understood.
        """
        with np.errstate(all="ignore"):
            found = self._sum(spaced=False)
        self._expect("")
        return found

    def numbers(self) -> list[float]:
        """Return the numbers of a list, which the text is without its brackets.

        Raises
        ------
        Failure
            If it is not understood.
        """
        with np.errstate(all="ignore"):
            found = self._list()
        self._expect("")
        return found

    def index(self, matrix: Floats) -> Any:  # noqa: ANN401 - what numpy indexes by
        """Return what a text ``(ROWS, COLUMNS)`` selects of `matrix`.

        Raises
        ------
        Failure
            If it is not understood, or outside the matrix.
        """
        self._expect("(")
        found = self._selected(matrix)
        self._expect("")
        return found

    def _selected(self, matrix: Floats) -> Any:  # noqa: ANN401
        rows = self._places(matrix.shape[0])
        self._expect(",")
        columns = self._places(matrix.shape[1])
        self._expect(")")
        return np.ix_(rows, columns)

    def _places(self, count: int) -> Any:  # noqa: ANN401
        """Return the places that an index names, counted from 0."""
        if self._take(":"):
            return np.arange(count)
        places = np.atleast_1d(self._sum(spaced=False)) - 1
        if not (np.isin(places, np.arange(count)).all() and places.ndim == 1):
            raise Failure(f"an index lies outside 1 to {count}")
        return places.astype(np.int64)

    def _sum(self, spaced: bool) -> Any:  # noqa: ANN401
        left = self._product(spaced)
        while sign := self._take("+", "-", spaced=spaced):
            right = self._product(spaced)
            left = left + right if sign == "+" else left - right
        return left

    def _product(self, spaced: bool) -> Any:  # noqa: ANN401
        left = self._signed(spaced)
        while sign := self._take("*", "/", ".*", "./"):
            right = self._signed(spaced)
            both = np.ndim(left) > 0 and np.ndim(right) > 0
            if (sign == "*" and both) or (sign == "/" and np.ndim(right) > 0):
                raise Failure("matrices are multiplied and divided entry by entry alone, with .* and ./")
            left = left * right if sign.endswith("*") else np.divide(left, right)
        return left

    def _signed(self, spaced: bool) -> Any:  # noqa: ANN401
        sign = self._signs()
        return sign * self._power(spaced)

    def _signs(self) -> float:
        """Take signs before a number: their product."""
        sign = 1.0
        while taken := self._take("+", "-"):
            sign = -sign if taken == "-" else sign
        return sign

    def _power(self, spaced: bool) -> Any:  # noqa: ANN401
        left = self._atom(spaced)
        while sign := self._take("^", ".^"):
            if sign == "^" and np.ndim(left) > 0:
                raise Failure("matrices are raised entry by entry alone, with .^")
            left = np.power(left, self._signs() * self._atom(spaced))
        return left

    def _atom(self, spaced: bool) -> Any:  # noqa: ANN401
        token = self._next()
        if token.kind == "number":
            return float(token.text.replace("d", "e").replace("D", "e"))
        if token.kind == "name":
            return self._named(token, spaced)
        if token.text == "(":
            return self._within(lambda: self._sum(spaced=False), ")")
        if token.text == "[":
            return self._within(lambda: np.array(self._list()), "]")
        raise Failure(f"{token.text or 'its end'!r} is not expected")

    def _named(self, token: Token, spaced: bool) -> Any:  # noqa: ANN401
        called = not (spaced and token.after) and self._take("(")
        if token.text in FUNCTIONS and called:
            return FUNCTIONS[token.text](self._within(lambda: self._sum(spaced=False), ")"))
        value = self._known.get(token.text, CONSTANTS.get(token.text))
        if value is None or isinstance(value, str):
            raise Failure(f"{token.text!r} is not known")
        if not called:
            return value
        if np.ndim(value) != 2:
            raise Failure(f"{token.text!r} is no matrix")
        part = value[self._within(lambda: self._selected(value), "")]
        return float(part[0, 0]) if part.size == 1 else part

    def _list(self) -> list[float]:
        found: list[float] = []
        while self._peek().kind != "end" and self._peek().text not in ("]", ";"):
            found.extend(np.ravel(self._sum(spaced=True)).tolist())
            self._take(",")
        return found

    def _within(self, inner: Callable[[], Any], closing: str) -> Any:  # noqa: ANN401
        self._depth += 1
        if self._depth > DEEP:
            raise Failure(f"brackets lie more than {DEEP} deep")
        found = inner()
        if closing:
            self._expect(closing)
        self._depth -= 1
        return found

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, *signs: str, spaced: bool = False) -> str:
        """Take one of the signs if it is next; nothing otherwise, or where it begins a new number of a list."""
        token = self._peek()
        if token.kind != "sign" or token.text not in signs or (spaced and token.before and not token.after):
            return ""
        self._at += 1
        return token.text

    def _expect(self, sign: str) -> None:
        token = self._next()
        if token.text != sign:
            raise Failure(f"{token.text or 'its end'!r} is not expected")


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at, text = 0, text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Failure(f"{text[at:].split()[0][:20]!r} is not understood")
        kind = str(found.lastgroup)
        start, at = found.start(kind), found.end()
        tokens.append(Token(kind, found[kind], text[start - 1 : start].isspace(), text[at : at + 1].isspace()))
    return tokens
