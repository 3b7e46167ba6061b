"""Network Cournot in a file: the owners of its units learn quantities, beside the equilibrium by conjecture.

Demand at a bus is linear through its load L at a reference price p, with the elasticity e there: its price is
p (1 + 1/e) at no consumption, and falls by p/(e L) a MW. One step of the series is one market, which is repeated.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from walras.core.checks import require
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket
from walras.markets.electricity.elastic_network import Consumers, Plant, Wire
from walras.markets.electricity.system import System
from walras.scenarios.electricity.from_file import AbstractFromFile
from walras.scenarios.electricity.market_file import AUCTION, LINEAR, MarketFile
from walras.scenarios.electricity.network_charts import Places
from walras.scenarios.electricity.network_cournot import AbstractNetworkCournot


@final
@dataclass(frozen=True)
class FileNetworkCournot(AbstractFromFile, AbstractNetworkCournot):  # type: ignore[override] - `seeds`
    """Quantity competition on the network of a file.

    Raises
    ------
    ValueError
        If the file has no table of buses, no elasticity, or a part that this market does not use.
    """

    file: MarketFile

    def __post_init__(self) -> None:
        self.file.require_unused(*AUCTION, *LINEAR, "forecast")
        network, demand = self.file.network, self.file.demand
        rule = "name a table of buses: network_cournot takes its demand by bus from series"
        require(network.buses is not None, "network.buses", rule, str(network.buses))
        rule = "be given, or prices would have no bound: demand of network_cournot falls with the price"
        require(demand.elasticity > 0, "demand.elasticity", rule, demand.elasticity)
        rule = "be given, the price at which the load is that of the series"
        require(demand.reference_price_eur_mwh > 0, "demand.reference_price_eur_mwh", rule, 0.0)

    def game(self) -> NetworkCournotMarket:
        """Train in the market."""
        steps = round(self.file.market.horizon_hours / self._system.step_hours)
        return NetworkCournotMarket(self._plants, self._consumers, self._wires, horizon=steps)

    def places(self) -> Places:
        """Return where the table of buses says that they are."""
        return self._system.place

    def totals(self) -> dict[str, float]:
        """Return what the file holds, by words."""
        game, system = self.game(), self._system
        return {
            "units": len(game.plants),
            "owners": len(game.agents),
            "buses": system.network.number_of_nodes(),
            "lines": len(game.wires),
            "capacity (MW)": float(sum(plant.capacity for plant in game.plants)),
            "load at the reference price (MW)": float(system.load.sum()),
        }

    @cached_property
    def _system(self) -> System:
        system = self._data.exam_system()
        rule = "be the length of one step: network_cournot repeats one market"
        require(system.steps == 1, "exam.hours", rule, self.file.exam.hours)
        require(not system.storage, "fleet.file", "hold no storage for network_cournot", len(system.storage))
        return system

    @cached_property
    def _plants(self) -> tuple[Plant, ...]:
        system = self._system
        slope = np.zeros(len(system.unit)) if system.slope is None else system.slope
        rows = zip(system.owner, system.bus, system.price[0], slope, system.quantity[0], strict=True)
        return tuple(Plant(owner, bus, float(c), float(d), float(k)) for owner, bus, c, d, k in rows)

    @cached_property
    def _consumers(self) -> tuple[Consumers, ...]:
        demand, loads = self.file.demand, zip(self._system.network.nodes, self._system.load[0], strict=True)
        price, share = demand.reference_price_eur_mwh, demand.elasticity
        return tuple(
            Consumers(bus, price * (1 + 1 / share), price / (share * float(load))) for bus, load in loads if load > 0
        )

    @cached_property
    def _wires(self) -> tuple[Wire, ...]:
        edges: list[tuple[Any, Any, str, dict[str, Any]]] = list(self._system.network.edges(keys=True, data=True))
        for _, _, name, told in edges:
            rule = "join buses by branches alone for network_cournot"
            require(told.get("kind", "ac") == "ac", "network.links", rule, name)
        return tuple(Wire(told["from_bus"], told["to_bus"], told["susceptance"], told["limit"]) for *_, told in edges)
