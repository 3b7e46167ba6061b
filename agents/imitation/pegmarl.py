r"""PegMARL: cooperation learned from personal demonstrations [1]_.

Each agent's demonstrations show its own task, done alone. To imitate them all together may be impossible: paths cross,
and somebody must stay behind to hold a door. So demonstrations only reshape the reward from which MAPPO learns,

.. math:: \hat r_i = r - \eta \, \bar D_i(s_i, a_i, s_i') \log(1 - D_i(s_i, a_i)).

The behaviour discriminator :math:`D_i` tells what agent i would do alone; the transition discriminator :math:`\bar D_i`
weighs that bonus by whether the step led where demonstrations say it should: a step that was blocked leads to a state
that they never show. Both are those of `walras.agents.imitation.discriminators`, and learn from each rollout before
they judge it. `Trained.curve` holds returns in the game's own reward.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from walras.agents.imitation import guided
from walras.agents.imitation.demonstrations import Demonstrations
from walras.agents.imitation.discriminators import Sight, behaviour, transition
from walras.agents.imitation.guided import Budget, Guide
from walras.agents.ppo import mappo
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config(Guide):
    """Settings.

    Raises
    ------
    ValueError
        If `eta` is negative or infinite.
    """

    sights: ClassVar[tuple[Sight, ...]] = (behaviour, transition)

    eta: float = 0.02  # weight of the bonus

    def __post_init__(self) -> None:
        require(0 <= self.eta < inf, "eta", "be finite and not negative", self.eta)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward of the module's formula, of the logits of behaviour and of transition."""
        acts, leads = logits
        return reward + self.eta * torch.sigmoid(leads) * softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    config: Config | None = None,
    seed: int = 0,
    **budget: Unpack[Budget],
) -> mappo.Trained:
    """Train all agents by PegMARL. The rest is as in `walras.agents.imitation.guided.train`."""
    return guided.train(game, demonstrations, config or Config, seed, **budget)
