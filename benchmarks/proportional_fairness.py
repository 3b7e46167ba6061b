"""Speed of batched proportional fairness beside cvxpylayers and cvxpy, in one run.

Run: ``pip install cvxpylayers`` and ``python benchmarks/proportional_fairness.py``. Values and demands are even draws
from [0.1, 1], budgets 0.275 N; double precision, certified gap at most 1e-8; both may use two threads. Warm medians of
alternating rounds, wall-clock time. The shortfall is the objective below ours, largest over the batch.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from walras.mechanisms import proportional_fairness, proportional_fairness_cvxpy

ROUNDS = 5


def instance(rows: int, agents: int, resources: int) -> tuple[Any, Any, Any]:
    """Return values, demands and budgets."""
    draw = torch.Generator().manual_seed(0)
    shape = (rows, agents, resources)
    values, demands = (0.1 + 0.9 * torch.rand(shape, generator=draw, dtype=torch.float64) for _ in range(2))
    return values, demands, torch.full((rows, resources), 0.275 * agents, dtype=torch.float64)


def ours(problem: tuple[Any, Any, Any], backward: bool) -> Any:  # noqa: ANN401
    """Solve, and differentiate with respect to the values."""
    values = problem[0].clone().requires_grad_(backward)
    solution = proportional_fairness(values, *problem[1:])
    if backward:
        solution.allocation.square().sum().backward()
    return solution.allocation.detach()


def layer(agents: int, resources: int) -> Callable[[tuple[Any, Any, Any], bool], Any]:
    """Return the same by cvxpylayers, compiled once."""
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer

    a = cp.Variable((agents, resources), nonneg=True)
    v, x = (cp.Parameter((agents, resources), nonneg=True) for _ in range(2))
    b = cp.Parameter(resources, nonneg=True)
    welfare = cp.sum(cp.log(cp.sum(cp.multiply(v, a), axis=1)))
    problem = cp.Problem(cp.Maximize(welfare), [cp.sum(a, axis=0) <= b, a <= x])
    compiled = CvxpyLayer(problem, parameters=[v, x, b], variables=[a])

    def solve(given: tuple[Any, Any, Any], backward: bool) -> Any:  # noqa: ANN401
        values = given[0].clone().requires_grad_(backward)
        (allocation,) = compiled(values, *given[1:])
        if backward:
            allocation.square().sum().backward()
        return allocation.detach()

    return solve


def seconds(call: Callable[[], Any]) -> float:
    """Return the wall-clock time of one call, with nothing left over from the last."""
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(rows: int, agents: int, resources: int, backward: bool) -> None:
    """Print one row of the table."""
    problem, peer = instance(rows, agents, resources), layer(agents, resources)
    welfare = [(problem[0] * solve(problem, backward)).sum(dim=2).log().sum(dim=1) for solve in (ours, peer)]
    times = [
        (seconds(lambda: ours(problem, backward)), seconds(lambda: peer(problem, backward))) for _ in range(ROUNDS)
    ]
    fast, slow = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
    ratio, what = statistics.median(b / a for a, b in times), "forward, backward" if backward else "forward"
    shortfall = float((welfare[0] - welfare[1]).max())
    print(f"| {rows} x ({agents}, {resources}) | {what} | {fast:.1f} | {slow:.1f} | {ratio:.1f} | {shortfall:.0e} |")


def single() -> None:
    """Compare one instance with cvxpy's re-solve of a compiled program."""
    problem = instance(1, 10, 10)
    plain = [tensor[0].numpy() for tensor in problem]
    proportional_fairness_cvxpy(*plain)
    ours(problem, False)
    times = [
        (seconds(lambda: ours(problem, False)), seconds(lambda: proportional_fairness_cvxpy(*plain))) for _ in range(25)
    ]
    fast, slow = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
    print(f"\n1 x (10, 10): {fast:.2f} ms; cvxpy with Clarabel, compiled once: {slow:.2f} ms; ratio {slow / fast:.2f}")


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(2)
    if find_spec("cvxpylayers") is None:
        sys.exit("cvxpylayers is not installed: pip install cvxpylayers")
    print("| batch x (N, M) | what | Walras ms | cvxpylayers ms | ratio | its shortfall |")
    print("|---|---|---|---|---|---|")
    for rows, agents, resources in ((128, 10, 10), (1024, 10, 3)):
        for backward in (False, True):
            compare(rows, agents, resources, backward)
    single()


if __name__ == "__main__":
    main()
