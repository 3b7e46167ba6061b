r"""Offers that are paid as bid: one seller's exact best offer, and the mixed equilibrium of two equal sellers.

Best offer
----------
A seller of K blocks meets S weighted scenarios of the rivals' offers and the load. Block k is offered at a price
between its marginal cost :math:`c_k` and its reach :math:`r_k` and, where it is accepted, paid that price. Blocks are
stacked from the cheapest offer up. With X the blocks below and :math:`Q_X` their capacity, block k at p sells in
expectation :math:`L_X(p) - L_{X+k}(p)`, where

.. math:: L_X(p) = \sum_s w_s \bigl(D_s - S_s(p^-) - Q_X\bigr)^+

and :math:`S_s(p^-)` is what rivals offer strictly below p. Between two offers of rivals what is sold stays and the
profit rises with the own price. So only the rivals' offers in all scenarios, just undercut, and the own reaches can be
best, and

.. math:: V(X, p) = \max_{p' \ge p,\; k \notin X,\; c_k \le p' \le r_k}
          (p' - c_k) \bigl(L_X(p') - L_{X+k}(p')\bigr) + V(X + k, p')

is the supremum, over all orders of the blocks. O(S J log(S J) + 2^K (S J + K L)) for J offers of rivals a scenario.
Against one scenario this is: at each price, fill the own blocks up to the rivals' residual load, each block paid the
lesser of the price and its reach. The offers that are returned undercut by ticks, as in
`walras.equilibria.electricity.best_offer`.

Two equal sellers
-----------------
Two sellers have the capacity k each at the marginal cost c and may ask up to P. With :math:`k < D < 2k` no pure
equilibrium exists: they undercut each other until one prefers to serve what the other leaves at P. In the mixed one
[1]_ both draw their price from

.. math:: F(p) = \frac{k (p - c) - (P - c)(D - k)}{(p - c)(2k - D)},
          \qquad c + \frac{(P - c)(D - k)}{k} \le p \le P ,

and earn :math:`(P - c)(D - k)` at each price of the support. With :math:`D \le k` both ask c; with
:math:`D \ge 2k` both sell all and ask P. The policy here draws from `ATOMS` quantiles of F, not from F, so that its gap
is computed exactly, and is about 1 / `ATOMS` of the profit.

References
----------
[1] N. Fabra, N.-H. von der Fehr, D. Harbord, Designing electricity auctions, RAND Journal of Economics 37, 2006.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.game import Actions
from walras.core.policy import Scripted
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.best_offer import TICK, BestOffers, Scenarios, arrays_of, check_blocks

ATOMS = 1000
"""Prices that each of two equal sellers draws from."""


def best_offers(cost: Floats, capacity: Floats, reach: Floats, scenarios: Scenarios, tick: float = TICK) -> BestOffers:
    """Return the best offers of one seller in M problems, if accepted blocks are paid their own prices.

    Parameters and errors are those of `walras.equilibria.electricity.best_offer.best_offers`; the largest reach stands
    for the cap.
    """
    from walras.equilibria.electricity import pay_as_bid_compiled  # numba: only where it is used

    check_blocks(cost, capacity, reach, scenarios, np.inf)
    offer = np.empty(cost.shape)
    arrays = arrays_of(cost, capacity, reach, scenarios)
    return BestOffers(pay_as_bid_compiled.best_offers(*arrays, scenarios.order, float(tick), offer), offer)


def expected_profits(cost: Floats, capacity: Floats, offer: Floats, scenarios: Scenarios) -> Floats:
    """Return the weighted profit of the seller's `offer [M, K]` in M problems, paid as bid, ``[M]`` EUR.

    Raises
    ------
    ValueError
        As `best_offers`, with the offers for the reaches.
    """
    from walras.equilibria.electricity import pay_as_bid_compiled  # numba: only where it is used

    check_blocks(cost, capacity, offer, scenarios, np.inf)
    return pay_as_bid_compiled.expected_profits(*arrays_of(cost, capacity, offer, scenarios))


def equal_pair(game: DayAheadMarket) -> bool:
    """Return whether the game is one of two sellers with one marginal cost and capacity, nothing hidden."""
    sold = game.capacity > 0
    same = len(game.agents) == 2 and bool(sold.any()) and np.ptp(game.cost[sold]) == 0
    return bool(same and np.ptp(game.capacity.sum(axis=1)) == 0 and game.conditions.outage_deviation == 0)


def pair_prices(load: Floats, capacity: Floats, cost: float, most: float, share: Floats) -> Floats:
    """Return quantiles of the price that two equal sellers draw, ``[B, J]`` EUR/MWh.

    Parameters
    ----------
    load, capacity : ndarray
        ``[B]`` MW: the load, and the capacity of each seller.
    cost, most : float
        Marginal cost and the most that may be asked, EUR/MWh.
    share : ndarray
        ``[J]`` in [0, 1]: the values of F whose prices are wanted.
    """
    least = np.clip(load - capacity, 0.0, capacity)[:, None]  # sold if the other undercuts
    full = np.minimum(load, capacity)[:, None]
    # F (p - c)(full - least) = full (p - c) - (P - c) least; without rivalry full = least > 0, and p is the most.
    fall = np.maximum(full - share * (full - least), np.finfo(np.float64).tiny)
    return np.where(full > 0, cost + (most - cost) * np.where(least < full, least / fall, 1.0), cost)


@final
@dataclass(frozen=True)
class EqualPair:
    """The equilibrium of two equal sellers that are paid as bid: each draws one of J prices, alike probable.

    Raises
    ------
    ValueError
        If the sellers are not two, or not equal.
    """

    game: DayAheadMarket
    atoms: int = ATOMS

    def __post_init__(self) -> None:
        if not equal_pair(self.game):
            raise ValueError(f"`game` must have two equal sellers without hidden outages; got {self.game.fleet}.")

    @property
    def independent(self) -> bool:
        """Sellers draw independently."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return mark-ups ``[B, 2, K]``, one for all blocks of a seller."""
        drawn = rng.integers(self.atoms, size=observation.shape[:2])
        markup = np.take_along_axis(self._markups(observation)[:, None], drawn[:, :, None], axis=2)
        return np.repeat(markup, self.game.cost.shape[1], axis=2)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return weights ``[B, 2, J]`` and mark-ups ``[B, 2, J, K]``; see `walras.core.policy.Mixed`."""
        rows, blocks = len(observation), self.game.cost.shape[1]
        markup = np.broadcast_to(self._markups(observation)[:, None, :, None], (rows, 2, self.atoms, blocks))
        return np.full((rows, 2, self.atoms), 1 / self.atoms), markup.copy()

    def _markups(self, observation: Floats) -> Floats:
        game = self.game
        cost, width = float(game.cost[0, 0]), game.cost.shape[1]
        available = observation[:, 0, 4 + width :].sum(axis=1)
        most = min(cost + game.markup_limit, game.cap)
        share = (np.arange(self.atoms) + 0.5) / self.atoms
        return np.maximum(pair_prices(observation[:, 0, 2], available, cost, most, share) - cost, 0.0)


def solve_as_bid(game: DayAheadMarket) -> Solution:
    """Return the mixed equilibrium of two equal sellers; of others, offers at marginal cost, which are none."""
    return Solution(
        policy=EqualPair(game) if equal_pair(game) else Scripted(game),
        value=np.full(len(game.agents), np.nan),
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        tol=1e-2,
    )
