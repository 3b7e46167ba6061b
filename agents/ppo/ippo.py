"""IPPO: independent proximal policy optimisation [1]_: `walras.agents.ppo.mappo` with critics of each agent's own.

Nothing passes between agents: a critic sees what its agent sees, and critics are never averaged.

References
----------
[1] C. Schroeder de Witt, T. Gupta, D. Makoviichuk, V. Makoviychuk, P. Torr, M. Sun, S. Whiteson, Is independent
learning all you need in the StarCraft multi-agent challenge?, 2020, arXiv 2011.09533.
"""

from dataclasses import replace
from typing import Any

from walras.agents.ppo import mappo
from walras.agents.ppo.mappo import Config, Shaping, Trained
from walras.core.checks import require
from walras.core.game import AbstractGame


def independent(config: Config) -> Config:
    """Return `config` with critics that see their own agent alone, and are not averaged."""
    return replace(config, critic_input="own", critics="separate" if config.critics == "averaged" else config.critics)


def train(
    game: AbstractGame[Any],
    config: Config | None = None,
    seed: int = 0,
    *,
    frames: int = 1_000_000,
    shaping: Shaping | None = None,
    start: Trained | None = None,
    progress: bool = False,
) -> Trained:
    """Train all agents with the `independent` form of `config`; all else is that of `walras.agents.ppo.mappo.train`.

    Raises
    ------
    ValueError
        If `start` has critics that see other agents; or as `walras.agents.ppo.mappo.train`.
    """
    if start is not None:
        alone = start.config == independent(start.config)
        require(alone, "start", "have critics of each agent's own", start.config)
    own = None if config is None and start is not None else independent(config or Config())
    return mappo.train(game, own, seed, frames=frames, shaping=shaping, start=start, progress=progress)
