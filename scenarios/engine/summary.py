"""The summary of a run: its cells joined, with confidence intervals over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from walras.core.game import AbstractGame
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.equilibria.certificate import Kind
from walras.equilibria.gap import gap
from walras.scenarios.engine.cells import CURVE_SEEDS, ON_THE_WAY, by_agent
from walras.scenarios.engine.results import SO_FAR
from walras.scenarios.engine.scenario import STAKE, AbstractScenario, methods_of
from walras.scenarios.engine.statistics import summarised
from walras.scenarios.engine.study import Found

RECORDED = ("time", "price", "level")
"""Columns of recorded prices that are no forecasts."""
BASELINE = "standard_naive"
"""The forecast to whose error those of others are related."""
AT_LEVEL = "_at_level"
"""Ends the name of a method's prices that are shifted by the level."""


def summary_of(
    name: str,
    scenario: AbstractScenario,
    results: Mapping[str, list[dict[str, Any]]],
    steps: pd.DataFrame,
    reference: pd.DataFrame | None,
) -> dict[str, Any]:
    """Return what ``summary.json`` holds.

    Parameters
    ----------
    name : str
        The scenario's.
    scenario : AbstractScenario
        What was run.
    results : mapping of str to list
        By method, the results of its cells, one a seed.
    steps : DataFrame
        What was played.
    reference : DataFrame, optional
        Recorded prices.
    """
    evaluation, game, solution = scenario.evaluation(), scenario.game(), scenario.solution
    methods = methods_of(scenario)
    return {
        "scenario": name,
        "agents": list(evaluation.agents),
        "seeds": scenario.seeds,
        "objective": vars(scenario.objective()),
        "measures": _measures(scenario),
        "equilibrium": {
            "concept": solution.concept,
            "value": by_agent(evaluation, scenario.objective().shown(solution.value, evaluation.span)),
            "training_value": by_agent(game, _in_training(scenario, game, solution)),
            "residual": solution.residual,
            "residual_lower": solution.residual_lower,
            "status": solution.status.value,
        },
        "methods": {
            method: {
                "title": methods[method].title,
                "role": methods[method].role,
                "certificate": weakest([cell["certificate"] for cell in cells]),
            }
            | _over_seeds(cells)
            for method, cells in results.items()
        },
        "price_error": {} if reference is None else price_errors(steps, reference),
    }


def study_summary(name: str, found: Found) -> dict[str, Any]:
    """Return what ``summary.json`` holds of a study: no methods, and what it found."""
    told: dict[str, Any] = {"residual": found.residual, "facts": found.facts, "left_out": list(found.left_out)}
    told["headline"] = found.headline
    told["tables"] = {title: list(map(str, table.columns)) for title, table in found.tables.items()}
    plain = {"scenario": name, "agents": [], "seeds": 1, "measures": {}, "methods": {}, "price_error": {}}
    return {**plain, "study": told, **found.record}


def _in_training(scenario: AbstractScenario, game: AbstractGame[Any], solution: Solution) -> Floats:
    """Return what each agent earns by the solution's policy in the game in which learners train."""
    judged = gap(game, solution.policy, concept=scenario.concept(), seeds=CURVE_SEEDS, budget=ON_THE_WAY)
    return scenario.objective().shown(judged.value, judged.span)


def weakest(certificates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the certificate that proves least: what may be said of all seeds together."""
    return max(certificates, key=lambda each: list(Kind).index(each["kind"]))


def price_errors(steps: pd.DataFrame, reference: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return the errors of each price path over the same hours, EUR/MWh.

    Mean absolute and root mean square error; the former over that of the standard naive forecast (``rmae``); and the
    continuous ranked probability score where the reference has it (``crps``). Where the reference has a level of
    prices, each method's path stands there as it is and at that level.
    """
    actual, level = reference["price"].to_numpy(), reference.get("level")
    one_agent = steps[steps["agent"] == steps["agent"].iloc[0]]
    paths = {str(name): part.groupby("step")["price"].mean().to_numpy() for name, part in one_agent.groupby("method")}
    if level is not None:
        paths |= {f"{name}{AT_LEVEL}": path + level.to_numpy() for name, path in paths.items()}
    paths |= {name: reference[name].to_numpy() for name in forecasts(reference)}
    paths = {name: path for name, path in paths.items() if np.isfinite(path - actual).any()}
    size = {name: float(np.nanmean(np.abs(path - actual))) for name, path in paths.items()}
    return {
        name: {
            "mae": size[name],
            "rmse": float(np.sqrt(np.nanmean((path - actual) ** 2))),
            "rmae": size[name] / size[BASELINE] if size.get(BASELINE) else None,
            "crps": _mean(reference.get(f"crps_{name}")),
        }
        for name, path in paths.items()
    }


def _mean(values: pd.Series | None) -> float | None:
    """Return a mean over what is known; none where nothing is."""
    return None if values is None or values.isna().all() else float(values.mean())


def forecasts(reference: pd.DataFrame) -> list[str]:
    """Return the forecasts among the columns of recorded prices."""
    names = map(str, reference)
    return [name for name in names if name not in RECORDED and not name.startswith("crps_")]


def _measures(scenario: AbstractScenario) -> dict[str, dict[str, str]]:
    """Return the words for each number: of what is measured in every scenario, and of the scenario's own measures."""
    objective = scenario.objective()
    own = {
        **scenario.curve_measures(),
        **scenario.policy_measures(),
        **scenario.path_measures(),
        **scenario.agent_measures(),
        **scenario.market_measures(),
    }
    return {
        "reward": _words(objective.reward, objective.unit),
        "gap": _words(objective.gap, objective.unit),
        "gap_upper": _words(f"{objective.gap}, at most", objective.unit),
        "relative_gap": _words(objective.gap, f"of {objective.share_of or STAKE}", "share"),
        "relative_gap_upper": _words(f"{objective.gap}, at most", f"of {objective.share_of or STAKE}", "share"),
    } | {name: _words(measure.title, measure.unit, measure.scale) for name, measure in own.items()}


def _words(title: str, unit: str = "", scale: str = "linear") -> dict[str, str]:
    return {"title": title, "unit": unit, "scale": scale}


def _over_seeds(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise one method's cells, one a seed."""
    first = cells[0]
    return {
        "agents": {name: _point([cell["agents"][name] for cell in cells]) for name in first["agents"]},
        "market": {name: summarised([cell["market"][name] for cell in cells]) for name in first["market"]},
        "paths": {
            name: [_point([cell["paths"][name][k] for cell in cells]) for k in range(len(rows))]
            for name, rows in first["paths"].items()
        },
        "curve": [_curve([cell["curve"][k] for cell in cells]) for k in range(len(first["curve"]))],
    }


def _curve(points: list[dict[str, Any]]) -> dict[str, Any]:
    each = {name: _point([point[name] for point in points]) for name in points[0] if name not in SO_FAR}
    return {name: points[0][name] for name in SO_FAR} | each


def _point(values: list[dict[str, float]]) -> dict[str, Any]:
    """Summarise one number an agent, given for each seed."""
    return {agent: summarised([value[agent] for value in values]) for agent in values[0]}
