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
from typing import Any, ClassVar, cast, final

from torch import Tensor
from torch.nn.functional import softplus

from walras.agents.imitation.demonstrations import Shown
from walras.agents.imitation.discriminators import Sight, behaviour
from walras.agents.imitation.guided import AbstractGuided
from walras.agents.ppo.learner import Trained
from walras.core import learner
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class MAGAIL(AbstractGuided):
    """MAPPO on what discriminators say."""

    sights: ClassVar[tuple[Sight, ...]] = (behaviour,)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return what discriminators say of behaviour, whatever the reward of the game."""
        (acts,) = logits
        return softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Shown,
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - the fields of MAGAIL
) -> Trained:
    """Train all agents by ``MAGAIL(demonstrations, **settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(MAGAIL(demonstrations, **settings), game, seed, start))
