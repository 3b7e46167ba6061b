r"""MAGAIL: each agent imitates its own demonstrations, and the reward of the game is not seen [1]_.

MAPPO on :math:`-\log(1 - D_i(s_i, a_i))`, the form of `walras.agents.imitation.pofd` with :math:`\eta = 1`, as in the
comparison of [2]_. Demonstrations here are personal: nobody made them together, so nothing in them tells agents to
cooperate.

References
----------
[1] J. Song, H. Ren, D. Sadigh, S. Ermon, Multi-agent generative adversarial imitation learning, NeurIPS 2018.
[2] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, final

from torch import Tensor
from torch.nn.functional import softplus

from walras.agents.imitation import guided
from walras.agents.imitation.demonstrations import Demonstrations
from walras.agents.imitation.discriminators import Sight, behaviour
from walras.agents.imitation.guided import Budget, Guide
from walras.agents.ppo import mappo
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config(Guide):
    """Settings."""

    sights: ClassVar[tuple[Sight, ...]] = (behaviour,)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return what discriminators say of behaviour, whatever the reward of the game."""
        (acts,) = logits
        return softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    config: Config | None = None,
    seed: int = 0,
    **budget: Unpack[Budget],
) -> mappo.Trained:
    """Train all agents to imitate. The rest is as in `walras.agents.imitation.guided.train`."""
    return guided.train(game, demonstrations, config or Config, seed, **budget)
