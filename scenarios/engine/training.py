"""Training that can be interrupted anywhere: each checkpoint is a file, and so is its point of the learning curve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from walras.core.files import write_whole
from walras.core.game import AbstractGame
from walras.core.learner import Learner, Trained
from walras.scenarios.engine.files import read_json, write_json

Point: TypeAlias = dict[str, Any]
"""One point of a learning curve, as JSON has it."""


def advanced(
    learner: Learner, game: AbstractGame[Any], seed: int, folder: Path, point: Callable[[Trained], Point]
) -> tuple[Trained, list[Point]]:
    """Advance from the last checkpoint on disk to the end; return what was learned and its learning curve.

    Parameters
    ----------
    learner : Learner
        Who learns.
    game : AbstractGame
        In which game.
    seed : int
        Of the training.
    folder : Path
        Where checkpoints and points are.
    point : callable
        What is told of a checkpoint. If it raises, neither is kept.
    """
    done = points_in(folder)
    last = start = learner.load(_checkpoint(folder, len(done) - 1), game) if done else None
    for k, last in enumerate(learner.learn(game, seed, start), start=len(done)):
        told = point(last)
        write_whole(_checkpoint(folder, k), last.save)
        write_json(_point(folder, k), told)
        _checkpoint(folder, k - 1).unlink(missing_ok=True)
    assert last is not None, "a learner yields at the end of its budget"
    return last, points_in(folder)


def points_in(folder: Path) -> list[Point]:
    """Return the points of the learning curve that are there: each was written after its checkpoint."""
    points = list[Point]()
    while (path := _point(folder, len(points))).is_file():
        points.append(read_json(path))
    return points


def _checkpoint(folder: Path, k: int) -> Path:
    return folder / f"checkpoint-{k}"


def _point(folder: Path, k: int) -> Path:
    return folder / f"curve-{k}.json"
