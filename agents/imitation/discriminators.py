r"""Discriminators: how likely a step was demonstrated rather than played, told apart for each agent by its own network.

An agent's discriminator :math:`D_i` is trained on steps of its demonstrations, label 1, and on those that it just
played, label 0:

.. math:: \min_{D_i} \; E_{\text{demonstrated}}[-\log D_i(x)] + E_{\text{played}}[-\log (1 - D_i(x))].

What it sees, x, is `behaviour` (own state and action), `transition` (and the own state that followed) or `own_state`.
Where both densities are known its optimum is :math:`p_E / (p_E + p)`. Networks return logits, so that neither the loss
nor :math:`-\log(1 - D)`, the softplus of the logit, loses digits.

A network of each agent takes ``[N, M, F]`` to ``[N, M]`` by batched matrix products: 64 and 64 tanh units, then one
number. Steps that an agent repeats, shown or played, are looked at once, with their share as weight: the loss is the
same, and on a grid most steps are repetitions.

References
----------
[1] J. Ho, S. Ermon, Generative adversarial imitation learning, NeurIPS 2016.
[2] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
    personalized expert guidance for efficient multi-agent reinforcement learning, 2024; arXiv 2403.08936.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import torch
from gymnasium import Space
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot, softplus
from torch.nn.utils.rnn import pad_sequence

from walras.agents.imitation.demonstrations import Demonstrations
from walras.agents.imitation.personal_games import as_personal
from walras.agents.ppo.networks import Network, Units, unit_units
from walras.agents.ppo.rollouts import Rollout
from walras.core.checks import require
from walras.core.game import AbstractGame


@final
@dataclass(frozen=True)
class Settings:
    """Of a discriminator.

    Raises
    ------
    ValueError
        If a number is not positive and finite.
    """

    hidden: tuple[int, ...] = (64, 64)  # tanh units of each layer
    learning_rate: float = 1e-3  # of Adam; 1e-4 in the paper's code
    updates: int = 10  # a rollout, each on all of it and all demonstrations; 2 in the code of the paper's grid worlds

    def __post_init__(self) -> None:
        for name in ("learning_rate", "updates"):
            require(0 < getattr(self, name) < inf, name, "be positive and finite", getattr(self, name))
        require(all(units > 0 for units in self.hidden), "hidden", "hold positive numbers of units", self.hidden)


class Steps(NamedTuple):
    """Steps of each agent as float32 tensors, in units of a network."""

    state: Tensor  # [N, M, S]
    action: Tensor  # [N, M, A] indicators of a discrete space, or a box's actions in [-1, 1]
    next_state: Tensor  # [N, M, S]


Sight: TypeAlias = Callable[[Steps], Tensor]


def behaviour(steps: Steps) -> Tensor:
    """Return own state and action, ``[N, M, S + A]``."""
    return torch.cat((steps.state, steps.action), dim=-1)


def transition(steps: Steps) -> Tensor:
    """Return own state, action and the own state that followed, ``[N, M, 2 S + A]``."""
    return torch.cat(steps, dim=-1)


def own_state(steps: Steps) -> Tensor:
    """Return own state, ``[N, M, S]``."""
    return steps.state


class Distinct(NamedTuple):
    """What a discriminator sees, each different step once: rows that agents have fewer of are padding of weight 0."""

    input: Tensor  # [N, K, F]
    weight: Tensor  # [N, K] share of an agent's steps


@final
class Discriminator:
    """One network an agent, told demonstrated from played steps."""

    def __init__(self, shown: Distinct, settings: Settings, draw: torch.Generator) -> None:
        agents, _, width = shown.input.shape
        raw = Units(np.zeros(width), np.ones(width))
        self._shown, self._updates = shown, settings.updates
        self._network = Network(raw, (*settings.hidden, 1), agents, agents, 1.0, draw)
        self._adam = torch.optim.Adam(self._network.parameters(), settings.learning_rate, fused=True)

    def logit(self, seen: Tensor) -> Tensor:
        """Return the logits ``[N, M]`` of ``seen [N, M, F]``."""
        return self._network(seen)[..., 0]

    def loss(self, played: Distinct) -> Tensor:
        """Return each agent's cross-entropy ``[N]``: demonstrated steps are 1, those that it `played` are 0."""
        missed = self._shown.weight * softplus(-self.logit(self._shown.input))
        mistaken = played.weight * softplus(self.logit(played.input))
        return missed.sum(dim=1) + mistaken.sum(dim=1)

    def update(self, played: Distinct) -> Tensor:
        """Descend on the loss, all steps at once, ``settings.updates`` times; return the mean loss ``[N]`` of these."""
        losses = list[Tensor]()
        for _ in range(self._updates):
            self._adam.zero_grad()
            loss = self.loss(played)
            loss.sum().backward()
            self._adam.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean(dim=0)


