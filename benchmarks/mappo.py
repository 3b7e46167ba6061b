"""Speed of MAPPO and IPPO: frames per CPU second on a grid world, and beside Stable-Baselines3's PPO on a market.

Run: ``OMP_NUM_THREADS=1 python benchmarks/mappo.py``. A frame is one step of one game, of all its agents. The second
table's learners have equal networks, rollouts, epochs and batches; Stable-Baselines3 plays and learns through
`walras.agents.sb3.learners`, which needs a game with Box actions. Rounds alternate between them, and the median of the
rounds' ratios is printed, since the machine's speed drifts. CPU seconds, one thread.
"""

import statistics
import time
from collections.abc import Callable

from walras.agents import sb3
from walras.agents.ppo import ippo, mappo
from walras.agents.ppo.mappo import Config
from walras.envs import CournotMarket, GridWorld

ROUNDS, FRAMES = 5, 16_384


def speed(train: Callable[[int], object], frames: int) -> float:
    """Return frames per CPU second, without what a start costs."""
    seconds = list[float]()
    for count in (1, 1 + frames):  # one rollout more or less
        start = time.process_time()
        train(count)
        seconds.append(time.process_time() - start)
    return frames / (seconds[1] - seconds[0])


def grid_world() -> None:
    """Print the speed with the settings of the grid worlds' paper."""
    print("| game | agents | frames/s |\n|---|---|---|")
    for agents in (2, 3, 4):
        game, config = GridWorld.lava(agents), Config.of_paper()

        def train(frames: int, game: GridWorld = game, config: Config = config) -> None:
            mappo.train(game, config, frames=frames)

        found = statistics.median(speed(train, 24 * config.frames) for _ in range(3))
        print(f"| GridWorld.lava | {agents} | {found:,.0f} |", flush=True)


def market() -> None:
    """Print the speeds on a market with three firms and the ratios to Stable-Baselines3's."""
    game = CournotMarket()
    trainers: dict[str, Callable[[int], object]] = {
        "Stable-Baselines3 PPO, one an agent": lambda frames: sb3.train(game, "PPO", frames, 0),
        "IPPO": lambda frames: ippo.train(game, frames=frames),
        "MAPPO": lambda frames: mappo.train(game, frames=frames),
    }
    rounds = [[speed(train, FRAMES) for train in trainers.values()] for _ in range(ROUNDS)]
    print("\n| learner | frames/s | x |\n|---|---|---|")
    for name, column in zip(trainers, zip(*rounds, strict=True), strict=True):
        ratio = statistics.median(own / row[0] for own, row in zip(column, rounds, strict=True))
        print(f"| {name} | {statistics.median(column):,.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print both tables."""
    grid_world()
    market()


if __name__ == "__main__":
    main()
