"""What is asked of every mechanism: zeros and scales are served or refused alike, and everything else is refused."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from walras.core.lazy import load
from walras.mechanisms.registration import MECHANISMS
from walras.mechanisms.rules import Mechanism

ARGUMENTS: dict[str, tuple[Any, ...]] = {"PostedSurcharge": (0.5,)}
LEARNED = ("ExPFNet", "ExSNet", "RPFNet")
BLIND = "EqualSplit"  # to values: it serves agents that can have no utility


def tensor(entries: Any) -> Tensor:  # noqa: ANN401 - nested lists
    return torch.tensor(entries, dtype=torch.float64)


class Problem(NamedTuple):
    """One instance of three agents and two resources."""

    values: Tensor = tensor([[[1.0, 2.0], [2.0, 1.3], [1.0, 1.1]]])
    demands: Tensor = tensor([[[1.0, 0.5], [0.4, 1.0], [0.9, 0.8]]])
    budgets: Tensor = tensor([[1.0, 1.2]])
    weights: Tensor | None = None

    def having(self, name: str, entries: Sequence[tuple[tuple[Any, ...], float]]) -> "Problem":
        changed = getattr(self, name).clone()
        for place, value in entries:
            changed[place] = value
        return self._replace(**{name: changed})


@pytest.fixture(params=sorted(MECHANISMS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def made(name: str) -> Any:  # noqa: ANN401 - a mechanism
    """Return a registered mechanism, untrained if it is learned."""
    return load(f"walras.mechanisms.{MECHANISMS[name]}:{name}")(*ARGUMENTS.get(name, ()))


@pytest.fixture
def mechanism(name: str) -> Mechanism:
    """Each registered mechanism."""
    return made(name)


def allocated(mechanism: Mechanism, problem: Problem) -> Tensor:
    """The allocation, after a check that it is one."""
    with torch.no_grad():
        found = mechanism(*problem)
    demands, budgets = (part.double() for part in (problem.demands, problem.budgets))
    assert found.dtype == torch.float64
    assert found.shape == demands.shape
    assert bool(torch.isfinite(found).all())
    assert bool((found >= 0).all())
    assert bool((found <= demands * (1 + 1e-9)).all())
    assert bool((found.sum(dim=1) <= budgets * (1 + 1e-9)).all())
    return found


SERVED = {
    "a demand of nothing": ("demands", [((0, 0, 1), 0.0)]),
    "a value of nothing": ("values", [((0, 0, 1), 0.0)]),
    "no budget": ("budgets", [((0, 1), 0.0)]),
    "a resource that nobody demands": ("demands", [((0, slice(None), 1), 0.0)]),
    "a resource that nobody values": ("values", [((0, slice(None), 1), 0.0)]),
    "a demand that is hardly one": ("demands", [((0, 0, 0), 0.0), ((0, 0, 1), 1e-13)]),
}


@pytest.mark.parametrize("case", SERVED)
def test_zeros_are_served(mechanism: Mechanism, case: str) -> None:
    allocated(mechanism, Problem().having(*SERVED[case]))


@pytest.mark.parametrize("tiny", [1e-10, 1e-11, 1e-13, 1e-20, 1e-39])
def test_a_tiny_demand_that_is_all_of_an_agents_is_met(name: str, mechanism: Mechanism, tiny: float) -> None:
    found = allocated(mechanism, Problem().having("demands", [((0, 0, 0), 0.0), ((0, 0, 1), tiny)]))
    assert float(found[0, 0, 1]) / tiny == pytest.approx(1, rel=1e-6)
    if name not in LEARNED:  # networks see what the others demand
        more = Problem().having("demands", [((0, 0, 0), 0.0), ((0, 0, 1), 1e-9)])
        torch.testing.assert_close(found[:, 1:], allocated(mechanism, more)[:, 1:])


@pytest.mark.parametrize("demands", [[1.0, 0.6, *[9e-10] * 5], [3.7e5 / 3, 1e4 / 7, 5.66e15 / 9], [3e14, 1.0, 1e-9]])
def test_demands_far_apart_never_use_up_more_than_there_is(mechanism: Mechanism, demands: list[float]) -> None:
    entries = tensor([[[demand] for demand in demands]])
    for budget in (1.0, 1e6):
        allocated(mechanism, Problem(torch.ones_like(entries), entries, tensor([[budget]])))


@pytest.mark.parametrize("case", ["no budget", "a resource that nobody demands"])
@pytest.mark.parametrize("name", sorted(set(MECHANISMS) - set(LEARNED)))
def test_a_resource_that_is_not_there_does_not_matter(name: str, case: str) -> None:
    # Networks see in their means how many resources there are.
    mechanism = made(name)
    whole, rest = Problem().having(*SERVED[case]), Problem()
    alone = Problem(rest.values[..., :1], rest.demands[..., :1], rest.budgets[..., :1])
    found = allocated(mechanism, whole)
    torch.testing.assert_close(found[..., :1], allocated(mechanism, alone), rtol=1e-7, atol=1e-9)
    assert float(found[..., 1].sum()) == 0.0


@pytest.mark.parametrize(
    "entries",
    [
        ("values", [((0, 0), 0.0)]),
        ("demands", [((0, 0), 0.0)]),
        ("budgets", [((0, 0), 0.0), ((0, 1), 0.0)]),
        ("demands", [((0, 0, 0), 0.0), ((0, 0, 1), 1e-45)]),
    ],
)
def test_an_agent_that_can_have_no_utility_is_refused_by_all_that_look_at_values(
    name: str, mechanism: Mechanism, entries: tuple[str, Any]
) -> None:
    problem = Problem().having(*entries)
    if name == BLIND:
        allocated(mechanism, problem)
        return
    with pytest.raises(ValueError, match=r"`values` must give each agent a resource .*; got none for agent 0"):
        mechanism(*problem)


@pytest.mark.parametrize("argument", ["values", "demands", "budgets", "weights"])
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf, -np.inf])
def test_what_is_no_amount_is_refused_by_name(mechanism: Mechanism, argument: str, wrong: float) -> None:
    problem = Problem(weights=tensor([1.0, 2.0, 3.0]))
    place = {"values": (0, 1, 1), "demands": (0, 1, 1), "budgets": (0, 1), "weights": (1,)}[argument]
    with pytest.raises(ValueError, match=f"`{argument}` must be finite and not negative; got {wrong!r} at index"):
        mechanism(*problem.having(argument, [(place, wrong)]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p._replace(values=p.values[0]), r"`values` must have 3 dimensions; got shape \(3, 2\)"),
        (lambda p: p._replace(demands=p.demands[:, :2]), r"`demands` must have the shape of values, \(1, 3, 2\)"),
        (lambda p: p._replace(budgets=tensor([1.0, 1.0])), r"`budgets` must have 2 dimensions"),
        (lambda p: p._replace(budgets=tensor([[1.0]])), r"`budgets` must have the shape of .*\(1, 2\); got \(1, 1\)"),
        (lambda p: p._replace(weights=tensor([1.0, 1.0])), r"`weights` must have a shape that broadcasts to \(1, 3\)"),
        (lambda p: p._replace(weights=tensor([1.0, 0.0, 1.0])), r"`weights` must be positive; got 0\.0"),
        (lambda p: Problem(p.values[:, :0], p.demands[:, :0], p.budgets), "hold at least one agent and one resource"),
        (lambda p: Problem(p.values[..., :0], p.demands[..., :0], p.budgets[:, :0]), "hold at least one agent and"),
    ],
)
def test_other_shapes_are_refused(mechanism: Mechanism, change: Callable[[Problem], Problem], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mechanism(*change(Problem()))


def test_no_instances_have_no_allocation(mechanism: Mechanism) -> None:
    none = Problem(*(part[:0] for part in Problem()[:3]))
    assert allocated(mechanism, none).shape == (0, 3, 2)


def test_arrays_and_other_types_of_numbers_are_taken(mechanism: Mechanism) -> None:
    problem = Problem(tensor([[[1, 2], [2, 1]]]), tensor([[[1, 1], [1, 2]]]), tensor([[1, 2]]))
    right = allocated(mechanism, problem)
    for kind in (torch.float32, torch.int64):
        with torch.no_grad():
            torch.testing.assert_close(mechanism(*(part.to(kind) for part in problem[:3])), right)
    with torch.no_grad():
        arrays: Any = [part.numpy() for part in problem[:3]]
        torch.testing.assert_close(mechanism(*arrays), right)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1e4, 1e9])
def test_units_do_not_matter(name: str, mechanism: Mechanism, scale: float) -> None:
    problem = Problem()
    right = allocated(mechanism, problem)
    if name != "PostedSurcharge":  # it is money per unit of a resource
        more = problem._replace(demands=problem.demands * scale, budgets=problem.budgets * scale)
        torch.testing.assert_close(allocated(mechanism, more) / scale, right, rtol=1e-6, atol=1e-9)
    dear = problem.values.clone()
    dear[0, 1] *= scale
    torch.testing.assert_close(allocated(mechanism, problem._replace(values=dear)), right, rtol=1e-6, atol=1e-9)
    other = tensor([1.0, scale])
    mixed = Problem(problem.values / other, problem.demands * other, problem.budgets * other)
    if name != "PostedSurcharge":
        torch.testing.assert_close(allocated(mechanism, mixed) / other, right, rtol=1e-6, atol=1e-9)


def test_the_order_of_agents_does_not_matter(mechanism: Mechanism) -> None:
    problem, order = Problem(weights=tensor([1.0, 2.0, 3.0])), [2, 0, 1]
    assert problem.weights is not None
    turned = Problem(problem.values[:, order], problem.demands[:, order], problem.budgets, problem.weights[order])
    torch.testing.assert_close(
        allocated(mechanism, turned), allocated(mechanism, problem)[:, order], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", [*LEARNED, "PartialAllocation", "PostedSurcharge", "ProportionalFairness"])
def test_gradients_pass_through_the_checks(name: str) -> None:
    mechanism, problem = made(name), Problem()
    values = problem.values.clone().requires_grad_()
    mechanism(values, problem.demands, problem.budgets)[0, 0].sum().backward()
    assert values.grad is not None
    assert float(values.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("case", SERVED)
def test_gradients_of_networks_stay_finite_at_zeros(name: str, case: str) -> None:
    network = made(name)
    network(*Problem().having(*SERVED[case])).sum().backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in network.parameters() if weight.grad is not None)
