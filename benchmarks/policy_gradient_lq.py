"""Policy gradient in games of teams with quadratic costs: the tables of docs/results.md.

Run: ``OMP_NUM_THREADS=1 python benchmarks/policy_gradient_lq.py [TABLE ...]`` with names of tables; all by default:
``horizon``, ``conditions``, ``saddle``, ``disturbances``, and, in minutes, ``saddle_from_costs`` and ``samples``.

Errors are distances of gains from the equilibrium's: norms, summed over teams and stages, in games of teams; the
Frobenius norm of all in robust games. Estimated gradients: interquartile mean over ten seeds, 95 % bootstrap interval.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from walras.agents.teams import mrpg, rgda, whole_horizon
from walras.agents.teams.oracles import Oracle, VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Natural, Vanilla, contraction, coupling, distance, receding_horizon
from walras.core.typing import Floats
from walras.envs import MeanFieldLimitLQ, RobustTeamLQ, TeamMeanFieldLQ
from walras.equilibria.teams.linear_quadratic import (
    SINGULAR,
    LinearQuadratic,
    alone,
    best_response,
    cost_matrices,
    expected_cost,
    feedback_nash,
)
from walras.equilibria.teams.robust import Disturbed, zero_sum
from walras.equilibria.teams.team_mean_field import Moments, deviation_part, disturbed, mean_part, moments
from walras.scenarios.engine.statistics import estimate

SEEDS = 10
MILD, UNSTABLE, LONG = (
    game.limit_game() for game in (TeamMeanFieldLQ.mild(), TeamMeanFieldLQ.unstable(), TeamMeanFieldLQ.unstable(10))
)


def head(*columns: str) -> None:
    """Print the head of a table."""
    print("\n|", " | ".join(columns), "|")
    print("|" + "---|" * len(columns))


def row(*cells: object) -> None:
    """Print one row of a table."""
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def interval(values: Sequence[float] | Floats) -> str:
    """Return an interquartile mean and its interval."""
    found = estimate(values)
    return f"{found.mean:.2g} [{found.low:.2g}, {found.high:.2g}]"


def parts(game: MeanFieldLimitLQ) -> tuple[LinearQuadratic, LinearQuadratic]:
    """Return the games of deviations and mean."""
    return deviation_part(game), mean_part(game)


def highest_and_last(game: LinearQuadratic, path: Floats) -> str:
    """Return the largest and the last error of a path."""
    error = distance(game, path, feedback_nash(game)[0])
    return f"{error.max():.1e}, {error[-1]:.1e}"


def horizon() -> None:
    """Compare MRPG with the whole horizon after as many updates, 60 a stage."""
    head("game", "learner", "step", "deviation: peak, end", "mean: peak, end", "seconds")
    for name, game in {"mild, T = 5": MILD, "unstable, T = 5": UNSTABLE, "unstable, T = 10": LONG}.items():
        learners = {("MRPG", 0.1): mrpg.Config()}
        rules = {"natural": (Natural(0.1),), "plain": (Vanilla(0.1), Vanilla(0.05))}
        whole = {
            (f"whole horizon, {kind}", rule.step): whole_horizon.Config(rule, 60 * game.horizon)
            for kind, steps in rules.items()
            for rule in steps
        }
        for (learner, step), config in (learners | whole).items():
            started = time.perf_counter()
            found = mrpg.train(game, config) if learner == "MRPG" else whole_horizon.train(game, config)
            seconds, (y, z) = time.perf_counter() - started, parts(game)
            ends = highest_and_last(y, found.deviation), highest_and_last(z, found.mean)
            row(name, learner, step, *ends, f"{seconds:.2f}")


def dominance(game: LinearQuadratic) -> float:
    """Return the margin of diagonal dominance that we read into the paper; its constants are not verified."""
    cost, (n, teams) = feedback_nash(game)[1], (game.A.shape[1], len(game.sizes))
    push = max(np.linalg.norm(game.B[0][:, mine], 2) for mine in game.owned)
    worth = np.linalg.norm(cost[1:], 2, axis=(2, 3)).max()
    least = min(np.linalg.eigvalsh(game.R[0, i, mine, mine])[0] for i, mine in enumerate(game.owned))
    return float(least - np.sqrt(2 * n / teams * (teams - 1)) * push**2 * worth)


def conditions() -> None:
    """Compare what theory asks for with what happens."""
    crossed = replace(UNSTABLE, B=(((1.0,), (1.5,)), ((1.5,), (1.0,))))
    games = {
        "mild, R = 1.5": replace(MILD, R=np.full((2, 1, 1), 1.5), R_mean=np.full((2, 1, 1), 1.5)),
        "mild": MILD,
        "unstable": UNSTABLE,
        "crossed inputs, R = 0.1, 2": replace(crossed, R=(((0.1,),), ((2.0,),))),
        "crossed inputs, R = 0.1": replace(crossed, R=np.full((2, 1, 1), 0.1)),
    }
    head("game", "part", "margin", "coupling", "factor, step 0.01", "MRPG's error", "whole horizon's, natural")
    for name, game in games.items():
        slow = Natural(0.01)
        receding = mrpg.train(game, mrpg.Config(rule=slow, iterations=3000))
        whole = whole_horizon.train(game, whole_horizon.Config(slow, 15_000))
        for kind, part in zip(("deviation", "mean"), parts(game), strict=True):
            nash = feedback_nash(part)[0]
            ends = (f"{distance(part, getattr(found, kind)[-1], nash):.1e}" for found in (receding, whole))
            numbers = dominance(part), coupling(part).max(), contraction(part, 0.01).max()
            row(name, kind, *(f"{number:.3f}" for number in numbers), *ends)


def saddle() -> None:
    """Compare RGDA with descent ascent over the whole horizon; deviations, 70 updates a stage."""
    head("game", "T", "step", "start", "RGDA", "whole horizon: peak", "end", "end of 10 times as many updates")
    spread = Moments(np.eye(2), 0.1 * np.eye(2))
    for name, make in (("mild", RobustTeamLQ.mild), ("unstable", RobustTeamLQ.unstable)):
        for T in range(2, 6):
            for step in (0.025, 0.01):
                part, rule = deviation_part(make(T)), Vanilla(step, 50.0)
                nash = feedback_nash(part)[0]
                near = rgda.train(make(T), rgda.Config(rule=rule)).deviation[-1] - nash
                far = np.sqrt(np.sum((whole_horizon.descend(part, rule, 700 * T, spread) - nash) ** 2, axis=(1, 2, 3)))
                few = far[: 70 * T + 1]
                errors = far[0], np.linalg.norm(near), few.max(), few[-1], far[-1]
                row(name, T, step, *(f"{error:.2g}" for error in errors))


def judged(game: LinearQuadratic, process: Disturbed, gains: Floats) -> Floats:
    """Return a team's costs: undisturbed; under random disturbances; robust, under the worst."""
    calm = gains.copy()
    calm[:, game.owned[1]] = 0.0
    cost, energy = cost_matrices(game, calm)[:, :1], np.eye(len(process.A))
    _, worst, condition = feedback_nash(alone(game, gains, 1))
    robust = -expected_cost(worst, process.start, process.noise)[0] if condition < SINGULAR else np.inf
    random = expected_cost(cost, process.start, process.noise + energy)[0]
    return np.array([expected_cost(cost, process.start, process.noise)[0], random, robust])


