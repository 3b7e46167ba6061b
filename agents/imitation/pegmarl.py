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
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from walras.agents.imitation.demonstrations import Shown
from walras.agents.imitation.discriminators import Sight, behaviour, transition
from walras.agents.imitation.guided import AbstractGuided
from walras.agents.ppo.learner import Trained
from walras.core import learner
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class PegMARL(AbstractGuided):
    """MAPPO on the reward of the module's formula.

    Raises
    ------
    ValueError
        If `eta` is negative or infinite, or as `AbstractGuided`.
    """

    sights: ClassVar[tuple[Sight, ...]] = (behaviour, transition)

    eta: float = 0.02  # weight of the bonus

    def __post_init__(self) -> None:
        AbstractGuided.__post_init__(self)
        require(0 <= self.eta < inf, "eta", "be finite and not negative", self.eta)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward of the module's formula, of the logits of behaviour and of transition."""
        acts, leads = logits
        return reward + self.eta * torch.sigmoid(leads) * softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Shown,
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - the fields of PegMARL
) -> Trained:
    """Train all agents by ``PegMARL(demonstrations, **settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(PegMARL(demonstrations, **settings), game, seed, start))
