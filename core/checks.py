"""Checks of a caller's arguments: each raises an error that names the argument, the rule and the value."""

import dataclasses
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from walras.core.typing import Bools, Floats

_REAL: Any = (float, int, np.floating, np.integer), "be a number"
_WHOLE: Any = (int, np.integer), "be a whole number"
OPTIONAL: Any = (int | None, float | None)
NUMBERS: Any = {int: _WHOLE, int | None: _WHOLE, float: _REAL, float | None: _REAL}
"""What fields of a declared type must be, and its words."""
LONGEST = 500
"""Characters of a value that an error shows."""


def require(holds: bool, name: str, rule: str, value: object) -> None:
    """Raise ``ValueError`` unless `holds`: "`name` must rule; got value."; a long value is cut."""
    if not holds:
        raise ValueError(f"`{name}` must {rule}; got {_short(repr(value))}.")


def _short(text: str) -> str:
    """Return the beginning of what is too long to read, such as a policy's arrays, and how long it is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


@contextmanager
def placed(place: str) -> Generator[None]:
    """Tell a ``ValueError`` or ``RuntimeError`` with its place in front, such as the row of a batch."""
    try:
        yield
    except ValueError as wrong:
        raise ValueError(f"{place}: {wrong}") from wrong
    except RuntimeError as wrong:
        raise RuntimeError(f"{place}: {wrong}") from wrong


def require_whole(value: object, name: str) -> None:
    """Raise ``ValueError`` unless `value` is a whole number, at least 1, of an integer type."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1
    require(bool(whole), name, "be a whole number, at least 1", value)


def require_numbers(parameters: Any) -> None:  # noqa: ANN401 - any dataclass
    """Raise ``ValueError`` unless the fields of a dataclass that are declared `int` or `float` hold such numbers."""
    for field in dataclasses.fields(parameters):
        value, rules = getattr(parameters, field.name), NUMBERS.get(field.type)
        if rules is not None and not (value is None and field.type in OPTIONAL):
            kind, rule = rules
            require(isinstance(value, kind) and not isinstance(value, bool), field.name, rule, value)


def require_episode(horizon: object, discount: float) -> None:
    """Raise ``ValueError`` unless an episode has a whole number of steps, and the discount lies in [0, 1)."""
    require_whole(horizon, "horizon")
    require(0 <= discount < 1, "discount", "lie in [0, 1)", discount)


def require_each(holds: Bools, name: str, rule: str, values: Floats) -> None:
    """Raise ``ValueError`` with the first offending entry and its index unless `holds` everywhere."""
    if not holds.all():
        index = tuple(int(i) for i in np.argwhere(~holds)[0])
        raise ValueError(f"`{name}` must {rule}; got {values[index].item()!r} at index {list(index)}.")


def require_known(value: str, name: str, known: Iterable[str]) -> None:
    """Raise ``ValueError`` with the known values, and the nearest one, unless `value` is among them."""
    choices = sorted(known)
    if value not in choices:
        nearest = get_close_matches(value, choices, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}; got {value!r}.{hint}")


def as_numbers(name: str, value: ArrayLike) -> Floats:
    """`value` as a float64 array.

    Raises
    ------
    ValueError
        If it holds what is no number, or numbers beyond what float64 holds, or is ragged.
    """
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise ValueError(f"`{name}` must hold numbers; got {_short(repr(value))} ({wrong}).") from wrong


def as_floats(name: str, value: ArrayLike, ndim: int) -> Floats:
    """`value` as a float64 array of `ndim` dimensions without NaN.

    Raises
    ------
    ValueError
        If `value` has another number of dimensions or holds a NaN.
    """
    array = as_numbers(name, value)
    require(array.ndim == ndim, name, f"have {ndim} dimensions", array.shape)
    require_each(~np.isnan(array), name, "hold no NaN", array)
    return array


def per_agent(name: str, value: float | Sequence[float] | Floats, agents: int) -> tuple[float, ...]:
    """One number an agent: a scalar is repeated, a sequence must have `agents` entries.

    Raises
    ------
    ValueError
        If there are no agents, the length differs from `agents`, or an entry is NaN.
    """
    array = np.atleast_1d(as_numbers(name, value))
    require(agents >= 1, name, "hold at least one number", value)
    if array.shape == (1,):
        array = np.repeat(array, agents)
    require(array.shape == (agents,), name, f"be one number or {agents} numbers, one an agent", value)
    require_each(~np.isnan(array), name, "hold no NaN", array)
    return tuple(array.tolist())


def as_names(names: Sequence[str], agents: int) -> tuple[str, ...]:
    """Names of agents; none where none are given.

    Raises
    ------
    ValueError
        If there are some, but not one each, or one stands twice or is empty.
    """
    given = tuple(names)
    require(not given or len(given) == agents, "names", f"have an entry for each of {agents} agents", given)
    require(all(given) and len(set(given)) == len(given), "names", "differ, and not be empty", given)
    return given


def as_definite(name: str, value: ArrayLike, shape: tuple[int, ...], *, singular: bool) -> Floats:
    """Symmetric matrices without a negative eigenvalue, or with positive ones alone, as a float64 array.

    Parameters
    ----------
    name : str
        The argument's.
    value : array_like
        Of `shape`, ``[..., n, n]``.
    shape : tuple of int
        What is asked for.
    singular : bool
        Whether an eigenvalue may be zero.

    Raises
    ------
    ValueError
        If the shape is another, an entry is not finite, a matrix is not symmetric, or an eigenvalue breaks the rule,
        which is then told.
    """
    array = as_symmetric(name, value, shape)
    lowest = np.atleast_1d(np.asarray(np.linalg.eigvalsh(array)[..., 0], dtype=np.float64))
    slack = 1e-12 * np.abs(array).max(axis=(-1, -2))
    rule = "have no negative eigenvalue" if singular else "have positive eigenvalues alone"
    require_each(lowest >= -slack if singular else lowest > slack, name, rule, lowest)
    return array


def as_symmetric(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """`value` as finite symmetric matrices of `shape`, ``[..., n, n]``, in float64.

    Raises
    ------
    ValueError
        If the shape is another, an entry is not finite, or a matrix differs from its transpose by more than 1e-12 of
        the largest entry.
    """
    array = as_shaped(name, value, shape)
    apart = np.abs(array - np.swapaxes(array, -1, -2))
    require_each(apart <= 1e-12 * np.abs(array).max(), name, "be symmetric", array)
    return array


def as_shaped(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """`value` as a finite float64 array of `shape`.

    Raises
    ------
    ValueError
        If the shape is another or an entry is not finite.
    """
    array = as_numbers(name, value)
    require(array.shape == shape, name, f"have the shape {shape}", array.shape)
    require_each(np.isfinite(array), name, "be finite", array)
    return array
