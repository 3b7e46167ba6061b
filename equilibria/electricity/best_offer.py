r"""The exact best offer of one seller of K blocks against S weighted scenarios of the rivals' offers and the load.

The problem
-----------
A seller offers each block at a price between its marginal cost :math:`c_k` and its reach :math:`r_k`; one offer meets
all scenarios, whose auctions clear as `walras.markets.electricity.clearing.merit_order` does. The seller maximises its
weighted profit. Undercutting has no best answer, only a supremum, so "at p" means just below p.

Only some prices can be best: the levels :math:`p_1 < \dots < p_L`, which are the rivals' offers in all scenarios, the
own costs and reaches, and the cap. Between two levels all quantities stay, and the profit rises with the own price.

The programme
-------------
The blocks are stacked from the cheapest offer up. For a subset X of them that is offered so far, with capacity
:math:`Q_X` and cost :math:`C_X`, scenario s is *open* at level l if the load less the rivals' supply strictly below
:math:`p_l`, :math:`R_s(l)`, exceeds :math:`Q_X`. Each scenario is decided once:

- by a rival, if it closes for X between two own offers, at price :math:`p_l`: the profit is :math:`p_l Q_X - C_X`;
- by the own block k at :math:`p_l`, if it is open for X and not for X + k: the profit is
  :math:`p_l R_s - C_X - c_k (R_s - Q_X)`;
- at the end, if it is open for all blocks: a rival, or the cap, sets the price.

Whether it is still open depends on (X, l) alone. With :math:`G_X(l)` the profit of scenarios that a rival decides
below l,

.. math:: V(X, l) = \max_{l' \ge l,\; k \notin X,\; c_k \le p_{l'} \le r_k}
          G_X(l') - G_X(l) + \sum_{s:\ k\ \text{decides at}\ l'} w_s \pi_s + V(X + k, l').

The order of the blocks is free, since the best one is not always that of cost. O(S J log(S J) + 2^K (S + K L)) for J
offers of rivals a scenario. Where two levels are worth the same, the lower is taken: blocks that are never sold stay
near their cost.

The offers that are returned stay below their levels by ticks, the j-th of n at one level by n - j + 1 of them. So they
keep their order and share nothing pro rata, and earn the supremum but for a few ticks on what is sold.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from walras.core.checks import require, require_each
from walras.core.typing import Floats, Ints

TICK = 1e-6
"""EUR/MWh by which an offer stays below its level."""
BLOCKS = 10
"""Most blocks with capacity: the programme's work doubles with each."""


@final
@dataclass(frozen=True, eq=False)
class Scenarios:
    """What a seller may face in M problems, or in all of them if M is 1: S weighted scenarios of J rival offers.

    Raises
    ------
    ValueError
        If shapes disagree, a number is not finite, or a price, quantity or weight is negative.
    """

    price: Floats  # [M, S, J] EUR/MWh
    quantity: Floats  # [M, S, J] MW
    load: Floats  # [M, S] MW
    weight: Floats  # [M, S]; profits are expected ones where they sum to 1

    def __post_init__(self) -> None:
        require(self.price.ndim == 3, "price", "have the shape [M, S, J]", self.price.shape)
        shapes = {"quantity": self.price.shape, "load": self.price.shape[:2], "weight": self.price.shape[:2]}
        for name, shape in shapes.items():
            require(getattr(self, name).shape == shape, name, f"have the shape {shape}", getattr(self, name).shape)
        require_each(np.isfinite(self.load), "load", "be finite", self.load)
        for name in ("price", "quantity", "weight"):
            number = getattr(self, name)
            require_each((number >= 0) & (number < np.inf), name, "be finite and not negative", number)

    @cached_property
    def order(self) -> Ints:
        """The offers of each problem by price, ``[M, S J]``."""
        return self.price.reshape(len(self.price), -1).argsort(axis=1)


@final
@dataclass(frozen=True, eq=False)
class BestOffers:
    """The best offers in M problems."""

    value: Floats  # [M] EUR, the supremum of the weighted profit
    offer: Floats  # [M, K] EUR/MWh, attain it but for ticks


def best_offers(
    cost: Floats, capacity: Floats, reach: Floats, scenarios: Scenarios, cap: float, tick: float = TICK
) -> BestOffers:
    """Return the best offers of one seller in M problems.

    Parameters
    ----------
    cost, capacity, reach : ndarray
        Of the seller's blocks, ``[M, K]``: marginal cost (EUR/MWh), available capacity (MW) and the largest price that
        may be asked (EUR/MWh). Blocks without capacity are offered at cost.
    scenarios : Scenarios
        What the rivals offer, and the load.
    cap : float
        Price of unserved load, EUR/MWh.
    tick : float
        How far the offers stay below their levels, EUR/MWh; `value` does not know it.

    Raises
    ------
    ValueError
        If shapes disagree, costs, reaches and the cap are not in this order, a rival asks more than the cap, or more
        than `BLOCKS` blocks have capacity.
    """
    from walras.equilibria.electricity import best_offer_compiled  # numba: only where it is used

    check_blocks(cost, capacity, reach, scenarios, cap)
    offer = np.empty(cost.shape)
    arrays = arrays_of(cost, capacity, reach, scenarios)
    value = best_offer_compiled.best_offers(*arrays, scenarios.order, float(cap), float(tick), offer)
    return BestOffers(value, offer)


def expected_profits(cost: Floats, capacity: Floats, offer: Floats, scenarios: Scenarios, cap: float) -> Floats:
    """Return the weighted profit of the seller's `offer [M, K]` in M problems, ``[M]`` EUR; see `best_offers`.

    Raises
    ------
    ValueError
        As `best_offers`, with the offers for the reaches.
    """
    from walras.equilibria.electricity import best_offer_compiled  # numba: only where it is used

    check_blocks(cost, capacity, offer, scenarios, cap)
    arrays = arrays_of(cost, capacity, offer, scenarios)
    return best_offer_compiled.expected_profits(*arrays, scenarios.order, float(cap))


def arrays_of(
    cost: Floats, capacity: Floats, offer: Floats, scenarios: Scenarios
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return what compiled functions take of the seller, and of the scenarios: prices, quantities, loads, weights."""
    from walras.markets.compiled import plain

    faced = plain(scenarios.price), plain(scenarios.quantity), plain(scenarios.load), plain(scenarios.weight)
    return plain(cost), plain(capacity), plain(offer), *faced


def check_blocks(cost: Floats, capacity: Floats, reach: Floats, scenarios: Scenarios, cap: float) -> None:
    """Raise ``ValueError`` unless a seller's blocks and what it meets are legal; see `best_offers`."""
    require(cost.ndim == 2, "cost", "have the shape [M, K]", cost.shape)
    require(capacity.shape == cost.shape, "capacity", f"have cost's shape {cost.shape}", capacity.shape)
    require(reach.shape == cost.shape, "reach", f"have cost's shape {cost.shape}", reach.shape)
    require(len(scenarios.load) in (1, len(cost)), "scenarios", f"be of 1 or {len(cost)} problems", len(scenarios.load))
    require_each((capacity >= 0) & (capacity < np.inf), "capacity", "be finite and not negative", capacity)
    require_each(cost >= 0, "cost", "not be negative", cost)
    require_each((reach >= cost) & (reach <= cap), "reach", f"lie between the cost and the cap {cap}", reach)
    require_each(scenarios.price <= cap, "price", f"not exceed the cap {cap}", scenarios.price)
    most = int((capacity > 0).sum(axis=1).max(initial=0))
    require(most <= BLOCKS, "capacity", f"be positive for at most {BLOCKS} blocks", most)
