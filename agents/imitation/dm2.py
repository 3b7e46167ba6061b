r"""DM2: each agent matches the distribution of its own states, beside the reward of the game [1]_.

MAPPO with a bonus from a discriminator that sees own states alone,

.. math:: \hat r_i = r + \eta \, [\log D_i(s_i) - \log(1 - D_i(s_i))].

No agent sees another's demonstrations or discriminator. The bonus is the logit, as in the form that [2]_ compares with;
it is negative in states that demonstrations do not show.

References
----------
[1] C. Wang, I. Durugkar, E. Liebman, P. Stone, DM2: decentralized multi-agent reinforcement learning via distribution
    matching, AAAI 2023.
[2] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, cast, final

from torch import Tensor

from walras.agents.imitation.demonstrations import Shown
from walras.agents.imitation.discriminators import Sight, own_state
from walras.agents.imitation.guided import AbstractGuided
from walras.agents.ppo.learner import Trained
from walras.core import learner
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True, kw_only=True)
class DM2(AbstractGuided):
    """MAPPO on the reward of the module's formula.

    Raises
    ------
    ValueError
        If `eta` is negative or infinite, or as `AbstractGuided`.
    """

    sights: ClassVar[tuple[Sight, ...]] = (own_state,)

    eta: float = 0.02  # weight of the bonus

    def __post_init__(self) -> None:
        AbstractGuided.__post_init__(self)
        require(0 <= self.eta < inf, "eta", "be finite and not negative", self.eta)

    def reshaped(self, reward: Tensor, *logits: Tensor) -> Tensor:
        """Return the reward of the module's formula, of the logits of own states."""
        (visits,) = logits
        return reward + self.eta * visits


def train(
    game: AbstractGame[Any],
    demonstrations: Shown,
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - the fields of DM2
) -> Trained:
    """Train all agents by ``DM2(demonstrations, **settings)``; parameters and errors as in `AbstractPPO.learn`."""
    return cast(Trained, learner.train(DM2(demonstrations, **settings), game, seed, start))
