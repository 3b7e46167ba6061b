r"""Proximal policy optimisation [1]_ of all agents at once: what MAPPO, IPPO and guided learners have in common.

An iteration plays ``num_envs`` concurrent games for ``rollout_steps`` steps with the actors as they are, estimates
advantages (`walras.agents.ppo.rollouts`) and takes ``epochs x minibatches`` steps of Adam down

.. math:: \sum_i \mathrm{E} \big[ -\min(\rho_i A_i, \mathrm{clip}(\rho_i, 1 - \epsilon, 1 + \epsilon) A_i)
          - c_H H(\pi_i) + c_V (V_i - \hat V_i)^2 \big],

where :math:`\rho_i` is how much likelier the actor makes what was drawn than it did in play, and advantages have mean 0
and standard deviation 1 over the rollout, agent by agent. Values are not clipped and gradients are not cut.

Diagnostics
-----------
Each is kept for each rollout and agent, ``[K, N]``. Names and definitions are CleanRL's [2]_, but all are means over
the minibatches of a rollout, of which CleanRL logs some for the last one alone.

- `policy_loss`: :math:`-\mathrm{E} \min(\rho A, \mathrm{clip}(\rho) A)`.
- `value_loss`: :math:`\mathrm{E} (V - \hat V)^2`, with rewards in the learner's units.
- `entropy`: :math:`\mathrm{E} H(\pi)` of the actors, in nats.
- `approx_kl`: :math:`\mathrm{E} [(\rho - 1) - \log \rho]`, the estimator k3 [3]_ of the divergence of the actors from
  those that played.
- `clip_fraction`: the share of steps with :math:`\lvert \rho - 1 \rvert > \epsilon`.
- `explained_variance`: :math:`1 - \mathrm{Var}(\hat V - V) / \mathrm{Var}(\hat V)` of the critics before they learn
  from the rollout; NaN where returns do not vary.

A `Shaping` adds its own.

References
----------
[1] J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, Proximal policy optimization algorithms, 2017,
arXiv 1707.06347, equation 7.
[2] S. Huang et al., CleanRL: high-quality single-file implementations of deep reinforcement learning algorithms, JMLR
23, 2022; https://docs.cleanrl.dev/rl-algorithms/ppo/, explanation of the logged metrics.
[3] J. Schulman, Approximating KL divergence, 2020, http://joschu.net/blog/kl-approx.html.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

from walras.agents.ppo.actors import CategoricalActor, GaussianActor, make_actor
from walras.agents.ppo.networks import Network, Units, raw_units, unit_units
from walras.agents.ppo.rollouts import Ended, Play, Rollout, advantages
from walras.agents.ppo.settings import AbstractSettings
from walras.core.checks import require
from walras.core.game import AbstractGame
from walras.core.policy import Random
from walras.core.rollout import rollout as play
from walras.core.typing import Floats


class Shaping(Protocol):
    """A reward to learn from in the place of the game's; it may learn as well, from each rollout once.

    A training that goes on has a deep copy of it, and a file a pickle.
    """

    def __call__(self, rollout: Rollout) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the reward ``[T, B, N]`` to learn from, and diagnostics by name, ``[N]`` each."""
        ...


class Batch(NamedTuple):
    """What is learned from; M steps of N agents."""

    observation: Tensor  # [N, M, O]
    seen: Tensor  # [N, M, O], or [1, M, N * O]: what the critics see
    drawn: Tensor  # [N, M] or [N, M, A]
    likelihood: Tensor  # [N, M] logarithm, in play
    advantage: Tensor  # [N, M]
    target: Tensor  # [N, M] of the value

    def take(self, rows: Tensor) -> "Batch":
        """Return some of the steps."""
        return Batch(*(part.index_select(1, rows) for part in self))


class Terms(NamedTuple):
    """What the loss is made of, step by step, ``[N, M]`` each."""

    gain: Tensor
    error: Tensor
    entropy: Tensor
    change: Tensor  # logarithm of rho


