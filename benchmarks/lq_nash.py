"""Certificates and speed of linear-quadratic games' Nash equilibria, beside quantecon's nnash in one run.

Run: ``pip install quantecon`` and ``python benchmarks/lq_nash.py``. First the finite horizon: random games of 2 to 8
players, up to 20 states, 3 controls a player and 7 stages; and as many games of one stage whose control costs are
scaled until the stage's system is singular. Then the stationary equilibrium of two players at equal tolerance, checks
and certificate included; times are wall-clock, medians of alternating rounds over the games that both programs solve.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from walras.core.solution import SolverError, Status
from walras.core.typing import Floats
from walras.equilibria import LinearQuadratic, lq_nash, stationary_nash

GAMES, DRAWS, ROUNDS, TOLERANCE = 1000, 20, 9, 1e-9


def positive(rng: np.random.Generator, n: int, least: float) -> Floats:
    """Return a random symmetric matrix without eigenvalues below `least`."""
    root = rng.normal(size=(n, n))
    return root @ root.T / n + least * np.eye(n)


def finite(rng: np.random.Generator) -> dict[str, Any]:
    """Return a random game with an end."""
    n, players = int(rng.integers(1, 21)), int(rng.integers(2, 9))
    sizes = [int(rng.integers(1, 4)) for _ in range(players)]
    return {
        "A": rng.normal(size=(n, n)) / np.sqrt(n),
        "B": [rng.normal(size=(n, p)) for p in sizes],
        "Q": [positive(rng, n, 0.0) for _ in sizes],
        "R": [positive(rng, p, 0.5) for p in sizes],
        "horizon": int(rng.integers(1, 8)),
    }


def singular(rng: np.random.Generator) -> dict[str, Any]:
    """Return a random game of one stage with a system whose determinant is zero, found by bisection."""
    while True:
        spec: dict[str, Any] = finite(rng) | {"horizon": 1}
        game = LinearQuadratic.constant(**spec)
        pressed = (game.B[0].T[:, None] @ game.Q[1, game.owner])[:, 0] @ game.B[0]
        sign = [np.linalg.slogdet(pressed + scale * game.weights[0])[0] for scale in (1e-3, 1e3)]
        if sign[0] < 0 < sign[1]:
            low, high = 1e-3, 1e3
            for _ in range(100):
                middle = (low + high) / 2
                below = np.linalg.slogdet(pressed + middle * game.weights[0])[0] < 0
                low, high = (middle, high) if below else (low, middle)
            return spec | {"R": [high * r for r in spec["R"]]}


def certificates() -> None:
    """Print what the solver says of random games, and of singular ones."""
    rng, start = np.random.default_rng(0), time.perf_counter()
    found = [lq_nash(**finite(rng), throw=False) for _ in range(GAMES)]
    took = time.perf_counter() - start
    solved, worst = sum(f.converged for f in found), max(f.residual for f in found)
    print(f"{GAMES} random games in {took:.1f} s: {solved} solved, largest share gained by a best response {worst:.1e}")
    reported = sum(lq_nash(**singular(rng), throw=False).status is Status.NOT_UNIQUE for _ in range(GAMES))
    print(f"{GAMES} singular games: {reported} reported as not unique\n")


def stationary(n: int, p: int) -> Iterator[dict[str, Any]]:
    """Yield random games of two players without an end."""
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=(n, n))
        yield {
            "A": 0.95 * a / np.abs(np.linalg.eigvals(a)).max(),
            "B": [rng.normal(size=(n, p)) for _ in range(2)],
            "Q": [positive(rng, n, 0.0) for _ in range(2)],
            "R": [positive(rng, p, 1.0) for _ in range(2)],
        }


def duopoly() -> Iterator[dict[str, Any]]:
    """Yield the duopoly with costs of adjustment of QuantEcon's lectures; a state is the constant 1."""
    intercept, slope, discount, adjustment = 10.0, 2.0, 0.96, 12.0
    first = np.array([[0, -intercept / 2, 0], [-intercept / 2, slope, slope / 2], [0, slope / 2, 0]])
    swap = np.eye(3)[[0, 2, 1]]
    yield {
        "A": np.sqrt(discount) * np.eye(3),
        "B": list(np.sqrt(discount) * np.eye(3)[:, 1:, None].swapaxes(0, 1)),
        "Q": [first, swap @ first @ swap],
        "R": [[[adjustment]], [[adjustment]]],
    }


def ours(spec: dict[str, Any]) -> Floats:
    """Return the gains by Walras."""
    return np.concatenate(stationary_nash(**spec, tol=TOLERANCE).gains)


def theirs(spec: dict[str, Any]) -> Floats:
    """Return the gains by quantecon."""
    from quantecon import nnash

    (b1, b2), n = spec["B"], len(spec["A"])
    p1, p2 = b1.shape[1], b2.shape[1]
    none = [np.zeros(shape) for shape in ((p2, p2), (p1, p1), (n, p1), (n, p2), (p2, p1), (p1, p2))]
    found = nnash(spec["A"], b1, b2, *spec["Q"], *spec["R"], *none, tol=TOLERANCE, max_iter=10_000)
    return np.concatenate(found[:2])


def seconds(call: Callable[[dict[str, Any]], Floats], spec: dict[str, Any]) -> float:
    """Return the time of one call."""
    start = time.perf_counter()
    call(spec)
    return time.perf_counter() - start


def compare(name: str, games: Iterator[dict[str, Any]]) -> None:
    """Print one row of the table."""
    times: list[tuple[float, float]] = []
    difference = solved = 0
    for spec in games:
        try:
            gains = ours(spec), theirs(spec)
        except (SolverError, ValueError):  # the recursion goes round and round
            continue
        solved, difference = solved + 1, max(difference, float(np.abs(gains[0] - gains[1]).max()))
        times += [(seconds(ours, spec), seconds(theirs, spec)) for _ in range(ROUNDS)]
    fast, slow = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
    ratio = statistics.median(b / a for a, b in times)
    print(f"| {name} | {solved} | {fast:.2f} | {slow:.2f} | {ratio:.1f} | {difference:.0e} |")


def main() -> None:
    """Print certificates, then the table."""
    certificates()
    try:
        import quantecon
    except ImportError:
        sys.exit("quantecon is not installed: pip install quantecon")
    print(f"quantecon {quantecon.__version__}")
    print("| game | solved by both | Walras ms | nnash ms | ratio | largest difference of gains |")
    print("|---|---|---|---|---|---|")
    for n, p in ((2, 1), (4, 1), (4, 2), (10, 2), (20, 3)):
        compare(f"{n} states, {p} control{'s' * (p > 1)} each", stationary(n, p))
    compare("QuantEcon's duopoly", duopoly())


if __name__ == "__main__":
    main()
