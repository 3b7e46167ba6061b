"""How well the published simulacrum forecasts Spanish prices, with its market and without.

Run: ``OMP_NUM_THREADS=1 python benchmarks/stochastic_fisher.py FILE [SEEDS] [ROUNDS] [STEPS]``, FILE a table of Spanish
hours; by default 2 seeds, 10 rounds of 100 steps. On the same 184 days from 1 July 2018 as ``walras run spain_prices``.
Without its market, the same networks are fitted to prices and demand alone: what that reaches the networks earn, and
the market the difference. Exploitability is what best answers gain in a day, in the unit of budgets.
"""

import sys
from time import process_time

import numpy as np

from walras.equilibria.electricity.stochastic_fisher import Fit, fit_stochastic_fisher, forecast_of
from walras.markets.electricity.data import load_spain
from walras.markets.electricity.day_forecasts import days_of, errors, similar_day


def main(path: str, seeds: int = 2, rounds: int = 10, steps: int = 100) -> None:
    """Print the table."""
    days = days_of(load_spain(path))
    first = days.position("2018-07-01")
    days = days.until(first + 184)
    price, naive = days.price[first:], similar_day(days, first)
    print("| fitted to | seed | MSE | MAE EUR/MWh | CRPS EUR/MWh | exploitability | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for market in (True, False):
        for seed in range(seeds):
            begun = process_time()
            fitted, regret = fit_stochastic_fisher(days, first, Fit(rounds, steps, market=market), seed)
            told = errors(forecast_of(fitted, days, first), price, naive)
            what = "prices, demand and no regret" if market else "prices and demand"
            numbers = f"{told['mse']:.2f} | {told['mae']:.2f} | {told['crps']:.2f} | {regret:.2f}"
            print(f"| {what} | {seed} | {numbers} | {process_time() - begun:.0f} |", flush=True)
    print(f"similar day: {np.mean((price - naive) ** 2):.2f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
