"""Time certified competitive equilibria of trading networks, and the assignment market beside scipy's solver.

    OMP_NUM_THREADS=1 python benchmarks/competitive_equilibrium.py [LARGEST]

Networks are supply chains (sellers, firms of limited capacity, buyers), over-the-counter markets (dealers with stock,
clients) and random pairs of assignment agents, of up to LARGEST agents, 10,000 by default. Each answer is certified: no
agent has a better bundle at the prices. Seconds are of everything from the network to the certificate, by the wall and
of the processor; memory is the largest of the process so far.

The assignment market has 500 unit sellers, 500 unit buyers and all 250,000 trades. Rounds alternate with
`scipy.optimize.linear_sum_assignment` on the matrix of gains, which finds no prices; ours, and both ends of the
lattice, support its assignment.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from walras.equilibria import competitive_equilibrium, price_lattice, regret
from walras.markets.trading.generators import bipartite, core_periphery, multigraph, supply_chain
from walras.markets.trading.trading_network import TradingNetwork

ROUNDS, UNITS = 15, 500
Seconds = tuple[float, float]  # by the wall, of the processor


def chain(agents: int, contracts: int) -> TradingNetwork:
    """Return a supply chain of about so many contracts."""
    ends, firms = 3 * agents // 10, 4 * agents // 10
    return supply_chain((ends, firms, ends), np.random.default_rng(0), contracts / (2 * ends * firms))


def counter(agents: int, contracts: int) -> TradingNetwork:
    """Return an over-the-counter market of about so many contracts: two fifths of them between dealers."""
    dealers = int(np.sqrt(0.4 * contracts))
    clients = agents - dealers
    links = max(1, round(0.6 * contracts / clients))
    return core_periphery(dealers, clients, np.random.default_rng(0), min(links, dealers))


def partners(agents: int, contracts: int) -> TradingNetwork:
    """Return random pairs of agents that assign all their trades to slots: the most arcs for a trade."""
    return multigraph(agents, contracts, np.random.default_rng(0))


def timed(call: Callable[[], Any]) -> tuple[Any, Seconds]:
    """Return the result of a call and its seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def scale(largest: int) -> None:
    """Print the table of sizes."""
    print("| network | agents | contracts | struck | wall s | processor s | residual | memory GiB |")
    print("|---|---|---|---|---|---|---|---|")
    for agents in (50, 1_000, 10_000):
        for name, build in (("supply chain", chain), ("over the counter", counter), ("assignments", partners)):
            if agents <= largest and (build is not partners or agents < 10_000):
                network = build(agents, {50: 200, 1_000: 10_000, 10_000: 100_000}[agents])
                competitive_equilibrium(network)  # values kept in the agents are made once
                found, (wall, processor) = timed(lambda network=network: competitive_equilibrium(network))
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                print(
                    f"| {name} | {len(network.agents):,} | {len(network.trades):,} | {found.trades.sum():,} | "
                    f"{wall:.3f} | {processor:.3f} | {found.residual:g} | {memory:.2f} |"
                )


def assignment() -> None:
    """Print the comparison with scipy."""
    network = bipartite(UNITS, UNITS, np.random.default_rng(0), high=1_000)
    cost, value = (np.stack([agent.numbers for agent in side]) for side in np.split(np.array(network.agents), 2))
    gains = np.maximum(value.T - cost, 0)
    found = competitive_equilibrium(network)
    row, column = linear_sum_assignment(gains, maximize=True)
    theirs = np.zeros_like(gains, dtype=bool)
    theirs[row, column] = gains[row, column] > 0
    assert found.welfare == gains[row, column].sum()
    for prices in (found.prices, *price_lattice(network)):
        assert not regret(network, theirs.ravel(), prices).any()
    calls = (lambda: competitive_equilibrium(network), lambda: linear_sum_assignment(gains, maximize=True))
    rounds = np.array([[timed(call)[1][1] for call in calls] for _ in range(ROUNDS)])
    ours, scipys = np.median(1e3 * rounds, axis=0)
    ratio = np.median(rounds[:, 0] / rounds[:, 1])
    print(f"\n{UNITS} sellers, {UNITS} buyers: medians of {ROUNDS} alternating rounds, processor ms")
    print(f"trades and prices, certified {ours:.0f}; linear_sum_assignment {scipys:.1f}; ratio {ratio:.1f}")


if __name__ == "__main__":
    scale(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    assignment()
