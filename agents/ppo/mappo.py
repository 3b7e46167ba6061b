r"""MAPPO: proximal policy optimisation [1]_ of all agents at once, with critics that see what every agent sees [2]_.

Each agent has an actor, which sees its own observation, and a critic, which sees all agents' observations and is needed
while learning alone. An iteration plays `Config.rows` concurrent games for `Config.steps` steps with the actors as they
are, estimates advantages (`walras.agents.ppo.rollouts`) and takes `epochs x minibatches` steps of Adam down

.. math:: \sum_i \mathrm{E} \big[ -\min(\rho_i A_i, \mathrm{clip}(\rho_i, 1 - \epsilon, 1 + \epsilon) A_i)
          - c_H H(\pi_i) + c_V (V_i - \hat V_i)^2 \big],

where :math:`\rho_i` is how much likelier the actor makes what was drawn than it did in play, and advantages have mean 0
and deviation 1 over the rollout, agent by agent. Values are not clipped and gradients are not cut.

`walras.agents.ppo.ippo` is the same learner with critics that see what their agent sees. A `Shaping` puts a reward of
its own in the place of the game's; so learners that imitate are built.

What `Trained.curve` holds is the mean undiscounted return, in the game's own reward, of the episodes that ended in each
rollout: how the sampled actions did while learning.

References
----------
[1] J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, Proximal policy optimization algorithms, 2017,
arXiv 1707.06347, equation 7.
[2] C. Yu, A. Velu, E. Vinitsky, J. Gao, Y. Wang, A. Bayen, Y. Wu, The surprising effectiveness of PPO in cooperative
multi-agent games, NeurIPS 2022 (datasets and benchmarks).
"""

import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from walras.agents.ppo.actors import CategoricalActor, GaussianActor, Greedy, Sampled, make_actor
from walras.agents.ppo.networks import Network, Units, raw_units, unit_units
from walras.agents.ppo.rollouts import Curve, Ended, Play, Rollout, advantages
from walras.core.checks import require, require_known
from walras.core.files import write_whole
from walras.core.game import AbstractGame
from walras.core.policy import Random
from walras.core.rollout import rollout as play
from walras.core.typing import Floats

FORMAT = 1
"""Version of the saved files; a file of another version is refused."""

SHARING = ("shared", "separate")


@final
@dataclass(frozen=True)
class Config:
    """Settings of the learner; the defaults serve games in EUR and MW.

    Raises
    ------
    ValueError
        If a number lies outside its range, `minibatches` does not divide the rollout, or a name is unknown.
    """

    rows: int = 32  # concurrent games
    steps: int = 32  # of each in a rollout
    epochs: int = 5  # passes over a rollout
    minibatches: int = 4  # in each
    learning_rate: float = 1e-3  # of Adam
    clip: float = 0.2  # epsilon: how far likelihoods may move
    entropy: float = 0.0  # c_H
    value_weight: float = 0.5  # c_V
    gae_lambda: float = 0.95
    discount: float | None = None  # the game's by default
    hidden: tuple[int, ...] = (64, 64)  # tanh units of each network's hidden layers
    output_gain: float = 0.01  # of the first weights of each network's last layer
    log_deviation: float = -1.0  # of Box actions at first, on the scale on which the box is [-1, 1]
    units: str = "scaled"  # observations by their bounds, rewards by their deviation under random play; or "raw"
    actors: str = "separate"  # one an agent, or "shared"
    critics: str = "separate"  # one an agent, "shared", or "averaged": one an agent, set to their mean after a rollout
    critic_input: str = "joint"  # all agents' observations, or the agent's "own"

    def __post_init__(self) -> None:
        for name in ("rows", "steps", "epochs", "minibatches"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        for name in ("learning_rate", "clip", "output_gain"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))
        for name in ("entropy", "value_weight"):
            require(0 <= getattr(self, name) < np.inf, name, "be finite and not negative", getattr(self, name))
        require(0 <= self.gae_lambda <= 1, "gae_lambda", "lie in [0, 1]", self.gae_lambda)
        require(self.discount is None or 0 <= self.discount <= 1, "discount", "lie in [0, 1]", self.discount)
        require(bool(np.isfinite(self.log_deviation)), "log_deviation", "be finite", self.log_deviation)
        require(all(size >= 1 for size in self.hidden), "hidden", "hold positive numbers", self.hidden)
        require(self.frames % self.minibatches == 0, "minibatches", f"divide {self.frames} frames", self.minibatches)
        require_known(self.units, "units", ("raw", "scaled"))
        require_known(self.actors, "actors", SHARING)
        require_known(self.critics, "critics", (*SHARING, "averaged"))
        require_known(self.critic_input, "critic_input", ("joint", "own"))

    @classmethod
    def of_paper(cls) -> "Config":
        """Return the learner of the grid worlds of P. Yu et al., arXiv 2403.08936, as their code has it.

        Ours are the even split of a rollout's 4,096 steps over 32 rows, the bootstrap of what is cut off, and critics
        that see the observations of all agents side by side. Theirs see one: in grid worlds, where each shows the
        whole state, the same N times over; in navigation, their own agent's.
        """
        return cls(
            rows=32,
            steps=128,
            epochs=4,
            minibatches=4,
            learning_rate=1e-4,
            entropy=0.01,
            gae_lambda=1.0,
            discount=0.99,
            hidden=(64,),
            output_gain=5 / 3,
            units="raw",
            critics="averaged",
        )

    @property
    def frames(self) -> int:
        """Steps of all rows in a rollout."""
        return self.rows * self.steps


