"""Actors: from networks to actions, for learning (torch, all agents at once) and for play (numpy).

| action space | actor | an action |
|---|---|---|
| `Discrete` | `CategoricalActor` | an index, drawn with the softmax of the network's answers |
| `Box` | `GaussianActor` | the network's answer and normal noise, cut to [-1, 1] and mapped to the box |

What was *drawn* is the index, or the normal number before the cut; what is *played* is an action of the game.
`Sampled` and `Greedy` are policies: they hold copies of the weights and change no more.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi
from typing import Any, Protocol, final

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from torch import Tensor, nn

from walras.agents.ppo.networks import Layers, Network, Units, propagate
from walras.core.game import Actions
from walras.core.policy import pure
from walras.core.typing import Floats

Answers = NDArray[np.float32]


class Choice(Protocol):
    """From a network's answers ``[B, N, out]`` to actions."""

    def draw(self, answers: Answers, rng: np.random.Generator) -> NDArray[Any]:
        """Draw."""
        ...

    def mode(self, answers: Answers) -> NDArray[Any]:
        """Return the likeliest draw."""
        ...

    def played(self, drawn: NDArray[Any]) -> Actions:
        """Return the game's action."""
        ...


@final
@dataclass(frozen=True)
class Categorical:
    """Draws indices ``[B, N]`` with the softmax of the answers."""

    start: int  # the first action

    def draw(self, answers: Answers, rng: np.random.Generator) -> NDArray[Any]:
        """Return where a uniform number falls among the cumulated weights."""
        weight = np.exp(answers - answers.max(axis=2, keepdims=True))
        edges = np.cumsum(weight, axis=2)
        level = rng.random((*answers.shape[:2], 1)) * edges[:, :, -1:]
        return np.add.reduce(edges[:, :, :-1] <= level, axis=2, dtype=np.int64)

    def mode(self, answers: Answers) -> NDArray[Any]:
        """Return the index of the largest answer."""
        return answers.argmax(axis=2)

    def played(self, drawn: NDArray[Any]) -> Actions:
        """Count from the first action."""
        return drawn + self.start

    def chances(self, answers: Answers) -> Floats:
        """Return the softmax of the answers in double precision, ``[B, N, J]``."""
        weight = np.exp(answers - answers.max(axis=2, keepdims=True)).astype(np.float64)
        return weight / weight.sum(axis=2, keepdims=True)


@final
@dataclass(frozen=True, eq=False)
class Gaussian:
    """Draws normal numbers ``[B, N, A]`` around the answers."""

    low: Floats  # [A]
    high: Floats  # [A]
    std: NDArray[np.float32]  # [N, A], on the scale on which the box is [-1, 1]

    def draw(self, answers: Answers, rng: np.random.Generator) -> NDArray[Any]:
        """Add noise."""
        return answers + self.std * rng.standard_normal(answers.shape, dtype=np.float32)

    def mode(self, answers: Answers) -> NDArray[Any]:
        """Return the answers."""
        return answers

    def played(self, drawn: NDArray[Any]) -> Actions:
        """Cut to [-1, 1] and map to the box."""
        share = (np.clip(drawn.astype(np.float64), -1.0, 1.0) + 1) / 2
        return self.low + share * (self.high - self.low)


@final
@dataclass(frozen=True, eq=False)
class Sampled:
    """A policy that draws its actions."""

    units: Units
    layers: Layers
    choice: Choice

    def draw(self, observation: Floats, rng: np.random.Generator) -> NDArray[Any]:
        """Return what is drawn, ``[B, N]`` or ``[B, N, A]``."""
        return self.choice.draw(self.answers(observation), rng)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw an action for each agent."""
        return self.choice.played(self.draw(observation, rng))

    @property
    def greedy(self) -> "Greedy":
        """The policy that takes the likeliest action instead."""
        return Greedy(self)

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    @property
    def declared(self) -> "Sampled | Chances | Normals":
        """The policy that tells its chances, or the normal law of its numbers; see `walras.core.policy.Declaring`."""
        if isinstance(self.choice, Gaussian):
            return Normals(self, self.choice)
        return Chances(self, self.choice) if isinstance(self.choice, Categorical) else self

    def answers(self, observation: Floats) -> Answers:
        """Return the network's answers ``[B, N, out]``."""
        seen = ((observation - self.units.centre) / self.units.scale).astype(np.float32)
        return propagate(self.layers, seen.transpose(1, 0, 2)).transpose(1, 0, 2)

    def likeliest(self, observation: Floats) -> Actions:
        """Return the likeliest actions."""
        return self.choice.played(self.choice.mode(self.answers(observation)))


@final
@dataclass(frozen=True, eq=False)
class Greedy:
    """A policy that takes the likeliest action of another, without chance."""

    sampled: Sampled

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the likeliest actions."""
        return self.sampled.likeliest(observation)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `walras.core.policy.Mixed`."""
        return pure(self.sampled.likeliest(observation))


