"""The upper envelope of lines, compiled: what a bidder of each type earns at best, if each bid earns a line."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled


def _envelope(slope: Floats, intercept: Floats, at: Floats) -> tuple[Floats, Ints]:
    """Return the largest of the lines, and which it is, at each point; slopes and points do not fall."""
    lines = len(slope)
    hull = np.empty(lines, np.int64)
    top = 0
    for k in range(lines):
        while top > 0 and slope[hull[top - 1]] == slope[k] and intercept[hull[top - 1]] <= intercept[k]:
            top -= 1
        if top > 0 and slope[hull[top - 1]] == slope[k]:
            continue
        while top > 1:
            a, b = hull[top - 2], hull[top - 1]
            left = (intercept[a] - intercept[k]) * (slope[b] - slope[a])
            right = (intercept[a] - intercept[b]) * (slope[k] - slope[a])
            if left > right:
                break
            top -= 1
        hull[top] = k
        top += 1
    value, best = np.empty(len(at)), np.empty(len(at), np.int64)
    here = 0
    for j in range(len(at)):
        x = at[j]
        while here + 1 < top:
            now, then = hull[here], hull[here + 1]
            if slope[then] * x + intercept[then] < slope[now] * x + intercept[now]:
                break
            here += 1
        value[j] = slope[hull[here]] * x + intercept[hull[here]]
        best[j] = hull[here]
    return value, best


envelope = compiled(_envelope)
