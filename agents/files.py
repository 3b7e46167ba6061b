"""Files of trained learners. Loading unpickles: open only files that you trust."""

from pathlib import Path
from pickle import PicklingError
from typing import Any

import torch

from walras.core.checks import require
from walras.core.files import write_whole
from walras.core.game import AbstractGame
from walras.core.identity import fingerprint
from walras.core.learner import Trained

FORMAT = 2
"""Version of the files; a file of another version is refused."""


def write(path: str | Path, kind: str, trained: Trained) -> None:
    """Write what a learner of this kind needs to go on, whole or not at all.

    Raises
    ------
    OSError
        If `path` cannot be written.
    TypeError
        If something in it cannot be pickled, such as a function that was defined within another.
    """
    content = {"kind": kind, "format": FORMAT, "trained": trained}
    try:
        write_whole(Path(path), lambda beside: torch.save(content, beside))
    except (PicklingError, AttributeError) as refused:
        raise TypeError(f"What is saved must be made of what a module defines; got {refused}.") from refused


def read(path: str | Path, kind: str, game: AbstractGame[Any]) -> Any:  # noqa: ANN401 - of the kind's own type
    """Return what `write` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds something else, is of another version, or was trained on another game.
    """
    content = _content(path)
    held = content.get("kind") if isinstance(content, dict) else type(content).__name__
    require(held == kind, "path", f"hold what {kind} learned", f"{path}: {held}")
    form = content.get("format")
    require(form == FORMAT, "path", f"hold a learner of format {FORMAT}", f"{path}: {form}")
    trained = content["trained"]
    same = fingerprint(trained.game) == fingerprint(game)
    require(same, "path", f"hold what was trained on this game, {game!r}", f"{path}: {trained.game!r}")
    return trained


def trained_at(path: str | Path) -> Trained:
    """Return what any learner of the suite wrote, to act or to be judged.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, holds something else, or is of another version.
    """
    content = _content(path)
    form = content.get("format") if isinstance(content, dict) else None
    require(form == FORMAT, "path", f"hold a learner of format {FORMAT}", f"{path}: {form}")
    return content["trained"]


def _content(path: str | Path) -> Any:  # noqa: ANN401 - whatever the file holds
    with Path(path).open("rb") as file:
        try:
            return torch.load(file, weights_only=False)
        except Exception as damaged:  # a damaged pickle raises anything
            raise ValueError(f"`path` must hold a trained learner; got {str(path)!r} ({damaged}).") from damaged
