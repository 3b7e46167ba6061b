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

from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, final

from torch import Tensor

from walras.agents import discriminators, mappo
from walras.agents.demonstrations import Demonstrations
from walras.agents.discriminators import Guidance, own_state
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


def matched(reward: Tensor, visits: Tensor, *, eta: float) -> Tensor:
    """Return the reward to learn from, of tensors of one shape: the game's reward and the logits of own states."""
    return reward + eta * visits


def guidance(game: AbstractGame[Any], demonstrations: Demonstrations, config: Config, seed: int = 0) -> Guidance:
    """Return what reshapes the reward; parameters and errors as in `train`."""
    formula = partial(matched, eta=config.eta)
    return Guidance(game, demonstrations, (own_state,), formula, config.discriminator, seed, f"{__name__} {config}")


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
    """Train all agents by MAPPO on rewards with that bonus.

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
