"""Masses of normal laws below even points, compiled: what a mixture of many laws leaves below each bid."""

from math import erfc

import numpy as np

from walras.core.typing import Floats
from walras.markets.compiled import compiled

REACH = 8.3
"""Standard deviations beyond which a normal law has no mass that double precision tells from nothing, 5e-17."""


def _masses(weight: Floats, middle: Floats, below: Floats, above: Floats, first: float, step: float, n: int) -> Floats:
    """Return the mass ``[n]`` up to ``first + g step`` of K laws with one deviation below the middle, one above."""
    part, whole = np.zeros(n), np.zeros(n + 1)  # where laws rise, and beyond them
    for k in range(len(middle)):
        begin = (middle[k] - REACH * below[k] - first) / step
        end = (middle[k] + REACH * above[k] - first) / step
        g, last = int(min(max(np.ceil(begin), 0.0), n)), int(min(max(np.ceil(end), 0.0), n))
        while g < last:
            far = first + g * step - middle[k]
            sd = below[k] if far < 0 else above[k]
            part[g] += weight[k] * 0.5 * erfc(-far / (sd * 1.4142135623730951))
            g += 1
        whole[last] += weight[k]
    return part + np.cumsum(whole)[:n]


masses = compiled(_masses)
