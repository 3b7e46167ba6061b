"""The numbers behind `walras.markets.electricity.generation`: Spain's typical net load, and the fleet's merit order.

Run: ``python benchmarks/calibrate_spain.py FILE``, FILE being the public table of Spanish hours, 2015 to 2018 ("Hourly
energy demand generation and weather", from the ENTSO-E Transparency Platform), or the cleaned one; see
`walras.markets.electricity.data.load_spain`.
"""

import sys
from itertools import pairwise

import numpy as np
import pandas as pd

from walras.markets.electricity.data import load_spain, net_load_mw
from walras.markets.electricity.generation import HOURS_PER_YEAR, spanish_fleet


def main(path: str) -> None:
    """Print the profile, the autoregression and the curve."""
    frame = load_spain(path)
    local = frame["timestamp_utc"].dt.tz_convert("Europe/Madrid")
    load = net_load_mw(frame).to_numpy()
    hour, weekend = local.dt.hour.to_numpy(), (local.dt.day_of_week >= 5).to_numpy()
    daily = pd.Series(load).groupby([weekend, hour]).mean().unstack().to_numpy()
    print("working day", daily[0].round().astype(int).tolist())
    print("weekend    ", daily[1].round().astype(int).tolist())
    rest = load - daily[weekend.astype(int), hour]
    phase = 2 * np.pi * (24 * (local.dt.day_of_year.to_numpy() - 1) + hour) / HOURS_PER_YEAR
    waves = np.stack([wave(k * phase) for k in (1, 2) for wave in (np.cos, np.sin)], axis=1)
    annual, *_ = np.linalg.lstsq(waves, rest, rcond=None)
    rest = rest - waves @ annual
    persistence = np.corrcoef(rest[1:], rest[:-1])[0, 1]
    print("annual cosine and sine, first and second", annual.round(1).tolist())
    print(f"persistence {persistence:.3f}, deviation {np.std(rest[1:] - persistence * rest[:-1]):.0f} MW")
    compare(load, frame["price_day_ahead_eur_mwh"].to_numpy(), local.dt.year.to_numpy())


def compare(load: np.ndarray, price: np.ndarray, year: np.ndarray) -> None:
    """Print the mean price of each twentieth of the hours by net load, 2015 to 2017, beside the fleet's cost."""
    fitted = year < 2018
    edges = np.quantile(load[fitted], np.linspace(0, 1, 21))
    blocks = sorted((c, q) for g in spanish_fleet() for c, q in zip(g.cost, g.capacity, strict=True))
    reached = np.cumsum([q for _, q in blocks])
    print("| net load MW | mean price EUR/MWh | fleet's marginal cost EUR/MWh |")
    print("|---|---|---|")
    for low, high in pairwise(edges):
        inside = fitted & (load >= low) & (load <= high)
        middle = load[inside].mean()
        cost = blocks[int(np.searchsorted(reached, middle))][0]
        print(f"| {middle:.0f} | {price[inside].mean():.1f} | {cost:.1f} |")


if __name__ == "__main__":
    main(sys.argv[1])
