"""Made-up runs whose numbers are known, for charts, sentences and pages."""

import math
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from walras.scenarios.engine.catalogue import find_scenario
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import AbstractScenario, Objective

AGENTS = ("coal", "gas & oil")
SEEDS = 2
EXACT = {"kind": "exact", "concept": "nash", "certifies": "Nash", "confidence": None}
MARKUP = {"scripted": 0.0, "learned": 12.0, "random": 30.0}  # EUR/MWh
COST = {"coal": (20.0, 31.25), "gas & oil": (40.0, 55.5)}  # EUR/MWh
OFFERED = {"coal": (1000.0, 500.0), "gas & oil": (700.0, 900.0)}  # MW
ATTACKS = ("<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", '<a href="https://x">', "{{ 7 * 7 }}")
"""Words that would run, load, lead away or be filled in where they are not escaped."""
MEASURES = {
    "reward": ("profit", "EUR/h", "linear"),
    "gap": ("gain from deviating", "EUR/h", "linear"),
    "relative_gap": ("gain from deviating", "of profit", "share"),
    "gap_upper": ("gain from deviating, at most", "EUR/h", "linear"),
    "relative_gap_upper": ("gain from deviating, at most", "of profit", "share"),
    "lerner": ("Lerner index", "", "linear"),
    "price": ("mean price", "EUR/MWh", "linear"),
    "welfare_loss": ("welfare loss", "EUR/h", "linear"),
    "distance": ("distance of quantities", "MW", "log"),
    "share": ("output", "of capacity", "share"),
}

BRIEF: dict[str, dict[str, Any]] = {
    "fair_division": {"profiles": 2},
    "fair_division_shift": {"profiles": 2},
    "otc_market": {"horizon": 60},
    "price_discovery": {"horizon": 60},
    "supply_chain": {"horizon": 60},
    "used_cars": {"horizon": 60},
}
"""Fields of scenarios that take seconds to judge with their default number of profiles or steps."""


def brief(name: str) -> AbstractScenario:
    """The scenario with its default fields, but over few profiles or steps where it has many."""
    scenario = find_scenario(name)(**BRIEF.get(name, {}))
    assert isinstance(scenario, AbstractScenario)
    return scenario


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> str:
    """Words of somebody who means harm."""
    return request.param


@pytest.fixture(scope="session")
def made_up() -> SimpleNamespace:
    """Makers of runs, ``day_ahead(hours, reference, **fields)`` and ``cournot(**fields)``, and their numbers."""
    numbers: dict[str, Any] = {"agents": AGENTS, "seeds": SEEDS, "markup": MARKUP, "cost": COST, "offered": OFFERED}
    return SimpleNamespace(day_ahead=day_ahead, cournot=cournot, attacked=attacked, **numbers)


def attacked(results: Results, attack: str) -> Results:
    """The same run, all of whose words are the attack."""
    record = results.record
    record["scenario"] = record["equilibrium"]["status"] = record["equilibrium"]["concept"] = attack
    record["objective"] |= dict.fromkeys(("reward", "unit", "gap", "meaning", "share_of"), attack)
    record["measures"] = {name: words | {"title": attack, "unit": attack} for name, words in record["measures"].items()}
    for method in record["methods"].values():
        method["title"] = attack
        method["certificate"] = method["certificate"] | {"certifies": attack}
        renamed(method["agents"], attack)
        for point in method["curve"]:
            renamed({name: part for name, part in point.items() if isinstance(part, dict)}, attack)
    record["agents"][0] = attack
    record["equilibrium"]["value"][attack] = record["equilibrium"]["value"].pop("coal")
    results.manifest["files"] = {attack: attack}
    results.manifest["versions"] = {attack: attack}
    vars(results)["steps"] = results.steps.replace("coal", attack)
    return results


def renamed(measured: dict[str, dict[str, Any]], attack: str) -> None:
    """Call the first agent by the attack, in its place."""
    for part in measured.values():
        part |= {attack: part.pop("coal"), "gas & oil": part.pop("gas & oil")}


def day_ahead(hours: int = 60, reference: bool = True, **fields: object) -> Results:
    """A run in which the price is 40 plus the hour of the day, the mark-up and the seed."""
    measured = {"reward": 1234.5, "gap": 61.7, "relative_gap": 0.05, "lerner": 0.21}
    shown = {
        "scripted": ("competitive equilibrium", "reference"),
        "learned": ("PPO", "learner"),
        "random": ("random", "rule"),
    }
    record = record_of(
        "day_ahead",
        {
            name: method_of(shown[name], measured, {"price": 51.5 + markup, "welfare_loss": markup})
            for name, markup in MARKUP.items()
        },
    )
    if not reference:
        return results_of(record, steps_of(hours), None, **fields)
    record["price_error"] = {"scripted": {"mae": 5.25, "rmse": 6.5}, "seasonal_naive": {"mae": 1.75, "rmse": 2.5}}
    time = pd.date_range("2018-01-01", periods=hours, freq="h", tz="UTC")
    price = pd.Series(45.0 + np.arange(hours) % 24)
    recorded = pd.DataFrame({"time": time, "price": price, "seasonal_naive": price.shift(24)})
    return results_of(record, steps_of(hours), recorded, **fields)


