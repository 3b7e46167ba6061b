"""Functions compiled for the processor: loops that profiling names.

Importing this module loads numba. So modules that compile are imported where they are called.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import DTypeLike, NDArray

from walras.core.typing import Floats

Function = TypeVar("Function", bound=Callable[..., Any])
BLOCK = 128
"""Numbers up to which numpy adds in one go."""


_changed: dict[Path, float] = {}
"""When each file of functions compiled so far was last changed."""


def compiled(function: Function, **options: object) -> Function:
    """Compile at the first call and keep the result on disk; `options` are more of those of ``numba.njit``.

    What was kept is made again where a file of compiled functions that was imported before has changed since: numba
    itself looks at the function's own file alone, and would go on with the older version of what it calls.
    """
    made = cast(Any, numba.njit)(cache=True, nogil=True, **options)(function)
    if made is not function:  # which it is where numba is switched off
        _forget_older(Path(function.__code__.co_filename), function.__name__, Path(made.stats.cache_path))
    return made


def _forget_older(source: Path, name: str, kept: Path) -> None:
    """Remove the index of what was compiled of a function before the last change of a file seen so far."""
    with suppress(OSError):  # there is no file to look at, or another process was first
        _changed[source] = source.stat().st_mtime
        for index in kept.glob(f"{source.stem}.{name}-*.nbi"):
            if index.stat().st_mtime < max(_changed.values()):
                index.unlink()


def plain(array: NDArray[Any], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return `array` in rows one after the other, writable, of one type of numbers: itself, or else a copy.

    Functions are compiled once more for each other layout or type, and for arrays that must not be written.
    """
    return array if array.dtype == dtype and array.flags.carray else np.array(array, dtype, order="C")


@compiled
def summed(values: Floats) -> float:
    """Return the sum of ``values [S]``, in the order in which ``np.add.reduce`` adds a row: the same bit for bit."""
    count = len(values)
    if count > BLOCK:
        half = count // 2
        half -= half % 8
        return summed(values[:half]) + summed(values[half:])
    if count < 8:
        total = 0.0
        for value in values:
            total += value
        return total
    a, b, c, d, e, f, g, h = values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]
    whole = count - count % 8
    for k in range(8, whole, 8):
        a += values[k]
        b += values[k + 1]
        c += values[k + 2]
        d += values[k + 3]
        e += values[k + 4]
        f += values[k + 5]
        g += values[k + 6]
        h += values[k + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for k in range(whole, count):
        total += values[k]
    return total
