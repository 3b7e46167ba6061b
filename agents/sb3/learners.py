"""Stable-Baselines3 on every game: independent learners, or one policy that all agents share.

`train` gives each agent a learner of its own; they learn at the same time, in lockstep. `train_shared` trains one
policy on all agents' experience. Inside, observations and actions are scaled to [-1, 1] by the bounds of their spaces,
and each agent's reward is centred and scaled by its mean and standard deviation under random play, so that the default
hyperparameters serve games in EUR and in MW alike. The learner discounts as the game says.

What Stable-Baselines3 does with the rest is its own documentation: https://stable-baselines3.readthedocs.io.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import set_random_seed
from tqdm import tqdm

from walras.agents.sb3.lockstep import Table
from walras.agents.sb3.rows import Rows, Scale, bounded, scaled, seat_rows, shared_rows, unscaled, window
from walras.core.checks import require, require_known
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Random
from walras.core.rollout import rollout
from walras.core.shells import Vector
from walras.core.typing import Floats

FORMAT = 1
"""Version of the saved files; a file of another version is refused."""

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"PPO": PPO, "SAC": SAC, "TD3": TD3}

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
    "SAC": OFF_POLICY,
    "TD3": OFF_POLICY,
}
"""Hyperparameters that differ from Stable-Baselines3's own, chosen once for the market games."""

ROWS = 32
"""Concurrent games of a training run."""


@final
@dataclass(frozen=True, eq=False)
class Learned:
    """Trained models as a policy: one an agent, or one for all.

    It acts by the models' means, without exploration.
    """

    game: AbstractGame[Any]
    algorithm: str
    models: tuple[BaseAlgorithm, ...]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the models' mean actions, ``[B, N, A]``."""
        seen = scaled(observation, window(self.game.observation_space))
        if len(self.models) == 1:
            rows, agents = observation.shape[:2]
            flat, _ = self.models[0].predict(seen.reshape(rows * agents, -1), deterministic=True)
            action = flat.reshape(rows, agents, -1)
        else:
            means = [model.predict(seen[:, i], deterministic=True)[0] for i, model in enumerate(self.models)]
            action = np.stack(means, axis=1)
        return unscaled(action, bounded(self.game.action_space))

    def save(self, path: str | Path) -> None:
        """Write the models, with the optimisers and replay buffers that continue their training, to one file.

        The file is written beside `path` and renamed, so that an interruption leaves no half a file.
        """
        beside = Path(f"{path}.part")
        try:
            with zipfile.ZipFile(beside, "w") as archive:
                self._write_to(archive)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def _write_to(self, archive: zipfile.ZipFile) -> None:
        archive.writestr("header.json", json.dumps(self._header()))
        for index, model in enumerate(self.models):
            _write(archive, f"model_{index}", model.save)
            if isinstance(model, OffPolicyAlgorithm):
                _write(archive, f"replay_{index}", model.save_replay_buffer)

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "algorithm": self.algorithm,
            "models": len(self.models),
            "game": _shape(self.game),
        }


