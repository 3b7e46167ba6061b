"""What holds for every solution: its residual is the gap of its policy, and a status that the residual proves."""

import inspect
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.core import Status
from walras.core.concept import Concept
from walras.core.solution import Solution, SolverError
from walras.envs import SupplyFunctionMarket
from walras.envs.registration import GAMES, make_game
from walras.equilibria import gap, solve
from walras.equilibria.registration import SOLVERS

SLOW = {("electricity.day_ahead_market", "nash")}
"""Solutions that take minutes."""


BRIEF = {"allocation.resource_allocation": {"horizon": 4}}
"""Games whose gap takes long, with fewer steps, which are alike."""


def solved() -> list[Any]:
    """Every registered game and concept that has a solver."""
    return [
        pytest.param(key, concept, marks=pytest.mark.slow if (module, concept) in SLOW else (), id=f"{key}-{concept}")
        for key in sorted(GAMES)
        for module in [key.rpartition("-v")[0]]
        for concept in SOLVERS.get(module, {})
    ]


@pytest.mark.parametrize(("key", "concept"), solved())
def test_the_residual_of_a_solution_is_the_gap_of_its_policy(key: str, concept: str) -> None:
    game = make_game(key, **BRIEF.get(key.rpartition("-v")[0], {}))
    found = solve(game, concept, throw=False)
    judged = gap(game, found.policy, concept=found.concept)
    assert judged.unit == game.unit
    assert found.concept == concept
    np.testing.assert_allclose(found.residual, judged.relative.upper.max(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.residual_lower, judged.relative.lower.max(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.value, judged.value, rtol=1e-12)
    assert found.converged == (found.residual <= found.tol)
    assert found.status in (Status.CONVERGED, Status.NOT_EQUILIBRIUM, Status.UNCERTIFIED, Status.BOUNDS_APART)
    assert np.all(judged.lower <= judged.upper)
    assert np.all(judged.lower >= 0)
    assert np.all(judged.scale > 0)


def test_every_registered_game_has_a_solver() -> None:
    assert {key.rpartition("-v")[0] for key in GAMES} == set(SOLVERS)


def test_a_concept_that_a_game_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"`concept` must be one of competitive, nash; got"):
        solve(make_game("electricity.day_ahead_market-v0"), Concept.JOINT_OPTIMUM)


# What a status tells to do can be done

ROOT = Path(__file__).parents[2]
TOLD = re.compile(r"`(\w+)`")


def solvers_of(status: Status) -> list[tuple[str, inspect.Signature]]:
    """Public functions that return a status, of modules that name this one."""
    found = list[tuple[str, inspect.Signature]]()
    for file in sorted(path for room in ("equilibria", "markets") for path in (ROOT / room).glob("*/*.py")):
        if f"Status.{status.name}" in file.read_text():
            module = import_module(".".join(("walras", *file.relative_to(ROOT).with_suffix("").parts)))
            for name, function in vars(module).items():
                if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                    signature = inspect.signature(function)
                    if "status" in getattr(signature.return_annotation, "__dataclass_fields__", {}):
                        found.append((f"{module.__name__}.{name}", signature))
    return found


@pytest.mark.parametrize("status", Status)
def test_a_status_names_arguments_that_its_solvers_take(status: Status) -> None:
    answered = {field.name for field in fields(Solution)}
    for name in set(TOLD.findall(status.value)) - answered:
        solvers = solvers_of(status)
        assert len(solvers) >= 4
        for solver, signature in solvers:
            assert name in signature.parameters, (status, solver)


def test_a_solver_that_is_stopped_says_so_after_its_certificate() -> None:
    stopped = solve(SupplyFunctionMarket(), max_iter=1, throw=False)
    assert stopped.status is Status.ITERATION_LIMIT
    with pytest.raises(SolverError, match="raise `max_iter`"):
        solve(SupplyFunctionMarket(), max_iter=1)
