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

from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

from torch import Tensor
from torch.nn.functional import softplus

from walras.agents import discriminators, mappo
from walras.agents.demonstrations import Demonstrations
from walras.agents.discriminators import Guidance, behaviour
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config:
    """Settings.

    Raises
    ------
    ValueError
        If `eta` lies outside [0, 1].
    """

    eta: float = 0.02  # share of the demonstrations in the reward
    learner: mappo.Config = field(default_factory=mappo.Config.of_paper)
    discriminator: discriminators.Config = discriminators.Config()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        require(0 <= self.eta <= 1, "eta", "lie in [0, 1]", self.eta)


def mixed(reward: Tensor, acts: Tensor, *, eta: float) -> Tensor:
    """Return the reward to learn from, of tensors of one shape: the game's reward and the logits of behaviour."""
    return (1 - eta) * reward + eta * softplus(acts)


def guidance(game: AbstractGame[Any], demonstrations: Demonstrations, config: Config, seed: int = 0) -> Guidance:
    """Return what reshapes the reward; parameters and errors as in `train`."""
    formula = partial(mixed, eta=config.eta)
    return Guidance(game, demonstrations, (behaviour,), formula, config.discriminator, seed, f"{__name__} {config}")


def train(
    game: AbstractGame[Any],
    demonstrations: Demonstrations,
    config: Config | None = None,
    frames: int = 2_500_000,
    seed: int = 0,
    *,
    start: mappo.Trained | None = None,
    progress: bool = False,
) -> mappo.Trained:
    """Train all agents by MAPPO on their mixed rewards.

    Parameters
    ----------
    game : AbstractGame
        A game whose agents have tasks of their own.
    demonstrations : Demonstrations
        Steps of every agent.
    config : Config, optional
        Settings.
    frames : int
        Steps of all rows together, rounded up to whole rollouts.
    seed : int
        Fixes the result, on one machine and one version of torch.
    start : mappo.Trained, optional
        Go on from here, bit for bit as if training had not stopped; with the same `config`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If the demonstrations do not fit the game (`Demonstrations.check`), or `start` is of another game or settings.
    """
    config = config or Config()
    shaping = guidance(game, demonstrations, config, seed)
    return mappo.train(game, config.learner, frames, seed, shaping=shaping, start=start, progress=progress)
