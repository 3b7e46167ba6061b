"""Grid worlds, judged by play."""

from typing import Any

import numpy as np
from robust.family import Family, Refused, expect

from walras.core import rollout
from walras.core.solution import Status
from walras.envs import GridWorld
from walras.equilibria import solve


def world(rng: np.random.Generator) -> GridWorld:
    """Return two agents on a small map with walls and lava, where goals may be out of reach."""
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    cells = rng.choice(list("....#~"), rows * columns)
    cells[rng.choice(rows * columns, 4, replace=False)] = ["1", "2", "a", "b"]
    text = "\n".join(" ".join(cells[r * columns : (r + 1) * columns]) for r in range(rows))
    return GridWorld(text, horizon=int(rng.integers(1, 12)))


def judge_world(game: GridWorld, found: Any) -> None:  # noqa: ANN401
    """Raise unless the policy earns in play what the optimum promises."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    total = rollout(game, found.policy, range(8)).total
    expect(np.isfinite(found.value).all(), "a value is no number")
    spread = 6 * total.std(axis=0) / np.sqrt(8) + 1e-9
    expect(
        (np.abs(total.mean(axis=0) - found.value) <= spread).all(), f"plays {total.mean(axis=0)}, says {found.value}"
    )


FAMILIES = (Family("grid_world", world, lambda game: solve(game, throw=False, seeds=range(4)), judge_world),)
