"""What episodes return, and what Stable-Baselines3 tells of its updates, while it learns."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np
from stable_baselines3.common.logger import Logger

from walras.core.game import AbstractGame, Actions
from walras.core.learner import Curve
from walras.core.shells import Vector, VectorStep
from walras.core.typing import Floats, Ints

SPAN = 32
"""Steps of each row in one point of a curve."""


class Point(NamedTuple):
    """Episodes that ended in a span."""

    steps: int  # environment steps since the training, or its last checkpoint, began
    episodes: int
    total: Floats  # [N] the sum of their returns


@final
class Counted:
    """A vector of games that keeps the returns of the episodes that end in it."""

    def __init__(self, vector: Vector[Any]) -> None:
        self._vector = vector
        self._total = np.zeros((vector.num_envs, len(vector.game.agents)))
        self._taken = 0  # steps of each row
        self._points = list[Point]()
        self._begin()

    @property
    def game(self) -> AbstractGame[Any]:
        """The game of each row."""
        return self._vector.game

    def reset(self, seed: int) -> Floats:
        """Reset the vector; see `Vector.reset`."""
        return self._vector.reset(seed)

    def step(self, action: Actions) -> VectorStep:
        """Step the vector; see `Vector.step`."""
        step = self._vector.step(action)
        self._total += step.reward
        ended = np.flatnonzero(step.terminated | step.truncated)
        self._episodes += len(ended)
        self._sum = self._sum + self._total[ended].sum(axis=0)
        self._total[ended] = 0.0
        self._taken += 1
        if self._taken % SPAN == 0:
            self._close()
        return step

    def curve(self, before: Curve) -> Curve:
        """Return the curve up to here, after the one `before`."""
        if self._taken % SPAN:
            self._close()
        steps, episodes, total = (np.array(column) for column in zip(*self._points, strict=True))
        mean = np.where(episodes[:, None] > 0, total / np.maximum(episodes, 1)[:, None], np.nan)
        return _joined(before, Curve(steps, episodes, mean))

    def _begin(self) -> None:
        self._episodes, self._sum = 0, np.zeros(self._total.shape[1])

    def _close(self) -> None:
        self._points.append(Point(self._taken * self._vector.num_envs, self._episodes, self._sum))
        self._begin()


def _joined(before: Curve, after: Curve) -> Curve:
    def joined(first: Any, second: Any) -> Any:  # noqa: ANN401 - arrays of one type
        return np.concatenate([first, second])

    steps: Ints = joined(before.steps, after.steps + before.steps.max(initial=0))
    return Curve(steps, joined(before.episodes, after.episodes), joined(before.total, after.total))


@final
class Told(Logger):
    """Keeps what a model records of its training, update by update, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(None, [])
        self.updates = list[dict[str, float]]()

    def record(self, key: str, value: Any, exclude: Any = None) -> None:  # noqa: ANN401 - Stable-Baselines3's own
        """Keep a number of the training; a name that comes again begins the next update."""
        part, _, name = key.partition("/")
        if part != "train":
            return
        if not self.updates or name in self.updates[-1]:
            self.updates.append({})
        self.updates[-1][name] = float(value)


Update = tuple[Mapping[str, float], ...]
"""What each model told of one update."""


def table(updates: tuple[Update, ...]) -> dict[str, Floats]:
    """Return what the models told as arrays ``[K, M]`` by name; NaN where a model said nothing."""
    names = sorted({name for update in updates for told in update for name in told})
    return {name: np.array([[told.get(name, np.nan) for told in update] for update in updates]) for name in names}
