"""MAPPO beside BenchMARL's, and IPPO beside Stable-Baselines3 over SuperSuit, on mpe2's simple_spread, in one run.

Run: ``OMP_NUM_THREADS=1 python benchmarks/marl_peers.py [--frames N] [--rounds K]``, in an environment of its own:

    pip install walras mpe2 supersuit benchmarl

BenchMARL moves torch to another version. What is not installed is told and left out.

Both sides of a table have equal networks, rollouts, epochs, batches, step sizes and discounts, share weights among the
agents, and see the same numbers of frames. Ours learn in `CooperativeNavigation.simple_spread`, which is mpe2's task
step by step, and, to tell the environment's speed from the learner's, in mpe2's own environment by `Foreign`. All are
judged in mpe2's environment: the mean return of an agent over the same `EPISODES` starts, without exploration. Speeds
are frames (steps of the environment, of all agents) by CPU seconds of training, one thread. Rounds alternate, and the
median of the rounds' ratios is printed, since the machine's speed drifts.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro

from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO
from walras.core import Foreign, Policy, train
from walras.core.learner import Learner
from walras.envs import CooperativeNavigation

EPISODES = range(10_000, 10_200)
AGENTS = 3
HIDDEN, RATE, EPOCHS, MINIBATCHES, DISCOUNT, DECAY, ENTROPY = (64, 64), 7e-4, 10, 4, 0.99, 0.95, 0.01
SHARED: Mapping[str, Any] = {
    "hidden": HIDDEN,
    "learning_rate": RATE,
    "epochs": EPOCHS,
    "minibatches": MINIBATCHES,
    "discount": DISCOUNT,
    "gae_lambda": DECAY,
    "entropy": ENTROPY,
    "actors": "shared",
    "critics": "shared",
    "units": "raw",
    "checkpoints": 1,
}


@dataclass(frozen=True)
class Options:
    """How much is played."""

    frames: int = 64_000
    rounds: int = 3


class Played(NamedTuple):
    """What a training comes to."""

    speed: float  # frames by CPU second
    score: float  # mean return of an agent


Training = Callable[[int, int], Played]
"""From frames and a seed to what they come to."""


def spread() -> Any:  # noqa: ANN401 - mpe2 is untyped
    """Return mpe2's environment."""
    from mpe2 import simple_spread_v3

    return simple_spread_v3.parallel_env(N=AGENTS, max_cycles=25, continuous_actions=False)


