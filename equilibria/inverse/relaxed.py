r"""Confidence sets of parameters that play bounds on average, and does not determine.

True parameters meet :math:`E[A_{jt} \cdot \theta - b_{jt}] \le 0` for J conditions, moment inequalities [1]_. With T
independent periods,

.. math:: \bar A_j \cdot \theta - \bar b_j \le \frac{\kappa}{\sqrt T} \, s_j(\theta) \quad \text{for all } j

holds for them with a probability of about :math:`1 - \alpha` or more [2]_: :math:`s_j(\theta)` is the standard
deviation of :math:`A_{jt} \cdot \theta - b_{jt}`, and :math:`\kappa` the :math:`1 - \alpha / J` quantile of Student's
t. As :math:`s_j` is convex, it is nowhere in a box larger than at its largest corner. With this number on the right the
conditions are a polyhedron, whose ranges are the next box, until they stop to shrink.

References
----------
[1] A. Pakes, J. Porter, K. Ho, J. Ishii, Moment inequalities and their application, Econometrica 83, 2015.
[2] V. Chernozhukov, D. Chetverikov, K. Kato, Inference on causal and structural parameters using many moment
    inequalities, Review of Economic Studies 86, 2019.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.inverse.parameter_set import ParameterSet

NARROWED, MOVED = 30, 1e-4
"""Times that a box shrinks, at most, and the share of its widths by which it must."""
CORNERS = 6
"""Parameters of which corners are listed, at most; of more, deviations are summed."""


class Inequalities(NamedTuple):
    """Conditions ``rows @ theta <= level``, which hold on average over periods."""

    rows: Floats  # [J, T, P]
    level: Floats  # [J, T]


def relaxed(
    names: tuple[str, ...], found: Inequalities, box: tuple[Floats, Floats], confidence: float, among: int
) -> ParameterSet:
    """Return the parameters of a box that meet all conditions, up to what chance explains.

    Parameters
    ----------
    names : tuple of str
        Of the P parameters.
    found : Inequalities
        The conditions of each period.
    box : tuple of Floats
        Smallest and largest parameters, ``[P]`` each, finite.
    confidence : float
        Of all of `among` conditions together.
    among : int
        Conditions, of which `found` may be a part.
    """
    from scipy.stats import t

    count = found.level.shape[1]
    kappa = float(t.ppf(1 - (1 - confidence) / among, count - 1)) / np.sqrt(count)
    rows, level = found.rows.mean(axis=1), found.level.mean(axis=1)

    def within(low: Floats, high: Floats) -> ParameterSet:
        return ParameterSet(names, low, high, rows, level + kappa * largest_deviation(found, low, high), tol=1e-7)

    allowed, moved = within(*box), MOVED * (box[1] - box[0])
    for _ in range(NARROWED):
        low, high = allowed.interval.T
        if allowed.empty or np.all((low - allowed.low) + (allowed.high - high) <= moved):
            break
        allowed = within(low, high)
    return allowed


def largest_deviation(found: Inequalities, low: Floats, high: Floats) -> Floats:
    """Return the largest standard deviation of each condition over a box, ``[J]``, or a bound of it."""

    def deviation(theta: Floats) -> Floats:
        return (found.rows @ theta - found.level).std(axis=1, ddof=1)

    if len(low) > CORNERS:
        return deviation((low + high) / 2) + found.rows.std(axis=1, ddof=1) @ ((high - low) / 2)
    return np.max([deviation(np.array(corner)) for corner in product(*zip(low, high, strict=True))], axis=0)
