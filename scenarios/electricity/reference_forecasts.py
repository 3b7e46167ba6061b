"""Forecasts that were made elsewhere, read from a table of hours, and paired tests of ours against them.

The table has a row an hour: `local_day`, `hour` from 0 to 23, a column for each forecaster, EUR/MWh, and maybe
`actual`, the price that came, which must be that of the data.
"""

# pandas is only partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.electricity.day_forecasts import diebold_mariano
from walras.markets.tables import read_table, require_columns
from walras.scenarios.electricity.forecast_results import Forecasts

KEYS, CAME = ("local_day", "hour"), "actual"
ROUNDED = 0.01
"""EUR/MWh by which prices of both tables may differ: the auction's are in cents."""


def load_reference(
    path: str | Path, date: "np.ndarray[Any, np.dtype[np.datetime64]]", price: Floats
) -> dict[str, Floats]:
    """Return forecasts by name, ``[D, 24]`` each, of days ``date [D]`` that had prices ``price [D, 24]``.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If a column, a day or an hour is missing, an hour stands twice, a cell holds no number, or prices differ.
    """
    table = read_table(path, "reference")
    require_columns(table, KEYS)
    table = table.assign(local_day=pd.to_datetime(table["local_day"], errors="coerce").dt.normalize())
    twice = table.duplicated(list(KEYS))
    require(not twice.any(), "reference", f"hold each hour once, {path}", _hour(table[twice]))
    asked = pd.MultiIndex.from_product([pd.DatetimeIndex(date), range(24)], names=list(KEYS))
    found = table.set_index(list(KEYS)).reindex(asked)
    require(found.shape[1] > 0, "reference", f"have a column for each forecaster beside {KEYS}, {path}", list(table))
    found = found.apply(pd.to_numeric, errors="coerce")
    missing = ~np.isfinite(found.to_numpy(dtype=np.float64)).all(axis=1)
    rule = f"hold a number of each forecaster in each hour that is forecast, {path}"
    require(not missing.any(), "reference", rule, _hour(found.index.to_frame()[missing]))
    if CAME in found:
        apart = np.abs(found.pop(CAME).to_numpy(dtype=np.float64) - price.ravel())
        told = f"{path}: `{CAME}` is {apart.max():.2f} EUR/MWh from the price of the data"
        require(float(apart.max()) <= ROUNDED, "reference", "be of the prices of the data, in EUR/MWh", told)
    return {str(name): found[name].to_numpy(dtype=np.float64).reshape(price.shape) for name in found}


def _hour(rows: Any) -> str:  # noqa: ANN401 - a table of pandas
    """Return the first of some hours, in words."""
    day, hour = next(zip(rows["local_day"], rows["hour"], strict=True), (None, None))
    return f"{str(day)[:10]}, hour {hour}"


def compared(found: Forecasts, reference: Mapping[str, Floats]) -> pd.DataFrame:
    """Return a row for each forecaster and each reference.

    `mse` is the forecaster's and `reference_mse` the reference's, `apart` the mean absolute difference of both, and `p`
    that of the one-sided test of Diebold and Mariano against "the forecaster is not the better one".
    """
    price = found.price
    return pd.DataFrame(
        [
            {
                "forecaster": name,
                "reference": other,
                "mse": found.errors[name]["mse"],
                "reference_mse": float(((price - theirs) ** 2).mean()),
                "apart": float(np.abs(ours - theirs).mean()),
                "p": diebold_mariano(price - ours, price - theirs),
            }
            for name, ours in found.made.items()
            for other, theirs in reference.items()
        ]
    )