def load(path: str | Path, game: AbstractGame[Any]) -> Learned:
    """Return the policy saved at `path`, to act in `game`.

    Loading unpickles: open only files that you trust.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a saved policy, is of another version, or was trained on a game of another shape.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("header.json"))
            require(header["format"] == FORMAT, "path", f"hold a policy of format {FORMAT}", header["format"])
            require(
                header["game"] == _shape(game),
                "game",
                f"have the shape it was trained on, {header['game']}",
                _shape(game),
            )
            kind = ALGORITHMS[header["algorithm"]]
            models = tuple(_read(archive, index, kind) for index in range(header["models"]))
    except (zipfile.BadZipFile, KeyError) as damaged:
        raise ValueError(f"`path` must hold a saved policy; got {str(path)!r} ({damaged}).") from damaged
    return Learned(game, header["algorithm"], models)


def train(
    game: AbstractGame[Any],
    algorithm: str,
    steps: int,
    seed: int,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    start: Learned | None = None,
    progress: bool = False,
) -> Learned:
    """Train one learner an agent; all learn at the same time.

    Parameters
    ----------
    game : AbstractGame
        The game.
    algorithm : {"PPO", "SAC", "TD3"}
        The learner.
    steps : int
        Steps of experience of each agent, rounded up to whole updates.
    seed : int
        Fixes the result, on one machine and one version of torch.
    hyperparameters : mapping, optional
        Passed to Stable-Baselines3, over `DEFAULTS`.
    start : Learned, optional
        Continue from these models, which are not changed.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Learned
        The policy of all agents.

    Raises
    ------
    ValueError
        If the algorithm is unknown, `steps` is less than 1, or `start` is of another algorithm or game, or comes
        with other hyperparameters.
    """
    scale = _reward_scale(game, algorithm, steps)
    table = Table(Vector(game, ROWS), seed)
    agents = range(len(game.agents))
    rows = [seat_rows(table, game, agent, scale) for agent in agents]
    models = _models(game, algorithm, rows, seed, hyperparameters, start)
    bar = tqdm(total=steps, disable=not progress, desc=f"{algorithm} x {len(models)}", unit="step")
    callbacks = [_Progress(bar) if agent == 0 else None for agent in agents]
    set_random_seed(seed)
    table.run([_learner(model, steps, callback) for model, callback in zip(models, callbacks, strict=True)])
    bar.close()
    return Learned(game, algorithm, models)


def train_shared(
    game: AbstractGame[Any],
    algorithm: str,
    steps: int,
    seed: int,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    start: Learned | None = None,
    progress: bool = False,
) -> Learned:
    """Train one policy that all agents share; parameters, result and errors as in `train`.

    Agents that differ are told apart by what they observe.
    """
    scale = _reward_scale(game, algorithm, steps)
    rows = shared_rows(game, ROWS, scale, seed)
    models = _models(game, algorithm, [rows], seed, hyperparameters, start)
    bar = tqdm(total=steps, disable=not progress, desc=f"{algorithm} shared", unit="step")
    set_random_seed(seed)
    _learner(models[0], steps * len(game.agents), _Progress(bar, share=len(game.agents)))()
    bar.close()
    return Learned(game, algorithm, models)


class _Progress(BaseCallback):
    """Moves a bar by each agent's share of the steps."""

    def __init__(self, bar: Any, share: int = 1) -> None:  # noqa: ANN401 - tqdm is untyped
        super().__init__()
        self._bar, self._share = bar, share

    def _on_step(self) -> bool:
        self._bar.update(self.training_env.num_envs // self._share)
        return True


def _reward_scale(game: AbstractGame[Any], algorithm: str, steps: int) -> Scale:
    """Check the arguments; return each agent's mean and deviation of reward under random play."""
    require_known(algorithm, "algorithm", ALGORITHMS)
    require(steps >= 1, "steps", "be at least 1", steps)
    trajectory = rollout(game, Random(game), range(64))
    reward = trajectory.reward[trajectory.alive]
    spread = reward.std(axis=0)
    return reward.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _models(
    game: AbstractGame[Any],
    algorithm: str,
    rows: list[Rows],
    seed: int,
    hyperparameters: Mapping[str, Any] | None,
    start: Learned | None,
) -> tuple[BaseAlgorithm, ...]:
    """Return one new model for each of `rows`, or copies of those to continue from."""
    torch.set_num_threads(1)  # the first weights, too, depend on how many threads add
    if start is not None:
        require(start.algorithm == algorithm, "start", f"be trained by {algorithm}", start.algorithm)
        require(_shape(start.game) == _shape(game), "start", "be trained on a game of this shape", _shape(start.game))
        require(not hyperparameters, "hyperparameters", "be left out with `start`, which has its own", hyperparameters)
        require(len(start.models) == len(rows), "start", f"hold {len(rows)} models", len(start.models))
        return tuple(_copy(model, own) for model, own in zip(start.models, rows, strict=True))
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(len(rows))]
    options = deepcopy(DEFAULTS[algorithm] | {"gamma": game.discount} | dict(hyperparameters or {}))
    kind: Any = ALGORITHMS[algorithm]
    return tuple(kind("MlpPolicy", own, seed=s, device="cpu", **options) for own, s in zip(rows, seeds, strict=True))


def _learner(model: BaseAlgorithm, steps: int, callback: BaseCallback | None) -> Callable[[], None]:
    def learn() -> None:
        torch.set_num_threads(1)  # small networks; and one thread adds in one order
        model.learn(steps, callback=callback)

    return learn


def _copy(model: BaseAlgorithm, rows: Rows) -> BaseAlgorithm:
    file = io.BytesIO()
    model.save(file)
    copy = type(model).load(file, env=rows, device="cpu")
    if isinstance(model, OffPolicyAlgorithm) and isinstance(copy, OffPolicyAlgorithm):
        replay = io.BytesIO()
        model.save_replay_buffer(replay)
        replay.seek(0)
        copy.load_replay_buffer(replay)
    return copy


def _write(archive: zipfile.ZipFile, name: str, save: Callable[[io.BytesIO], None]) -> None:
    file = io.BytesIO()
    save(file)
    archive.writestr(name, file.getvalue())


def _read(archive: zipfile.ZipFile, index: int, kind: type[BaseAlgorithm]) -> BaseAlgorithm:
    model = kind.load(io.BytesIO(archive.read(f"model_{index}")), device="cpu")
    if isinstance(model, OffPolicyAlgorithm):
        model.load_replay_buffer(io.BytesIO(archive.read(f"replay_{index}")))
    return model


def _shape(game: AbstractGame[Any]) -> dict[str, Any]:
    """Return what a saved policy must find again: agents, and the bounds it was scaled by."""
    seen, does = window(game.observation_space), bounded(game.action_space)
    bounds = {name: values.tolist() for name, values in zip(("low", "high"), (seen.low, seen.high), strict=True)}
    return {
        "agents": list(game.agents),
        "observation": bounds,
        "action": [does.low.tolist(), does.high.tolist()],
    }
