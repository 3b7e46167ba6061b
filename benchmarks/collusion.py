"""Learned prices, and what deviations from them gain: the table of the tutorial on collusion.

Run: ``python benchmarks/collusion.py [--sessions 100] [--seeds 3] [--steps 100000]``. Times are the
processor's. ``--responses`` prints the time of best responses alone.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from walras.agents import IPPO, q_pairs
from walras.agents.matrix.q_pairs import TrainedPairs
from walras.core import Policy, train
from walras.envs import RepeatedPricing
from walras.equilibria import memory_best_response
from walras.scenarios.matrix import measures
from walras.scenarios.matrix.algorithmic_collusion import AlgorithmicCollusion

MEASURES = (
    measures.profit_gain, measures.one_shot_gain, measures.path_gain, measures.subgame_gain,
    measures.one_shot_equilibria, measures.nash_equilibria, measures.subgame_equilibria,
    measures.cut_gain, measures.cut_loses, measures.cut_returns,
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("sessions", 100), ("seeds", 3), ("steps", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--responses", action="store_true")
    asked = parser.parse_args()
    responses(np.random.default_rng(0))
    if asked.responses:
        return
    scenario = AlgorithmicCollusion()
    methods = scenario.methods()
    print("| | " + " | ".join(measure.title for measure in MEASURES) + " |")
    pairs = learned(scenario, asked.sessions)
    row("Q-learning", scenario, [pairs])
    row(
        "PPO", scenario, [train(IPPO(steps=asked.steps, checkpoints=1), scenario.game(), k) for k in range(asked.seeds)]
    )
    for name in ("static_nash", "grim_trigger"):
        policy = getattr(methods[name], "runs", methods[name])
        row(name, scenario, [policy])
    spread = pairs.delta.mean(axis=1)
    print(f"profit gain of a session: {spread.mean():.3f} +- {1.96 * spread.std(ddof=1) / np.sqrt(len(spread)):.3f}")


def responses(rng: np.random.Generator) -> None:
    """Print the time of best responses to random policies of the market with 225 pasts and 15 prices."""
    game = RepeatedPricing()
    pure, drawing = rng.integers(0, 15, (1000, 2, game.states)), rng.dirichlet(np.ones(15), (100, 2, game.states))
    for title, policies in (("pure", pure), ("that draw", drawing)):
        start = rng.integers(0, game.states, len(policies))
        memory_best_response(game, policies[:1], start[:1])  # compiles
        times: list[float] = []
        for _ in range(3):
            began = time.process_time()
            memory_best_response(game, policies, start)
            times.append(time.process_time() - began)
        print(f"best responses to {len(policies):,} pairs {title}: {np.median(times):.3f} s")


def learned(scenario: AlgorithmicCollusion, sessions: int) -> TrainedPairs:
    """Let firms learn, and print how fast."""
    q_pairs.train(scenario.game(), limit=1000, sessions=1)  # compiles
    began = time.process_time()
    pairs = q_pairs.train(scenario.game(), sessions=sessions)
    took = time.process_time() - began
    print(f"{pairs.steps / took / 1e6:.1f} M periods of a pair a second; {pairs.periods.mean():.0f} periods a session")
    return pairs


def row(name: str, scenario: AlgorithmicCollusion, policies: Sequence[Policy]) -> None:
    """Print the mean measures of some policies, as shares."""
    game = scenario.evaluation()
    told = np.mean([[measure(game, policy).mean() for measure in MEASURES] for policy in policies], axis=0)
    print(f"| {name} | " + " | ".join(f"{value:.2%}" for value in told) + " |")


if __name__ == "__main__":
    main()
