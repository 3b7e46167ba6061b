"""Time one clearing of a network market against scipy on bare matrices of the same linear programme.

    python benchmarks/network_clearing.py PATH_TO_CASE.m [ROUNDS]

Both solve with HiGHS. *Cold* is everything from the case to the first answer; *warm* is a further clearing at
other prices, the problem or the matrices being built. Rounds alternate between the two; medians are
compared.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from walras.core.typing import Floats
from walras.markets.electricity.matpower import Case, load_matpower
from walras.markets.electricity.network import NetworkMarket

CAP = 4_000.0

Clear = Callable[[Floats], float]  # cost at given prices


def bare(case: Case) -> Clear:
    """Build the programme over [generation, unserved, flows, angles] as sparse matrices."""
    offers, buses = case.offers, list(case.network.nodes)
    edges = [data for *_, data in case.network.edges(keys=True, data=True)]
    n, K, L = len(buses), len(offers.bus), len(edges)
    position = {bus: index for index, bus in enumerate(buses)}
    ends = np.array([(position[data["from_bus"]], position[data["to_bus"]]) for data in edges])
    leave, arrive = (sp.csr_array((np.ones(L), (side, np.arange(L))), shape=(n, L)) for side in ends.T)
    units = sp.csr_array((np.ones(K), ([position[b] for b in offers.bus.tolist()], np.arange(K))), shape=(n, K))
    law = sp.diags_array([data["susceptance"] for data in edges]) @ (leave - arrive).T
    A = sp.block_array([[units, sp.eye_array(n), arrive - leave, None], [None, None, sp.eye_array(L), -law]])
    load, limit = (
        np.array([case.network.nodes[bus]["load"] for bus in buses]),
        np.array([data["limit"] for data in edges]),
    )
    low = np.r_[offers.minimum, np.zeros(n), -limit, np.full(n, -np.inf)]
    high = np.r_[offers.quantity, np.maximum(load, 0), limit, np.full(n, np.inf)]
    A, b, bounds = sp.csc_array(A), np.r_[load, np.zeros(L)], np.c_[low, high]

    def clear(price: Floats) -> float:
        c = np.r_[price, np.full(n, CAP), np.zeros(L + n)]
        return float(linprog(c, A_eq=A, b_eq=b, bounds=bounds, method="highs").fun)

    return clear


def market(case: Case) -> Clear:
    """Build the market of the package."""
    offers = case.offers
    built = NetworkMarket(case.network, offers.bus)
    return lambda price: built.clear(price, offers.quantity, offers.minimum, cap=CAP).cost


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(path: Path, rounds: int) -> None:
    """Time both, check that they agree, and print the table."""
    case = load_matpower(path)
    if case.offers.slope.any():
        raise SystemExit(f"`path` must name a case with linear costs; got {case.name!r}.")
    builders = {"walras NetworkMarket": market, "scipy linprog": bare}
    rng = np.random.default_rng(0)
    prices = case.offers.price * rng.uniform(0.9, 1.1, (rounds, case.offers.price.size))
    cold = {name: [seconds(lambda b=build: b(case)(prices[0])) for _ in prices] for name, build in builders.items()}
    clears = {name: build(case) for name, build in builders.items()}
    warm: dict[str, list[float]] = {name: [] for name in builders}
    for price in prices:
        costs = [clear(price) for clear in clears.values()]
        assert np.isclose(costs[0], costs[1], rtol=1e-7), costs
        for name, clear in clears.items():
            warm[name].append(seconds(lambda c=clear, p=price: c(p)))
    print(f"{case.name}: medians of {rounds} alternating rounds, ms")
    print(f"{'':22}{'cold':>8}{'warm':>8}{'warm, least to most':>24}")
    for name in builders:
        first, again = 1e3 * np.array(cold[name]), 1e3 * np.array(warm[name])
        spread = f"{again.min():14.1f} to {again.max():6.1f}"
        print(f"{name:22}{np.median(first):8.1f}{np.median(again):8.1f}{spread}")
    ours, peer = builders
    ratios = [np.median(times[ours]) / np.median(times[peer]) for times in (cold, warm)]
    print(f"{'ratio':22}{ratios[0]:8.2f}{ratios[1]:8.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 15)
