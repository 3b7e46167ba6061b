"""Tables of observed play: one row a period and agent, with errors that name column, period, agent, rule and value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.tables import require_columns

if TYPE_CHECKING:
    import pandas as pd


def by_period(
    table: "pd.DataFrame", columns: Sequence[str], agents: Sequence[str], keys: Sequence[str] = ("agent",)
) -> dict[str, Floats]:
    """Return columns as arrays ``[T, N, ...]``, periods in order, agents in that of `agents`.

    Parameters
    ----------
    table : DataFrame
        With columns `period`, those of `keys` and `columns`. Periods are whole numbers or times, evenly spaced.
    columns : sequence of str
        Numbers to read.
    agents : sequence of str
        Who must be there in every period.
    keys : sequence of str
        What tells the rows of a period apart: the agent, and a block where there are several.

    Raises
    ------
    ValueError
        If a column is missing or holds no finite numbers, a period or an agent is missing, or a row stands twice.
    """
    require_columns(table, ["period", *keys, *columns])
    require(len(table) > 0, "table", "hold at least one row", len(table))
    for name in columns:
        _require_numbers(table, name)
    twice = table.duplicated(["period", *keys])
    if twice.any():
        row = table.loc[twice, ["period", *keys]].iloc[0].tolist()
        raise ValueError(f"`table` must have one row for each {', '.join(['period', *keys])}; got two for {row}.")
    names = table["agent"].astype(str)
    strange = sorted(set(names) - set(agents))
    require(not strange, "agent", f"be one of {', '.join(agents)}", strange)
    times = _periods(table)
    places = [np.array(_places(names, list(agents)))]
    for key in keys[1:]:
        places.append(table[key].to_numpy().astype(np.int64))
        require(bool((places[-1] >= 0).all()), key, "be counted from 0", places[-1].min())
    shape = (len(times), len(agents), *(int(each.max()) + 1 for each in places[1:]))
    at = (np.searchsorted(times, table["period"].to_numpy()), *places)
    return {name: _filled(name, table[name].to_numpy(dtype=np.float64), at, shape, times, agents) for name in columns}


def as_table(agents: Sequence[str], **columns: NDArray[Any]) -> "pd.DataFrame":
    """Return columns ``[T, N]`` as a table with one row a period and agent, periods counted from 0."""
    import pandas as pd

    count = len(next(iter(columns.values())))
    keys = {"period": np.repeat(np.arange(count), len(agents)), "agent": np.tile(agents, count)}
    return pd.DataFrame({**keys, **{name: values.ravel() for name, values in columns.items()}})


def per_period(values: Floats, name: str) -> Floats:
    """Return ``[T]`` of ``values [T, N, ...]`` that are the same for all agents of a period.

    Raises
    ------
    ValueError
        If they are not.
    """
    flat = values.reshape(len(values), -1)
    alike = np.ptp(flat, axis=1) <= 1e-9 * np.abs(flat).max(axis=1)
    if not alike.all():
        row = int(np.flatnonzero(~alike)[0])
        raise ValueError(
            f"`{name}` must be the same in all rows of a period; got {flat[row].tolist()} in number {row}."
        )
    return flat[:, 0]


def _require_numbers(table: "pd.DataFrame", name: str) -> None:
    try:
        numbers = table[name].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"`{name}` must be a column of numbers; got {table[name].iloc[0]!r}.") from wrong
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"`{name}` must be finite everywhere; got {numbers[row]} in period {table['period'].iloc[row]}."
        )


def _places(names: Any, agents: list[str]) -> list[int]:  # noqa: ANN401 - a column of pandas
    order = {name: i for i, name in enumerate(agents)}
    return [order[name] for name in names]


def _periods(table: "pd.DataFrame") -> Any:  # noqa: ANN401 - numbers or times
    """Return the periods in order; a hole between evenly spaced ones is refused."""
    times = np.unique(table["period"].to_numpy())
    if len(times) < 3 or times.dtype.kind not in "iufM":
        return times
    steps = np.diff(times)
    wide = steps > steps.min()
    if wide.any():
        row = int(np.flatnonzero(wide)[0])
        after = f"after {times[row]}, before {times[row + 1]}"
        raise ValueError(f"`period` must be evenly spaced, without missing hours; one is missing {after}.")
    return times


def _filled(
    name: str,
    values: Floats,
    at: tuple[Any, ...],
    shape: tuple[int, ...],
    times: Any,  # noqa: ANN401 - numbers or times
    agents: Sequence[str],
) -> Floats:
    found = np.full(shape, np.nan)
    found[at] = values
    missing = np.isnan(found)
    if missing.any():
        where = np.argwhere(missing)[0]
        block = f", block {where[2]}" if len(where) > 2 else ""
        raise ValueError(
            f"`table` must have a row for each period and agent; {name!r} is missing for {agents[where[1]]}{block} "
            f"in period {times[where[0]]}."
        )
    return found