class Shaping(Protocol):
    """A reward to learn from in the place of the game's; it may learn as well, from each rollout once."""

    def __call__(self, rollout: Rollout) -> Tensor:
        """Return the reward ``[T, B, N]`` to learn from."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Return all that it needs to go on; may be empty."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
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


def loss(config: Config, batch: Batch, likelihood: Tensor, entropy: Tensor, value: Tensor) -> Tensor:
    """Return the loss of the module's formula, from ``[N, M]`` each of what actors and critics now say."""
    ratio = (likelihood - batch.likelihood).exp()
    clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
    gain = torch.minimum(ratio * batch.advantage, clipped * batch.advantage)
    error = (value - batch.target) ** 2
    return (config.value_weight * error - gain - config.entropy * entropy).mean(dim=1).sum()


@final
class Learner:
    """All that changes while learning; what `train` makes, moves on and keeps in `Trained`."""

    def __init__(self, game: AbstractGame[Any], config: Config, seed: int) -> None:
        weights, luck, order = np.random.SeedSequence(seed).spawn(3)
        draw = torch.Generator().manual_seed(int(weights.generate_state(1)[0]))
        self.game, self.config = game, config
        self.actor, self.critic = _actor(game, config, draw), _critic(game, config, draw)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, config.learning_rate, fused=True)
        self.spread = torch.from_numpy(_spread(game, config)).float()  # [N]
        self.play = Play(game, config.rows, luck)
        self.order = np.random.default_rng(order)
        self.ended = list[Ended]()

    def iterate(self, shaping: Shaping | None) -> None:
        """Play a rollout and learn from it.

        Raises
        ------
        FloatingPointError
            If the weights are no longer finite.
        ValueError
            If `shaping` returns rewards of another shape, or such as are not finite.
        """
        rollout, drawn, ended = self.play.collect(self.actor.policy(), self.config.steps)
        reward = rollout.reward if shaping is None else _shaped(shaping, rollout)
        self._learn(self._batch(rollout, drawn, reward / self.spread))
        self.ended.append(ended)
        if not all(bool(part.isfinite().all()) for part in self.parameters):
            raise FloatingPointError("Weights diverged beyond what numbers hold: take a smaller `learning_rate`.")

    @torch.no_grad()
    def _batch(self, rollout: Rollout, drawn: Tensor, reward: Tensor) -> Batch:
        observation, drawn, seen = _by_agent(rollout.observation), _by_agent(drawn), self._seen(rollout.observation)
        value, after = self.critic(seen), self.critic(self._seen(rollout.next_observation))
        value, after = (_by_time(part[:, :, 0], reward.shape) for part in (value, after))
        discount = self.game.discount if self.config.discount is None else self.config.discount
        ends = rollout.terminated, rollout.truncated
        advantage = advantages(reward, value, after, *ends, discount, self.config.gae_lambda)
        deviation, mean = torch.std_mean(advantage, dim=(0, 1), correction=0)
        normalised = (advantage - mean) / (deviation + 1e-8)
        likelihood, _ = self.actor.judge(observation, drawn)
        return Batch(observation, seen, drawn, likelihood, _by_agent(normalised), _by_agent(advantage + value))

    def _seen(self, observation: Tensor) -> Tensor:
        own = self.config.critic_input == "own"
        return _by_agent(observation) if own else observation.flatten(2).flatten(0, 1)[None]

    def _learn(self, batch: Batch) -> None:
        for _ in range(self.config.epochs):
            order = torch.from_numpy(self.order.permutation(self.config.frames))
            for rows in order.chunk(self.config.minibatches):
                self._descend(batch.take(rows))
        if self.config.critics == "averaged":
            self.critic.average()

    def _descend(self, batch: Batch) -> None:
        likelihood, entropy = self.actor.judge(batch.observation, batch.drawn)
        value = self.critic(batch.seen)[:, :, 0]
        self.optimiser.zero_grad()
        loss(self.config, batch, likelihood, entropy, value).backward()
        self.optimiser.step()


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """Learned actors, and all that training needs to go on."""

    learner: Learner  # not to be changed
    shaping: Mapping[str, Any] | None = field(repr=False)  # what its `state` returned

    @property
    def game(self) -> AbstractGame[Any]:
        """The game it learned in."""
        return self.learner.game

    @property
    def config(self) -> Config:
        """The settings it learned with."""
        return self.learner.config

    @property
    def policy(self) -> Sampled:
        """The actors as a policy that draws; its `greedy` takes the likeliest action."""
        return self.learner.actor.policy()

    @property
    def greedy(self) -> Greedy:
        """The actors as a policy without chance."""
        return self.policy.greedy

    @property
    def curve(self) -> Curve:
        """What episodes returned, rollout by rollout."""
        episodes = np.array([ended.episodes for ended in self.learner.ended])
        total = np.stack([ended.total for ended in self.learner.ended])
        mean = np.where(episodes[:, None] > 0, total / np.maximum(episodes, 1)[:, None], np.nan)
        return Curve(self.config.frames * np.arange(1, len(episodes) + 1), episodes, mean)

    def save(self, path: str | Path) -> None:
        """Write it to one file, whole or not at all.

        Raises
        ------
        OSError
            If `path` cannot be written.
        """
        content = {"kind": "mappo", "format": FORMAT, "learner": self.learner, "shaping": self.shaping}
        write_whole(Path(path), lambda beside: torch.save(content, beside))