def promised(process: Disturbed, control: Floats) -> float:
    """Return the least level at which the worst disturbance of a controller is bounded, by bisection."""
    low, high = 0.0, 100.0
    while high - low > 1e-6:
        level = (low + high) / 2
        game = zero_sum(process, level)
        gains = np.concatenate([control, np.zeros((process.horizon, len(process.A), process.A.shape[1]))], axis=1)
        bounded = feedback_nash(alone(game, gains, 1))[2] < np.inf
        low, high = (low, level) if bounded else (level, high)
    return high


def disturbances() -> None:
    """Compare the team that RGDA trained with the linear-quadratic regulator, deviations and mean together."""
    game = replace(RobustTeamLQ.unstable(horizon=5), attenuation=2.0)
    robust = rgda.train(game, rgda.Config(iterations=400)).policy
    games, learned = (deviation_part(game), mean_part(game)), (robust.deviation, robust.mean)
    regulator = [np.zeros_like(gains) for gains in learned]
    for part, gains in zip(games, regulator, strict=True):
        gains[:, part.owned[0]] = best_response(part, gains, 0)[0]
    head("controller", "undisturbed", "random disturbance", "robust cost, worst disturbance", "level it holds")
    for name, controller in (("RGDA", learned), ("regulator", regulator)):
        each = list(zip(games, disturbed(game), controller, strict=True))
        costs = sum(judged(*one) for one in each)
        level = max(promised(process, gains[:, part.owned[0]]) for part, process, gains in each)
        row(name, *(f"{cost:.3f}" for cost in np.asarray(costs)), f"{level:.3f}")


