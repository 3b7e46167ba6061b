"""The best-response dynamic of trading networks: how many moves to the end, what is lost there, and moves a second.

Run: ``python benchmarks/trading_dynamic.py`` (speed and all tables but the largest sizes) or
``python benchmarks/trading_dynamic.py full``.

Numbers of the markets and offers at the start are uniform on 0, 1, ..., 100, the tick is 1. Unit traders have one value
for all their trades; other agents are random assignments. `lost` is the largest welfare less that of the trades struck.
`exact`: the trades struck are an equilibrium at some prices between the bids and the asks; judged by all bundles, where
no agent has too many. Compilation is not timed.
"""

import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from scipy.optimize import linprog

from walras.equilibria import DynamicResult, best_response_dynamic, welfare_gap
from walras.markets.trading.generators import bipartite, intermediated, multigraph, tree
from walras.markets.trading.trading_network import TradingNetwork

Draw = Callable[[np.random.Generator], TradingNetwork]

HIGH = 100
RUNS = 20
UNIT_RUNS = 30
PAIR_RUNS = 100
LARGEST_TABLE = 14  # trades of an agent up to which `exact` is judged


def unit_market(rng: np.random.Generator, agents: int, density: float) -> TradingNetwork:
    """Return sellers and buyers, half each, of one unit: a cost or a value an agent."""
    return redrawn(bipartite(agents // 2, agents // 2, rng, density), rng)


def redrawn(network: TradingNetwork, rng: np.random.Generator) -> TradingNetwork:
    """Return the market of unit traders with one number drawn for each."""
    numbers = rng.integers(0, HIGH, len(network.agents), endpoint=True).tolist()
    traders = zip(network.agents, numbers, strict=True)
    return TradingNetwork(network.trades, [type(agent)(dict.fromkeys(agent.trades, x)) for agent, x in traders])


def chain(rng: np.random.Generator) -> TradingNetwork:
    """Return sellers, intermediaries with a cost of 3, and buyers."""
    sellers, buyers, middle = rng.integers(5, 21), rng.integers(5, 21), rng.integers(2, 6)
    return intermediated(int(sellers), int(middle), int(buyers), rng, density=0.25, cost=3)


def play(network: TradingNetwork, rng: np.random.Generator, tie: str) -> DynamicResult:
    """Return a run from random offers."""
    offers = rng.integers(0, HIGH, (2, len(network.trades)), endpoint=True)
    return best_response_dynamic(network, tuple(offers), tie, rng=rng)


def is_exact(network: TradingNetwork, end: DynamicResult) -> bool:
    """Return whether prices between the offers make the struck trades best bundles; by a row for each bundle."""
    rows, bounds = [], []
    for agent, own in zip(network.agents, network.places, strict=True):
        bundles = (np.arange(2**agent.degree)[:, None] >> np.arange(agent.degree) & 1).astype(bool)
        value, struck = agent.value(bundles), end.trades[own]
        row = np.zeros((len(bundles), len(network.trades)))
        row[:, own] = agent.sides * (struck.astype(float) - bundles)
        legal = np.isfinite(value)
        rows.append(row[legal])
        bounds.append(agent.value(struck) - value[legal])
    limits = np.stack((end.bids, end.asks), axis=1)
    found = linprog(np.zeros(len(network.trades)), np.concatenate(rows), np.concatenate(bounds), bounds=limits)
    return found.status == 0


def row(name: str, draw: Draw, runs: int) -> str:
    """Return the table's row of one kind of market, under both ties."""
    cells = []
    for tie in ("minimal", "maximal"):
        streams = np.random.default_rng(0).spawn(runs)
        markets = [draw(stream) for stream in streams]
        ends = [play(network, stream, tie) for network, stream in zip(markets, streams, strict=True)]
        steps = np.array([end.steps for end in ends])
        pairs = list(zip(markets, ends, strict=True))
        lost = max(welfare_gap(network, end.trades) for network, end in pairs)
        assert all(end.converged for end in ends)
        assert all(welfare_gap(network, end.trades) <= end.loss_bound for network, end in pairs)
        small = all(agent.degree <= LARGEST_TABLE for network in markets for agent in network.agents)
        certain = f"{sum(is_exact(*pair) for pair in pairs)}/{runs}" if small else "-"
        cells.append(f"{steps.mean():,.0f} | {steps.std(ddof=1):,.0f} | {steps.max():,} | {lost:g} | {certain}")
    trades = np.mean([len(network.trades) for network in markets])
    return f"| {name} | {trades:,.0f} | " + " | ".join(cells) + " |"


def print_table(title: str, rows: Iterable[str]) -> None:
    """Print the rows as they come."""
    print(f"\n{title}: ties to the minimal bundle, then to the maximal one\n")
    columns = " | ".join(["steps | s.d. | most | lost | exact"] * 2)
    print(f"| market | trades | {columns} |")
    print("|---" * 12 + "|")
    for line in rows:
        print(line, flush=True)


def print_speed(markets: int = 256, agents: int = 80) -> None:
    """Print moves a second of one batch on one core: wall-clock, and of the processor's time."""
    for density in (0.25, 1.0):
        rng = np.random.default_rng(0)
        network = unit_market(rng, agents, density)
        batch = [redrawn(network, rng) for _ in range(markets)]
        offers = tuple(rng.integers(0, HIGH, (2, markets, len(network.trades)), endpoint=True))
        best_response_dynamic(batch[:1], [side[:1] for side in offers], rng=rng)
        wall, cpu = time.perf_counter(), time.process_time()
        end = best_response_dynamic(batch, offers, rng=rng)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        moves = end.steps.sum()
        print(
            f"{markets} markets, {agents} agents, {len(network.trades):,} trades: {moves:,} moves, all ended: "
            f"{end.converged.all()}; {moves / wall:,.0f} moves/s, {moves / cpu:,.0f} a second of the processor"
        )


def main() -> None:
    """Print the speed and the tables."""
    full = sys.argv[1:] == ["full"]
    print_speed()
    sizes = (10, 20, 40, 80) if full else (10, 20, 40)
    print_table(
        f"Unit demand and supply, {UNIT_RUNS} runs each",
        (
            row(f"{n} agents, density {r:g}", lambda rng, n=n, r=r: unit_market(rng, n, r), UNIT_RUNS)
            for n in sizes
            for r in (0.25, 1.0)
        ),
    )
    small = (5, 10, 20, 40) if full else (5, 10, 20)
    print_table(
        f"Random assignments, {RUNS} runs each, {PAIR_RUNS} of 2 agents",
        [
            *(row(f"tree, {n} agents", lambda rng, n=n: tree(n, rng), RUNS) for n in small),
            *(row(f"2-sparse tree, {n} agents", lambda rng, n=n: tree(n, rng, parallel=2), RUNS) for n in small[:3]),
            *(row(f"multigraph, {n} agents", lambda rng, n=n: multigraph(n, 3 * n // 2, rng), RUNS) for n in small[:3]),
            *(row(f"2 agents, {m} trades", lambda rng, m=m: multigraph(2, m, rng), PAIR_RUNS) for m in range(1, 7)),
        ],
    )
    print_table(f"Sellers, intermediaries, buyers, {RUNS} runs", [row("5-20, 2-5, 5-20 agents", chain, RUNS)])


if __name__ == "__main__":
    main()
