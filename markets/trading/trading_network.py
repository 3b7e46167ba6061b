r"""Trading networks: agents, and trades between two of them.

Trade w is a contract that one agent, the seller, may conclude with another, the buyer, for a price; parallel trades and
trades both ways are allowed. Agents value bundles of their trades (`walras.markets.trading.valuations`). Prices p and a
set of trades :math:`\Psi` are a competitive equilibrium if each agent's part of :math:`\Psi` is a best bundle for it at
p.

Prices cancel between the two sides of a trade, so the welfare of a set of trades is the sum of the agents' values. If
all agents are fully substitutable an equilibrium exists, and its trades have the largest welfare of all [1]_. The
network need not be connected: its parts are markets of their own.

References
----------
.. [1] J. W. Hatfield, S. D. Kominers, A. Nichifor, M. Ostrovsky, A. Westkamp, Stability and competitive equilibrium in
   trading networks, Journal of Political Economy 121, 2013.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.typing import Bools, Floats, Ints
from walras.markets.trading.intermediaries import (
    CapacityIntermediary,
    Dealer,
    FlowIntermediary,
    Intermediary,
    PairCostIntermediary,
)
from walras.markets.trading.traders import Additive, Assignment, Table, UnitDemand, UnitSupply
from walras.markets.trading.valuations import ROUNDING, Flow, FlowValuation, Valuation, require_last

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "Additive",
    "Assignment",
    "CapacityIntermediary",
    "Dealer",
    "Flow",
    "FlowIntermediary",
    "FlowValuation",
    "Intermediary",
    "PairCostIntermediary",
    "Table",
    "TradingNetwork",
    "UnitDemand",
    "UnitSupply",
    "Valuation",
]


@final
@dataclass(frozen=True, eq=False)
class TradingNetwork:
    """N agents and T trades.

    Parameters
    ----------
    trades : sequence of (int, int)
        Seller and buyer of each trade, by their places in `agents`.
    agents : sequence of Valuation
        Each must name exactly the trades in which its agent takes part, on the right sides. An agent may have none.
    names : sequence, optional
        Of the agents, all different; their indices by default.

    Raises
    ------
    ValueError
        If there is no trade, an agent is unknown or trades with itself, a valuation leaves out one of its agent's
        trades, names another's or is on the wrong side, or names repeat or are too few or many.

    Examples
    --------
    >>> from walras.markets.trading.trading_network import Intermediary, TradingNetwork, UnitDemand, UnitSupply
    >>> chain = TradingNetwork([(0, 1), (1, 2)], [UnitSupply({0: 10}), Intermediary([0], [1]), UnitDemand({1: 20})])
    >>> chain.welfare([True, True]).item()
    10.0
    >>> chain.utilities([True, True], [12.0, 15.0])
    array([2., 3., 5.])
    """

    trades: Sequence[tuple[int, int]]
    agents: Sequence[Valuation]
    names: Sequence[Hashable] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "agents", tuple(self.agents))
        object.__setattr__(self, "trades", _as_trades(self.trades, len(self.agents)))
        object.__setattr__(self, "names", tuple(self.names) or tuple(range(len(self.agents))))
        require(
            len(set(self.names)) == len(self.names) == len(self.agents),
            "names",
            f"be {len(self.agents)} different ones",
            self.names,
        )
        for agent, (valuation, sides) in enumerate(zip(self.agents, self._sides(), strict=True)):
            _require_sides(agent, valuation, sides)

    @cached_property
    def seller(self) -> Ints:
        """The seller of each trade, ``[T]``."""
        return np.array([seller for seller, _ in self.trades], dtype=np.int64)

    @cached_property
    def buyer(self) -> Ints:
        """The buyer of each trade, ``[T]``."""
        return np.array([buyer for _, buyer in self.trades], dtype=np.int64)

    @cached_property
    def places(self) -> tuple[Ints, ...]:
        """The trades of each agent, N arrays ``[d]``: ``prices[..., places[i]]`` are the prices that agent i sees."""
        return tuple(np.array(valuation.trades, dtype=np.int64) for valuation in self.agents)

    def welfare(self, trades: ArrayLike) -> Floats:
        """Return the sum of all agents' values, ``[...]``, of sets of trades ``[..., T]``; -inf if one cannot do it.

        Raises
        ------
        ValueError
            If the last dimension is not T.
        """
        return self.values(trades).sum(axis=-1)

    def values(self, trades: ArrayLike) -> Floats:
        """Return each agent's value, ``[..., N]``, of sets of trades ``[..., T]``.

        Raises
        ------
        ValueError
            If the last dimension is not T.
        """
        given = self._as_set(trades)
        pairs = zip(self.agents, self.places, strict=True)
        return np.stack([valuation.value(given[..., own]) for valuation, own in pairs], axis=-1)

    def utilities(self, trades: ArrayLike, prices: ArrayLike) -> Floats:
        """Return each agent's utility, ``[..., N]``, of sets of trades ``[..., T]`` at prices ``[..., T]``.

        Raises
        ------
        ValueError
            If a last dimension is not T, or a price is not finite.
        """
        given, at = self._as_set(trades), self._as_prices(prices)
        pairs = zip(self.agents, self.places, strict=True)
        return np.stack([valuation.utility(given[..., own], at[..., own]) for valuation, own in pairs], axis=-1)

    def indirect_utilities(self, prices: ArrayLike) -> Floats:
        """Return the utility of each agent's best bundle, ``[..., N]``, at prices ``[..., T]``.

        Raises
        ------
        ValueError
            If the last dimension is not T, or a price is not finite.
        """
        at = self._as_prices(prices)
        pairs = zip(self.agents, self.places, strict=True)
        return np.stack([valuation.indirect_utility(at[..., own]) for valuation, own in pairs], axis=-1)

    def rounding(self, prices: ArrayLike) -> Floats:
        """Return what rounding can make of each agent's utility, ``[..., N]`` money, at prices ``[..., T]``.

        It is zero where all numbers and twice all prices are integers: their sums are exact.

        Raises
        ------
        ValueError
            If the last dimension is not T, or a price is not finite.
        """
        at = self._as_prices(prices)
        whole = self.integral & (2 * at == np.rint(2 * at)).all(axis=-1)
        pairs = zip(self.agents, self.places, strict=True)
        most = [v.magnitude + np.abs(at[..., own]).max(axis=-1, initial=0.0) for v, own in pairs]
        terms = [2 + valuation.degree for valuation in self.agents]
        return np.where(whole[..., None], 0.0, ROUNDING * np.array(terms) * np.stack(most, axis=-1))

    @cached_property
    def integral(self) -> bool:
        """Whether all numbers of all agents are integers."""
        return all(valuation.integral for valuation in self.agents)

    def demand(self, prices: ArrayLike) -> tuple[Bools, ...]:
        """Return each agent's best bundle as `Valuation.demand` has it, N arrays ``[..., d]``, at prices ``[..., T]``.

        Raises
        ------
        ValueError
            If the last dimension is not T, or a price is not finite.
        """
        at = self._as_prices(prices)
        return tuple(valuation.demand(at[..., own]) for valuation, own in zip(self.agents, self.places, strict=True))

    def graph(self) -> "nx.MultiDiGraph[Hashable]":
        """Return the network with an arc from seller to buyer, keyed by its index, for each trade.

        Nodes are the agents' names and carry their ``valuation``.
        """
        import networkx as nx  # environments are imported without it

        graph = nx.MultiDiGraph()
        for name, valuation in zip(self.names, self.agents, strict=True):
            graph.add_node(name, valuation=valuation)
        for trade, (seller, buyer) in enumerate(self.trades):
            graph.add_edge(self.names[seller], self.names[buyer], key=trade)
        return graph

    @classmethod
    def from_graph(cls, graph: "nx.MultiDiGraph[Hashable]") -> "TradingNetwork":
        """Return the network of a graph such as `graph` returns.

        Raises
        ------
        ValueError
            If a node lacks its ``valuation``, or the keys of the arcs are not 0, 1, ..., T - 1.
        """
        names = list(graph.nodes)
        place = {name: i for i, name in enumerate(names)}
        for name, data in graph.nodes(data=True):
            require("valuation" in data, "graph", "give each node a `valuation`", name)
        pairs = {key: (place[seller], place[buyer]) for seller, buyer, key in graph.edges(keys=True)}
        wanted = range(graph.number_of_edges())
        require(set(pairs) == set(wanted), "graph", f"key its arcs by {wanted}", sorted(pairs, key=str))
        return cls([pairs[k] for k in wanted], [graph.nodes[name]["valuation"] for name in names], names)

    def _sides(self) -> list[dict[int, int]]:
        """Return each agent's trades and sides, as the trades have them."""
        sides: list[dict[int, int]] = [{} for _ in self.agents]
        for trade, (seller, buyer) in enumerate(self.trades):
            sides[seller][trade], sides[buyer][trade] = -1, 1
        return sides

    def _as_set(self, trades: ArrayLike) -> Bools:
        given = np.asarray(trades, dtype=np.bool_)
        require_last("trades", given.shape, len(self.trades))
        return given

    def _as_prices(self, prices: ArrayLike) -> Floats:
        given = np.asarray(prices, dtype=np.float64)
        require_last("prices", given.shape, len(self.trades))
        return given


