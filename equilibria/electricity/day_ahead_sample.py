r"""Costs of day-ahead sellers whose offers are best on average, not in each period: a confidence set.

A seller that does not know loads and rivals' offers gains by no fixed change of its offers on average: to ask at least
some level for some of its blocks, or at most one. A change j earns :math:`G_{jt}` more in period t and sells
:math:`D_{jt}` more, so that its true costs meet :math:`E[G_j - D_j \cdot c] \le 0`, an inequality of
`walras.equilibria.inverse.relaxed`.
"""

import numpy as np

from walras.core.typing import Floats
from walras.equilibria.inverse.relaxed import Inequalities
from walras.markets.electricity.clearing import merit_order

LEVELS = 9
"""Levels of changed offers, at most: prices that came, at even quantiles."""
LEAST_PERIODS = 20
"""Periods that a standard deviation needs, at least."""


def changes(offer: Floats, available: Floats, load: Floats, player: int, cap: float, tick: float) -> Inequalities:
    """Return that no changed offers of a seller gain, in its costs ``[K]``; EUR an hour.

    Parameters
    ----------
    offer, available : Floats
        ``[T, N, K]`` EUR/MWh and MW.
    load : Floats
        ``[T]`` MW.
    player : int
        The seller.
    cap, tick : float
        The largest offer and the smallest step of one, EUR/MWh.
    """
    before = merit_order(offer, available, load, cap, 0.0)
    level = np.unique(np.quantile(before.price, np.linspace(0, 1, LEVELS), method="nearest"))
    blocks = offer.shape[2]
    parts = [np.arange(blocks) == k for k in range(blocks)] + [np.ones(blocks, dtype=np.bool_)] * (blocks > 1)
    asked = [own for at in level for part in parts for own in _asked(offer[:, player], at, part, cap, tick)]
    tried = np.repeat(offer[None], len(asked), axis=0)
    tried[:, :, player] = asked
    flat = tried.reshape(-1, *offer.shape[1:])
    after = merit_order(flat, np.tile(available, (len(asked), 1, 1)), np.tile(load, len(asked)), cap, 0.0)
    shape = (len(asked), len(load), blocks)
    now, then = before.dispatch[:, player], after.dispatch[:, player].reshape(shape)
    gain = after.price.reshape(shape[:2]) * then.sum(axis=2) - before.price * now.sum(axis=1)
    return Inequalities(now - then, -gain)


def _asked(own: Floats, level: float, part: Floats, cap: float, tick: float) -> tuple[Floats, Floats]:
    """Return offers ``[T, K]`` of which some blocks ask at least a level, and of which they ask less."""
    most, least = min(level, cap), max(level - tick, 0.0)
    return np.where(part, np.maximum(own, most), own), np.where(part, np.minimum(own, least), own)
