"""Time many clearings of the RTS-GMLC network, one after the other and each from scratch, beside its peers.

    python benchmarks/network_hours.py FOLDER [HOURS]

FOLDER holds ``SourceData`` and ``timeseries`` of RTS-GMLC. `clear_many` certifies each hour and gives the same bits in
any order. *Bare* is HiGHS on the matrices of the same programme, each hour from the optimum of the one before, without
certificates: its dispatch depends on the order. *PyPSA* solves days of 24 hours as it does by default; without it
installed, its row is left out. Milliseconds an hour, medians of three rounds that alternate, CPU time of one thread.
"""

import sys
import time
import warnings
from collections.abc import Callable

import highspy
import numpy as np

from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.network_many import Rows
from walras.markets.electricity.network_program import Offered
from walras.markets.electricity.rts_gmlc import load_rts_gmlc
from walras.markets.electricity.system import System

CAP = 9_000.0
ROUNDS = 3


def ours(system: System) -> Callable[[], float]:
    """Clear all hours by `clear_many`."""
    market = NetworkMarket(system.network, list(system.bus))
    return lambda: float(market.clear_many(system.price, system.quantity, system.load, cap=CAP).cost.sum())


def bare(system: System) -> Callable[[], float]:
    """Solve all hours with one model of HiGHS, each from the optimum before."""
    rows = Rows(NetworkMarket(system.network, list(system.bus)).grid)
    units, buses = rows.units, rows.buses

    def solve() -> float:
        total, none = 0.0, np.zeros(units)
        for price, quantity, load in zip(system.price, system.quantity, system.load, strict=True):
            asked = Offered(price, none, none, quantity, load, CAP)
            rows.ask(asked, 1.0, 1.0)
            rows.model.run()
            assert rows.model.getModelStatus() == highspy.HighsModelStatus.kOptimal
            solution = rows.model.getSolution()
            assert len(solution.col_value) >= units + buses
            total += rows.model.getObjectiveValue()
        return total

    return solve


def pypsa(system: System) -> Callable[[], float] | None:
    """Solve days of 24 hours with PyPSA."""
    try:
        import pypsa as peer  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    import logging

    import pandas as pd

    logging.disable(logging.INFO)
    network = peer.Network()
    network.set_snapshots(range(system.steps))
    names = [str(bus) for bus in system.network.nodes]
    network.add("Bus", names, v_nom=1.0)
    for first, last, key, data in system.network.edges(keys=True, data=True):
        ends = {"bus0": str(data.get("from_bus", first)), "bus1": str(data.get("to_bus", last))}
        limit = float(data.get("limit", 1e6))
        if data.get("kind") == "dc":
            network.add("Link", f"{first} {last} {key}", **ends, p_nom=limit, p_min_pu=-1.0)
        else:
            network.add("Line", f"{first} {last} {key}", **ends, x=1 / data["susceptance"], s_nom=limit)
    offers = [f"{unit} {k}" for k, unit in enumerate(system.unit)]
    most = system.quantity.max(axis=0)
    share = pd.DataFrame(system.quantity / np.where(most > 0, most, 1.0), columns=offers)
    bus = [str(each) for each in system.bus]
    network.add("Generator", offers, bus=bus, p_nom=most, marginal_cost=system.price[0], p_max_pu=share)
    network.add("Load", names, bus=names, p_set=pd.DataFrame(system.load, columns=names))

    def solve() -> float:
        total = 0.0
        for first in range(0, system.steps, 24):
            network.optimize(snapshots=network.snapshots[first : first + 24], solver_name="highs", log_to_console=False)
            total += float(network.objective)
        return total

    return solve


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    hours = int(sys.argv[2]) if len(sys.argv) > 2 else 240
    system = load_rts_gmlc(sys.argv[1]).part(slice(0, hours))
    roads = {"clear_many": ours(system), "bare, from the hour before": bare(system), "PyPSA, days": pypsa(system)}
    taken: dict[str, list[float]] = {name: [] for name, road in roads.items() if road is not None}
    costs: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name in taken:
            road = roads[name]
            assert road is not None
            start = time.process_time()
            costs[name] = road()
            taken[name].append(1e3 * (time.process_time() - start) / hours)
    middle = {name: float(np.median(each)) for name, each in taken.items()}
    print(f"{hours} hours\n\n| road | ms an hour | of clear_many | cost |\n|---|---|---|---|")
    for name, each in middle.items():
        print(f"| {name} | {each:.2f} | {each / middle['clear_many']:.2f} | {costs[name]:,.2f} |")


if __name__ == "__main__":
    main()
