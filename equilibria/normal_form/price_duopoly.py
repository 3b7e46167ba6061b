r"""Two firms that name prices on the continuum and sell up to a capacity: best replies to mixtures of prices.

Costs are nothing, buyers go to the cheaper firm first, and what it cannot serve is left to the other: efficient
rationing [1]_. Equal prices share what is wanted. Profit jumps where prices meet, so a best reply need not exist; its
supremum does. Between prices at which the rival or a capacity may stand, what is sold in expectation is linear in the
own price, and profit a parabola. So the supremum is at a rival's price just undercut, where a capacity begins to bind,
or at the top of such a parabola; these are compared.

With linear demand 1 - p and :math:`1/3 < k < 1` there is no pure equilibrium. In the mixed one both earn
:math:`R = (1 - k)^2 / 4` and draw from

.. math:: F(p) = \frac{p k - R}{p (2 k + p - 1)}, \qquad \frac{R}{k} \le p \le \frac{1 - k}{2} .

References
----------
[1] D. Kreps, J. Scheinkman, Quantity precommitment and Bertrand competition yield Cournot outcomes, Bell Journal of
    Economics 14, 1983.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require, require_known
from walras.core.typing import Floats
from walras.equilibria.normal_form.double_oracle import Reply

UNDERCUT = 1e-9
"""By which a reply undercuts, as a share of the price."""


@final
@dataclass(frozen=True)
class PriceDuopoly:
    """Bertrand-Edgeworth competition of two firms, an oracle for `walras.equilibria.double_oracle`.

    Raises
    ------
    ValueError
        If the capacity is not positive and finite, or the demand unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.equilibria import double_oracle
    >>> found = double_oracle(PriceDuopoly(0.5), np.full((2, 1), 0.25), tol=1e-3, tick=0.005, max_iter=40)
    >>> bool((found.gap_upper <= 0.005 * 0.5).all())
    True
    """

    capacity: float = 0.5  # of each firm
    demand: str = "linear"  # 1 - p, or "inelastic": 1 up to the price 1

    def __post_init__(self) -> None:
        require(0 < self.capacity < np.inf, "capacity", "be positive and finite", self.capacity)
        require_known(self.demand, "demand", ("inelastic", "linear"))

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        """Return profits ``[K, 2]`` at prices ``[K, 2, 1]``."""
        own, other = actions[:, :, 0], actions[:, ::-1, 0]
        return own * self._sold(own, np.sign(own - other))

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        """Return a price that earns next to the supremum against a mixture, and the supremum."""
        other = actions[:, 1 - player, 0]
        levels = np.unique(other)
        tried = np.concatenate([levels, self._bends(), self._tops(levels, other, weights)])
        worth = self._worth(tried, other, weights)
        best = tried[worth.argmax()]
        return Reply(np.array([best * (1 - UNDERCUT) if best in levels else best]), float(worth.max()))

    def cdf(self, price: Floats) -> Floats:
        """Return F, the chance of a price up to `price` in the mixed equilibrium of linear demand.

        Raises
        ------
        ValueError
            If demand is not linear, or the equilibrium is in pure prices.
        """
        require(self.demand == "linear", "demand", "be linear for the formula", self.demand)
        require(1 / 3 < self.capacity < 1, "capacity", "lie between 1/3 and 1 for a mixed equilibrium", self.capacity)
        k, least = self.capacity, (1 - self.capacity) ** 2 / 4
        inside = np.clip(price, least / k, (1 - k) / 2)
        return (inside * k - least) / (inside * (2 * k + inside - 1))

    def _worth(self, tried: Floats, other: Floats, weights: Floats) -> Floats:
        """Return expected profits of prices just below those ``tried [T]``."""
        side = np.where(tried[:, None] <= other, -1.0, 1.0)
        return tried * (self._sold(tried[:, None], side) @ weights)

    def _sold(self, own: Floats, side: Floats) -> Floats:
        """Return what is sold at a price below (-1), equal to (0) or above (1) the rival's."""
        wanted = np.maximum(1 - own, 0.0) if self.demand == "linear" else (own <= 1).astype(np.float64)
        left = np.where(side < 0, wanted, np.where(side == 0, wanted / 2, wanted - self.capacity))
        return np.clip(left, 0.0, self.capacity)

    def _bends(self) -> Floats:
        """Return the prices at which a capacity begins to bind, or demand ends."""
        if self.demand == "inelastic":
            return np.array([0.0, 1.0])
        return np.clip([0.0, 1 - 2 * self.capacity, 1 - self.capacity, 1.0], 0.0, 1.0)

    def _tops(self, levels: Floats, other: Floats, weights: Floats) -> Floats:
        """Return the tops of profit inside the parts in which what is sold is linear in the price."""
        ends = np.unique(np.concatenate([levels, self._bends()]))
        low, high = ends[:-1], ends[1:]
        first, second = low + (high - low) / 3, high - (high - low) / 3
        sold = [self._sold(p[:, None], np.where(p[:, None] <= other, -1.0, 1.0)) @ weights for p in (first, second)]
        fall = (sold[0] - sold[1]) / (second - first)
        some = fall > 0
        top = (sold[0][some] + fall[some] * first[some]) / (2 * fall[some])
        return top[(top > low[some]) & (top < high[some])]
