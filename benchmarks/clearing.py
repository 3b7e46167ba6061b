"""Speed of uniform-price clearing beside ASSUME and scipy's HiGHS on one book, with equal prices, in one run.

Run: ``pip install assume-framework`` (AGPL-3.0; best in an environment of its own) and
``python benchmarks/clearing.py``. The book: 24 products, 1,000 offers each, one inelastic load each.

Cold is the first call in the process, warm the median of the later ones; rounds alternate between the programs.
ASSUME is timed on orders it has not seen, since its clearing writes into them. Wall-clock time.
"""

import statistics
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from walras.markets.electricity.clearing import clear

PRODUCTS, OFFERS, ROUNDS, CAP = 24, 1000, 9, 3000.0


def book() -> tuple[Any, Any, Any]:
    """Return prices and quantities ``[24, 1000, 1]`` and loads ``[24]``."""
    rng = np.random.default_rng(0)
    price = rng.uniform(0, 100, (PRODUCTS, OFFERS, 1))
    quantity = rng.uniform(1, 10, (PRODUCTS, OFFERS, 1))
    return price, quantity, 0.6 * quantity.sum(axis=(1, 2))


def ours() -> Callable[[], Callable[[], Any]]:
    """Return a maker of timed calls that clear the book and return the prices."""
    price, quantity, load = book()
    return lambda: lambda: clear(price, quantity, load, cap=CAP).price


def highs() -> Callable[[], Callable[[], Any]]:
    """Clear by one sparse linear program; the prices are its duals."""
    price, quantity, load = book()
    balance = sp.kron(sp.eye(PRODUCTS), np.ones((1, OFFERS)), format="csr")
    bounds = np.stack((np.zeros(PRODUCTS * OFFERS), quantity.ravel()), axis=1)

    def solve() -> Any:  # noqa: ANN401
        found: Any = linprog(price.ravel(), A_eq=balance, b_eq=load, bounds=bounds, method="highs")
        return found.eqlin.marginals

    return lambda: solve


def assume() -> Callable[[], Callable[[], Any]]:
    """Clear by ASSUME's pay-as-clear, from its dictionaries."""
    from assume.common.market_objects import MarketConfig, MarketProduct
    from assume.markets.clearing_algorithms.simple import PayAsClearRole
    from dateutil.rrule import HOURLY, rrule

    start, hour = datetime(2026, 1, 1), timedelta(hours=1)
    times = [(start + h * hour, start + (h + 1) * hour, None) for h in range(PRODUCTS)]
    price, quantity, load = book()

    def order(product: int, name: str, volume: float, limit: float) -> dict[str, Any]:
        begin, end, only = times[product]
        return {
            "bid_id": name, "start_time": begin, "end_time": end, "only_hours": only,
            "volume": volume, "price": limit, "agent_addr": name, "node": "node0",
        }  # fmt: skip

    orders = [
        order(h, f"{h}-{k}", float(quantity[h, k, 0]), float(price[h, k, 0]))
        for h in range(PRODUCTS)
        for k in range(OFFERS)
    ] + [order(h, f"load-{h}", -float(load[h]), CAP) for h in range(PRODUCTS)]
    opening = rrule(HOURLY, dtstart=start, until=start + PRODUCTS * hour)
    product = MarketProduct(hour, PRODUCTS, hour)
    role = PayAsClearRole(MarketConfig(opening_hours=opening, market_products=[product]))

    def fresh() -> Callable[[], Any]:
        copied = deepcopy(orders)
        return lambda: np.array([m["max_price"] for m in role.clear(copied, times)[2]])

    return fresh


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result of one call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> None:
    """Print the table."""
    programs = {"Walras": ours(), "scipy HiGHS": highs()}
    try:
        programs["ASSUME pay-as-clear"] = assume()
    except ImportError:
        print("ASSUME is not installed (pip install assume-framework): its row is left out.", file=sys.stderr)
    cold = {name: timed(make()) for name, make in programs.items()}
    rounds = [{name: timed(make())[0] for name, make in programs.items()} for _ in range(ROUNDS)]
    print(f"{PRODUCTS} products x {OFFERS} offers")
    print("| program | cold ms | warm ms | ratio to Walras | largest price difference EUR/MWh |")
    print("|---|---|---|---|---|")
    for name in programs:
        warm = statistics.median(r[name] for r in rounds)
        ratio = statistics.median(r[name] / r["Walras"] for r in rounds)
        difference = float(np.abs(cold[name][1] - cold["Walras"][1]).max())
        print(f"| {name} | {1e3 * cold[name][0]:.2f} | {1e3 * warm:.2f} | {ratio:.1f} | {difference:.1e} |")


if __name__ == "__main__":
    main()