@final
@dataclass(frozen=True, eq=False)
class Chances:
    """A policy that draws indices, and tells with which chances."""

    sampled: Sampled
    categorical: Categorical

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw an action for each agent."""
        return self.sampled.act(observation, rng)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the chance of each action; see `walras.core.policy.Mixed`."""
        weight = self.categorical.chances(self.sampled.answers(observation))
        return weight, np.broadcast_to(self.categorical.played(np.arange(weight.shape[2])), weight.shape)


@final
@dataclass(frozen=True, eq=False)
class Normals:
    """A policy that draws numbers of a box from normal laws and cuts them to it, and tells these laws."""

    sampled: Sampled
    gaussian: Gaussian

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw an action for each agent."""
        return self.sampled.act(observation, rng)

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        """Return means and standard deviations ``[B, N, A]`` before actions are cut."""
        answers = self.sampled.answers(observation).astype(np.float64)
        half = (self.gaussian.high - self.gaussian.low) / 2
        spread = np.broadcast_to(half * self.gaussian.std, answers.shape)
        return self.gaussian.low + (answers + 1) * half, spread


class AbstractActor(nn.Module, ABC):
    """All agents' ways to act, as they learn them."""

    @abstractmethod
    def judge(self, observation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithm of each draw's likelihood and the entropy, ``[N, M]`` each.

        Parameters
        ----------
        observation : Tensor
            ``[N, M, O]``, in the game's units.
        drawn : Tensor
            Indices ``[N, M]`` or numbers ``[N, M, A]``.
        """

    @abstractmethod
    def policy(self) -> Sampled:
        """Return the policy that these weights are, as copies."""


@final
class CategoricalActor(AbstractActor):
    """Softmax over the actions of a Discrete space."""

    def __init__(self, network: Network, units: Units, start: int) -> None:
        super().__init__()
        self.network, self.units, self.start = network, units, start

    def judge(self, observation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractActor`."""
        logs = torch.log_softmax(self.network(observation), dim=2)
        return logs.gather(2, drawn[:, :, None])[:, :, 0], -(logs.exp() * logs).sum(dim=2)

    def policy(self) -> Sampled:
        """See `AbstractActor`."""
        return Sampled(self.units, self.network.layers(), Categorical(self.start))


@final
class GaussianActor(AbstractActor):
    """Independent normal numbers for the entries of a Box; what is learned of their std is the same in all states."""

    def __init__(self, network: Network, units: Units, box: Box, log_std: Tensor) -> None:
        super().__init__()
        self.network, self.units = network, units
        self.low, self.high = (np.asarray(bound, dtype=np.float64) for bound in (box.low, box.high))
        self.log_std = nn.Parameter(log_std)  # [N or 1, 1, A]

    def judge(self, observation: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractActor`."""
        mean = self.network(observation)
        away = (drawn - mean) / self.log_std.exp()
        entropy = (self.log_std + 0.5 * (1 + log(2 * pi))).sum(dim=2)
        likelihood = -(0.5 * away**2 + self.log_std + 0.5 * log(2 * pi)).sum(dim=2)
        return likelihood, entropy.expand_as(likelihood)

    def policy(self) -> Sampled:
        """See `AbstractActor`."""
        std = self.log_std.detach().exp().numpy()[:, 0]
        return Sampled(self.units, self.network.layers(), Gaussian(self.low, self.high, std))


def make_actor(
    space: Any,  # noqa: ANN401 - any space
    units: Units,
    hidden: Sequence[int],
    agents: int,
    networks: int,
    gain: float,
    log_std: float,
    draw: torch.Generator,
) -> CategoricalActor | GaussianActor:
    """Return the actor for an action space.

    Parameters
    ----------
    space : Space
        Discrete, or a Box of one dimension with finite bounds.
    units : Units
        Of the observations.
    hidden : sequence of int
        Units of the hidden layers.
    agents, networks : int
        N; and N, or 1 if the agents share their weights.
    gain : float
        Of the last layer's first weights.
    log_std : float
        Logarithm of the first standard deviation of a Box's actions, on the scale on which the box is [-1, 1].
    draw : torch.Generator
        Draws the first weights.

    Raises
    ------
    TypeError
        If the space is another.
    """
    check_actions(space)
    match space:
        case Discrete(n=n, start=start):
            return CategoricalActor(Network(units, (*hidden, int(n)), agents, networks, gain, draw), units, int(start))
        case _:
            network = Network(units, (*hidden, *space.shape), agents, networks, gain, draw)
            return GaussianActor(network, units, space, torch.full((networks, 1, *space.shape), log_std))


def check_actions(space: Any) -> None:  # noqa: ANN401 - any space
    """Refuse spaces for which there is no actor.

    Raises
    ------
    TypeError
        If the space is neither Discrete nor a Box of one dimension with finite bounds.
    """
    bounded = isinstance(space, Box) and bool(np.isfinite(space.low).all() and np.isfinite(space.high).all())
    if not (isinstance(space, Discrete) or (bounded and len(space.shape) == 1)):
        raise TypeError(f"`game.action_space` must be Discrete or a bounded Box of one dimension; got {space!r}.")