def score(acting: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> float:
    """Return the mean return of an agent of mpe2's environment, from what is seen to actions, by agent."""
    env, total = spread(), list[float]()
    for seed in EPISODES:
        seen, _ = env.reset(seed=seed)
        while env.agents:
            seen, rewards, *_ = env.step(acting(seen))
            total.append(sum(rewards.values()) / AGENTS)
    return sum(total) / len(EPISODES)


def ours(make: Callable[[int], Learner], own: bool) -> Training:
    """Return our training: in the game of the suite, or in mpe2's environment."""

    def played(frames: int, seed: int) -> Played:
        game = CooperativeNavigation.simple_spread(AGENTS) if own else Foreign(spread)
        began = time.process_time()
        trained: Any = train(make(frames), game, seed)
        return Played(frames / (time.process_time() - began), score(_of_policy(trained.greedy)))

    return played


def _of_policy(policy: Policy) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    rng = np.random.default_rng(0)

    def acting(seen: Mapping[str, Any]) -> Mapping[str, Any]:
        joint = policy.act(np.stack([np.asarray(part, dtype=np.float64) for part in seen.values()])[None], rng)
        return dict(zip(seen, joint[0].tolist(), strict=True))

    return acting


def mappo(frames: int) -> Learner:
    """Return MAPPO with BenchMARL's rollouts, 128 games of 25 steps."""
    return MAPPO(steps=frames, num_envs=128, rollout_steps=25, **SHARED)


def ippo(frames: int) -> Learner:
    """Return IPPO with the rollouts of eight copies."""
    return IPPO(steps=frames, num_envs=8, rollout_steps=128, **SHARED)


def benchmarl(frames: int, seed: int) -> Played:
    """Train BenchMARL's MAPPO."""
    from benchmarl.algorithms import MappoConfig
    from benchmarl.environments.pettingzoo.common import PettingZooClass
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig
    from torchrl.envs.libs.pettingzoo import PettingZooWrapper
    from torchrl.envs.utils import ExplorationType, set_exploration_type

    seeds = count(1000 * seed)  # of its own for each copy: with the experiment's, all would start alike

    class Spread(PettingZooClass):  # type: ignore[misc] - an untyped peer
        def get_env_fun(self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any) -> Any:  # noqa: ANN401
            return lambda: PettingZooWrapper(
                spread(), categorical_actions=True, device=device, seed=next(seeds), return_state=True
            )

        def __reduce__(self) -> Any:  # noqa: ANN401 - the experiment writes its task, which nobody reads
            return str, ("mpe2",)

    model = MlpConfig(num_cells=list(HIDDEN), layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    algorithm = MappoConfig.get_from_yaml()
    algorithm.lmbda, algorithm.entropy_coef, algorithm.share_param_critic = DECAY, ENTROPY, True
    config: Any = ExperimentConfig.get_from_yaml()
    config.prefer_continuous_actions = config.render = config.evaluation = config.create_json = False
    config.loggers, config.lr, config.gamma, config.max_n_frames = [], RATE, DISCOUNT, frames
    config.on_policy_collected_frames_per_batch, config.on_policy_n_envs_per_worker = 128 * 25, 128
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = EPOCHS, 128 * 25 // MINIBATCHES
    with tempfile.TemporaryDirectory() as folder:
        config.save_folder = folder
        task = Spread("SIMPLE_SPREAD", {"max_cycles": 25})
        experiment = Experiment(task, algorithm, model, seed, config, model)
        began = time.process_time()
        experiment.run()
        spent = time.process_time() - began
        group = next(iter(experiment.group_map))

        def acting(seen: Mapping[str, Any]) -> Mapping[str, Any]:
            from tensordict import TensorDict

            joint = torch.as_tensor(np.stack(list(seen.values())), dtype=torch.float32)
            told = TensorDict({group: TensorDict({"observation": joint}, [AGENTS])}, [])
            with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
                chosen = experiment.policy(told)[group, "action"]
            return dict(zip(seen, chosen.tolist(), strict=True))

        return Played(frames / spent, score(acting))


def supersuit(frames: int, seed: int) -> Played:
    """Train Stable-Baselines3's PPO on eight copies, agents as rows, by SuperSuit; it takes no seed."""
    from stable_baselines3 import PPO
    from supersuit import concat_vec_envs_v1, pettingzoo_env_to_vec_env_v1

    vector: Any = concat_vec_envs_v1(pettingzoo_env_to_vec_env_v1(spread()), 8, base_class="stable_baselines3")
    torch.manual_seed(seed)
    model = PPO(
        "MlpPolicy",
        vector,
        n_steps=128,
        batch_size=128 * 8 * AGENTS // MINIBATCHES,
        n_epochs=EPOCHS,
        learning_rate=RATE,
        gamma=DISCOUNT,
        gae_lambda=DECAY,
        ent_coef=ENTROPY,
        policy_kwargs={"net_arch": list(HIDDEN)},
        device="cpu",
    )
    began = time.process_time()
    model.learn(frames * AGENTS)
    spent = time.process_time() - began

    def acting(seen: Mapping[str, Any]) -> Mapping[str, Any]:
        chosen, _ = model.predict(np.stack(list(seen.values())), deterministic=True)
        return dict(zip(seen, chosen.tolist(), strict=True))

    return Played(frames / spent, score(acting))


def compare(options: Options, peer: str, needs: str, makers: Mapping[str, Training]) -> None:
    """Print a table whose first row is a peer."""
    if find_spec(needs) is None:
        print(f"{needs} is not installed (pip install mpe2 {needs}): {peer} is left out.", file=sys.stderr)
        return
    rounds = [[make(options.frames, seed) for make in makers.values()] for seed in range(options.rounds)]
    print("\n| learner | frames/s | agent-steps/s | x | return |\n|---|---|---|---|---|")
    for name, column in zip(makers, zip(*rounds, strict=True), strict=True):
        ratio = statistics.median(own.speed / row[0].speed for own, row in zip(column, rounds, strict=True))
        speed, mean = (statistics.median(getattr(own, part) for own in column) for part in ("speed", "score"))
        print(f"| {name} | {speed:,.0f} | {AGENTS * speed:,.0f} | {ratio:.2f} | {mean:.1f} |", flush=True)


def main(options: Options) -> None:
    """Print both tables."""
    if find_spec("mpe2") is None:
        raise SystemExit("mpe2 is not installed: pip install mpe2.")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    makers = {"MAPPO": ours(mappo, own=True), "MAPPO in mpe2's environment": ours(mappo, own=False)}
    compare(options, "BenchMARL", "benchmarl", {"BenchMARL MAPPO": benchmarl} | makers)
    makers = {"IPPO": ours(ippo, own=True), "IPPO in mpe2's environment": ours(ippo, own=False)}
    compare(options, "SuperSuit", "supersuit", {"Stable-Baselines3 PPO over SuperSuit": supersuit} | makers)


if __name__ == "__main__":
    main(tyro.cli(Options))