class Record(NamedTuple):
    """What is kept of a rollout."""

    ended: Ended
    told: Mapping[str, Floats]  # diagnostics [N] by name


def terms(clip: float, batch: Batch, likelihood: Tensor, entropy: Tensor, value: Tensor) -> Terms:
    """Return the terms of the module's formula, from ``[N, M]`` each of what actors and critics now say."""
    change = likelihood - batch.likelihood
    ratio = change.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    gain = torch.minimum(ratio * batch.advantage, clipped * batch.advantage)
    return Terms(gain, (value - batch.target) ** 2, entropy, change)


def loss(settings: AbstractSettings, found: Terms) -> Tensor:
    """Return the loss of the module's formula."""
    return (settings.value_weight * found.error - found.gain - settings.entropy * found.entropy).mean(dim=1).sum()


@torch.no_grad()
def told(clip: float, found: Terms) -> Tensor:
    """Return each agent's diagnostics of one minibatch, ``[5, N]``, in the order of `TOLD`."""
    away = found.change.expm1()
    parts = (-found.gain, found.error, found.entropy, away - found.change, (away.abs() > clip).float())
    return torch.stack([part.mean(dim=1) for part in parts])


TOLD = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")


@final
class Training:
    """All that changes while learning."""

    def __init__(
        self, settings: AbstractSettings, game: AbstractGame[Any], seed: int, shaping: Shaping | None = None
    ) -> None:
        weights, noise, order = np.random.SeedSequence(seed).spawn(3)
        draw = torch.Generator().manual_seed(int(weights.generate_state(1)[0]))
        self.settings, self.game, self.seed, self.shaping = settings, game, seed, shaping
        self.actor, self.critic = _actor(game, settings, draw), _critic(game, settings, draw)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, settings.learning_rate, fused=True)
        self.spread = torch.from_numpy(_spread(game, settings)).float()  # [N]
        self.play = Play(game, settings.num_envs, noise)
        self.order = np.random.default_rng(order)
        self.records = list[Record]()

    def copy(self) -> "Training":
        """Return a copy that shares only what does not change."""
        kept = (self.settings, self.game, *self.records)
        return deepcopy(self, {id(part): part for part in kept})

    def iterate(self) -> None:
        """Play a rollout and learn from it.

        Raises
        ------
        FloatingPointError
            If the weights are no longer finite.
        ValueError
            If the shaping returns rewards of another shape, or such as are not finite.
        """
        rollout, drawn, ended = self.play.collect(self.actor.policy(), self.settings.rollout_steps)
        reward, beside = (rollout.reward, {}) if self.shaping is None else _shaped(self.shaping, rollout)
        batch, explained = self._batch(rollout, drawn, reward / self.spread)
        found = {**self._learn(batch), "explained_variance": explained, **beside}
        self.records.append(Record(ended, {name: part.numpy().astype(np.float64) for name, part in found.items()}))
        if not all(bool(part.isfinite().all()) for part in self.parameters):
            raise FloatingPointError("Weights diverged beyond what numbers hold: take a smaller `learning_rate`.")

    @torch.no_grad()
    def _batch(self, rollout: Rollout, drawn: Tensor, reward: Tensor) -> tuple[Batch, Tensor]:
        """Return what to learn from, and the share of the targets' variance that critics explain, ``[N]``."""
        observation, drawn, seen = _by_agent(rollout.observation), _by_agent(drawn), self._seen(rollout.observation)
        value, after = self.critic(seen), self.critic(self._seen(rollout.next_observation))
        value, after = (_by_time(part[:, :, 0], reward.shape) for part in (value, after))
        discount = self.game.discount if self.settings.discount is None else self.settings.discount
        ends = rollout.terminated, rollout.truncated
        advantage = advantages(reward, value, after, *ends, discount, self.settings.gae_lambda)
        std, mean = torch.std_mean(advantage, dim=(0, 1), correction=0)
        normalised = (advantage - mean) / (std + 1e-8)
        likelihood, _ = self.actor.judge(observation, drawn)
        target = advantage + value
        batch = Batch(observation, seen, drawn, likelihood, _by_agent(normalised), _by_agent(target))
        varied = target.var(dim=(0, 1), correction=0)
        return batch, torch.where(varied > 0, 1 - std**2 / varied, torch.nan)

    def _seen(self, observation: Tensor) -> Tensor:
        own = self.settings.critic_input == "own"
        return _by_agent(observation) if own else observation.flatten(2).flatten(0, 1)[None]

    def _learn(self, batch: Batch) -> dict[str, Tensor]:
        """Take the rollout's steps; return diagnostics ``[N]`` by name."""
        found = list[Tensor]()
        for _ in range(self.settings.epochs):
            order = torch.from_numpy(self.order.permutation(self.settings.steps_per_rollout))
            found += [self._descend(batch.take(rows)) for rows in order.chunk(self.settings.minibatches)]
        if self.settings.critics == "averaged":
            self.critic.average()
        return dict(zip(TOLD, torch.stack(found).mean(dim=0), strict=True))

    def _descend(self, batch: Batch) -> Tensor:
        """Take one step; return what `told` tells of it."""
        likelihood, entropy = self.actor.judge(batch.observation, batch.drawn)
        found = terms(self.settings.clip, batch, likelihood, entropy, self.critic(batch.seen)[:, :, 0])
        self.optimiser.zero_grad()
        loss(self.settings, found).backward()
        self.optimiser.step()
        return told(self.settings.clip, found)


