"""The contract of all learners: what trains, for how long, what comes out, and how it goes on.

A learner is a frozen dataclass of settings. `Learner.learn` yields the untrained policy first, and then what was
learned so far, a few times, evenly over its budget. What it yields is a `Trained`: a policy, which can be judged and
played like any other, and all that training needs to go on from there, in memory or from a file, with the same numbers
as if it had not stopped.

Experience is counted in **environment steps**: one step of one game, of all its agents. Games that run side by side
count each.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.display import Shown, differing
from walras.core.game import AbstractGame, check_game
from walras.core.identity import fingerprint
from walras.core.policy import Policy
from walras.core.typing import Floats, Ints


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """What episodes returned while an algorithm learned; K points, of which the first may stand before any learning."""

    steps: Ints  # [K] environment steps so far
    episodes: Ints  # [K] that ended since the point before
    total: Floats  # [K, N] their mean undiscounted return; NaN where none ended

    @classmethod
    def empty(cls, agents: int) -> "Curve":
        """Return the curve of so many agents before anything was played."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, np.zeros((0, agents)))


@runtime_checkable
class Trained(Policy, Protocol):
    """A policy that was learned, and all that its training needs to go on."""

    @property
    def learner(self) -> "Learner":
        """The settings by which it was learned."""
        ...

    @property
    def game(self) -> AbstractGame[Any]:
        """The game in which it was learned."""
        ...

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        ...

    @property
    def curve(self) -> Curve:
        """What episodes returned so far."""
        ...

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """What the algorithm tells of itself, by name and update: ``[K]`` or ``[K, N]`` each; empty before any."""
        ...

    def save(self, path: str | Path) -> None:
        """Write it to one file, whole or not at all; `Learner.load` reads it.

        Raises
        ------
        OSError
            If `path` cannot be written.
        """
        ...


class ShownTrained(Shown):
    """Shows what was trained in short: the learner, its settings that are not the default, the game, and the steps."""

    def _facts(self) -> dict[str, object]:
        trained = cast(Trained, self)
        settings = {name: value for name, value in differing(trained.learner).items() if name != "steps"}
        return {
            "learner": type(trained.learner).__name__,
            "game": type(trained.game).__name__,
            "environment_steps": trained.steps,
        } | settings


@runtime_checkable
class Learner(Protocol):
    """Settings of an algorithm: a frozen dataclass."""

    @property
    def steps(self) -> int:
        """Budget in environment steps, those of `start` included; 0 where it is counted in updates."""
        ...

    @property
    def checkpoints(self) -> int:
        """How many times `learn` yields what it learned, evenly over the budget."""
        ...

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game that it cannot learn, before anything runs.

        Raises
        ------
        TypeError
            If the game's spaces, or what else it asks of a game, are others.
        """
        ...

    def learn(self, game: AbstractGame[Any], seed: int, start: Trained | None = None) -> Iterator[Trained]:
        """Learn `game`; yield the policy before any learning, and what was learned at each checkpoint.

        Parameters
        ----------
        game : AbstractGame
            The game.
        seed : int
            Fixes the result, on one machine and one version of the libraries.
        start : Trained, optional
            Go on from here, with the same numbers as if training had not stopped; it is not changed. What came before
            it, and itself, are not yielded again.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        """
        ...

    def load(self, path: str | Path, game: AbstractGame[Any]) -> Trained:
        """Return what `Trained.save` wrote. Loading may unpickle: open only files that you trust.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds something else, or was trained on another game or by another algorithm.
        """
        ...


def train(learner: Learner, game: AbstractGame[Any], seed: int = 0, start: Trained | None = None) -> Trained:
    """Return what `learner` has learned at the end of its budget; parameters and errors as in `Learner.learn`."""
    check_game(game)
    learner.check(game)
    last = deque(learner.learn(game, seed, start), maxlen=1)
    assert last or start, "a learner yields at the end of its budget"
    return last[0] if last else cast(Trained, start)


def check_budget(steps: int, checkpoints: int) -> None:
    """Refuse a budget that is no whole number of steps, or has fewer steps than checkpoints.

    Raises
    ------
    ValueError
        If it is such.
    """
    require_whole(steps, "steps")
    require_whole(checkpoints, "checkpoints")
    require(steps >= checkpoints, "steps", f"be at least {checkpoints}, one a checkpoint", steps)


def check_start(start: Trained, learner: Learner, game: AbstractGame[Any]) -> None:
    """Refuse to go on from what was trained on another game, or by settings that differ beyond the budget.

    Raises
    ------
    ValueError
        If it was.
    """
    if fingerprint(start.game) != fingerprint(game):
        raise ValueError(f"`start` must be trained on this game, {game!r}; got one trained on {start.game!r}.")
    if _settings(start.learner) != _settings(learner):
        raise ValueError(f"`start` must be trained by these settings, {learner!r}; got {start.learner!r}.")


def marks(total: int, checkpoints: int, done: int = 0) -> list[int]:
    """Return the updates, of `total`, after which a learner yields: evenly spaced, the last at the end.

    Parameters
    ----------
    total : int
        Updates of the whole budget.
    checkpoints : int
        How many to return, if none is done.
    done : int
        Updates already taken: marks up to there are left out.
    """
    even = np.linspace(0, total, checkpoints + 1).round().astype(int)[1:].tolist()
    return [mark for mark in even if mark > done]


def _settings(learner: Learner) -> str:
    """Return the fingerprint of the settings, less the budget."""
    kept = {name: value for name, value in vars(learner).items() if name not in ("steps", "checkpoints")}
    return fingerprint((type(learner), kept))
