from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.mechanisms import (
    AllocationProblem,
    Egalitarian,
    EqualSplit,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Search,
    Utilitarian,
    best_misreport,
    exploitability,
    utility,
)
from walras.mechanisms.bounds import Box, utility_bound

MECHANISMS: list[Mechanism] = [
    ProportionalFairness(),
    PostedSurcharge(1.0),
    PartialAllocation(),
    EqualSplit(),
    Utilitarian(),
    Egalitarian(),
]
NAMES = [type(mechanism).__name__ for mechanism in MECHANISMS]
BRIEF = Search(2, 8, 0, (0,))


pytestmark = pytest.mark.usefixtures("one_thread")


def instances(seed: int, rows: int, agents: int, resources: int) -> AllocationProblem:
    """Values and demands U(.1, 1), budgets .275 N."""
    rng = np.random.default_rng(seed)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (rows, agents, resources))) for _ in range(2))
    return AllocationProblem(v, x, torch.full((rows, resources), 0.275 * agents, dtype=torch.float64))


# Every mechanism


@pytest.mark.parametrize("misreports", ["values", "values+demands"])
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_the_misreport_attains_the_lower_bound(mechanism: Mechanism, misreports: str) -> None:
    types = instances(0, 2, 3, 2)
    found = exploitability(mechanism, types, misreports, max_demand=1.0, search=BRIEF, nodes=4)
    reported = found.misreport
    for i in range(3):
        v, x = types.values.clone(), types.demands.clone()
        v[:, i], x[:, i] = reported[0][:, i], reported[1][:, i]
        earned = utility(mechanism(v, x, types.budgets), types.values, types.demands)[:, i]
        torch.testing.assert_close(earned, found.truthful[:, i] + found.lower[:, i], rtol=1e-7, atol=1e-9)
    assert bool((found.lower >= 0).all())
    assert bool((found.lower <= found.upper).all())
    assert bool((reported[0] >= 0).all())
    if misreports == "values":
        assert torch.equal(reported[1], types.demands)
    else:
        assert bool((reported[1] <= 1).all())
    torch.testing.assert_close(found.relative, found.lower / found.truthful)
    torch.testing.assert_close(found.relative_upper, found.upper / found.truthful)
    torch.testing.assert_close(found.truthful, utility(mechanism(*types), types.values, types.demands))


def test_arguments_are_not_changed() -> None:
    types = instances(2, 3, 2, 2)
    copies = [part.clone() for part in types[:3]]
    exploitability(ProportionalFairness(), types, "values+demands", search=BRIEF, nodes=2)
    assert all(torch.equal(part, copy) for part, copy in zip(types[:3], copies, strict=True))


def test_a_plain_tuple_and_single_precision_serve() -> None:
    types = instances(3, 4, 2, 2)
    v, x, b = (part.float() for part in types[:3])
    found, wanted = (exploitability(ProportionalFairness(), given, search=BRIEF) for given in ((v, x, b), types))
    torch.testing.assert_close(found.lower, wanted.lower, rtol=0, atol=1e-4)


@dataclass(frozen=True)
class Opaque:
    """Proportional fairness without gradients."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        return ProportionalFairness()(values.detach(), demands.detach(), budgets, weights)


def test_without_gradients_guesses_serve() -> None:
    types = instances(5, 20, 2, 2)
    opaque = best_misreport(Opaque(), types, search=Search(16, 0, 0, (0,))).gain.mean()
    smooth = best_misreport(ProportionalFairness(), types, search=Search.quick()).gain.mean()
    assert float(opaque) > 0.95 * float(smooth)


@utility_bound.register
def _(mechanism: Opaque, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    return utility(mechanism(*types), types.values, types.demands)


def test_a_bound_that_a_report_exceeds_is_refused() -> None:
    with pytest.raises(ValueError, match="`mechanism` must have a `utility_bound` that no report exceeds; got Opaque"):
        exploitability(Opaque(), instances(6, 5, 2, 2), search=BRIEF)


# Theory


def test_a_larger_demand_pays_only_where_shares_are_burnt() -> None:
    types = instances(11, 10, 2, 2)
    for mechanism, more in ((PartialAllocation(), True), (ProportionalFairness(), False)):
        small, large = (
            exploitability(mechanism, types, "values+demands", max_demand=types.demands * factor, search=BRIEF)
            for factor in (1, 3)
        )
        assert bool((small.upper < large.upper - 1e-4).any()) == more


def test_dear_posted_prices_are_not_truthful_where_demands_bind() -> None:
    # The agent's own demands take a part of what it spends.
    types = instances(13, 20, 3, 2)
    found = best_misreport(PostedSurcharge(6.0), types, "values+demands", max_demand=1.0, search=Search.quick())
    assert float((found.gain / found.honest).max()) > 1e-3


# Bad inputs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"misreports": "demands"}, "`misreports` must be one of values, values.demands; got 'demands'"),
        ({"misreports": "value"}, "Did you mean 'values'"),
        ({"max_demand": 0.0}, "`max_demand` must be positive; got 0.0"),
        ({"max_demand": -1.0}, "`max_demand` must be positive; got -1.0"),
        ({"max_demand": float("nan")}, "`max_demand` must be positive; got nan"),
        ({"max_demand": float("inf")}, "`max_demand` must be finite; got inf"),
        (
            {"problem": (torch.ones(1, 2, 2), -torch.ones(1, 2, 2), torch.ones(1, 2))},
            "`demands` must be finite and not",
        ),
        ({"problem": (torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 3))}, "`budgets` must have the shape"),
    ],
)
def test_bad_arguments_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"problem": instances(16, 2, 2, 2), "misreports": "values+demands"}
    for function in (exploitability, best_misreport):
        with pytest.raises(ValueError, match=message):
            function(ProportionalFairness(), **(arguments | change))
