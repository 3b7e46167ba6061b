"""Learners that demonstrations guide: MAPPO on rewards that discriminators reshape.

What such a learner is, is what its discriminators see, and what reward they make: `pegmarl`, `pofd`, `magail` and `dm2`
say so. Beside what `walras.agents.ppo.training` tells of itself they keep the losses of their discriminators; see
`walras.agents.imitation.discriminators.Guidance`.
"""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from walras.agents.imitation import discriminators
from walras.agents.imitation.demonstrations import Shown, of_seed
from walras.agents.imitation.discriminators import Guidance, Sight
from walras.agents.imitation.personal_games import as_personal
from walras.agents.ppo.learner import AbstractPPO, check_spaces
from walras.agents.ppo.mappo import MAPPO
from walras.core.game import AbstractGame

PAPER = MAPPO.of_paper()


@dataclass(frozen=True, kw_only=True)
class AbstractGuided(AbstractPPO):
    """Settings of a learner, and the reward from which it learns; the defaults of MAPPO are those of the paper.

    Raises
    ------
    ValueError
        As the other learners by proximal policy optimisation.
    """

    sights: ClassVar[tuple[Sight, ...]]
    """What each discriminator sees."""

    demonstrations: Shown = field(kw_only=False)
    discriminator: discriminators.Settings = field(default_factory=discriminators.Settings)

    steps: int = 2_500_000  # more than the lava maps and door a need; door b may need 4 million
    rollout_steps: int = PAPER.rollout_steps
    epochs: int = PAPER.epochs
    learning_rate: float = PAPER.learning_rate
    entropy: float = PAPER.entropy
    gae_lambda: float = PAPER.gae_lambda
    discount: float | None = PAPER.discount
    hidden: tuple[int, ...] = PAPER.hidden
    output_gain: float = PAPER.output_gain
    units: str = PAPER.units
    critics: str = PAPER.critics

    @abstractmethod
    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward to learn from, of the game's and each discriminator's logits, tensors of one shape."""

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game whose spaces it does not take, or whose agents have no tasks of their own.

        Raises
        ------
        TypeError
            If it is such.
        """
        check_spaces(game)
        as_personal(game)

    def shaping(self, game: AbstractGame[Any], seed: int) -> Guidance:
        """Return what reshapes the reward; once a training, so that demonstrations are made once.

        Raises
        ------
        ValueError
            If the demonstrations do not fit the game (`Demonstrations.check`).
        """
        shown = of_seed(self.demonstrations, game, seed)
        return Guidance(game, shown, self.sights, self.reshaped, self.discriminator, seed)
