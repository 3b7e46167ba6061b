r"""MAGAIL: each agent imitates its own demonstrations, and the reward of the game is not seen [1]_.

MAPPO on :math:`-\log(1 - D_i(s_i, a_i))`, the form of `walras.agents.pofd` with :math:`\eta = 1`, as in the comparison
of [2]_. Demonstrations here are personal: nobody made them together, so nothing in them tells agents to cooperate.

References
----------
[1] J. Song, H. Ren, D. Sadigh, S. Ermon, Multi-agent generative adversarial imitation learning, NeurIPS 2018.
[2] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

from walras.agents import discriminators, mappo
from walras.agents.demonstrations import Demonstrations
from walras.agents.discriminators import Guidance, behaviour
from walras.agents.pofd import mixed
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Config:
    """Settings."""

    learner: mappo.Config = field(default_factory=mappo.Config.of_paper)
    discriminator: discriminators.Config = discriminators.Config()  # noqa: RUF009 - frozen


def guidance(game: AbstractGame[Any], demonstrations: Demonstrations, config: Config, seed: int = 0) -> Guidance:
    """Return what reshapes the reward; parameters and errors as in `train`."""
    formula = partial(mixed, eta=1.0)
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
    """Train all agents by MAPPO to imitate.

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
