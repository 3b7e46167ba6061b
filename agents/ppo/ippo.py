"""IPPO: independent proximal policy optimisation [1]_: `walras.agents.ppo.mappo` with critics of each agent's own.

Nothing passes between agents: a critic sees what its agent sees, and critics are never averaged.

References
----------
[1] C. Schroeder de Witt, T. Gupta, D. Makoviichuk, V. Makoviychuk, P. Torr, M. Sun, S. Whiteson, Is independent
learning all you need in the StarCraft multi-agent challenge?, 2020, arXiv 2011.09533.
"""

from dataclasses import dataclass, field
from typing import Any, cast, final

from walras.agents.ppo.learner import AbstractPPO, Trained, check_spaces
from walras.agents.ppo.settings import PAPER, SHARING
from walras.core import learner
from walras.core.checks import require_known
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class IPPO(AbstractPPO):
    """Critics see their own agent alone.

    Raises
    ------
    ValueError
        If critics are to be averaged, or as the other learners by proximal policy optimisation.
    """

    critic_input: str = field(default="own", init=False)

    def __post_init__(self) -> None:
        require_known(self.critics, "critics", SHARING)
        AbstractPPO.__post_init__(self)

    @classmethod
    def of_paper(cls, **settings: Any) -> "IPPO":  # noqa: ANN401 - any of its fields
        """Return what `MAPPO.of_paper` returns, with critics of each agent's own."""
        return cls(**{**PAPER, **settings})

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game whose spaces it does not take; see `check_spaces`."""
        check_spaces(game)

    def shaping(self, game: AbstractGame[Any], seed: int) -> None:
        """Learn from the game's own reward."""


def train(game: AbstractGame[Any], seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:  # noqa: ANN401
    """Train all agents by ``IPPO(**settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(IPPO(**settings), game, seed, start))
