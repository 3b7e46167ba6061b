r"""Competitive equilibria of trading networks, with a certificate.

Prices p and trades :math:`\Psi` are a competitive equilibrium if each agent's part of :math:`\Psi` is a best bundle for
it at p: :math:`V_i(p) = U_i(\Psi; p)`. If all agents are fully substitutable one exists, its trades have the largest
welfare, and any equilibrium prices support any such trades [1]_.

Method
------
The indirect utilities at any prices add up to no less than the welfare of any trades, :math:`\sum_i V_i(p) \ge
W(\Psi)`, because prices cancel; equality is an equilibrium. So the trades of the largest welfare and the prices of the
least sum are dual programs [2]_. Agents that are flows make the first a circulation of least cost and the second its
potentials (`walras.equilibria.trading.market_circulation`): shortest paths through the residual network, exact for
integers. An agent without a flow joins with a list of its bundles. Then the least sum may exceed the welfare of all
trades: no equilibrium exists, and the status says so.

The sum of indirect utilities is L-natural-convex in p if all agents are fully substitutable [3]_. Hence the equilibrium
prices form a lattice, of which `price_lattice` finds the ends, and `walras.equilibria.trading.lyapunov` may walk down
to it.

References
----------
.. [1] J. W. Hatfield, S. D. Kominers, A. Nichifor, M. Ostrovsky, A. Westkamp, Stability and competitive equilibrium in
   trading networks, Journal of Political Economy 121, 2013.
.. [2] O. Candogan, M. Epitropou, R. V. Vohra, Competitive equilibrium and trading networks: a network flow approach,
   EC 2016.
.. [3] K. Murota, Discrete convex analysis, SIAM, 2003.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from walras.core.solution import Certified, SolverError, Status, checked
from walras.core.typing import Bools, Floats
from walras.markets.trading.trading_network import TradingNetwork

if TYPE_CHECKING:
    from walras.equilibria.trading.circulation import Optimum
    from walras.equilibria.trading.market_circulation import Market

# What loads scipy and numba is imported when it is called: most who import solvers need neither.


@final
@dataclass(frozen=True, kw_only=True)
class TradingEquilibrium(Certified):
    r"""Prices, trades, and how far they are from an equilibrium.

    `residual` is the sum of the agents' regrets, :math:`\sum_i V_i(p) - U_i(\Psi; p)`. Where no equilibrium
    exists the prices are NaN, the trades still have the largest welfare, and `residual` is the least sum at any prices.
    """

    prices: Floats  # [T] money
    trades: Bools  # [T]
    welfare: float  # money, the largest of all trades
    value: Floats  # [N] utilities, money


def competitive_equilibrium(network: TradingNetwork, *, throw: bool = True) -> TradingEquilibrium:
    """Return trades of the largest welfare and prices that support them.

    The prices are midway between the least and the greatest of `price_lattice`, rounded down if all numbers are
    integers. Those that nothing bounds, of trades that cannot be struck, are any that fit.

    Parameters
    ----------
    network : TradingNetwork
        Of agents that are flows, or have 16 trades at most.
    throw : bool
        Raise instead of returning an answer that is no equilibrium.

    Raises
    ------
    ValueError
        If an agent without a flow has more than 16 trades.
    SolverError
        If no equilibrium exists and `throw` is true.

    Examples
    --------
    >>> from walras.equilibria import competitive_equilibrium
    >>> from walras.markets.trading.trading_network import Intermediary, TradingNetwork, UnitDemand, UnitSupply
    >>> chain = TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])
    >>> found = competitive_equilibrium(chain)
    >>> found.trades, found.prices, found.welfare
    (array([ True,  True]), array([15., 15.]), 10.0)
    """
    from walras.equilibria.trading.circulation import potentials

    program, best = _efficient(network)
    trades = _struck(program, best)
    if best.missing:
        return checked(_no_equilibrium(network, trades, best.missing, best.iterations), throw)
    middle = program.terminals(potentials(program.circulation, best)).mean(axis=0)
    if program.circulation.integral:
        found = judged(network, trades, np.floor(middle), best.iterations, Status.ROUNDED)
        if found.converged:
            return found
    found = judged(network, trades, middle, best.iterations, Status.ROUNDED)
    if not found.converged and best.potential is not None:  # the ends may be less exact than what the program ended at
        centre = program.terminals(best.potential).mean(axis=0)
        found = judged(network, trades, centre, best.iterations, Status.ROUNDED)
    return checked(found, throw)


def price_lattice(network: TradingNetwork) -> tuple[Floats, Floats]:
    """Return the least and the greatest equilibrium prices, ``[T]`` each.

    With fully substitutable agents both are equilibrium prices themselves: the least are best for whoever sells
    nothing, the greatest for whoever buys nothing. With a `Table` that is not, they bound each price alone, and other
    prices may have to give way where one is at its bound. A price without a bound is infinite: that of a trade which
    one side would refuse at any price, lacking what goes with it.

    Raises
    ------
    ValueError
        If an agent without a flow has more than 16 trades.
    SolverError
        If no equilibrium exists.

    Examples
    --------
    >>> from walras.equilibria import price_lattice
    >>> from walras.markets.trading.trading_network import Intermediary, TradingNetwork, UnitDemand, UnitSupply
    >>> price_lattice(TradingNetwork([(0, 1)], [UnitSupply({0: 10}), UnitDemand({0: 20})]))
    (array([10.]), array([20.]))
    """
    from walras.equilibria.trading.circulation import extremes

    program, best = _efficient(network)
    if best.missing:
        raise SolverError(Status.NO_EQUILIBRIUM.value)
    least, greatest = extremes(program.circulation, best)
    return program.terminals(least).min(axis=0), program.terminals(greatest).max(axis=0)


def regret(network: TradingNetwork, trades: Bools, prices: Floats) -> Floats:
    """Return each agent's regret, ``[..., N]`` money: its best bundle's utility less that of its part of `trades`.

    Trades ``[..., T]`` and prices ``[..., T]`` are an equilibrium if all are zero. It is infinite for an agent that
    cannot do its part.

    Raises
    ------
    ValueError
        If a last dimension is not T, or a price is not finite.
    """
    return network.indirect_utilities(prices) - network.utilities(trades, prices)


def welfare_gap(network: TradingNetwork, trades: Bools) -> Floats:
    """Return how much welfare sets of trades ``[..., T]`` lack of the largest, ``[...]`` money.

    Raises
    ------
    ValueError
        If the last dimension is not T, or an agent without a flow has more than 16 trades.
    """
    return network.welfare(_struck(*_efficient(network))) - network.welfare(trades)


def _efficient(network: TradingNetwork) -> tuple["Market", "Optimum"]:
    """Return the network as a circulation, and a cheapest one."""
    from walras.equilibria.trading.market_circulation import efficient, market

    program = market(network)
    return program, efficient(program)


def _struck(program: "Market", best: "Optimum") -> Bools:
    return best.flow[: len(program.asked)] > 0


def judged(
    network: TradingNetwork, trades: Bools, prices: Floats, iterations: int, unmet: Status
) -> TradingEquilibrium:
    """Return trades ``[T]`` and prices ``[T]`` with their certificate, and `unmet` if they are no equilibrium."""
    values, paid, count = network.values(trades), np.where(trades, prices, 0.0), len(network.agents)
    utilities = values - np.bincount(network.buyer, paid, count) + np.bincount(network.seller, paid, count)
    regrets = network.indirect_utilities(prices) - utilities
    exact = bool((regrets <= network.rounding(prices)).all())
    return TradingEquilibrium(
        residual=float(regrets.sum()),
        iterations=iterations,
        status=Status.CONVERGED if exact else unmet,
        prices=prices,
        trades=trades,
        welfare=float(values.sum()),
        value=utilities,
    )


def _no_equilibrium(network: TradingNetwork, trades: Bools, missing: float, iterations: int) -> TradingEquilibrium:
    return TradingEquilibrium(
        residual=missing,
        iterations=iterations,
        status=Status.NO_EQUILIBRIUM,
        prices=np.full(len(trades), np.nan),
        trades=trades,
        welfare=float(network.welfare(trades)),
        value=np.full(len(network.agents), np.nan),
    )