def _units(game: AbstractGame[Any], settings: AbstractSettings) -> Units:
    return (raw_units if settings.units == "raw" else unit_units)(game.observation_space)


def _actor(
    game: AbstractGame[Any], settings: AbstractSettings, draw: torch.Generator
) -> CategoricalActor | GaussianActor:
    agents, units = len(game.agents), _units(game, settings)
    networks = 1 if settings.actors == "shared" else agents
    shape = settings.hidden, agents, networks, settings.output_gain, settings.log_std
    return make_actor(game.action_space, units, *shape, draw)


def _critic(game: AbstractGame[Any], settings: AbstractSettings, draw: torch.Generator) -> Network:
    agents = len(game.agents)
    seen = _units(game, settings).repeated(agents if settings.critic_input == "joint" else 1)
    networks = 1 if settings.critics == "shared" else agents
    return Network(seen, (*settings.hidden, 1), agents, networks, settings.output_gain, draw)


def _shaped(shaping: Shaping, rollout: Rollout) -> tuple[Tensor, Mapping[str, Tensor]]:
    (reward, beside), expected = shaping(rollout), tuple(rollout.reward.shape)
    require(reward.shape == expected, "shaping", f"return rewards {expected}", tuple(reward.shape))
    require(bool(reward.isfinite().all()), "shaping", "return finite rewards", reward[~reward.isfinite()][:1].tolist())
    return reward.detach().float(), beside


def _spread(game: AbstractGame[Any], settings: AbstractSettings) -> Floats:
    """Return what each agent's rewards are divided by, ``[N]``: 1, or their std under random play."""
    if settings.units == "raw":
        return np.ones(len(game.agents))
    trajectory = play(game, Random(game), range(64))
    spread = trajectory.reward[trajectory.alive].std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _by_agent(values: Tensor) -> Tensor:
    """Return ``[T, B, N, ...]`` as ``[N, T * B, ...]``."""
    return values.flatten(0, 1).transpose(0, 1).contiguous()


def _by_time(values: Tensor, shape: torch.Size) -> Tensor:
    """Return ``[N, T * B]`` as ``[T, B, N]``."""
    return values.T.reshape(shape)
