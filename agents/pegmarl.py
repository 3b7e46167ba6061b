r"""PegMARL: cooperation learned from personal demonstrations [1]_.

Each agent's demonstrations show its own task, done alone. To imitate them all together may be impossible: paths cross,
and somebody must stay behind to hold a door. So demonstrations only reshape the reward from which MAPPO learns,

.. math:: \hat r_i = r - \eta \, \bar D_i(s_i, a_i, s_i') \log(1 - D_i(s_i, a_i)).

The behaviour discriminator :math:`D_i` tells what agent i would do alone; the transition discriminator
:math:`\bar D_i` weighs that bonus by whether the step led where demonstrations say it should: a step that was blocked
leads to a state that they never show. Both are those of `walras.agents.discriminators`, and learn from each rollout
before they judge it. `Trained.curve` holds returns in the game's own reward.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from walras.agents import discriminators, mappo
from walras.agents.demonstrations import Demonstrations
from walras.agents.discriminators import Guidance, behaviour, transition
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config:
    """Settings.

    Raises
    ------
    ValueError
        If `eta` is negative or infinite.
    """

    eta: float = 0.02  # weight of the bonus
    learner: mappo.Config = field(default_factory=mappo.Config.of_paper)
    discriminator: discriminators.Config = discriminators.Config()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        require(0 <= self.eta < inf, "eta", "be finite and not negative", self.eta)


def reshaped(reward: Tensor, acts: Tensor, leads: Tensor, *, eta: float) -> Tensor:
    """Return the reward to learn from, given the game's and the logits of behaviour and of transition."""
    return reward + eta * torch.sigmoid(leads) * softplus(acts)


def guidance(game: AbstractGame[Any], demonstrations: Demonstrations, config: Config, seed: int = 0) -> Guidance:
    """Return what reshapes the reward; parameters and errors as in `train`."""
    formula = partial(reshaped, eta=config.eta)
    return Guidance(
        game, demonstrations, (behaviour, transition), formula, config.discriminator, seed, f"{__name__} {config}"
    )


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
    """Train all agents by MAPPO on their reshaped rewards.

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
