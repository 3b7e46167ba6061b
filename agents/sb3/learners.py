"""Stable-Baselines3 on every game: independent learners, or one policy that all agents share.

`SB3` gives each agent a learner of its own; they learn at the same time, in lockstep. `SharedSB3` trains one policy on
all agents' experience. Inside, observations and Box actions are scaled to [-1, 1] by the bounds of their spaces. Each
agent's reward is divided by its standard deviation under random play and, unless episodes then differ in length,
centred by its mean, so that the default hyperparameters serve games in EUR and in MW alike. The learner discounts as
the game says.

What Stable-Baselines3 does with the rest is its own documentation: https://stable-baselines3.readthedocs.io.

Training goes from checkpoint to checkpoint. Each stretch begins from what was learned so far, with a seed of its own
and new episodes, so training that was cut off goes on with the same numbers. Steps count on, so that random actions
before learning begins, and DQN's fall of exploration, come once and not in each stretch.

Diagnostics
-----------
`Trained.diagnostics` holds what Stable-Baselines3 records of its training, by its own names without ``train/``, update
by update: ``[K, N]``, or ``[K]`` of one shared policy. NaN stands where an update tells nothing: TD3 updates its actor
every other time alone.

- PPO: `policy_gradient_loss`, `value_loss`, `entropy_loss`, which is minus the mean entropy, `loss`, which is their
  weighted sum in the last minibatch, `approx_kl`, `clip_fraction`, `explained_variance`, `std` of Box actions.
- DQN: `loss`.
- SAC: `actor_loss`, `critic_loss`, and the weight of entropy, `ent_coef`, with its loss, `ent_coef_loss`.
- TD3: `actor_loss`, `critic_loss`.

With each come `learning_rate` and `n_updates`, with PPO's `clip_range`.
"""

import inspect
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, NamedTuple, Self, cast, final

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed

from walras.agents.kept import Keeper, KeptTrained
from walras.agents.sb3.lockstep import Table
from walras.agents.sb3.policies import predicted
from walras.agents.sb3.returns import Counted, Told, Update, table
from walras.agents.sb3.rows import Rows, Scale, Units, seat_rows, shared_rows
from walras.core import learner
from walras.core.checks import require_known, require_numbers
from walras.core.game import AbstractGame, Actions, check_game
from walras.core.learner import Curve, check_budget, check_start
from walras.core.policy import Random, pure
from walras.core.rollout import rollout
from walras.core.shells import Vector
from walras.core.typing import Floats

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"PPO": PPO, "DQN": DQN, "SAC": SAC, "TD3": TD3}

ACTIONS: dict[str, tuple[type, ...]] = {"PPO": (Box, Discrete), "DQN": (Discrete,), "SAC": (Box,), "TD3": (Box,)}
"""Spaces of actions that each algorithm plays."""

OFF_POLICY: dict[str, Any] = {
    "learning_rate": 1e-3,
    "batch_size": 256,
    "buffer_size": 100_000,
    "learning_starts": 1024,
    "policy_kwargs": {"net_arch": [64, 64]},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "PPO": {
        "n_steps": 32,
        "batch_size": 256,
        "n_epochs": 5,
        "learning_rate": 1e-3,
        "policy_kwargs": {"net_arch": [64, 64], "log_std_init": -1.0},
    },
    "DQN": OFF_POLICY | {"train_freq": 1, "target_update_interval": 1024},
    "SAC": OFF_POLICY,
    "TD3": OFF_POLICY,
}
"""Hyperparameters that differ from Stable-Baselines3's own, chosen once for the games of the suite."""

