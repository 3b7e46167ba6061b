"""A run on disk, and how it is read back.

``runs/<scenario>/<id>/`` holds

- ``manifest.json``: scenario, fields, files, versions; the id is its fingerprint;
- ``steps.parquet``: one row a method, seed, step and agent, with the state after the step; of an evaluation of several
  episodes, one row an episode as well;
- ``summary.json``: the measures, with confidence intervals over the seeds;
- ``reference.parquet``: recorded prices, where there are any;
- of a study, ``<table>.parquet`` and ``<table>.csv`` instead of steps and reference;
- ``report.html``;
- ``cells/<method>-<seed>/``: the unit of work, with its checkpoints and its learning curve.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.display import Shown
from walras.core.game import State
from walras.core.rollout import Trajectory
from walras.core.typing import Floats
from walras.scenarios.engine.files import read_json
from walras.scenarios.engine.statistics import summarised

NUMBERS = ("mean", "low", "high")
SO_FAR = ("steps", "updates")
"""What a point of a learning curve counts, beside its measures."""


@final
@dataclass(frozen=True, eq=False)
class Results(Shown):
    """A finished run: tables of its numbers, and where it lies.

    All tables give interquartile means over the seeds and their 95 % confidence intervals, `mean`, `low` and `high`;
    a share of nothing has none, and is NaN.
    """

    manifest: dict[str, Any]
    """What fixes the numbers: scenario, fields that differ from their defaults, files, versions, machine."""
    record: dict[str, Any]
    """What ``summary.json`` holds: all numbers, titles and units, as JSON has them."""
    folder: Path
    """Where the run is kept."""

    @cached_property
    def steps(self) -> pd.DataFrame:
        """What was played: a row a method, seed, step and agent."""
        return pd.read_parquet(self.folder / "steps.parquet")

    @cached_property
    def reference(self) -> pd.DataFrame | None:
        """Recorded prices of the evaluation's hours, where there are any."""
        path = self.folder / "reference.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables of a study, by name; of a scenario none."""
        names = self.record.get("study", {"tables": {}})["tables"]
        return {name: pd.read_parquet(self.folder / f"{name}.parquet") for name in names}

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a method and measure: `method`, `measure`, `mean`, `low`, `high`, `unit`; averages over agents."""
        return pd.DataFrame(self._summary_rows(), columns=["method", "measure", *NUMBERS, "unit"])

    @cached_property
    def agents(self) -> pd.DataFrame:
        """One row a method, agent and measure: `method`, `agent`, `measure`, `mean`, `low`, `high`, `unit`."""
        rows = [
            {"method": name, "agent": agent, "measure": measure, **_numbers(estimate), "unit": self._unit(measure)}
            for name, method in self.record["methods"].items()
            for measure, agents in method["agents"].items()
            for agent, estimate in agents.items()
        ]
        return pd.DataFrame(rows, columns=["method", "agent", "measure", *NUMBERS, "unit"])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Learning curves: `method`, `steps` (of the environment), `updates`, `agent`, `measure` and its numbers."""
        rows = [
            {
                "method": name,
                **{part: point[part] for part in SO_FAR},
                "agent": agent,
                "measure": measure,
                **_numbers(estimate),
            }
            for name, method in self.record["methods"].items()
            for point in method["curve"]
            for measure, agents in point.items()
            if measure not in SO_FAR
            for agent, estimate in agents.items()
        ]
        return pd.DataFrame(rows, columns=["method", *SO_FAR, "agent", "measure", *NUMBERS])

    @cached_property
    def paths(self) -> pd.DataFrame:
        """What is measured period by period: `method`, `measure`, `period`, `agent` and its numbers."""
        rows = [
            {"method": name, "measure": measure, "period": period, "agent": agent, **_numbers(estimate)}
            for name, method in self.record["methods"].items()
            for measure, periods in method["paths"].items()
            for period, agents in enumerate(periods)
            for agent, estimate in agents.items()
        ]
        return pd.DataFrame(rows, columns=["method", "measure", "period", "agent", *NUMBERS])

    def report(self) -> Path:
        """Return the path of the report, a page that opens in any browser."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        table: Any = self.summary.pivot_table("mean", "method", "measure", sort=False)
        return super()._repr_html_() + table.to_html(float_format="{:.4g}".format)

    def _facts(self) -> dict[str, object]:
        scenario, seeds = self.manifest["scenario"], self.record["seeds"]
        return {
            "scenario": scenario,
            "methods": list(self.record["methods"]),
            "seeds": seeds,
            "folder": str(self.folder),
        }

    def _unit(self, measure: str) -> str:
        return self.record["measures"].get(measure, {"unit": ""})["unit"]

    def _summary_rows(self) -> Iterator[dict[str, Any]]:
        for name, method in self.record["methods"].items():
            of_agents = {measure: summarised(_over_agents(agents)) for measure, agents in method["agents"].items()}
            for measure, estimate in (of_agents | method["market"]).items():
                yield {"method": name, "measure": measure, **_numbers(estimate), "unit": self._unit(measure)}


def load_results(folder: Path) -> Results:
    """Return the results of the finished run in `folder`.

    Raises
    ------
    FileNotFoundError
        If there is no finished run.
    """
    if not (folder / "summary.json").is_file():
        raise FileNotFoundError(f"`run` must be a finished run's folder, with a summary.json; got {str(folder)!r}.")
    return Results(read_json(folder / "manifest.json"), read_json(folder / "summary.json"), folder)


def find_run(run: str, root: Path) -> Path:
    """Return the folder of a run, given as a folder, an id or its beginning, or a scenario's name (the newest).

    Raises
    ------
    FileNotFoundError
        If nothing matches.
    ValueError
        If several ids begin like `run`.
    """
    if (Path(run) / "manifest.json").is_file():
        return Path(run)
    found = sorted((path.parent for path in root.glob("*/*/manifest.json")), key=_age)
    by_name = [folder for folder in found if folder.parent.name == run]
    by_id = [folder for folder in found if folder.name.startswith(run)]
    if not by_name:
        require(len(by_id) <= 1, "run", "name one run", [str(folder) for folder in by_id])
    matches = by_name or by_id
    if not matches:
        known = ", ".join(map(str, found)) or "none"
        raise FileNotFoundError(f"`run` must be a run's folder, id or scenario; got {run!r}; there are: {known}.")
    return matches[-1]


def tabulate(trajectory: Trajectory[State], agents: tuple[str, ...], row: int) -> pd.DataFrame:
    """Return one episode as a table, one line a step and agent, with the state after each step.

    Parameters
    ----------
    trajectory : Trajectory
        B episodes.
    agents : tuple of str
        The N names.
    row : int
        Which of the B episodes.
    """
    steps, _, count = trajectory.reward.shape
    columns: dict[str, Any] = {
        "step": np.repeat(np.arange(steps), count),
        "agent": np.tile(np.array(agents), steps),
        "reward": trajectory.reward[:, row].reshape(-1),
    }
    columns |= _columns("action", trajectory.action[:, row].reshape(steps * count, -1))
    for name, values in vars(trajectory.state).items():
        after, own = values[1:, row], values.ndim > 2 and values.shape[2] == count
        each = after.reshape(steps * count, -1) if own else np.repeat(after.reshape(steps, -1), count, axis=0)
        columns |= _columns(name, each)
    return pd.DataFrame(columns)[np.repeat(trajectory.alive[:, row], count)].reset_index(drop=True)


def _age(folder: Path) -> tuple[bool, float]:
    """Return a key that sorts unfinished runs first, then by time."""
    return (folder / "summary.json").is_file(), (folder / "manifest.json").stat().st_mtime


def _columns(name: str, values: Floats) -> dict[str, Floats]:
    """Return the columns of ``values [rows, width]``, numbered where there are several."""
    width = values.shape[1]
    return {name if width == 1 else f"{name}_{k}": values[:, k] for k in range(width)}


def _numbers(estimate: Mapping[str, Any]) -> dict[str, float]:
    return {part: np.nan if estimate[part] is None else estimate[part] for part in NUMBERS}


def _over_agents(agents: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Return the mean over the agents, seed by seed; infinite where one is."""
    each = [[np.inf if value is None else value for value in estimate["seeds"]] for estimate in agents.values()]
    return np.mean(each, axis=0).tolist()