def load(path: str | Path) -> Trained:
    """Return what `Trained.save` wrote.

    Loading unpickles: open only files that you trust.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is another, or of another version.
    """
    try:
        content = torch.load(path, weights_only=False)
    except (UnpicklingError, RuntimeError, EOFError, AttributeError, ImportError) as damaged:
        raise ValueError(f"`path` must hold a trained learner; got {str(path)!r} ({damaged}).") from damaged
    kind = content.get("kind") if isinstance(content, dict) else None
    require(kind == "mappo", "path", "hold a trained learner", f"{path}: {kind}")
    require(content["format"] == FORMAT, "path", f"hold a learner of format {FORMAT}", content["format"])
    return Trained(content["learner"], content["shaping"])


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
    """Train all agents.

    Parameters
    ----------
    game : AbstractGame
        With observations in a Box and actions in a Discrete space or a bounded Box.
    config : Config, optional
        Settings; by default those of `start`, or `Config()`.
    seed : int
        Fixes the result, on one machine and one version of torch. Training that goes on keeps its own chance.
    frames : int
        Steps of all rows together, rounded up to whole rollouts.
    shaping : Shaping, optional
        Returns the reward to learn from; it is changed.
    start : Trained, optional
        Go on from here, bit for bit as if training had not stopped; it is not changed. `shaping` takes up its state.
    progress : bool
        Show a progress bar.

    Raises
    ------
    TypeError
        If the game's spaces are others.
    FloatingPointError
        If weights diverge.
    ValueError
        If `frames` is less than 1, `shaping` returns wrong rewards, or `start` is of another game or settings, or of
        none or another kind of shaping.
    """
    require(frames >= 1, "frames", "be at least 1", frames)
    learner = _learner(game, config, seed, shaping, start)
    bar = tqdm(range(ceil(frames / learner.config.frames)), disable=not progress, desc="rollouts")
    for _ in bar:
        learner.iterate(shaping)
    return Trained(learner, None if shaping is None else deepcopy(shaping.state()))