@final
class Guidance:
    """Rewards reshaped by discriminators that learn from each rollout before they judge it: a `Shaping`.

    Parameters
    ----------
    game : AbstractGame
        Whose agents have tasks of their own.
    demonstrations : Demonstrations
        Of every agent.
    sights : sequence of callables
        What each discriminator sees.
    formula : callable
        ``formula(reward, *logits)``, arrays ``[T, B, N]``, the reward to learn from.
    settings : Settings
        Of the discriminators.
    seed : int
        Of their first weights.

    Raises
    ------
    TypeError, ValueError
        As `Demonstrations.check`.
    """

    def __init__(
        self,
        game: AbstractGame[Any],
        demonstrations: Demonstrations,
        sights: Sequence[Sight],
        formula: Callable[..., Tensor],
        settings: Settings,
        seed: int,
    ) -> None:
        demonstrations.check(game)
        torch.set_num_threads(1)  # the first weights, too, depend on how many threads add
        draw = torch.Generator().manual_seed(seed)
        self._units, self._space = own_units(game), game.action_space
        self._formula, self._sights = formula, tuple(sights)
        self._judges = [
            Discriminator(shown(sight, game, demonstrations, self._units), settings, draw) for sight in sights
        ]

    def __call__(self, rollout: Rollout) -> tuple[Tensor, dict[str, Tensor]]:
        """Train the discriminators on ``rollout [T, B, N, ...]`` and reshape its reward.

        Returns
        -------
        reward : Tensor
            ``[T, B, N]``.
        diagnostics : dict of Tensor
            The loss of each discriminator, ``[N]``, as ``behaviour_loss``, ``transition_loss`` or ``own_state_loss``:
            the cross-entropy above, in nats, its mean over the updates. 2 log 2 says that it cannot tell at all.
        """
        steps = played(rollout, self._units, self._space)
        logits, losses = zip(
            *(
                _judged(judge, sight(steps), rollout.reward.shape)
                for sight, judge in zip(self._sights, self._judges, strict=True)
            ),
            strict=True,
        )
        named = {f"{sight.__name__}_loss": loss for sight, loss in zip(self._sights, losses, strict=True)}
        return self._formula(rollout.reward, *logits), named


def own_units(game: AbstractGame[Any]) -> Units:
    """Return units that take own states to [-1, 1], by the bounds of the observations; unbounded ones stay."""
    units, own = unit_units(game.observation_space), as_personal(game).own
    return Units(units.centre[:own], units.scale[:own])


def shown(sight: Sight, game: AbstractGame[Any], demonstrations: Demonstrations, units: Units) -> Distinct:
    """Return what `sight` keeps of demonstrations, states in `units`."""
    agents = range(len(game.agents))
    steps = [sight(_demonstrated(demonstrations.of(agent), units, game.action_space)) for agent in agents]
    return distinct(steps)[0]


def distinct(steps: Sequence[Tensor]) -> tuple[Distinct, list[Tensor]]:
    """Return the different rows of each agent's ``[M, F]``, and where each of the M stands among them, ``[M]``.

    Rows are the same if their bytes are.
    """
    rows, shares, places = zip(*(_distinct(each.contiguous().numpy()) for each in steps), strict=True)
    return Distinct(*(pad_sequence(list(part), batch_first=True) for part in (rows, shares))), list(places)


def played(rollout: Rollout, units: Units, space: Space[Any]) -> Steps:
    """Return the steps of a rollout, ``[N, T B, ...]``, own states in `units`."""
    state, action, next_state = (
        values.flatten(0, 1).transpose(0, 1)
        for values in (rollout.observation, rollout.action, rollout.next_observation)
    )
    return Steps(_scaled(state, units), coded(action, space), _scaled(next_state, units))


def coded(action: Tensor, space: Space[Any]) -> Tensor:
    """Return actions as float32 numbers ``[..., A]``: indicators of a discrete space, or a box's in [-1, 1]."""
    if isinstance(space, Discrete):
        return one_hot(action.long() - int(space.start), int(space.n)).float()
    return _scaled(action, unit_units(space))


def _scaled(values: Tensor, units: Units) -> Tensor:
    """Return the leading entries of ``values [..., O]`` in `units`, single precision."""
    centre, scale = (torch.as_tensor(part) for part in units)
    return ((values[..., : len(centre)] - centre) / scale).float()


def _demonstrated(steps: Demonstrations, units: Units, space: Space[Any]) -> Steps:
    state, action, next_state = (torch.as_tensor(part) for part in (steps.state, steps.action, steps.next_state))
    return Steps(_scaled(state, units), coded(action, space), _scaled(next_state, units))


def _distinct(steps: NDArray[np.float32]) -> tuple[Tensor, Tensor, Tensor]:
    """Return different rows of ``steps [M, F]``, the share of each, and where each of the M stands among them."""
    whole = steps.view(np.dtype((np.void, steps.shape[1] * steps.itemsize)))[:, 0]
    _, first, place, count = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    share = (count / count.sum()).astype(np.float32)
    return torch.from_numpy(steps[first]), torch.from_numpy(share), torch.from_numpy(place)


def _judged(judge: Discriminator, seen: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Train on ``seen [N, T B, F]``; return the logits ``[T, B, N]`` and the loss ``[N]``."""
    different, places = distinct(list(seen))
    loss = judge.update(different)
    with torch.no_grad():
        return judge.logit(different.input).gather(1, torch.stack(places)).T.reshape(shape), loss
