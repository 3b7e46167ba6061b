r"""Behaviour cloning: each agent learns by supervision what its demonstrations do.

The likelihood of the demonstrated actions is raised by Adam, all steps at once,

.. math:: \max_{\pi_i} \; E_{\text{demonstrated}}[\log \pi_i(a_i \mid s_i)],

with the actors of `walras.agents.ppo.mappo`. A personal demonstration knows only its agent's own state, so the actors
see only that, in learning and in play: the leading ``game.own`` numbers of an observation. Nothing is played to learn.

References
----------
[1] D. A. Pomerleau, Efficient training of artificial neural networks for autonomous navigation, Neural Computation 3,
    1991.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, final

import numpy as np
import torch
from gymnasium.spaces import Discrete

from walras.agents.imitation.demonstrations import Demonstrations, as_personal
from walras.agents.imitation.discriminators import behaviour, own_units, shown
from walras.agents.ppo.actors import Sampled, make_actor
from walras.agents.ppo.networks import Units
from walras.core.checks import require
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats


@final
@dataclass(frozen=True)
class Config:
    """Settings.

    Raises
    ------
    ValueError
        If a number is not positive and finite.
    """

    hidden: tuple[int, ...] = (64,)  # tanh units of each layer
    learning_rate: float = 1e-2  # of Adam
    updates: int = 1000  # each on all demonstrations

    def __post_init__(self) -> None:
        for name in ("learning_rate", "updates"):
            require(0 < getattr(self, name) < inf, name, "be positive and finite", getattr(self, name))
        require(all(units > 0 for units in self.hidden), "hidden", "hold positive numbers of units", self.hidden)


@final
@dataclass(frozen=True, eq=False)
class Cloned:
    """Draws each agent's action by its own state alone."""

    actors: Sampled
    own: int

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw an action for each agent."""
        return self.actors.act(observation[..., : self.own], rng)


def train(
    game: AbstractGame[Any], demonstrations: Demonstrations, config: Config | None = None, seed: int = 0
) -> Cloned:
    """Return the policy that demonstrations show.

    Parameters
    ----------
    game : AbstractGame
        A game whose agents have tasks of their own.
    demonstrations : Demonstrations
        Steps of every agent.
    config : Config, optional
        Settings.
    seed : int
        Of the first weights.

    Raises
    ------
    TypeError
        If the game has no personal tasks.
    ValueError
        If the demonstrations do not fit the game (`Demonstrations.check`).

    Examples
    --------
    Where paths do not cross the clone does what was shown; where they do, it collides:

    >>> from walras.agents import behaviour_cloning, demonstrations
    >>> from walras.core import rollout
    >>> from walras.envs import GridWorld
    >>> apart = GridWorld(map="1 . . a | 2 . . b".replace("|", chr(10)))
    >>> across = GridWorld(map="1 . . b | 2 . . a".replace("|", chr(10)))
    >>> for game in (apart, across):
    ...     clone = behaviour_cloning.train(game, demonstrations.collect(game, episodes=20))
    ...     print(rollout(game, clone, range(100)).total.mean() > 9)
    True
    False
    """
    demonstrations.check(game)
    config, own, agents = config or Config(), as_personal(game).own, len(game.agents)
    torch.set_num_threads(1)  # small networks; and one thread adds in one order
    draw, units = torch.Generator().manual_seed(seed), own_units(game)
    actor = make_actor(game.action_space, units, config.hidden, agents, agents, 1.0, -1.0, draw)
    steps = shown(behaviour, game, demonstrations, Units(np.zeros(own), np.ones(own)))
    state, action = steps.input[..., :own], steps.input[..., own:]
    drawn = action.argmax(dim=2) if isinstance(game.action_space, Discrete) else action
    adam = torch.optim.Adam(actor.parameters(), config.learning_rate, fused=True)
    for _ in range(config.updates):
        likelihood, _ = actor.judge(state, drawn)
        adam.zero_grad()
        (-steps.weight * likelihood).sum().backward()
        adam.step()
    return Cloned(actor.policy(), own)