def _as_trades(trades: Sequence[tuple[int, int]], agents: int) -> tuple[tuple[int, int], ...]:
    array = np.asarray(trades)
    require(array.size > 0, "trades", "hold at least one trade", trades)
    legal = array.ndim == 2 and array.shape[1] == 2 and np.issubdtype(array.dtype, np.integer)
    require(legal, "trades", "be pairs of agents' indices, seller and buyer", trades)
    require_each((array >= 0) & (array < agents), "trades", f"name agents 0 to {agents - 1}", array)
    own = np.flatnonzero(array[:, 0] == array[:, 1])
    require(len(own) == 0, "trades", "join two different agents", (own[:1].tolist(), array[own[:1]].tolist()))
    return tuple(map(tuple, array.tolist()))


def _require_sides(agent: int, valuation: Valuation, sides: dict[int, int]) -> None:
    """Raise ``ValueError`` unless the valuation is about the agent's trades."""
    name, named = f"agents[{agent}]", valuation.side_of
    left_out, foreign = sorted(sides.keys() - named.keys()), sorted(named.keys() - sides.keys())
    wrong = [trade for trade in named if trade in sides and named[trade] != sides[trade]]
    require(not left_out, name, "value every trade of its agent; it leaves some out", left_out)
    require(not foreign, name, "value its agent's trades alone; it names others", foreign)
    require(not wrong, name, "be on its agent's side of each trade; it is not in some", wrong)
