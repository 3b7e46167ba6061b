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
from typing import Any, ClassVar, cast, final

from torch import Tensor
from torch.nn.functional import softplus

from walras.agents.imitation.demonstrations import Shown
from walras.agents.imitation.discriminators import Sight, behaviour
from walras.agents.imitation.guided import AbstractGuided
from walras.agents.ppo.learner import Trained
from walras.core import learner
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class POfD(AbstractGuided):
    """MAPPO on the mixture of the module's formula.

    Raises
    ------
    ValueError
        If `eta` lies outside [0, 1], or as `AbstractGuided`.
    """

    sights: ClassVar[tuple[Sight, ...]] = (behaviour,)

    eta: float = 0.02  # share of the demonstrations in the reward

    def __post_init__(self) -> None:
        AbstractGuided.__post_init__(self)
        require(0 <= self.eta <= 1, "eta", "lie in [0, 1]", self.eta)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward of the module's formula, of the logits of behaviour."""
        (acts,) = logits
        return (1 - self.eta) * reward + self.eta * softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Shown,
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - the fields of POfD
) -> Trained:
    """Train all agents by ``POfD(demonstrations, **settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(POfD(demonstrations, **settings), game, seed, start))
