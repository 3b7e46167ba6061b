"""Learners that demonstrations guide: MAPPO on rewards that discriminators reshape.

What such a learner is, is a `Guide`: what its discriminators see, and what reward they make. `pegmarl`, `pofd`,
`magail` and `dm2` are guides; `train` is the same for all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

from torch import Tensor

from walras.agents.imitation import discriminators
from walras.agents.imitation.demonstrations import Demonstrations
from walras.agents.imitation.discriminators import Guidance, Sight
from walras.agents.ppo import mappo
from walras.core.checks import require
from walras.core.game import AbstractGame

FRAMES = 2_500_000
"""Of all rows together: more than the lava maps and door a need; door b may need 4 million."""


class Budget(TypedDict, total=False):
    """How long a learner trains, and from where; see `train`."""

    frames: int
    start: mappo.Trained | None
    progress: bool


@dataclass(frozen=True)
class Guide(ABC):
    """Settings of a learner, and the reward from which it learns."""

    sights: ClassVar[tuple[Sight, ...]]
    """What each discriminator sees."""

    learner: mappo.Config = field(default_factory=mappo.Config.of_paper)
    discriminator: discriminators.Config = field(default_factory=discriminators.Config)

    @abstractmethod
    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward to learn from, of the game's and each discriminator's logits, tensors of one shape."""


def chosen(guide: Guide | type[Guide], start: mappo.Trained | None) -> Guide:
    """Return the settings to learn with; of a type alone those of `start`, or its defaults.

    Raises
    ------
    ValueError
        If `start` was not trained by a guide of this type, or had other settings.
    """
    kind, given = (guide, None) if isinstance(guide, type) else (type(guide), guide)
    if start is None:
        return given or kind()
    before = (start.shaping or {}).get("settings")
    if not isinstance(before, kind):
        raise ValueError(f"`start` must be trained by {kind.__module__}; got {_told(before)}.")
    require(given in (None, before), "config", f"be that of `start`, {_told(before)}", _told(given))
    return before


def guidance(game: AbstractGame[Any], demonstrations: Demonstrations, guide: Guide, seed: int = 0) -> Guidance:
    """Return what reshapes the reward; parameters and errors as in `train`."""
    return Guidance(game, demonstrations, guide.sights, guide.reshaped, guide.discriminator, seed, guide)


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    guide: Guide | type[Guide],
    seed: int = 0,
    *,
    frames: int = FRAMES,
    start: mappo.Trained | None = None,
    progress: bool = False,
) -> mappo.Trained:
    """Train all agents by MAPPO on reshaped rewards.

    Parameters
    ----------
    game : AbstractGame
        A game whose agents have tasks of their own.
    demonstrations : Demonstrations
        Steps of every agent.
    guide : Guide or type
        Settings; of a type alone those of `start`, or its defaults.
    seed : int
        Fixes the result, on one machine and one version of torch.
    frames : int
        Steps of all rows together, rounded up to whole rollouts.
    start : mappo.Trained, optional
        Go on from here, bit for bit as if training had not stopped; with the same demonstrations and settings.
    progress : bool
        Show a progress bar.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If the demonstrations do not fit the game (`Demonstrations.check`), or `start` is of another game, of other
        demonstrations or of another guide.
    """
    settings = chosen(guide, start)
    shaping = guidance(game, demonstrations, settings, seed)
    return mappo.train(game, settings.learner, seed, frames=frames, shaping=shaping, start=start, progress=progress)


def _told(guide: object) -> str:
    """Return a guide with its module: each has its `Config`."""
    return f"{type(guide).__module__} {guide}" if guide is not None else "no guide"
