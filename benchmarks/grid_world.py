"""Speed of grid worlds, and the joint optimum beside what naive imitation and chance attain.

Run: ``python benchmarks/grid_world.py``.

Speed: `Vector` at 1,024 rows under random actions, which ends episodes in lava and so resets rows all the time; agent
steps per second of processor time, one thread, the median of 15 rounds of 200 steps. Random returns are means over
1,000 episodes. Times of `solve` are those of a first call: transitions, optimum, value of its policy, naive imitation.
"""

import statistics
import time

import numpy as np

from walras.core import Random, Vector, rollout
from walras.envs import GridWorld
from walras.equilibria import JointOptimum, solve

ROWS, STEPS, ROUNDS = 1024, 200, 15
GAMES = {f"lava {n}": GridWorld.lava(n) for n in (2, 3, 4)} | {f"door {case}": GridWorld.door(case) for case in "ab"}


def speed(game: GridWorld) -> float:
    """Return agent steps per second of processor time."""
    vector, rng = Vector(game, ROWS), np.random.default_rng(0)
    policy, rounds = Random(game), list[float]()
    observation = vector.reset(0)
    actions = [policy.act(observation, rng) for _ in range(STEPS)]
    for _ in range(ROUNDS):
        start = time.process_time()
        for action in actions:
            vector.step(action)
        rounds.append(STEPS * ROWS * len(game.agents) / (time.process_time() - start))
    return statistics.median(rounds)


def main() -> None:
    """Print the tables."""
    print("| map | agents | Vector agent-steps/s |\n|---|---|---|")
    for name, game in GAMES.items():
        print(f"| {name} | {len(game.agents)} | {speed(game):,.0f} |")
    print("\n| map | joint optimum | residual | each alone | naive imitation | random | solve, s |")
    print("|---|---|---|---|---|---|---|")
    for name, game in GAMES.items():
        start = time.process_time()
        best = solve(game)
        took = time.process_time() - start
        assert isinstance(best, JointOptimum)
        alone = ", ".join(f"{value:.2f}" for value in best.personal)
        by_chance = rollout(game, Random(game), range(1000)).total.mean()
        values = f"{best.value[0]:.2f} | {best.residual:.0e} | {alone} | {best.naive[0]:.2f} | {by_chance:.2f}"
        print(f"| {name} | {values} | {took:.2f} |")


if __name__ == "__main__":
    main()
