"""Speed of MAPPO and IPPO on a grid world, and beside Stable-Baselines3's PPO on a market.

Run: ``OMP_NUM_THREADS=1 python benchmarks/mappo.py``. Speeds are environment steps per CPU second, one thread. The
second table's learners have equal networks, rollouts, epochs and batches; Stable-Baselines3 plays and learns through
`walras.agents.sb3.learners`. Rounds alternate between them, and the median of the rounds' ratios is printed, since the
machine's speed drifts.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO
from walras.agents.sb3 import SB3
from walras.core import AbstractGame, Learner, train
from walras.envs import CournotMarket, GridWorld

ROUNDS, STEPS = 5, 16_384


def speed(make: Callable[[int], Learner], game: AbstractGame[Any], steps: int) -> float:
    """Return environment steps per CPU second of the learner of a budget, without what a start costs."""
    seconds = list[float]()
    for budget in (1, 1 + steps):  # one rollout more or less
        start = time.process_time()
        train(make(budget), game)
        seconds.append(time.process_time() - start)
    return steps / (seconds[1] - seconds[0])


def grid_world() -> None:
    """Print the speed with the settings of the grid worlds' paper."""
    print("| game | agents | steps/s |\n|---|---|---|")
    for agents in (2, 3, 4):
        game, steps = GridWorld.lava(agents), 24 * MAPPO.of_paper().steps_per_rollout
        speeds = [speed(lambda budget: MAPPO.of_paper(steps=budget, checkpoints=1), game, steps) for _ in range(3)]
        print(f"| GridWorld.lava | {agents} | {statistics.median(speeds):,.0f} |", flush=True)


def market() -> None:
    """Print the speeds on a market with three firms and the ratios to Stable-Baselines3's."""
    makers: dict[str, Callable[[int], Learner]] = {
        "Stable-Baselines3 PPO, one an agent": lambda budget: SB3("PPO", steps=budget, checkpoints=1),
        "IPPO": lambda budget: IPPO(steps=budget, checkpoints=1),
        "MAPPO": lambda budget: MAPPO(steps=budget, checkpoints=1),
    }
    game = CournotMarket()
    rounds = [[speed(make, game, STEPS) for make in makers.values()] for _ in range(ROUNDS)]
    print("\n| learner | steps/s | x |\n|---|---|---|")
    for name, column in zip(makers, zip(*rounds, strict=True), strict=True):
        ratio = statistics.median(own / row[0] for own, row in zip(column, rounds, strict=True))
        print(f"| {name} | {statistics.median(column):,.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print both tables."""
    grid_world()
    market()


if __name__ == "__main__":
    main()
