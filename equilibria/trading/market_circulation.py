r"""A whole trading network as one circulation of least cost.

Agents with a `Flow` bring their arcs; those without bring a menu of all their bundles. All share node 0. Each trade is
an arc of capacity 1 from its seller's terminal to its buyer's, and any price between the potentials of the two supports
the flow (`walras.markets.trading.valuations.Flow`).

Most terminals have one arc only, on the agent's side: from a hub where the agent sells, to one where it buys. Such an
arc is in series with the trade, and the two become one: the trade runs from hub to hub, at the cost of both, and the
terminal's potential is that of the hub, plus the arc's cost at the seller's and less it at the buyer's. So a market of
unit agents becomes the assignment of buyers to sellers, and is written down as that at once. That and the assignment of
objects to slots are solved by matching (`walras.equilibria.trading.matching`).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import csc_array, hstack

from walras.core.checks import require
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.trading.circulation import Arcs, Circulation, Menu, Optimum, cheapest, joined
from walras.equilibria.trading.matching import matched, paths
from walras.markets.trading.trading_network import FlowValuation, TradingNetwork, UnitDemand, UnitSupply, Valuation
from walras.markets.trading.valuations import every_bundle

LARGEST_SUM = 2.0**52  # of integers: halves of sums are exact
LARGEST_MENU = 16  # trades of an agent whose bundles are listed


@final
@dataclass(frozen=True, eq=False)
class Market:
    """A trading network as a circulation; its first T arcs are the trades."""

    circulation: Circulation
    asked: Floats  # [T] the seller's terminal has the potential of the trade's tail plus this
    bid: Floats  # [T] the buyer's terminal has the potential of the trade's head plus this

    @property
    def trade_arcs(self) -> Arcs:
        """The trades."""
        return self.circulation.arcs.at(slice(len(self.asked)))

    def terminals(self, potential: Floats) -> Floats:
        """Return the potentials of the sellers' and the buyers' terminals, ``[2, T]``, of ``potential [nodes]``."""
        arcs = self.trade_arcs
        return np.stack((potential[arcs.tail] + self.asked, potential[arcs.head] + self.bid))


def market(network: TradingNetwork) -> Market:
    """Return the circulation of a network.

    Raises
    ------
    ValueError
        If an agent without a flow has more than 16 trades, or all numbers are integers so large that sums of them are
        not exact.
    """
    if network.integral:
        total = sum(float(np.abs(agent.numbers).sum()) for agent in network.agents)
        rule = "add up, if all are integers, to less than 2^52 in absolute value, so that sums of them are exact"
        require(total < LARGEST_SUM, "network", f"have numbers that {rule}", total)
    if all(isinstance(agent, UnitDemand | UnitSupply) for agent in network.agents):
        return _one_to_one(network)
    count = len(network.trades)
    nodes, own = _flows(network)
    alone = _alone(own, nodes, count)
    sold = np.flatnonzero(alone & (own.head > 0) & (own.head <= count))
    bought = np.flatnonzero(alone & (own.tail > count) & (own.tail <= 2 * count))
    tail, asked = np.arange(1, count + 1), np.zeros(count)
    head, bid = np.arange(count + 1, 2 * count + 1), np.zeros(count)
    trade, other = own.head[sold] - 1, own.tail[bought] - count - 1
    tail[trade], asked[trade] = own.tail[sold], own.cost[sold]
    head[other], bid[other] = own.head[bought], -own.cost[bought]
    trades = Arcs(tail, head, np.ones(count, dtype=np.int64), asked - bid)
    apart = np.ones(len(own.cost), dtype=np.bool_)
    apart[sold] = apart[bought] = False
    arcs = joined(trades, own.at(apart))
    return Market(_renumbered(nodes, arcs, _menus(network, nodes)), asked, bid)


def efficient(of: Market) -> Optimum:
    """Return a cheapest circulation, hence trades of the largest welfare: by matching, or where it must be by HiGHS."""
    assignment = paths(of.circulation)
    return cheapest(of.circulation) if assignment is None else matched(of.circulation, assignment)


def _one_to_one(network: TradingNetwork) -> Market:
    """Return the circulation of unit agents: a hub each, which one unit reaches from outside or leaves."""
    asked, bid = np.zeros(len(network.trades)), np.zeros(len(network.trades))
    sells = np.array([isinstance(agent, UnitSupply) for agent in network.agents])
    for seller, valuation, own in zip(sells, network.agents, network.places, strict=True):
        (asked if seller else bid)[own] = valuation.numbers
    hubs = np.arange(1, len(sells) + 1)
    tail = np.concatenate((hubs[network.seller], np.where(sells, 0, hubs)))
    head = np.concatenate((hubs[network.buyer], np.where(sells, hubs, 0)))
    cost = np.concatenate((asked - bid, np.zeros(len(sells))))
    arcs = Arcs(tail, head, np.ones(len(cost), dtype=np.int64), cost)
    nothing = Menu(csc_array((len(sells) + 1, 0)), np.zeros(0), np.zeros(0, dtype=np.int64))
    return Market(Circulation(len(sells) + 1, arcs, nothing), asked, bid)


def _flows(network: TradingNetwork) -> tuple[int, Arcs]:
    """Return the arcs of all agents with flows; nodes 1 to T are sellers' terminals, then come the buyers'."""
    count = len(network.trades)
    nodes, arcs = 2 * count + 1, list[Arcs]()
    for valuation, own in zip(network.agents, network.places, strict=True):
        if isinstance(valuation, FlowValuation):
            flow = valuation.flow()
            hubs = np.arange(nodes, nodes + flow.nodes - 1 - len(own))
            place = np.concatenate(([0], _terminals(valuation, own, count), hubs))
            arcs.append(Arcs(place[flow.tail], place[flow.head], flow.capacity, flow.cost))
            nodes += len(hubs)
    return nodes, joined(*arcs)


def _terminals(valuation: Valuation, own: Ints, count: int) -> Ints:
    return 1 + own + count * (valuation.sides > 0)


def _menus(network: TradingNetwork, nodes: int) -> Menu:
    """Return all bundles of the agents without flows."""
    blocks, cost, owner = [csc_array((nodes, 0))], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for agent, (valuation, own) in enumerate(zip(network.agents, network.places, strict=True)):
        if not isinstance(valuation, FlowValuation):
            bundles, value = _bundles(f"network.agents[{agent}]", valuation)
            column, place = np.nonzero(bundles)
            row = _terminals(valuation, own, len(network.trades))[place]
            shape = (nodes, len(value))
            blocks.append(csc_array((-valuation.sides[place].astype(np.float64), (row, column)), shape=shape))
            cost.append(-value)
            owner.append(np.full(len(value), len(owner) - 1))
    return Menu(hstack(blocks, format="csc"), np.concatenate(cost), np.concatenate(owner))


def _bundles(name: str, valuation: Valuation) -> tuple[Bools, Floats]:
    """Return the feasible bundles ``[L, d]`` but the empty one, and their values ``[L]``."""
    degree = valuation.degree
    rule = f"have {LARGEST_MENU} trades at most, having no flow; `lyapunov_descent` needs its demand alone"
    require(degree <= LARGEST_MENU, name, rule, degree)
    bundles = every_bundle(degree)[1:]
    value = valuation.value(bundles)
    return bundles[np.isfinite(value)], value[np.isfinite(value)]


def _alone(arcs: Arcs, nodes: int, count: int) -> Bools:
    """Return which arcs are the only ones at a terminal, and have no terminal at their other end."""
    touching = np.bincount(arcs.tail, minlength=nodes) + np.bincount(arcs.head, minlength=nodes)
    sole = np.zeros(nodes, dtype=np.bool_)
    sole[1 : 2 * count + 1] = touching[1 : 2 * count + 1] == 1
    terminal = np.zeros(nodes, dtype=np.bool_)
    terminal[1 : 2 * count + 1] = True
    return (sole[arcs.tail] ^ sole[arcs.head]) & (terminal[arcs.tail] ^ terminal[arcs.head]) & (arcs.capacity > 0)


def _renumbered(nodes: int, arcs: Arcs, menu: Menu) -> Circulation:
    """Return the circulation over the nodes that something touches, and node 0."""
    touched = np.zeros(nodes, dtype=np.bool_)
    touched[0] = touched[arcs.tail] = touched[arcs.head] = True
    place = np.cumsum(touched) - 1
    kept = Arcs(place[arcs.tail], place[arcs.head], arcs.capacity, arcs.cost)
    return Circulation(int(touched.sum()), kept, Menu(menu.inflow[touched], menu.cost, menu.owner))
