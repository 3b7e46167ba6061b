r"""Random trading networks of known shapes, all fully substitutable, and networks of real trade.

All numbers drawn are integers, uniform on 0, 1, ..., `high`, and every network depends on the generator `rng` alone.
On a tree, and where a tree's neighbours share two trades, the best-response dynamic is known to end [1]_.

References
----------
.. [1] E. Lock, B. P. Evans, E. Kreacic, S. Bhatt, A. Koppel, S. Ganesh, P. W. Goldberg, Decentralized convergence to
   equilibrium prices in trading networks, AAAI 2025.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require, require_each
from walras.core.typing import Floats, Ints
from walras.markets.tables import read_table
from walras.markets.trading.intermediaries import CapacityIntermediary, Dealer, Intermediary
from walras.markets.trading.traders import Assignment, UnitDemand, UnitSupply
from walras.markets.trading.trading_network import TradingNetwork
from walras.markets.trading.valuations import Valuation

if TYPE_CHECKING:
    import pandas as pd

HIGH = 100
DELIVERY = 10  # a delivery costs up to a tenth of `high`
SCRAP = 4  # what dealers keep is worth up to a quarter of `high`
LARGEST_CAPACITY = 3  # units of an intermediary in a supply chain
LARGEST_STOCK = 2  # units of a dealer over the counter
COLUMNS = ("exporter", "importer", "value")

Trades = Sequence[tuple[int, int]]
Names = NDArray[np.str_]
DrawValuation = Callable[[int, list[int], list[int]], Valuation]  # of an agent, its trades bought and its trades sold
DrawMiddle = Callable[[list[int], list[int]], Valuation]


def random_assignment(
    buys: Sequence[int], sells: Sequence[int], rng: np.random.Generator, high: int = HIGH
) -> Assignment:
    """Return an agent with as many slots as trades and weights drawn: the richest family of substitutes here."""
    trades = [*buys, *sells]
    weights = rng.integers(0, high, (len(trades), len(trades)), endpoint=True)
    return Assignment(buys, sells, dict(zip(trades, weights.tolist(), strict=True)))


def tree(agents: int, rng: np.random.Generator, parallel: int = 1, high: int = HIGH) -> TradingNetwork:
    """Return a random recursive tree: each agent after the first joins one drawn from those before it.

    Parameters
    ----------
    agents : int
        N, 2 at least.
    rng : numpy.random.Generator
    parallel : int
        Neighbours share 1 to `parallel` trades, a number drawn; each trade has a direction drawn.
    high : int
        Weights of the agents' random assignments are drawn up to it.

    Raises
    ------
    ValueError
        If there are fewer than 2 agents, or `parallel` is less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.markets.trading.generators import tree
    >>> len(tree(5, np.random.default_rng(0)).trades)
    4
    """
    require(agents >= 2, "agents", "be at least 2", agents)
    require(parallel >= 1, "parallel", "be at least 1", parallel)
    trades: list[tuple[int, int]] = []
    for agent in range(1, agents):
        other = int(rng.integers(agent))
        ways = rng.integers(2, size=rng.integers(1, parallel, endpoint=True))
        trades += [(agent, other) if way else (other, agent) for way in ways]
    return _of_assignments(trades, agents, rng, high)


def multigraph(agents: int, trades: int, rng: np.random.Generator, high: int = HIGH) -> TradingNetwork:
    """Return trades between pairs drawn with replacement, among agents with random assignments.

    Raises
    ------
    ValueError
        If there are fewer than 2 agents, or no trades.
    """
    require(agents >= 2, "agents", "be at least 2", agents)
    require(trades >= 1, "trades", "be at least 1", trades)
    seller = rng.integers(agents, size=trades)
    buyer = (seller + rng.integers(1, agents, size=trades)) % agents
    return _of_assignments(list(zip(seller.tolist(), buyer.tolist(), strict=True)), agents, rng, high)


def bipartite(
    sellers: int, buyers: int, rng: np.random.Generator, density: float = 1.0, high: int = HIGH
) -> TradingNetwork:
    """Return sellers and buyers of one unit, a pair sharing a trade with probability `density`.

    Parameters
    ----------
    sellers, buyers : int
        1 at least; sellers come first.
    rng : numpy.random.Generator
    density : float
        In (0, 1]; where no trade is drawn, one pair has one.
    high : int
        Costs and values, one for each trade of each agent, are drawn up to it.

    Raises
    ------
    ValueError
        If a side is empty or `density` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.markets.trading.generators import bipartite
    >>> len(bipartite(3, 4, np.random.default_rng(0)).trades)
    12
    """
    return supply_chain((sellers, buyers), rng, density, high)


def intermediated(
    sellers: int,
    intermediaries: int,
    buyers: int,
    rng: np.random.Generator,
    density: float = 1.0,
    cost: float = 0.0,
    high: int = HIGH,
) -> TradingNetwork:
    """Return sellers and buyers of one unit who trade through intermediaries alone, at one `cost` a unit.

    Otherwise as `bipartite`; sellers come first, then intermediaries.
    """

    def intermediary(buys: list[int], sells: list[int]) -> Intermediary:
        return Intermediary(buys, sells, cost)

    return _layered((sellers, intermediaries, buyers), rng, density, high, intermediary)


def supply_chain(
    layers: Sequence[int], rng: np.random.Generator, density: float = 1.0, high: int = HIGH
) -> TradingNetwork:
    """Return a chain of layers, each selling to the next: sellers, firms of limited capacity, buyers.

    Otherwise as `bipartite`; `layers` holds the agents in each, two layers at least. A firm of the middle has a
    capacity of 1 to 3 units and rising costs of processing; these and the costs of its trades are drawn up to a tenth
    of `high`.
    """

    def firm(buys: list[int], sells: list[int]) -> CapacityIntermediary:
        costs = rng.integers(0, high // DELIVERY, len(buys) + len(sells), endpoint=True).tolist()
        units = rng.integers(1, LARGEST_CAPACITY, endpoint=True)
        processing = np.sort(rng.integers(0, high // DELIVERY, units, endpoint=True))
        return CapacityIntermediary(
            dict(zip(buys, costs, strict=False)),
            dict(zip(sells, costs[len(buys) :], strict=True)),
            processing.tolist(),
        )

    return _layered(layers, rng, density, high, firm)


def dealership(
    sellers: int,
    dealers: int,
    buyers: int,
    rng: np.random.Generator,
    density: float = 1.0,
    stock: int = LARGEST_STOCK,
    high: int = HIGH,
) -> TradingNetwork:
    """Return sellers and buyers of one unit who trade through dealers alone; sellers come first, then dealers.

    A dealer starts with up to `stock` units, a number drawn; deliveries cost it up to a tenth of `high`, and each unit
    kept in the end has a worth drawn up to a quarter of `high`, the first the most. Otherwise as `bipartite`.

    Raises
    ------
    ValueError
        If a layer is empty, `density` is out of range or `stock` negative.
    """
    require(stock >= 0, "stock", "be at least 0", stock)

    def dealer(buys: list[int], sells: list[int]) -> Dealer:
        delivery = rng.integers(0, high // DELIVERY, len(sells), endpoint=True).tolist()
        units = int(rng.integers(stock, endpoint=True))
        worth = _falling(units + len(buys), rng, high // SCRAP)
        return Dealer(dict.fromkeys(buys, 0), dict(zip(sells, delivery, strict=True)), units, worth)

    return _layered((sellers, dealers, buyers), rng, density, high, dealer)


def core_periphery(
    dealers: int, clients: int, rng: np.random.Generator, links: int = 1, high: int = HIGH
) -> TradingNetwork:
    """Return a market over the counter: dealers trade with each other both ways, clients with some dealers.

    Parameters
    ----------
    dealers, clients : int
        1 at least; dealers come first. A client buys or sells one unit, drawn evenly; a dealer has up to 2 units in
        stock, and a unit kept more has a worth drawn for as many units as it could hold.
    rng : numpy.random.Generator
    links : int
        Dealers that a client knows, from 1 to `dealers`.
    high : int
        Costs, values and worths are drawn up to it.

    Raises
    ------
    ValueError
        If there is no dealer or client, or `links` is out of range.
    """
    require(dealers >= 1, "dealers", "be at least 1", dealers)
    require(clients >= 1, "clients", "be at least 1", clients)
    require(1 <= links <= dealers, "links", f"be from 1 to {dealers}", links)
    core = [(i, j) for i in range(dealers) for j in range(dealers) if i != j]
    client = np.repeat(np.arange(dealers, dealers + clients), links).tolist()
    known = np.concatenate([rng.choice(dealers, links, replace=False) for _ in range(clients)]).tolist()
    sells = np.repeat(rng.integers(2, size=clients), links)
    rim = [(c, d) if sold else (d, c) for c, d, sold in zip(client, known, sells, strict=True)]

    def valuation(agent: int, buys: list[int], sells: list[int]) -> Valuation:
        if agent >= dealers:
            return _one_unit(buys, sells, rng, high)
        stock = int(rng.integers(LARGEST_STOCK, endpoint=True))
        return Dealer(dict.fromkeys(buys, 0), dict.fromkeys(sells, 0), stock, _falling(stock + len(buys), rng, high))

    return _network([*core, *rim], dealers + clients, valuation)


def from_flows(
    flows: "pd.DataFrame | str | Path", trades: int, rng: np.random.Generator, high: int = HIGH
) -> TradingNetwork:
    """Return a network of real trade: who trades with whom, and how much, is recorded; what it is worth is drawn.

    The network has `trades` trades of one unit each, which are shared among the flows in proportion to their values by
    largest remainders; flows that get none are left out, and agents without trades, and flows of an agent to itself.
    An agent is a `Dealer` with a unit in stock for each trade in which it sells: all that it exports is its own, and
    what it imports it may sell on. What units kept are worth to it, and what deliveries cost it, is drawn. The data
    record neither, so prices of the network say nothing about the prices of that trade.

    Parameters
    ----------
    flows : pandas.DataFrame, str or Path
        A table, or a csv file, with the columns ``exporter``, ``importer`` and ``value``.
    trades : int
        T, 1 at least.
    rng : numpy.random.Generator
    high : int
        Worths are drawn up to it, costs of deliveries up to a tenth.

    Returns
    -------
    TradingNetwork
        Its `names` are those of the table, in order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, a value is not a number, negative or infinite, all are zero, or `trades` is less than 1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from walras.markets.trading.generators import from_flows
    >>> flows = pd.DataFrame({"exporter": ["NO", "NO", "SE"], "importer": ["SE", "DK", "DK"], "value": [5.0, 2.0, 1.0]})
    >>> from_flows(flows, 4, np.random.default_rng(0)).trades
    ((1, 2), (1, 2), (1, 2), (1, 0))
    """
    require(trades >= 1, "trades", "be at least 1", trades)
    exporter, importer, value = _read_flows(flows)
    units = _largest_remainders(value, trades)
    kept = np.flatnonzero(units)
    names, ends = np.unique(np.concatenate((exporter[kept], importer[kept])), return_inverse=True)
    seller, buyer = (np.repeat(end, units[kept]).tolist() for end in np.split(ends, 2))

    def country(agent: int, buys: list[int], sells: list[int]) -> Dealer:
        delivery = rng.integers(0, high // DELIVERY, len(sells), endpoint=True).tolist()
        keep = _falling(len(sells) + len(buys), rng, high)
        return Dealer(dict.fromkeys(buys, 0), dict(zip(sells, delivery, strict=True)), len(sells), keep)

    return _network(list(zip(seller, buyer, strict=True)), len(names), country, names.tolist())


def _read_flows(flows: "pd.DataFrame | str | Path") -> tuple[Names, Names, Floats]:
    """Return exporters, importers and values of the flows between two different agents, checked."""
    import pandas as pd  # environments are imported without it

    if not isinstance(flows, pd.DataFrame):
        table = read_table(flows, "flows", keep_default_na=False)
        try:
            return _read_flows(table)
        except ValueError as wrong:
            raise ValueError(f"{flows}: {wrong}") from wrong
    table = flows
    missing = [column for column in COLUMNS if column not in table]
    rule = f"have the columns {', '.join(COLUMNS)}, of which {', '.join(missing)} is missing"
    require(not missing, "flows", rule, [str(column) for column in table])
    exporter, importer = (table[column].to_numpy(dtype=np.str_) for column in COLUMNS[:2])
    value = pd.to_numeric(table["value"], errors="coerce").to_numpy(dtype=np.float64)
    require_each((value >= 0) & (value < np.inf), "flows", "have values that are finite and not negative", value)
    between = exporter != importer
    require(value[between].sum() > 0, "flows", "hold a positive flow between two agents", len(value))
    return exporter[between], importer[between], value[between]


def _largest_remainders(value: Floats, total: int) -> Ints:
    """Return integers that sum to `total`, in proportion to `value`."""
    exact = value / value.sum() * total
    units = np.floor(exact).astype(np.int64)
    first = np.argsort(units - exact, kind="stable")[: total - units.sum()]
    units[first] += 1
    return units


def _layered(
    layers: Sequence[int], rng: np.random.Generator, density: float, high: int, middle: DrawMiddle
) -> TradingNetwork:
    """Return layers that sell to the next, of which the first sells one unit each and the last buys one."""
    require(len(layers) >= 2 and min(layers) >= 1, "layers", "be two or more, of one agent at least", tuple(layers))
    require(0 < density <= 1, "density", "lie in (0, 1]", density)
    start = np.concatenate(([0], np.cumsum(layers)))
    trades: list[tuple[int, int]] = []
    for low, mid, top in zip(start, start[1:], start[2:], strict=False):
        joined = rng.random((mid - low, top - mid)) < density
        if not joined.any():
            joined.flat[rng.integers(joined.size)] = True
        trades += [(int(low + seller), int(mid + buyer)) for seller, buyer in np.argwhere(joined)]

    def valuation(agent: int, buys: list[int], sells: list[int]) -> Valuation:
        at_an_end = agent < start[1] or agent >= start[-2]
        return _one_unit(buys, sells, rng, high) if at_an_end else middle(buys, sells)

    return _network(trades, int(start[-1]), valuation)


def _of_assignments(trades: Trades, agents: int, rng: np.random.Generator, high: int) -> TradingNetwork:
    def valuation(agent: int, buys: list[int], sells: list[int]) -> Assignment:
        return random_assignment(buys, sells, rng, high)

    return _network(trades, agents, valuation)


def _one_unit(buys: list[int], sells: list[int], rng: np.random.Generator, high: int) -> UnitDemand | UnitSupply:
    """Return a buyer or a seller, whichever the trades ask for."""
    numbers = rng.integers(0, high, len(buys) + len(sells), endpoint=True).tolist()
    family = UnitDemand if buys else UnitSupply
    return family(dict(zip([*buys, *sells], numbers, strict=True)))


def _falling(units: int, rng: np.random.Generator, high: int) -> list[int]:
    """Return what the first unit kept is worth, the second and so on."""
    return np.sort(rng.integers(0, high, units, endpoint=True))[::-1].tolist()


def _network(trades: Trades, agents: int, draw: DrawValuation, names: Sequence[str] = ()) -> TradingNetwork:
    """Return the network of agents whose valuations are drawn one after the other."""
    buys: list[list[int]] = [[] for _ in range(agents)]
    sells: list[list[int]] = [[] for _ in range(agents)]
    for trade, (seller, buyer) in enumerate(trades):
        sells[seller].append(trade)
        buys[buyer].append(trade)
    valuations = [draw(agent, buys[agent], sells[agent]) for agent in range(agents)]
    return TradingNetwork(trades, valuations, names)
