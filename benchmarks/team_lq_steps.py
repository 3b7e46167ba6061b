"""Speed of the team games: agent steps per CPU second at 1,024 rows.

Run: ``OMP_NUM_THREADS=1 python benchmarks/team_lq_steps.py``. `Vector` is the shell that learners use: it checks
actions, draws noise, steps, observes and starts new episodes. `step` is the game's dynamics alone. An agent step is one
agent in one step of one row. Medians of 15 rounds, in which the two alternate; CPU seconds, one thread.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from walras.core import Random, Vector
from walras.envs import MeanFieldLimitLQ, RobustTeamLQ, TeamMeanFieldLQ

ROWS, ROUNDS, STEPS = 1024, 15, 20

Game = TeamMeanFieldLQ | RobustTeamLQ | MeanFieldLimitLQ


def three_teams(size: int) -> TeamMeanFieldLQ:
    """Return three teams with one state and one control each."""
    one, every = np.eye(3), np.stack([np.eye(3)] * 3)
    return TeamMeanFieldLQ(
        A=0.9 * one,
        A_mean=0.05 * one,
        B=0.5 * one[:, :, None] + 0.1,
        B_mean=0.1 * one[:, :, None],
        Q=every,
        Q_mean=every,
        R=np.ones((3, 1, 1)),
        R_mean=np.ones((3, 1, 1)),
        noise_covariance=0.1 * one,
        common_noise=0.05 * one,
        start=one,
        common_start=one,
        size=size,
    )


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call, of `STEPS` in a row."""
    start = time.process_time()
    for _ in range(STEPS):
        call()
    return (time.process_time() - start) / STEPS


def speeds(game: Game) -> tuple[float, float]:
    """Return the agent steps per second of `Vector` and of the dynamics alone."""
    vector, rng = Vector(game, ROWS), np.random.default_rng(0)
    action = Random(game).act(vector.reset(0), rng)
    state, noise = vector.state, game.noise(rng, ROWS)
    rounds = [
        (seconds(lambda: vector.step(action)), seconds(lambda: game.step(state, action, noise)))  # type: ignore[arg-type]
        for _ in range(ROUNDS)
    ]
    shell, bare = (ROWS * len(game.agents) / statistics.median(column) for column in zip(*rounds, strict=True))
    return shell, bare


def main() -> None:
    """Print the table."""
    games: dict[str, Game] = {
        "TeamMeanFieldLQ, 3 teams x 8": three_teams(8),
        "TeamMeanFieldLQ, 3 teams x 32": three_teams(32),
        "TeamMeanFieldLQ, 3 teams x 128": three_teams(128),
        "TeamMeanFieldLQ, 2 teams x 32": TeamMeanFieldLQ(),
        "RobustTeamLQ, 32 and nature": RobustTeamLQ(),
        "MeanFieldLimitLQ, 2 teams": MeanFieldLimitLQ(),
    }
    print("| game | Vector agent-steps/s | step agent-steps/s |")
    print("|---|---|---|")
    for name, game in games.items():
        shell, bare = speeds(game)
        print(f"| {name} | {shell:,.0f} | {bare:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