def saddle_from_costs() -> None:
    """RGDA with estimated gradients, the unstable game, T = 3; deviations."""
    head("oracle", "runs a gradient", "error", "seconds a run")
    game = RobustTeamLQ.unstable()
    part, nash = deviation_part(game), feedback_nash(deviation_part(game))[0]
    oracles = ZerothOrderOracle(5_000, 0.5), ZerothOrderOracle(5_000, 1.0), VarianceReducedOracle(2_500)
    for oracle in oracles:
        ends, seconds = learned(part, oracle, Vanilla(0.01, 50.0), 300, moments(game)[0].noise)
        row(*described(oracle), interval(np.sqrt(np.sum((ends - nash) ** 2, axis=(1, 2, 3)))), f"{seconds:.1f}")


def samples() -> None:
    """MRPG with estimated gradients, the mild game, T = 3; deviations."""
    head("oracle", "runs a gradient", "error", "seconds a run")
    game = replace(MILD, horizon=3)
    part, nash = deviation_part(game), feedback_nash(deviation_part(game))[0]
    one = [ZerothOrderOracle(n, r) for n, r in ((500, 0.5), (5_000, 0.5), (5_000, 0.1), (5_000, 1.0))]
    large = [ZerothOrderOracle(50_000, r) for r in (0.5, 0.1)]
    for oracle in (*one, VarianceReducedOracle(250), VarianceReducedOracle(2_500), *large):
        ends, seconds = learned(part, oracle, Natural(0.05), 200, moments(game)[0].noise)
        row(*described(oracle), interval(distance(part, ends, nash)), f"{seconds:.1f}")


def learned(
    part: LinearQuadratic, oracle: Oracle, rule: Natural | Vanilla, iterations: int, noise: Floats
) -> tuple[Floats, float]:
    """Return the last gains of each seed, ``[seeds, T, P, n]``, and the seconds that a run took."""
    started, unit = time.perf_counter(), np.eye(len(noise))
    paths = (
        receding_horizon(part, oracle, rule, iterations, unit, noise, np.random.default_rng(seed))
        for seed in range(SEEDS)
    )
    ends = np.stack([path[-1] for path in paths])
    return ends, (time.perf_counter() - started) / SEEDS


def described(oracle: ZerothOrderOracle | VarianceReducedOracle) -> tuple[str, str]:
    """Return an oracle's name and the runs that a gradient takes."""
    if isinstance(oracle, VarianceReducedOracle):
        return "two points", f"{2 * oracle.samples:,}"
    return f"one point, r = {oracle.radius}", f"{oracle.samples:,}"


TABLES = {table.__name__: table for table in (horizon, conditions, saddle, disturbances, saddle_from_costs, samples)}


def main() -> None:
    """Print the tables."""
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main()