def checkpoints(
    game: AbstractGame[Any],
    config: Config | None = None,
    frames: int = 1_000_000,
    count: int = 10,
    seed: int = 0,
    shaping: Shaping | None = None,
) -> Iterator[tuple[int, Sampled]]:
    """Train as `train` does; return an iterator over frames so far and policy, `count` times, evenly.

    Raises
    ------
    TypeError
        If the game's spaces are others.
    ValueError
        If `frames` or `count` is less than 1, or there are fewer rollouts than `count`.
    """
    require(frames >= 1, "frames", "be at least 1", frames)
    learner = _learner(game, config, seed, shaping, None)
    rollouts = ceil(frames / learner.config.frames)
    require(1 <= count <= rollouts, "count", f"lie between 1 and {rollouts} rollouts", count)
    return _checkpoints(learner, np.linspace(0, rollouts, count + 1).round().astype(int).tolist(), shaping)


def _checkpoints(learner: Learner, marks: list[int], shaping: Shaping | None) -> Iterator[tuple[int, Sampled]]:
    for done, mark in pairwise(marks):
        for _ in range(mark - done):
            learner.iterate(shaping)
        yield mark * learner.config.frames, learner.actor.policy()


def _learner(
    game: AbstractGame[Any], config: Config | None, seed: int, shaping: Shaping | None, start: Trained | None
) -> Learner:
    """Return a new learner, or a copy of the one to go on from."""
    torch.set_num_threads(1)  # small networks; and one thread adds in one order
    if start is None:
        return Learner(game, config or Config(), seed)
    require(_named(start.game) == _named(game), "start", "be trained on this game", _named(start.game))
    require(config in (None, start.config), "config", "be left out with `start`, which has its own", config)
    rule = "be left out, as before" if start.shaping is None else "be given, as before"
    require((start.shaping is None) == (shaping is None), "shaping", rule, shaping)
    if shaping is not None and start.shaping is not None:
        shaping.restore(deepcopy(start.shaping))
    return deepcopy(start.learner)


def _units(game: AbstractGame[Any], config: Config) -> Units:
    return (raw_units if config.units == "raw" else unit_units)(game.observation_space)


def _actor(game: AbstractGame[Any], config: Config, draw: torch.Generator) -> CategoricalActor | GaussianActor:
    agents, units = len(game.agents), _units(game, config)
    networks = 1 if config.actors == "shared" else agents
    shape = config.hidden, agents, networks, config.output_gain, config.log_deviation
    return make_actor(game.action_space, units, *shape, draw)


def _critic(game: AbstractGame[Any], config: Config, draw: torch.Generator) -> Network:
    agents = len(game.agents)
    seen = _units(game, config).repeated(agents if config.critic_input == "joint" else 1)
    networks = 1 if config.critics == "shared" else agents
    return Network(seen, (*config.hidden, 1), agents, networks, config.output_gain, draw)


def _shaped(shaping: Shaping, rollout: Rollout) -> Tensor:
    reward, expected = shaping(rollout), tuple(rollout.reward.shape)
    require(reward.shape == expected, "shaping", f"return rewards {expected}", tuple(reward.shape))
    require(bool(reward.isfinite().all()), "shaping", "return finite rewards", reward[~reward.isfinite()][:1].tolist())
    return reward.detach().float()


def _spread(game: AbstractGame[Any], config: Config) -> Floats:
    """Return what each agent's rewards are divided by, ``[N]``: 1, or their deviation under random play."""
    if config.units == "raw":
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


def _named(game: AbstractGame[Any]) -> str:
    """Return a game's parameters in full."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return repr(game)
