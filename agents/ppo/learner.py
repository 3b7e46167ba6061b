"""What every learner by proximal policy optimisation does: train, yield what it learned, and go on from there."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, Self, final

import numpy as np
import torch
from gymnasium.spaces import Discrete

from walras.agents.kept import Keeper, KeptTrained
from walras.agents.ppo.actors import Greedy, Sampled, check_actions
from walras.agents.ppo.networks import unit_units
from walras.agents.ppo.settings import AbstractSettings
from walras.agents.ppo.training import Shaping, Training
from walras.core import learner
from walras.core.game import AbstractGame, Actions, check_game
from walras.core.learner import Curve, check_start, marks
from walras.core.policy import Policy
from walras.core.typing import Floats


@final
@dataclass(frozen=True, eq=False)
class Trained(KeptTrained):
    """Learned actors, and all that training needs to go on."""

    learner: "AbstractPPO"
    training: Training = field(repr=False)  # not to be changed

    @property
    def game(self) -> AbstractGame[Any]:
        """The game in which it learned."""
        return self.training.game

    @property
    def seed(self) -> int:
        """That of the training, however often it stopped."""
        return self.training.seed

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return len(self.training.records) * self.learner.steps_per_rollout

    @cached_property
    def policy(self) -> Sampled:
        """The actors as a policy that draws its actions."""
        return self.training.actor.policy()

    @property
    def greedy(self) -> Greedy:
        """The actors as a policy that takes the likeliest action."""
        return self.policy.greedy

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Act as the learner's `play` says: draw, or take the likeliest action, which is the mean of a Box's."""
        return self._playing.act(observation, rng)

    @property
    def declared(self) -> Policy:
        """The policy that it plays, with its law where that is finite; see `walras.core.policy.Declaring`."""
        return self._playing if isinstance(self._playing, Greedy) else self._playing.declared

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    @property
    def _playing(self) -> Sampled | Greedy:
        draws = {"usual": isinstance(self.game.action_space, Discrete), "sampled": True, "greedy": False}
        return self.policy if draws[self.learner.play] else self.greedy

    @property
    def curve(self) -> Curve:
        """Mean undiscounted return, in the game's own reward, of the episodes that ended in each of K rollouts."""
        ended = [record.ended for record in self.training.records]
        episodes = np.array([each.episodes for each in ended], dtype=np.int64)
        total = np.array([each.total for each in ended]).reshape(len(ended), len(self.game.agents))
        mean = np.where(episodes[:, None] > 0, total / np.maximum(episodes, 1)[:, None], np.nan)
        return Curve(self.learner.steps_per_rollout * np.arange(1, len(ended) + 1), episodes, mean)

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """What each rollout told, ``[K, N]`` by name; `walras.agents.ppo.training` says what the names mean."""
        told = [record.told for record in self.training.records]
        return {name: np.stack([each[name] for each in told]) for name in (told[0] if told else ())}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Nothing in it changes."""
        return self


@dataclass(frozen=True, kw_only=True)
class AbstractPPO(AbstractSettings, Keeper[Trained], ABC):
    """A learner by proximal policy optimisation: settings, games that it can learn, and a reward to learn from."""

    @abstractmethod
    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game that it cannot learn, before anything runs; `check_spaces` does for most.

        Raises
        ------
        TypeError
            If the game's spaces, or what else it asks of a game, are others.
        """

    @abstractmethod
    def shaping(self, game: AbstractGame[Any], seed: int) -> Shaping | None:
        """Return what puts a reward in the place of the game's, if anything does; called once a training."""

    def learn(self, game: AbstractGame[Any], seed: int, start: learner.Trained | None = None) -> Iterator[Trained]:
        """Learn `game`; yield the first actors, and what was learned at each checkpoint.

        Parameters
        ----------
        game : AbstractGame
            With observations in a Box and actions in a Discrete space or a bounded Box.
        seed : int
            Fixes the result, on one machine and one version of torch. Training that goes on keeps its own.
        start : Trained, optional
            Go on from here, bit for bit as if training had not stopped; it is not changed.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings, or the shaping returns wrong rewards.
        FloatingPointError
            If weights diverge, while it learns.
        """
        self.check(game)
        torch.set_num_threads(1)  # small networks; and one thread adds in one order
        if start is None:
            training = Training(self, game, seed, self.shaping(game, seed))
        else:
            check_start(start, self, game)
            assert isinstance(start, Trained), "these settings make no other"
            training = start.training.copy()
        rollouts = ceil(self.steps / self.steps_per_rollout)
        stops = sorted({*marks(rollouts, self.checkpoints, len(training.records))})
        return _learn(self, training, stops if start else [0, *stops])


def check_spaces(game: AbstractGame[Any]) -> None:
    """Refuse what is no game, and a game whose spaces the networks do not take.

    Raises
    ------
    TypeError
        If it is no game, observations are no Box of one dimension, or actions are neither Discrete nor in a bounded Box
        of one.
    """
    check_game(game)
    unit_units(game.observation_space)
    check_actions(game.action_space)


def _learn(settings: AbstractPPO, training: Training, stops: Sequence[int]) -> Iterator[Trained]:
    for stop in stops:
        torch.set_num_threads(1)  # others may have set more meanwhile
        while len(training.records) < stop:
            training.iterate()
        yield Trained(settings, training.copy())
