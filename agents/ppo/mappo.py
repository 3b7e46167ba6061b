"""MAPPO: proximal policy optimisation of all agents at once, with critics that see what every agent sees [1]_.

Each agent has an actor, which sees its own observation, and a critic, which sees all agents' observations and is needed
while learning alone. How they learn is in `walras.agents.ppo.training`. `walras.agents.ppo.ippo` is the same learner
with critics that see what their agent sees.

References
----------
[1] C. Yu, A. Velu, E. Vinitsky, J. Gao, Y. Wang, A. Bayen, Y. Wu, The surprising effectiveness of PPO in cooperative
multi-agent games, NeurIPS 2022 (datasets and benchmarks).
"""

from dataclasses import dataclass
from typing import Any, cast, final

from walras.agents.ppo.learner import AbstractPPO, Trained, check_spaces
from walras.agents.ppo.settings import PAPER
from walras.core import learner
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class MAPPO(AbstractPPO):
    """Critics see all agents' observations, unless `critic_input` says otherwise."""

    @classmethod
    def of_paper(cls, **settings: Any) -> "MAPPO":  # noqa: ANN401 - any of its fields
        """Return the learner of the grid worlds of P. Yu et al., arXiv 2403.08936, but for `settings`.

        Ours are the even split of a rollout's 4,096 steps over 32 games, the bootstrap of what is cut off, and critics
        that see the observations of all agents side by side. Theirs see one: in grid worlds, where each shows the
        whole state, the same N times over; in navigation, their own agent's.
        """
        of_paper: dict[str, Any] = {**PAPER, "critics": "averaged", **settings}
        return cls(**of_paper)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game whose spaces it does not take; see `check_spaces`."""
        check_spaces(game)

    def shaping(self, game: AbstractGame[Any], seed: int) -> None:
        """Learn from the game's own reward."""


def train(game: AbstractGame[Any], seed: int = 0, *, start: Trained | None = None, **settings: Any) -> Trained:  # noqa: ANN401
    """Train all agents by ``MAPPO(**settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(MAPPO(**settings), game, seed, start))
