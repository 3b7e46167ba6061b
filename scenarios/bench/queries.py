"""Questions to the results of a suite, in SQL, by DuckDB (`pip install "walras[duckdb]"`)."""

from pathlib import Path

import pandas as pd

from walras.core.lazy import needed
from walras.scenarios.bench.results import Results

TABLES = ("numbers", "runs", "table", "profiles", "missing")
"""Tables of `walras.scenarios.bench.results.Results` that can be asked."""


def query(store: str | Path, sql: str, name: str = "") -> pd.DataFrame:
    """Return the answer to a question.

    Parameters
    ----------
    store : str or Path
        The folder or URL of the results.
    sql : str
        About the tables `numbers`, `runs`, `table`, `profiles` and `missing`.
    name : str
        The suite's, where the store holds several.

    Raises
    ------
    ImportError
        If DuckDB is not installed.
    ValueError
        If the question cannot be answered; DuckDB says why.

    Examples
    --------
    ``query("bench/core", "select method, avg(upper) from runs where last and game like 'trading%' group by method")``
    """
    duckdb = needed("duckdb", "duckdb")
    results = Results(store, name)
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.register(table, getattr(results, table))
        try:
            return connection.execute(sql).df()
        except duckdb.Error as refused:
            raise ValueError(f"`sql` must be a question about {', '.join(TABLES)}; got {sql!r}: {refused}") from refused