OURS = {"self", "policy", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model"}
"""Arguments of Stable-Baselines3 that are no hyperparameters: the learner sets them."""

NUM_ENVS = 32
"""Concurrent games of a training run."""


@final
@dataclass(frozen=True, eq=False)
class Trained(KeptTrained):
    """Trained models as a policy, one an agent or one for all, and all that training needs to go on.

    It acts by the models' means, or by their likeliest choices, without exploration.
    """

    learner: "AbstractSB3"
    game: AbstractGame[Any]
    seed: int
    models: tuple[BaseAlgorithm, ...] = field(repr=False)
    asked: int  # environment steps that were asked for; updates are whole, so that some more were taken
    stretches: int  # that were learned by `seed`
    curve: Curve = field(repr=False)  # a point each 32 steps of the 32 games, or less at a checkpoint
    updates: tuple[Update, ...] = field(repr=False)  # what each model told of each

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return int(self.curve.steps.max(initial=0))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """What each update told, ``[K, N]`` by name, or ``[K]`` of a shared policy; see the module."""
        told = table(self.updates)
        return told if isinstance(self.learner, SB3) else {name: values[:, 0] for name, values in told.items()}

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the models' actions ``[B, N, A]`` without exploration."""
        units = Units(self.game)
        return units.played(predicted(self.models, units.seen(observation)))

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: acting changes nothing, and training goes on from copies of the models."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return state | {"models": [_packed(model) for model in self.models]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"models": tuple(_unpacked(model) for model in state["models"])})


class Seats(NamedTuple):
    """Where models learn: the rows of each, and how all of them are run at the same time."""

    rows: list[Rows]
    run: Callable[[list[Callable[[], None]]], None]
    share: int  # steps of a model in one step of a game


@dataclass(frozen=True)
class AbstractSB3(Keeper[Trained], ABC):
    """Settings of learners by Stable-Baselines3.

    Parameters
    ----------
    algorithm : {"PPO", "DQN", "SAC", "TD3"}
        PPO plays Box and Discrete actions, DQN Discrete ones, SAC and TD3 Box ones.
    steps : int
        Budget in environment steps, split evenly between checkpoints. Each part is rounded up to whole updates: of PPO
        to a multiple of 32 games x `n_steps`.
    checkpoints : int
        How many times it yields.
    hyperparameters : mapping
        Passed to Stable-Baselines3, over `DEFAULTS`.

    Raises
    ------
    ValueError
        If the budget is none, or the algorithm or a hyperparameter is unknown.
    """

    algorithm: str = "PPO"
    _: KW_ONLY
    steps: int = 1_000_000
    checkpoints: int = 1
    hyperparameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        require_numbers(self)
        require_known(self.algorithm, "algorithm", ALGORITHMS)
        check_budget(self.steps, self.checkpoints)
        known = set(inspect.signature(ALGORITHMS[self.algorithm]).parameters) - OURS
        for name in self.hyperparameters:
            require_known(name, "hyperparameters", sorted(known))
        object.__setattr__(self, "hyperparameters", deepcopy(dict(self.hyperparameters)))

    @property
    def kind(self) -> str:
        """What files say that they hold."""
        return f"{type(self).__name__} {self.algorithm}"

    @abstractmethod
    def seats(self, vector: Counted, units: Units, scale: Scale, seed: int) -> Seats:
        """Reset the games and return where models learn in them."""

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse a game that it cannot learn.

        Raises
        ------
        TypeError
            If `game` is no game, observations are no Box of one dimension, or actions neither Discrete nor in a bounded
            Box of one dimension, or such as the algorithm does not play.
        """
        check_game(game)
        Units(game)
        if not isinstance(game.action_space, ACTIONS[self.algorithm]):
            others = [name for name, spaces in ACTIONS.items() if isinstance(game.action_space, spaces)]
            wanted = " or ".join(space.__name__ for space in ACTIONS[self.algorithm])
            raise TypeError(
                f"`game.action_space` must be {wanted} for {self.algorithm}; got {game.action_space!r}, "
                f"which {' and '.join(others)} play."
            )

    def learn(self, game: AbstractGame[Any], seed: int, start: learner.Trained | None = None) -> Iterator[Trained]:
        """Learn `game`; yield the first models, and what was learned at each checkpoint.

        Parameters
        ----------
        game : AbstractGame
            The game.
        seed : int
            Fixes the result, on one machine and one version of torch. With one checkpoint it is the seed of the
            training; otherwise each stretch has a `chunk_seed` of it.
        start : Trained, optional
            Go on from here, bit for bit as if training had not stopped; it is not changed.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        """
        self.check(game)
        if start is not None:
            check_start(start, self, game)
        return _learn(self, game, seed, cast(Trained | None, start))


@final
@dataclass(frozen=True)
class SB3(AbstractSB3):
    """One learner an agent; all learn at the same time."""

    def seats(self, vector: Counted, units: Units, scale: Scale, seed: int) -> Seats:
        """Return one seat an agent at one table."""
        table = Table(vector, seed)
        rows = [seat_rows(table, units, agent, scale) for agent in range(len(vector.game.agents))]
        return Seats(rows, table.run, share=1)


@final
@dataclass(frozen=True)
class SharedSB3(AbstractSB3):
    """One policy that all agents share; agents that differ are told apart by what they observe."""

    def seats(self, vector: Counted, units: Units, scale: Scale, seed: int) -> Seats:
        """Return one seat, whose rows are those of all agents."""
        rows = [shared_rows(vector, units, scale, seed)]
        return Seats(rows, _run_one, share=len(vector.game.agents))


def train(
    game: AbstractGame[Any],
    algorithm: str = "PPO",
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - any field of `SB3`
) -> Trained:
    """Train one learner an agent by ``SB3(algorithm, **settings)``; parameters and errors as in `AbstractSB3.learn`."""
    return cast(Trained, learner.train(SB3(algorithm, **settings), game, seed, start))


def train_shared(
    game: AbstractGame[Any],
    algorithm: str = "PPO",
    seed: int = 0,
    *,
    start: Trained | None = None,
    **settings: Any,  # noqa: ANN401 - any field of `SharedSB3`
) -> Trained:
    """Train one policy for all agents by ``SharedSB3(algorithm, **settings)``; otherwise as `train`."""
    return cast(Trained, learner.train(SharedSB3(algorithm, **settings), game, seed, start))


def chunk_seed(seed: int, chunk: int) -> int:
    """Return the seed of one stretch of training, independent of the others."""
    return int(np.random.SeedSequence([seed, chunk]).generate_state(1)[0])


def _learn(settings: AbstractSB3, game: AbstractGame[Any], seed: int, start: Trained | None) -> Iterator[Trained]:
    """Learn the stretches that `start` has not."""
    each, last = -(-settings.steps // settings.checkpoints), start
    scale = _reward_scale(game)
    if last is None:
        yield (last := _untrained(settings, game, seed, scale))
    for mark in range(each, (settings.checkpoints + 1) * each, each):
        if last.asked < mark:
            yield (last := _stretch(settings, game, seed, mark, scale, last))


def _untrained(settings: AbstractSB3, game: AbstractGame[Any], seed: int, scale: Scale) -> Trained:
    torch.set_num_threads(1)  # the first weights, too, depend on how many threads add
    own = _stretch_seed(settings, seed, 0)
    seats = settings.seats(Counted(Vector(game, NUM_ENVS)), Units(game), scale, own)
    models = _first(settings, game, seats.rows, own)
    return Trained(settings, game, seed, models, 0, 0, Curve.empty(len(game.agents)), ())


def _stretch_seed(settings: AbstractSB3, seed: int, begun: int) -> int:
    return seed if settings.checkpoints == 1 and begun == 0 else chunk_seed(seed, begun)


def _stretch(
    settings: AbstractSB3, game: AbstractGame[Any], seed: int, mark: int, scale: Scale, start: Trained
) -> Trained:
    """Learn until `mark` environment steps were asked for."""
    torch.set_num_threads(1)  # others may have set more meanwhile
    begun = start.stretches if start.seed == seed else 0
    own = _stretch_seed(settings, seed, begun)
    vector = Counted(Vector(game, NUM_ENVS))
    seats = settings.seats(vector, Units(game), scale, own)
    models = _copies(start.models, seats.rows)
    logs = [_log(model) for model in models]
    set_random_seed(own)
    steps = (mark - start.asked) * seats.share
    seats.run([_learner(model, steps) for model in models])
    updates = (*start.updates, *zip(*(log.updates for log in logs), strict=True))
    curve = vector.curve(start.curve)
    return Trained(settings, game, seed, models, mark, begun + 1, curve, updates)


def _reward_scale(game: AbstractGame[Any]) -> Scale:
    """Return what rewards are centred by and divided by, from random play.

    Where some episodes end before others, rewards are not centred: that would change what it is worth to go on.
    """
    trajectory = rollout(game, Random(game), range(64))
    reward = trajectory.reward[trajectory.alive]
    mean, spread = reward.mean(axis=0), reward.std(axis=0)
    return mean if trajectory.alive.all() else np.zeros_like(mean), np.where(spread > 0, spread, 1.0)


def _first(settings: AbstractSB3, game: AbstractGame[Any], rows: list[Rows], seed: int) -> tuple[BaseAlgorithm, ...]:
    """Return one new model for each of `rows`."""
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(len(rows))]
    options = deepcopy(DEFAULTS[settings.algorithm] | {"gamma": game.discount} | dict(settings.hyperparameters))
    kind: Any = ALGORITHMS[settings.algorithm]
    return tuple(kind("MlpPolicy", own, seed=s, device="cpu", **options) for own, s in zip(rows, seeds, strict=True))


def _copies(models: tuple[BaseAlgorithm, ...], rows: list[Rows]) -> tuple[BaseAlgorithm, ...]:
    return tuple(_unpacked(_packed(model), own) for model, own in zip(models, rows, strict=True))


def _log(model: BaseAlgorithm) -> Told:
    """Give `model` a logger that keeps what it tells, in the place of one that makes a temporary folder."""
    log = Told()
    model.set_logger(log)
    return log


def _run_one(learners: list[Callable[[], None]]) -> None:
    learners[0]()


def _learner(model: BaseAlgorithm, steps: int) -> Callable[[], None]:
    def learn() -> None:
        torch.set_num_threads(1)  # small networks; and one thread adds in one order
        model.learn(steps, reset_num_timesteps=False)

    return learn


class Packed(NamedTuple):
    """A model as Stable-Baselines3 saves it."""

    kind: type[BaseAlgorithm]
    model: bytes
    replay: bytes | None


def _packed(model: BaseAlgorithm) -> Packed:
    replay = _saved(model.save_replay_buffer) if isinstance(model, OffPolicyAlgorithm) else None
    return Packed(type(model), _saved(model.save), replay)


def _unpacked(packed: Packed, rows: Rows | None = None) -> BaseAlgorithm:
    model = packed.kind.load(io.BytesIO(packed.model), env=rows, device="cpu")
    if isinstance(model, OffPolicyAlgorithm) and packed.replay is not None:
        model.load_replay_buffer(io.BytesIO(packed.replay))
    return model


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()
