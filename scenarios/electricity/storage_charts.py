"""Charts of storages that were played: what they hold, under the price."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from walras.scenarios.electricity import system_charts
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.study import Tables
from walras.scenarios.report.charts import learners, reference_of, title_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def state_of_charge(results: Results) -> "Figure | None":
    """Draw what storages hold under the price, of the first that learns or else the reference."""
    method = [*learners(results), reference_of(results)][0]
    figure: Any = system_charts.state_of_charge(tables_of(results, method))
    caption = (
        f"What was played by: {title_of(results, method)}. Above the price, below what each holds after each hour."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def tables_of(results: Results, method: str) -> Tables:
    """Return the tables ``hours`` and ``storages`` of a method's first seed and episode."""
    steps: Any = results.steps
    part = steps[(steps["method"] == method) & (steps["seed"] == 0)]
    part = part[part["episode"] == 0] if "episode" in part else part
    storages = pd.DataFrame(
        {"time": part["step"], "storage": part["agent"], "price": part["price"], "energy_mwh": part["held"]}
    )
    return {"hours": pd.DataFrame({"money": ["EUR"]}), "storages": storages}
