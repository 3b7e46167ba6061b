"""A zonal market: one price in each zone as if its lines had no limits, and redispatch afterwards.

First the offers are cleared on the zones alone: a zone is one bus, and what lines between two zones may carry together
is what these may exchange. Then the operator mends what the network does not carry: it pays units that run more their
offers, and units that run less pay it theirs. The cheapest redispatch ends where clearing the whole network at the same
offers would have ended, so what it costs is the difference of the outputs, at offers. What lines lose is bought then,
too.

Sellers know this. One in front of a full line offers low to be scheduled and is paid to step back, one behind it offers
high (the increase-decrease game): where all are small, offering the nodal price of one's bus is an equilibrium [1]_,
with the nodal dispatch, and what the operator pays goes to those who congest the line.

References
----------
.. [1] P. Holmberg and E. Lazarczyk, Comparison of Congestion Management Techniques: Nodal, Zonal and Discriminatory
   Pricing, The Energy Journal 36(2), 2015.
"""

# networkx is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, final

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_shaped, require
from walras.core.typing import Floats
from walras.markets.electricity.network import NetworkClearing, NetworkMarket


@final
@dataclass(frozen=True, eq=False)
class ZonalClearing:
    """A zonal clearing and its redispatch: K units, Z zones."""

    zones: tuple[Hashable, ...]  # Z names
    zone_price: Floats  # [Z] EUR/MWh
    schedule: Floats  # [K] MW before the redispatch
    dispatch: Floats  # [K] MW after it
    payment: Floats  # [K] EUR to each unit: the zone's price for its schedule, its offer for what is changed
    redispatch_cost: float  # EUR that the operator pays in the redispatch, the cap for loads it cuts included
    nodal: NetworkClearing  # of the whole network at the same offers


def clear_zonal(
    market: NetworkMarket,
    zone: Mapping[Any, Hashable],
    price: ArrayLike,
    quantity: ArrayLike,
    load: ArrayLike | None = None,
    *,
    exchange: Mapping[tuple[Hashable, Hashable], float] | None = None,
    cap: float = 4_000.0,
) -> ZonalClearing:
    """Clear zones, then redispatch at the least cost.

    Parameters
    ----------
    market : NetworkMarket
        The whole network, and the buses of K units of constant marginal cost.
    zone : mapping
        The zone of each bus.
    price, quantity : array_like
        The offers, ``[K]`` EUR/MWh and MW.
    load : array_like, optional
        ``[n]`` MW; the network's by default.
    exchange : mapping, optional
        MW that two zones may exchange in each direction, by pair of zones in either order; the sum of the limits of the
        lines between them by default.
    cap : float
        Price of load left unserved, EUR/MWh.

    Raises
    ------
    ValueError
        If a bus has no zone, an exchange names a pair that no line joins, a marginal cost rises, or an argument is
        wrong as for `NetworkMarket.clear`.
    RuntimeError
        If a clearing is no optimum.

    Examples
    --------
    A line of 30 MW inside one zone, all units offering their costs: the operator pays for what the line does not carry.

    >>> import networkx as nx
    >>> from walras.markets.electricity.network import NetworkMarket
    >>> from walras.markets.electricity.zonal import clear_zonal
    >>> network = nx.MultiGraph()
    >>> network.add_node("south", load=100.0)
    >>> _ = network.add_edge("north", "south", from_bus="north", to_bus="south", susceptance=1.0, limit=30.0)
    >>> market = NetworkMarket(network, ["north", "south", "south"])
    >>> found = clear_zonal(market, {"north": 0, "south": 0}, [20, 30, 50], [60, 60, 60])
    >>> found.zone_price.tolist(), found.schedule.round(6).tolist()[:2], found.dispatch.round(6).tolist()
    ([30.0], [60.0, 40.0], [30.0, 60.0, 10.0])
    >>> round(found.redispatch_cost, 6)
    500.0
    """
    require(not market.slope.any(), "market", "have units of constant marginal cost", market.slope.tolist())
    missing = [bus for bus in market.buses if bus not in zone]
    require(not missing, "zone", "name the zone of each bus", missing)
    offer = as_shaped("price", price, market.slope.shape)
    nodal = market.clear(offer, quantity, load=load, cap=cap)
    drawn = market.grid.load if load is None else as_shaped("load", load, (len(market.buses),))
    names, network = _zones(market, zone, drawn, exchange)
    of_unit = [zone[market.buses[bus]] for bus in market.grid.unit_bus.tolist()]
    zonal = NetworkMarket(network, of_unit).clear(offer, quantity, cap=cap)
    change = nodal.dispatch - zonal.dispatch
    zone_price = dict(zip(zonal.buses, zonal.nodal_price.tolist(), strict=True))
    cut = float(nodal.unserved.sum() - zonal.unserved.sum())
    return ZonalClearing(
        zones=names,
        zone_price=np.array([zone_price[name] for name in names]),
        schedule=zonal.dispatch,
        dispatch=nodal.dispatch,
        payment=np.array([zone_price[name] for name in of_unit]) * zonal.dispatch + offer * change,
        redispatch_cost=float(offer @ change) + cap * cut,
        nodal=nodal,
    )


def _zones(
    market: NetworkMarket,
    zone: Mapping[Any, Hashable],
    drawn: Floats,
    exchange: Mapping[tuple[Hashable, Hashable], float] | None,
) -> tuple[tuple[Hashable, ...], "nx.MultiGraph[Any]"]:
    """Return the zones in the order of their first buses, and the network of them."""
    network: nx.MultiGraph[Any] = nx.MultiGraph()
    names = tuple(dict.fromkeys(zone[bus] for bus in market.buses))
    for name in names:
        here = np.array([zone[bus] == name for bus in market.buses])
        network.add_node(name, load=float(drawn[here].sum()))
    between = _between(market, zone)
    given = {frozenset(pair): float(most) for pair, most in (exchange or {}).items()}
    unknown = [tuple(pair) for pair in given if pair not in between]
    require(not unknown, "exchange", "name pairs of zones that a line joins", unknown)
    for pair, (back, ahead) in between.items():
        first, last = sorted(pair, key=names.index)
        most = given.get(pair)
        low, high = (back, ahead) if most is None else (-most, most)
        network.add_edge(first, last, kind="dc", from_bus=first, to_bus=last, minimum=low, limit=high)
    return names, network


def _between(market: NetworkMarket, zone: Mapping[Any, Hashable]) -> dict[frozenset[Hashable], tuple[float, float]]:
    """Return what lines between two zones may carry together, back and ahead in the order of the zones' first buses."""
    names = list(dict.fromkeys(zone[bus] for bus in market.buses))
    found = dict[frozenset[Hashable], tuple[float, float]]()
    for (start, end, _), low, high in zip(market.lines, market.grid.low, market.grid.high, strict=True):
        first, last = zone[start], zone[end]
        if first == last:
            continue
        ends = (low, high) if names.index(first) < names.index(last) else (-high, -low)
        before = found.get(frozenset((first, last)), (0.0, 0.0))
        found[frozenset((first, last))] = (before[0] + float(ends[0]), before[1] + float(ends[1]))
    return found
