"""What learners keep in files, told once: `KeptTrained` is written, a `Keeper` reads it.

This module imports no torch, so that learners which need none are light to import.
"""

from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from walras.core.game import AbstractGame
from walras.core.learner import ShownTrained, Trained

Kept = TypeVar("Kept", bound=Trained)


class KeptTrained(ShownTrained):
    """What was trained by a `Keeper`."""

    def save(self, path: str | Path) -> None:
        """Write it to one file, whole or not at all; its learner's `load` reads it.

        Raises
        ------
        OSError
            If `path` cannot be written.
        TypeError
            If the game, the settings or what was learned cannot be pickled.
        """
        from walras.agents import files

        trained = cast(Trained, self)
        files.write(path, cast(Keeper[Any], trained.learner).kind, trained)


class Keeper(Generic[Kept]):
    """Settings of a learner whose results are in files."""

    @property
    def kind(self) -> str:
        """What files say that they hold: by default what the learner is called, with its module."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    def load(self, path: str | Path, game: AbstractGame[Any]) -> Kept:
        """Return what was saved. Loading unpickles: open only files that you trust.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or holds something else, or was trained on another game or by another algorithm.
        """
        from walras.agents import files

        return files.read(path, self.kind, game)
