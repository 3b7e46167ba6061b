"""Functions compiled for the processor: loops that profiling names.

Importing this module loads numba. So modules that compile are imported where they are called.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: object) -> Function:
    """Compile at the first call and keep the result on disk; `options` are more of those of ``numba.njit``."""
    return cast(Any, numba.njit)(cache=True, nogil=True, **options)(function)
