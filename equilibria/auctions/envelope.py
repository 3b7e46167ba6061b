"""The upper envelope of lines, compiled: what a bidder of each type earns at best, if each bid earns a line."""

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.compiled import compiled


def _hull(slope: Floats, intercept: Floats) -> Ints:
    """Return the lines of which the envelope is made, from the flattest on; slopes do not fall."""
    hull = np.empty(len(slope), np.int64)
    top = 0
    for k in range(len(slope)):
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
    return hull[:top]


hull = compiled(_hull)


def _envelope(slope: Floats, intercept: Floats, at: Floats) -> Floats:
    """Return the largest of the lines at each point; slopes and points do not fall."""
    lines = hull(slope, intercept)
    value, here = np.empty(len(at)), 0
    for j in range(len(at)):
        while here + 1 < len(lines):
            now, then = lines[here], lines[here + 1]
            if slope[then] * at[j] + intercept[then] < slope[now] * at[j] + intercept[now]:
                break
            here += 1
        value[j] = slope[lines[here]] * at[j] + intercept[lines[here]]
    return value


envelope = compiled(_envelope)
