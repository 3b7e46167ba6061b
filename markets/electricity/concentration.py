"""Concentration and pivotality of sellers.

- The Herfindahl-Hirschman index is the sum of squared market shares in per cent: 10,000 of a monopoly.
- The residual supply index of seller i is what all others could supply over the load, ``(sum K - K_i) / load``. Below 1
the
  load cannot be served without i: i is pivotal. Regulators also watch 1.1.
- The Lerner index is the mark-up of the price over marginal cost, as a share of the price.
"""

import numpy as np

from walras.core.typing import Floats

LEVELS = (1.0, 1.1)
"""Residual supply indices below which hours are counted."""


def herfindahl(sold: Floats) -> float:
    """Return the Herfindahl-Hirschman index of what sellers sold, ``[N]``; 0 where nothing was.

    Examples
    --------
    >>> import numpy as np
    >>> round(herfindahl(np.array([40.0, 20.0, 0.0])), 2)
    5555.56
    """
    total = float(sold.sum())
    return float(np.sum((100 * sold / total) ** 2)) if total > 0 else 0.0


def residual_supply(capacity: Floats, load: Floats) -> Floats:
    """Return the residual supply index of each seller at each step, ``[T, N]``; infinite where there is no load.

    Parameters
    ----------
    capacity : Floats
        What each could supply, ``[T, N]`` MW.
    load : Floats
        ``[T]`` MW.

    Examples
    --------
    >>> import numpy as np
    >>> residual_supply(np.array([[50.0, 30.0, 20.0]]), np.array([60.0])).round(4)
    array([[0.8333, 1.1667, 1.3333]])
    """
    others = capacity.sum(axis=1, keepdims=True) - capacity
    with np.errstate(divide="ignore"):
        return np.where(load[:, None] > 0, others / np.where(load > 0, load, 1.0)[:, None], np.inf)


def hours_below(index: Floats, step_hours: float = 1.0) -> Floats:
    """Return the hours in which each seller's residual supply index, ``[T, N]``, lies below each level, ``[N, 2]``."""
    return np.stack([(index < level).sum(axis=0) * step_hours for level in LEVELS], axis=1)
