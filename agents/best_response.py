"""Best-response dynamics: each agent answers what the others did last."""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.abilities import Responsive
from walras.core.checks import require
from walras.core.game import Actions
from walras.core.policy import pure
from walras.core.typing import Floats


@final
@dataclass(frozen=True)
class BestResponse:
    """All agents move part of the way from their last action to the best answer, at the same time.

    Between whole numbers there is no part of the way: each agent keeps its action with probability `inertia`, on its
    own, and else moves to the best answer.

    Without inertia the simultaneous Cournot dynamic with constant marginal cost cycles at three firms and diverges
    beyond; with inertia above (N - 3) / (N + 1) it converges.

    Raises
    ------
    TypeError
        If the game does not tell its best responses.
    ValueError
        If `inertia` lies outside [0, 1).
    """

    game: Responsive
    inertia: float = 0.5

    def __post_init__(self) -> None:
        require(0 <= self.inertia < 1, "inertia", "lie in [0, 1)", self.inertia)
        if not isinstance(self.game, Responsive):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller may err
            raise TypeError(f"`game` must have `best_response` and `last_action`; got {type(self.game).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Answer the last actions."""
        weight, action = self.mixture(observation)
        if action.shape[2] == 1:
            return action[:, :, 0]
        return np.where(rng.random(weight.shape[:2]) < self.inertia, action[:, :, 0], action[:, :, 1])

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return what each agent may do and with which weight; see `walras.core.policy.Mixed`."""
        best, last = self.game.best_response(observation), self.game.last_action(observation)
        if not np.issubdtype(best.dtype, np.integer):
            return pure(self.inertia * last + (1 - self.inertia) * best)
        weight = np.broadcast_to([self.inertia, 1 - self.inertia], (*best.shape[:2], 2))
        return weight, np.stack([last, best], axis=2)
