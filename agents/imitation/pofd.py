r"""POfD of many agents: one discriminator an agent, mixed with the reward [1]_.

Policy optimisation from demonstrations [2]_, which the first version of [1]_ calls GEG-MARL: MAPPO on

.. math:: \hat r_i = (1 - \eta) \, r - \eta \log(1 - D_i(s_i, a_i)).

It is PegMARL without the transition discriminator, so that a blocked step is paid like one that succeeds.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
[2] B. Kang, Z. Jie, J. Feng, Policy optimization with demonstrations, ICML 2018.
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
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config(Guide):
    """Settings.

    Raises
    ------
    ValueError
        If `eta` lies outside [0, 1].
    """

    sights: ClassVar[tuple[Sight, ...]] = (behaviour,)

    eta: float = 0.02  # share of the demonstrations in the reward

    def __post_init__(self) -> None:
        require(0 <= self.eta <= 1, "eta", "lie in [0, 1]", self.eta)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward of the module's formula, of the logits of behaviour."""
        (acts,) = logits
        return (1 - self.eta) * reward + self.eta * softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    config: Config | None = None,
    seed: int = 0,
    **budget: Unpack[Budget],
) -> mappo.Trained:
    """Train on mixed rewards. The rest is as in `walras.agents.imitation.guided.train`."""
    return guided.train(game, demonstrations, config or Config, seed, **budget)
