"""Sizes of numbers, of which tolerances are a share."""

import numpy as np

from walras.core.typing import Floats


def largest(*arrays: Floats) -> float:
    """Return the largest number in `arrays`, without its sign; 0 if there is none."""
    return max((float(np.abs(array).max(initial=0.0)) for array in arrays), default=0.0)
