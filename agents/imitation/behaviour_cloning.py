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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Any, cast, final

import numpy as np
import torch
from gymnasium.spaces import Discrete

from walras.agents.imitation.demonstrations import Demonstrations, Shown, of_seed
from walras.agents.imitation.discriminators import behaviour, own_units, shown
from walras.agents.imitation.personal_games import as_personal
from walras.agents.kept import Keeper, KeptTrained
from walras.agents.ppo.actors import Sampled, make_actor
from walras.agents.ppo.learner import check_spaces
from walras.agents.ppo.networks import Units
from walras.core import learner
from walras.core.checks import require, require_whole
from walras.core.game import AbstractGame, Actions
from walras.core.learner import Curve, check_start
from walras.core.typing import Floats


@final
@dataclass(frozen=True, eq=False)
class Trained(KeptTrained):
    """Draws each agent's action by its own state alone."""

    learner: "BehaviourCloning"
    game: AbstractGame[Any]
    policy: Sampled = field(repr=False)  # of own states
    loss: Floats = field(repr=False)  # [K, N] update by update; K is 0 before any
    seed: int = 0

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw an action for each agent."""
        return self.policy.act(observation[..., : as_personal(self.game).own], rng)

    @property
    def steps(self) -> int:
        """Nothing was played."""
        return 0

    @property
    def curve(self) -> Curve:
        """No episodes."""
        return Curve.empty(len(self.game.agents))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """``negative_log_likelihood [K, N]`` of the demonstrated actions, the mean of a step, before each update."""
        return {"negative_log_likelihood": self.loss}


@final
@dataclass(frozen=True)
class BehaviourCloning(Keeper[Trained]):
    """Settings.

    Raises
    ------
    ValueError
        If a number is not positive and finite.
    """

    demonstrations: Shown
    hidden: tuple[int, ...] = (64,)  # tanh units of each layer
    learning_rate: float = 1e-2  # of Adam
    updates: int = 1000  # each on all demonstrations

    def __post_init__(self) -> None:
        require(0 < self.learning_rate < inf, "learning_rate", "be positive and finite", self.learning_rate)
        require_whole(self.updates, "updates")
        require(all(units > 0 for units in self.hidden), "hidden", "hold positive numbers of units", self.hidden)

    @property
    def steps(self) -> int:
        """Nothing is played to learn."""
        return 0

    @property
    def checkpoints(self) -> int:
        """What is learned is yielded once, at the end."""
        return 1

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game whose spaces it does not take, or whose agents have no tasks of their own.

        Raises
        ------
        TypeError
            If it is such.
        """
        check_spaces(game)
        as_personal(game)

    def learn(self, game: AbstractGame[Any], seed: int, start: learner.Trained | None = None) -> Iterator[Trained]:
        """Yield the first actors, and the policy that demonstrations show; nothing where `start` has learned it.

        Parameters
        ----------
        game : AbstractGame
            A game whose agents have tasks of their own.
        seed : int
            Of the first weights, and of the demonstrations where they are made here.
        start : Trained, optional
            What was learned before.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If the demonstrations do not fit the game (`Demonstrations.check`), or `start` was trained on another game,
            by other settings or from other demonstrations.
        """
        self.check(game)
        if start is not None:
            check_start(start, self, game)
            assert isinstance(start, Trained), "these settings make no other"
            if len(start.loss):
                return iter(())
            seed = start.seed
        demonstrations = of_seed(self.demonstrations, game, seed)
        demonstrations.check(game)
        learned = _learn(self, game, seed, demonstrations)
        return learned if start is None else islice(learned, 1, None)


def train(
    game: AbstractGame[Any],
    demonstrations: Shown,
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - the fields of BehaviourCloning
) -> Trained:
    """Return what ``BehaviourCloning(demonstrations, **settings)`` learns; parameters and errors as in its `learn`.

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
    return cast(Trained, learner.train(BehaviourCloning(demonstrations, **settings), game, seed, start))


def _learn(
    settings: BehaviourCloning, game: AbstractGame[Any], seed: int, demonstrations: Demonstrations
) -> Iterator[Trained]:
    torch.set_num_threads(1)  # small networks; and one thread adds in one order
    own, agents, draw = as_personal(game).own, len(game.agents), torch.Generator().manual_seed(seed)
    actor = make_actor(game.action_space, own_units(game), settings.hidden, agents, agents, 1.0, -1.0, draw)
    steps = shown(behaviour, game, demonstrations, Units(np.zeros(own), np.ones(own)))
    state, action = steps.input[..., :own], steps.input[..., own:]
    drawn = action.argmax(dim=2) if isinstance(game.action_space, Discrete) else action
    adam = torch.optim.Adam(actor.parameters(), settings.learning_rate, fused=True)
    losses = list[Floats]()
    yield Trained(settings, game, actor.policy(), np.zeros((0, agents)), seed)
    for _ in range(settings.updates):
        likelihood, _ = actor.judge(state, drawn)
        loss = -steps.weight * likelihood
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
        losses.append(loss.detach().sum(dim=1).numpy().astype(np.float64))
    yield Trained(settings, game, actor.policy(), np.stack(losses), seed)
