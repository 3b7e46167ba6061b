"""A family of random instances, and what became of one of them."""

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from walras.core.solution import SolverError

SLOW = 30.0  # seconds of processor time that no instance may take
SOLVED, REFUSED, WRONG, UNCLEAR = "solved", "refused", "wrong", "unclear"


class Wrong(Exception):
    """An answer that the second road does not bear out."""


class Refused(Exception):
    """An answer whose status says that it is not one."""


@dataclass(frozen=True)
class Family:
    """Instances of one solver: how they are drawn, solved, and judged by another road than the solver's."""

    name: str
    draw: Callable[[np.random.Generator], Any]
    solve: Callable[[Any], Any]  # a ValueError or SolverError refuses the instance
    judge: Callable[[Any, Any], None]  # raises Wrong, or Refused if the status says no


@dataclass(frozen=True)
class Outcome:
    """What became of one instance."""

    kind: str
    seconds: float  # of processor time
    message: str = ""


def instance(family: Family, seed: int, place: int) -> Any:  # noqa: ANN401 - each family has its own
    """Return one instance, the same for the same seed and place."""
    return family.draw(np.random.default_rng([seed, zlib.crc32(family.name.encode()), place]))


def play(family: Family, seed: int, place: int) -> Outcome:
    """Draw, solve and judge one instance."""
    start = time.process_time()
    try:
        drawn = instance(family, seed, place)
    except ValueError as error:
        return Outcome(_refusal(error), time.process_time() - start, f"drawn: {error}")
    try:
        found = family.solve(drawn)
    except Exception as error:
        return Outcome(_refusal(error), time.process_time() - start, f"{type(error).__name__}: {error}")
    seconds = time.process_time() - start
    try:
        family.judge(drawn, found)
    except Refused as reason:
        return Outcome(REFUSED, seconds, str(reason))
    except Wrong as reason:
        return Outcome(WRONG, seconds, str(reason))
    return Outcome(SOLVED, seconds)


def _refusal(error: Exception) -> str:
    """Return whether an error refuses an instance clearly: a rule for a named argument, or a status."""
    named = isinstance(error, ValueError) and not isinstance(error, np.linalg.LinAlgError) and "`" in str(error)
    return REFUSED if named or (isinstance(error, SolverError) and str(error)) else UNCLEAR


def expect(holds: object, what: str) -> None:
    """Raise `Wrong` unless `holds`."""
    if not holds:
        raise Wrong(what)


def scale(rng: np.random.Generator) -> float:
    """Return a unit between 1e-9 and 1e9."""
    return float(10.0 ** rng.integers(-9, 10))


def numbers(rng: np.random.Generator, *shape: int, spread: float = 0.0) -> np.ndarray:
    """Return numbers of [0, 1] with zeros, ties and, by `spread`, many orders of magnitude."""
    drawn = rng.choice([rng.random(shape), rng.integers(0, 4, shape) / 4.0])
    drawn = drawn * 10.0 ** rng.uniform(-spread, spread, shape)
    return np.where(rng.random(shape) < 0.1, 0.0, drawn)
