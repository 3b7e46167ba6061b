"""Errors of forecasts of Spanish prices by year: ``python benchmarks/price_levels.py FILE`` of clean or public data."""

import sys

import numpy as np

from walras.markets.electricity.data import ZONE, load_spain
from walras.markets.electricity.price_level import (
    baselines,
    calendar_of,
    competitive_price,
    crps,
    known_net_load,
    price_forecast,
)

LABELS = {"noon": "noon + level", "evening": "evening + level (look-ahead)", "actual": "actual + level (look-ahead)"}


def main() -> None:
    """Print mean absolute error, root mean square error, CRPS and rMAE, EUR/MWh."""
    frame = load_spain(sys.argv[1])
    days, price = calendar_of(frame), frame["price_day_ahead_eur_mwh"].to_numpy()
    local = frame["timestamp_utc"].dt.tz_convert(ZONE)
    paths = {name.replace("_", " "): path for name, path in baselines(price, days).items()}
    paths["competitive, actual, no level"] = competitive_price(known_net_load(frame, "actual"))
    paths |= {label: price_forecast(frame, information=name) for name, label in LABELS.items()}
    spans = {str(year): (local.dt.year == year).to_numpy() for year in (2016, 2017, 2018)}
    spans["2018H2"] = spans["2018"] & (local.dt.month > 6).to_numpy()
    print(f"{'':32}" + "".join(f"{span:^33}" for span in spans))
    print(f"{'':32}" + f"{'MAE':>9}{'RMSE':>8}{'CRPS':>8}{'rMAE':>8}" * len(spans))
    for name, path in paths.items():
        score, cells = crps(path, price, days), ""
        for span in spans.values():
            error, naive = (np.abs(each - price)[span] for each in (path, paths["standard naive"]))
            rmse = np.sqrt(np.mean(error**2))
            cells += f"{error.mean():9.3f}{rmse:8.3f}{score[span].mean():8.3f}{error.mean() / naive.mean():8.3f}"
        print(f"{name:32}{cells}")


if __name__ == "__main__":
    main()