def cournot(**fields: object) -> Results:
    """A run of a game without prices in its state, and a method without profit."""
    measured = {"reward": 200.0, "gap": 1.0, "relative_gap": 0.005}
    known = {"reward": 1234.5, "gap": 61.7, "relative_gap": 0.05, "lerner": 0.21}
    nothing = {"reward": 0.0, "gap": 1.0, "relative_gap": math.inf}
    methods = {
        "learned": method_of(("PPO", "learner"), measured, {"price": 30.0}),
        "equilibrium": method_of(("Nash equilibrium", "reference"), known, {"price": 51.5, "welfare_loss": 0.0}),
        "taker": method_of(("price takers", "rule"), nothing, {"price": 10.0}),
    }
    steps = {"step": [0, 0], "agent": AGENTS, "quantity_0": [1.0, 2.0], "method": "learned", "seed": 0}
    return results_of(record_of("cournot", methods), pd.DataFrame(steps), None, **fields)


def results_of(
    record: dict[str, Any], steps: pd.DataFrame, reference: pd.DataFrame | None, **fields: object
) -> Results:
    manifest = {
        "scenario": record["scenario"],
        "fields": fields,
        "files": {"/data/spain.csv": "ab" * 32},
        "versions": {"walras": "0.1.0", "python": "3.11.7"},
        "machine": "x86_64",
    }
    results = Results(manifest, record, Path("nowhere"))
    vars(results).update(steps=steps, reference=reference)  # in place of their files
    return results


def record_of(scenario: str, methods: dict[str, Any]) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "agents": list(AGENTS),
        "seeds": SEEDS,
        "objective": vars(Objective("profit", "EUR/h")),
        "measures": {name: dict(zip(("title", "unit", "scale"), each, strict=True)) for name, each in MEASURES.items()},
        "equilibrium": {
            "concept": "nash",
            "value": {"coal": 1111.0, "gas & oil": 2222.0},
            "residual": 1e-12,
            "status": "Converged: x.",
        },
        "methods": methods,
        "price_error": {},
    }


def method_of(shown: tuple[str, str], measured: dict[str, float], market: dict[str, float]) -> dict[str, Any]:
    """One method: the second agent has twice the first one's numbers; what learns has a curve and intervals."""
    (title, role), learns = shown, shown[1] == "learner"
    spread = 0.1 if learns else 0.0
    measured |= {f"{name}_upper": measured[name] for name in ("gap", "relative_gap")}  # certificates are exact
    each = {name: {a: estimate(v * (k + 1), spread * v) for k, a in enumerate(AGENTS)} for name, v in measured.items()}
    points = [
        {
            "steps": 1000 * point,
            "updates": 4 * point,
            "reward": {a: estimate(1000.0 * point + k, 50.0) for k, a in enumerate(AGENTS)},
            "relative_gap": {a: estimate((1 + k) / 10**point, 0.2 / 10**point) for k, a in enumerate(AGENTS)},
        }
        for point in (1, 2, 3)
    ]
    return {
        "title": title,
        "role": role,
        "certificate": EXACT,
        "agents": each,
        "market": {name: estimate(v, spread * v) for name, v in market.items()},
        "curve": points if learns else [],
    }


def estimate(value: float, spread: float) -> dict[str, Any]:
    """One number as the record has it."""
    return {"mean": value, "low": value - spread, "high": value + spread, "seeds": [value - spread, value + spread]}


def steps_of(hours: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": step,
            "agent": agent,
            "price": 40.0 + step % 24 + markup + seed * bool(markup),
            "cleared": 1200.0 + 10 * (step % 24),
            "method": name,
            "seed": seed,
        }
        | {f"offer_{k}": COST[agent][k] + markup for k in range(2)}
        | {f"offered_{k}": OFFERED[agent][k] for k in range(2)}
        | {f"dispatch_{k}": OFFERED[agent][k] if COST[agent][k] < 35 else 0.0 for k in range(2)}
        for (name, markup), seed, step, agent in product(MARKUP.items(), range(SEEDS), range(hours), AGENTS)
    )
