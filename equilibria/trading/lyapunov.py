r"""Equilibria of trading networks from demand alone: steepest descent on the sum of indirect utilities.

:math:`L(p) = \sum_i V_i(p)` is convex and no less than the welfare of any trades, with equality at equilibrium prices.
If all agents are fully substitutable it is L-natural-convex, and integral valuations give it integral minimisers [1]_.
So the descent looks for the set X of trades whose prices, all raised or all lowered by the step, lower L most. That is
the minimum of a submodular function of X, found by the least-norm point of its base polytope [2]_ and certified by it.
The step begins at the size of the valuations and is halved when no set helps; at step 1 this is the minimum.

Trades
------
Prices alone do not say which of several best bundles fit together. A trade is left out if the market without it is
worth as much, and concluded otherwise; a bonus or malus to both of its sides, larger than all values, tells the agents.

Nothing but `indirect_utility` and `demand` is asked of the agents. It takes more time than `competitive_equilibrium`
where that applies, and serves agents of many trades that are no flows. With agents that are not fully substitutable it
may stop short of the minimum; the residual tells.

References
----------
.. [1] K. Murota, Discrete convex analysis, SIAM, 2003, chapters 8 and 10.
.. [2] S. Fujishige, S. Isotani, A submodular function minimization algorithm based on the minimum-norm base, Pacific
   Journal of Optimization 7, 2011.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np

from walras.core.checks import require
from walras.core.solution import Status, checked
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.trading.competitive import TradingEquilibrium, judged
from walras.markets.trading.trading_network import TradingNetwork

NEAR = 1e-9

SetFunction: TypeAlias = Callable[[Bools], Floats]  # of sets [K, T] to values [K], integers, 0 for the empty set


def lyapunov_descent(network: TradingNetwork, *, max_iter: int = 10_000, throw: bool = True) -> TradingEquilibrium:
    """Return an equilibrium by steepest descent; `iterations` counts the moves of prices.

    Parameters
    ----------
    network : TradingNetwork
        With integral valuations.
    max_iter : int
        Largest number of moves in one descent.
    throw : bool
        Raise instead of returning an answer that is no equilibrium.

    Raises
    ------
    ValueError
        If a valuation has a number that is no integer, or `max_iter` is less than 1.
    SolverError
        If what it ends at is no equilibrium and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria.trading.lyapunov import lyapunov_descent
    >>> from walras.markets.trading.trading_network import TradingNetwork, UnitDemand, UnitSupply
    >>> found = lyapunov_descent(TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 20})]))
    >>> found.trades, found.welfare, found.residual
    (array([ True]), 10.0, 0.0)
    """
    require(max_iter >= 1, "max_iter", "be at least 1", max_iter)
    for agent, valuation in enumerate(network.agents):
        require(valuation.integral, f"network.agents[{agent}]", "have integers for numbers", valuation.numbers)
    largest = max(valuation.magnitude for valuation in network.agents)
    step = 2 ** int(np.ceil(np.log2(max(largest, 1.0))))
    potential = _Potential(network, np.zeros(len(network.trades)))
    prices, moves = _descend(potential, np.zeros(len(network.trades)), step, max_iter)
    trades = _conclude(potential, prices, max_iter)
    return checked(judged(network, trades, prices, moves, Status.ITERATION_LIMIT), throw)


@final
@dataclass(frozen=True, eq=False)
class _Potential:
    """The sum of indirect utilities, where a trade may be forbidden or imposed."""

    network: TradingNetwork
    malus: Floats  # [T] to each of a trade's sides: positive if forbidden, negative if imposed

    def __call__(self, prices: Floats) -> Floats:
        """Return ``[K]`` of ``prices [K, T]``; what imposed trades bring their sides is taken off again."""
        pairs = zip(self.network.agents, self.network.places, strict=True)
        total = sum(agent.indirect_utility(self.seen(agent.sides, own, prices)) for agent, own in pairs)
        return total + 2 * np.minimum(self.malus, 0.0).sum()

    def seen(self, sides: Ints, own: Ints, prices: Floats) -> Floats:
        """Return the prices ``[..., d]`` that tell an agent of each malus."""
        return prices[..., own] + sides * self.malus[own]

    def agreed(self, prices: Floats) -> Bools | None:
        """Return the trades that both sides demand at ``prices [T]``, or None if the sides differ on one."""
        network = self.network
        wanted = np.zeros((2, len(prices)), dtype=np.bool_)
        for agent, own in zip(network.agents, network.places, strict=True):
            wanted[(agent.sides > 0).astype(np.int64), own] = agent.demand(self.seen(agent.sides, own, prices))
        return wanted[0] if (wanted[0] == wanted[1]).all() else None


def _descend(potential: _Potential, prices: Floats, step: int, max_iter: int) -> tuple[Floats, int]:
    """Return the prices where no set of trades helps at step 1, and the number of moves."""
    moves = 0
    while moves < max_iter:
        change, moved = min((_steepest(potential, prices, sign * step) for sign in (1, -1)), key=lambda found: found[0])
        if change < 0:
            prices, moves = moved, moves + 1
        elif step == 1:
            break
        else:
            step //= 2
    return prices, moves


def _steepest(potential: _Potential, prices: Floats, step: int) -> tuple[float, Floats]:
    """Return the largest fall of the potential, as a negative number, and the prices after it."""
    now = potential(prices[None])
    change, chosen = least_set(lambda sets: potential(prices + step * sets) - now, len(prices))
    return change, prices + step * chosen


def _conclude(potential: _Potential, prices: Floats, max_iter: int) -> Bools:
    """Return trades that the prices support, forbidding or imposing one after the other until both sides agree."""
    largest = sum(agent.magnitude for agent in potential.network.agents)
    far = 4.0 * len(prices) * (np.abs(prices).max() + largest + 1.0)
    welfare = potential(prices[None])
    for trade in range(len(prices)):
        agreed = potential.agreed(prices)
        if agreed is not None:
            return agreed
        malus = potential.malus.copy()
        malus[trade] = far
        without = replace(potential, malus=malus)
        below, _ = _descend(without, prices, 1, max_iter)
        if without(below[None]) < welfare:
            malus[trade] = -far
        else:
            prices = below
        potential = replace(potential, malus=malus)
    return potential.malus < 0


def least_set(function: SetFunction, size: int) -> tuple[float, Bools]:
    """Return the minimum of a submodular function with integer values, and a set that attains it.

    Any point x of the base polytope bounds the minimum from below by the sum of its negative entries; the least-norm
    point attains it. The search for that point ends when the bound is within 1 of a set's value, which is then least.

    Parameters
    ----------
    function : callable
        From sets ``[K, size]`` to values ``[K]``, 0 for the empty set.
    size : int
        Number of elements.
    """
    best, chosen = 0.0, np.zeros(size, dtype=np.bool_)
    bases, weights = np.zeros((0, size)), np.zeros(0)
    point = np.zeros(size)
    while True:
        order = np.argsort(point, kind="stable")
        chain = np.zeros((size, size), dtype=np.bool_)
        chain[:, order] = np.tri(size, dtype=np.bool_)
        values = function(chain)
        lowest = int(np.argmin(values))
        if values[lowest] < best:
            best, chosen = float(values[lowest]), chain[lowest]
        vertex = np.zeros(size)
        vertex[order] = np.diff(values, prepend=0.0)
        if len(bases) and (best - np.minimum(point, 0.0).sum() < 1 or point @ (vertex - point) > -NEAR):
            return best, chosen
        bases, weights = _nearest(np.vstack((bases, vertex)), np.append(weights, 0.0 if len(bases) else 1.0))
        point = weights @ bases


def _nearest(bases: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the bases that span the point of least norm of their hull, and its weights: Wolfe's minor cycle."""
    while True:
        system = np.block([[bases @ bases.T, np.ones((len(bases), 1))], [np.ones((1, len(bases))), np.zeros((1, 1))]])
        affine = np.linalg.lstsq(system, np.append(np.zeros(len(bases)), 1.0))[0][:-1]
        if (affine > -NEAR).all():
            return bases, np.maximum(affine, 0.0)
        falling = affine <= -NEAR
        share = (weights[falling] / (weights - affine)[falling]).min()
        weights = weights + share * (affine - weights)
        kept = weights > NEAR
        bases, weights = bases[kept], weights[kept]
