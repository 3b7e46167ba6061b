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

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from torch import Tensor
from torch.nn.functional import softplus

from walras.agents import guided, mappo
from walras.agents.demonstrations import Demonstrations
from walras.agents.discriminators import Sight, behaviour
from walras.agents.guided import FRAMES, Guide
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

    eta: float = 0.02  # share of the demonstrations in the reward

    def __post_init__(self) -> None:
        require(0 <= self.eta <= 1, "eta", "lie in [0, 1]", self.eta)

    @property
    def sights(self) -> tuple[Sight, ...]:
        """What each discriminator sees."""
        return (behaviour,)

    @property
    def formula(self) -> Callable[..., Tensor]:
        """The reward of the module's formula."""
        return partial(mixed, eta=self.eta)


def mixed(reward: Tensor, acts: Tensor, *, eta: float) -> Tensor:
    """Return the reward to learn from, of tensors of one shape: the game's reward and the logits of behaviour."""
    return (1 - eta) * reward + eta * softplus(acts)


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    config: Config | None = None,
    frames: int = FRAMES,
    seed: int = 0,
    *,
    start: mappo.Trained | None = None,
    progress: bool = False,
) -> mappo.Trained:
    """Train on mixed rewards. `config` are its settings; all else is that of `walras.agents.guided.train`."""
    return guided.train(game, demonstrations, config or Config(), frames, seed, start=start, progress=progress)
