"""Pacing equilibria: what they are, how exactly they meet the definition, and how long they take.

Run: ``OMP_NUM_THREADS=1 python benchmarks/pacing.py``. Drawn markets have values even on [0, 1] and budgets even on
[0.2, 1] times M / N. `residual` is the largest violation of the definition, as a share of a budget or a supply, by a
road that does not use the solver. Seconds are of processor time, the median of five calls after a first one.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from walras.equilibria import PacingEquilibrium, first_price_pacing, second_price_pacing

torch.set_num_threads(1)
ROUNDS = 5
KNOWN = {
    "values (2, 1), (1, 2), budgets 0.5, 4": ([[2.0, 1.0], [1.0, 2.0]], [0.5, 4.0]),
    "values (4, 2), (2, 3), budgets 1, 1": ([[4.0, 2.0], [2.0, 3.0]], [1.0, 1.0]),
    "values (5, 2, 1), (3, 4, 5), budgets 3, 6": ([[5.0, 2.0, 1.0], [3.0, 4.0, 5.0]], [3.0, 6.0]),
}
FIRST = [(1, 2, 10), (1, 10, 100), (1, 100, 1000), (1, 200, 2000), (1000, 3, 11)]
SECOND = [(2, 3), (3, 4), (3, 6)]


def main() -> None:
    """Print the tables."""
    print("| market | format | multipliers | prices | revenue | residual |\n|---|---|---|---|---|---|")
    for name, (values, budgets) in KNOWN.items():
        for told, found in {
            "first price": first_price_pacing(values, budgets),
            "second price, most revenue": second_price_pacing(values, budgets, "max"),
            "second price, least": second_price_pacing(values, budgets, "min"),
        }.items():
            shown = [", ".join(f"{x:.6g}" for x in part.round(6)) for part in (found.multiplier, found.price)]
            print(f"| {name} | {told} | {shown[0]} | {shown[1]} | {found.revenue:.6g} | {found.residual:.0e} |")
    print("\n| format | markets | bidders | goods | paced, % | residual | s |\n|---|---|---|---|---|---|---|")
    for rows, bidders, goods in FIRST:
        tell("first price", rows, bidders, goods, first_price_pacing)
    for bidders, goods in SECOND:
        tell("second price", 1, bidders, goods, lambda v, b: second_price_pacing(v[0], b[0]))


def tell(format: str, rows: int, bidders: int, goods: int, solve: Callable[..., PacingEquilibrium]) -> None:
    """Print a row of the second table."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, (rows, bidders, goods))
    budgets = rng.uniform(0.2, 1, (rows, bidders)) * goods / bidders
    found, took = timed(lambda: solve(values, budgets))
    share = 100 * float((found.multiplier < 1 - 1e-9).mean())
    print(f"| {format} | {rows} | {bidders} | {goods} | {share:.0f} | {found.residual:.0e} | {took:.3g} |", flush=True)


def timed(solve: Callable[[], Any]) -> tuple[Any, float]:
    """Return an answer and the median seconds of processor time that it took."""
    found, each = solve(), list[float]()
    for _ in range(ROUNDS):
        began = time.process_time()
        solve()
        each.append(time.process_time() - began)
    return found, statistics.median(each)


if __name__ == "__main__":
    main()
