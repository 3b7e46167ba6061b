import numpy as np
import pytest
import torch

from walras.core import Scripted, rollout
from walras.envs import ResourceAllocation
from walras.scenarios.allocation import measures


def test_measures_on_paper() -> None:
    class Halves:
        def __call__(self, v: torch.Tensor, x: torch.Tensor, b: torch.Tensor, w: object) -> torch.Tensor:
            return x / 2

    ones = ((1.0, 1.0), (1.0, 1.0))
    game = ResourceAllocation(
        Halves(), players=2, values=((1.0, 0.5), (0.25, 0.25)), demands=ones, budget=0.75, horizon=1
    )
    trajectory = rollout(game, Scripted(game), [0])
    # Utilities .75 and .25; of 1.5 units that could be used of each resource 1 is given.
    assert measures.nash_welfare(game, trajectory) == pytest.approx(np.sqrt(0.75 * 0.25))
    assert measures.smallest_utility(game, trajectory) == pytest.approx(0.25)
    assert measures.efficiency(game, trajectory) == pytest.approx(2 / 3)


def test_envy_is_of_the_best_other_bundle_by_the_mean_utility() -> None:
    class Lion:
        def __call__(self, v: torch.Tensor, x: torch.Tensor, b: torch.Tensor, w: object) -> torch.Tensor:
            return x * torch.tensor([[1.0], [0.25]], dtype=x.dtype)

    ones = ((1.0, 1.0), (1.0, 1.0))
    game = ResourceAllocation(
        Lion(), players=2, values=((1.0, 0.5), (0.25, 0.25)), demands=ones, budget=0.75, horizon=2
    )
    trajectory = rollout(game, Scripted(game), [0, 1])
    # Utilities 1.5 and .125; the other bundle is worth .5 to the second agent, and nobody envies it.
    assert measures.envy(game, trajectory) == pytest.approx((0.5 - 0.125) / ((1.5 + 0.125) / 2))


def test_what_is_allocated_is_told_as_a_share() -> None:
    assert (measures.efficiency.unit, measures.efficiency.scale) == ("of what agents could use", "share")
    assert measures.nash_welfare.title == "Nash welfare"
