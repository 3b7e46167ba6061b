"""Best-response dynamics: each agent answers what the others did last."""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.abilities import Responsive
from walras.core.checks import require
from walras.core.game import Actions
from walras.core.typing import Floats


@final
@dataclass(frozen=True)
class BestResponse:
    """All agents move part of the way from their last action to the best answer, at the same time.

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
        best, last = self.game.best_response(observation), self.game.last_action(observation)
        return self.inertia * last + (1 - self.inertia) * best
