r"""Logit demand: the prices at which firms meet each other, and those of one owner of all firms.

Firm i of N sells

.. math:: q_i = \frac{e^{(a_i - p_i) / \mu}}{\sum_j e^{(a_j - p_j) / \mu} + e^{a_0 / \mu}}

at the prices p, with :math:`a_i` the quality of its good, :math:`a_0` that of the outside good and :math:`\mu` the
differentiation, and earns :math:`(p_i - c_i) q_i` [1]_. W is Lambert's function.

*Best reply.* From the first-order condition :math:`(p_i - c_i)(1 - q_i) = \mu`, with :math:`D_{-i}` the denominator
without good i, :math:`p_i = c_i + \mu (1 + W(e^{(a_i - c_i) / \mu - 1} / D_{-i}))`.

*Nash.* The slopes of i's best reply sum to :math:`q_i (1 - q_i - q_0) / (1 - q_i) < q_i < 1`, with :math:`q_0` the
share that buys nothing. So best replies contract, the equilibrium is unique, and iterating them finds it.

*Joint monopoly.* All goods have one mark-up, :math:`\mu (1 + W(\sum_j e^{(a_j - a_0 - c_j) / \mu - 1}))`.

References
----------
[1] S. P. Anderson, A. de Palma, J.-F. Thisse, Discrete Choice Theory of Product Differentiation, MIT Press, 1992.
"""

from dataclasses import dataclass

import numpy as np

from walras.core.checks import require, require_each
from walras.core.typing import Floats

ROUNDS = 1_000_000
"""Best replies after which the search for the equilibrium gives up; the share of one firm must be close to one."""


@dataclass(frozen=True, eq=False)
class LogitDemand:
    """Goods that differ, of one firm each, and buyers who choose one or none.

    Raises
    ------
    ValueError
        If an entry is not finite, the differentiation not positive, or there is not one quality a good.
    """

    quality: Floats  # [N] money
    cost: Floats  # [N] money a unit
    outside: float  # quality of the outside good, money
    differentiation: float  # mu, money

    def __post_init__(self) -> None:
        require(0 < self.differentiation < np.inf, "differentiation", "be positive and finite", self.differentiation)
        require(bool(np.isfinite(self.outside)), "outside", "be finite", self.outside)
        for name in ("quality", "cost"):
            require_each(np.isfinite(getattr(self, name)), name, "be finite", getattr(self, name))
        require(self.quality.shape == self.cost.shape, "quality", f"have {len(self.cost)} entries", self.quality)

    def sold(self, price: Floats) -> Floats:
        """Return what each good sells, ``[..., N]``, at ``price [..., N]``: shares of all buyers."""
        worth = (self.quality - price) / self.differentiation
        nothing = self.outside / self.differentiation
        return np.exp(worth - np.logaddexp(np.logaddexp.reduce(worth, axis=-1, keepdims=True), nothing))

    def profit(self, price: Floats) -> Floats:
        """Return each firm's profit, ``[..., N]``, at ``price [..., N]``."""
        return (price - self.cost) * self.sold(price)

    def best_reply(self, price: Floats) -> Floats:
        """Return each firm's best price, ``[N]``, against the others' in ``price [N]``."""
        worth = (self.quality - price) / self.differentiation
        others = np.where(np.eye(len(worth), dtype=np.bool_), self.outside / self.differentiation, worth)
        net = (self.quality - self.cost) / self.differentiation
        return self.cost + self.differentiation * _mark_up(net - np.logaddexp.reduce(others, axis=1))

    def nash_price(self) -> Floats:
        """Return the prices of the Nash equilibrium, ``[N]``.

        Raises
        ------
        ArithmeticError
            If best replies still move after `ROUNDS` rounds.
        """
        price = self.best_reply(self.cost)
        for _ in range(ROUNDS):
            before, price = price, self.best_reply(price)
            if np.all(np.abs(price - before) <= 4e-16 * (np.abs(price) + self.differentiation)):
                return price
        raise ArithmeticError(f"Best replies still move after {ROUNDS} rounds: one firm sells nearly all.")

    def monopoly_price(self) -> Floats:
        """Return the prices that maximise the sum of profits, ``[N]``."""
        net = (self.quality - self.outside - self.cost) / self.differentiation
        return self.cost + self.differentiation * _mark_up(np.logaddexp.reduce(net))


def _mark_up(worth: Floats) -> Floats:
    """Return 1 + W(exp(worth - 1)): the best mark-up of goods of this worth, in units of the differentiation."""
    from scipy.special import wrightomega

    return 1 + np.real(wrightomega(worth - 1))
