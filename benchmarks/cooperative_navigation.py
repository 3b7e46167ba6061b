"""Speed of cooperative navigation beside mpe2's simple_spread, and the bounds of its optimum.

Run: ``python benchmarks/cooperative_navigation.py`` (needs ``pip install mpe2`` for the first table).

Both play the same task with as many agents, under random actions drawn beforehand, resets included: ours as 1,024
rows of `Vector`, the peer as its parallel environment. Rounds alternate between the two, and the median of the rounds'
ratios is printed, since the machine's speed drifts. CPU seconds, one thread. ``--rounds 3`` is quicker.
"""

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np

from walras.core import Random, Scripted, Vector
from walras.envs import CooperativeNavigation
from walras.equilibria import gap, solve

ROUNDS, ROWS, STEPS, PEER_STEPS = 9, 1024, 100, 1000
SEEDS = range(64)


def vector_speed(agents: int) -> float:
    """Return environment steps per CPU second of our task at 1,024 rows."""
    game = CooperativeNavigation.simple_spread(agents)
    vector = Vector(game, ROWS)
    observation, rng = vector.reset(0), np.random.default_rng(0)
    actions = [Random(game).act(observation, rng) for _ in range(STEPS)]
    start = time.process_time()
    for action in actions:
        vector.step(action)
    return STEPS * ROWS / (time.process_time() - start)


def peer_speed(spread: Any, agents: int) -> float:  # noqa: ANN401 - the peer's module
    """Return environment steps per CPU second of mpe2's parallel environment."""
    env = spread.parallel_env(N=agents, max_cycles=25)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = [dict(zip(env.possible_agents, drawn, strict=True)) for drawn in rng.integers(0, 5, (PEER_STEPS, agents))]
    start = time.process_time()
    for action in actions:
        if not env.agents:
            env.reset()
        env.step(action)
    return PEER_STEPS / (time.process_time() - start)


def print_speed(rounds: int) -> None:
    """Print the table of speeds."""
    try:
        from mpe2 import simple_spread_v3
    except ImportError:
        print("mpe2 is not installed (pip install mpe2): the speeds are left out.", file=sys.stderr)
        return
    print("| agents | Vector, env-steps/s | mpe2, env-steps/s | ratio, median | ratio, least |\n|---|---|---|---|---|")
    for agents in (2, 3, 5):
        found = [(vector_speed(agents), peer_speed(simple_spread_v3, agents)) for _ in range(rounds)]
        ours, peer = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = [a / b for a, b in found]
        print(f"| {agents} | {ours:,.0f} | {peer:,.0f} | {statistics.median(ratios):.0f} | {min(ratios):.0f} |")


def print_bounds() -> None:
    """Print what the plan attains, what nothing exceeds, and what others attain, an episode."""
    print("\n| task | plan | nothing exceeds | scripted | random | solve, s |\n|---|---|---|---|---|---|")
    for agents in (2, 3):
        for spread in (0.0, 0.2):
            game = CooperativeNavigation.with_wall(agents, spread)
            start = time.process_time()
            plan: Any = solve(game, throw=False)
            took = time.process_time() - start
            others = [gap(game, policy, SEEDS).reward[0] for policy in (Scripted(game), Random(game))]
            means = " | ".join(f"{value:.1f}" for value in (plan.value[0], plan.upper, *others))
            print(f"| {agents} agents, start spread {spread} | {means} | {took:.1f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print_speed(parser.parse_args().rounds)
    print_bounds()


if __name__ == "__main__":
    main()
