"""Policy gradient in games of teams with quadratic costs: the tables of docs/results.md.

Run: ``OMP_NUM_THREADS=1 python benchmarks/policy_gradient_lq.py [TABLE ...]`` with names of tables; all by default:
``horizon``, ``conditions``, ``saddle``, ``disturbances``, and, in minutes, ``saddle_from_costs`` and ``samples``.

Errors are distances of gains from the equilibrium's: norms, summed over teams and stages, in games of teams; the
Frobenius norm of all in robust games. Estimated gradients: interquartile mean over ten seeds, 95 % bootstrap interval.
In ``horizon`` and ``saddle`` every learner has the step of ``STEPS`` with which its error is least at the end of the
budget, and all have the same number of updates; an update moves one stage in a receding horizon, else all stages.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from walras.agents.teams import mrpg, rgda, whole_horizon
from walras.agents.teams.gains import Trained
from walras.agents.teams.oracles import Oracle, VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import (
    Natural,
    Vanilla,
    contraction,
    coupling,
    distance,
    receding_horizon,
    zero_gains,
)
from walras.agents.teams.whole_horizon import descend
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
STEPS = 0.0025, 0.0035, 0.005, 0.007, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2
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


def tuned(learn: Callable[[float], Floats]) -> tuple[float, Floats]:
    """Return the step with the least last error, and the errors ``[U + 1]`` that `learn` finds with it."""
    errors = {step: learn(step) for step in STEPS}
    best = min(errors, key=lambda step: errors[step][-1])
    return best, errors[best]


def horizon() -> None:
    """Compare MRPG with the whole horizon after 60 T updates, and after ten times as many."""
    head("game", "learner", "step", "error: first", "peak", "end", "step", "end of ten times as many", "seconds")
    for name, game in {"mild, T = 5": MILD, "unstable, T = 5": UNSTABLE, "unstable, T = 10": LONG}.items():
        for learner, learn in HORIZON.items():
            started = time.perf_counter()
            step, error = tuned(lambda step, learn=learn, game=game: both(game, learn(game, step, 60)))
            seconds = (time.perf_counter() - started) / len(STEPS)
            longer, last = tuned(lambda step, learn=learn, game=game: both(game, learn(game, step, 600)))
            cells = error[0], error.max(), error[-1]
            row(name, learner, step, *(f"{cell:.1e}" for cell in cells), longer, f"{last[-1]:.1e}", f"{seconds:.2f}")


HORIZON: dict[str, Callable[[MeanFieldLimitLQ, float, int], Trained]] = {
    "MRPG": lambda game, step, each: mrpg.train(game, rule=Natural(step), iterations=each),
    "whole horizon, natural": lambda game, step, each: whole_horizon.train(
        game, rule=Natural(step), updates=each * game.horizon
    ),
    "whole horizon, plain": lambda game, step, each: whole_horizon.train(
        game, rule=Vanilla(step), updates=each * game.horizon
    ),
}
"""From game, step, and updates a stage."""


def both(game: MeanFieldLimitLQ, found: Trained) -> Floats:
    """Return the errors of deviations and mean together after each update, ``[U + 1]``."""
    y, z = parts(game)
    return distance(y, found.deviation, feedback_nash(y)[0]) + distance(z, found.mean, feedback_nash(z)[0])


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
        receding = mrpg.train(game, rule=slow, iterations=3000)
        whole = whole_horizon.train(game, rule=slow, updates=15_000)
        for kind, part in zip(("deviation", "mean"), parts(game), strict=True):
            nash = feedback_nash(part)[0]
            ends = (f"{distance(part, getattr(found, kind)[-1], nash):.1e}" for found in (receding, whole))
            numbers = dominance(part), coupling(part).max(), contraction(part, 0.01).max()
            row(name, kind, *(f"{number:.3f}" for number in numbers), *ends)


def saddle() -> None:
    """Compare RGDA with descent and ascent over the whole horizon after 70 T updates; deviations."""
    starts = "natural", "plain, the game's start", "plain, unit covariance"
    head("game", "T", "start", "RGDA", *starts, *(f"{start}, ten times" for start in starts))
    for name, make in (("mild", RobustTeamLQ.mild), ("unstable", RobustTeamLQ.unstable)):
        for T in range(2, 6):
            game = make(T)
            first = float(np.linalg.norm(feedback_nash(deviation_part(game))[0]))
            cells = (cell(*tuned(learn)) for learn in (receding(game), *at_once(game, 70 * T), *at_once(game, 700 * T)))
            row(name, T, f"{first:.2g}", *cells)


def cell(step: float, errors: Floats) -> str:
    """Return the last error, and the step."""
    return f"{errors[-1]:.1e} ({step:g})"


def receding(game: RobustTeamLQ) -> Callable[[float], Floats]:
    """Return RGDA's errors by the step."""
    nash = feedback_nash(deviation_part(game))[0]
    return lambda step: frobenius(rgda.train(game, rule=Vanilla(step, 50.0), iterations=70).deviation - nash)


def at_once(game: RobustTeamLQ, updates: int) -> list[Callable[[float], Floats]]:
    """Return the whole horizon's errors by the step: natural; plain from the game's start; from unit covariance."""
    part, own, unit = deviation_part(game), moments(game)[0], Moments(np.eye(2), 0.1 * np.eye(2))
    nash = feedback_nash(part)[0]

    def errors(kind: type[Natural | Vanilla], spread: Moments, step: float) -> Floats:
        moves = descend(part, kind(step, 50.0), updates, spread)
        return frobenius(np.stack([zero_gains(part), *(move.gains for move in moves)]) - nash)

    return [partial(errors, Natural, own), partial(errors, Vanilla, own), partial(errors, Vanilla, unit)]


def frobenius(gains: Floats) -> Floats:
    """Return the norms of all gains together, ``[U + 1]``."""
    return np.sqrt(np.sum(gains**2, axis=(1, 2, 3)))


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
    robust = rgda.train(game, iterations=400).policy
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
    moves = (
        receding_horizon(part, oracle, rule, iterations, unit, noise, np.random.default_rng(seed))
        for seed in range(SEEDS)
    )
    ends = np.stack([deque(each, maxlen=1)[0].gains for each in moves])
    return ends, (time.perf_counter() - started) / SEEDS


def described(oracle: ZerothOrderOracle | VarianceReducedOracle) -> tuple[str, str]:
    """Return an oracle's name and the runs that a gradient takes."""
    name = "two points" if isinstance(oracle, VarianceReducedOracle) else f"one point, r = {oracle.radius}"
    return name, f"{oracle.runs:,}"


TABLES = {table.__name__: table for table in (horizon, conditions, saddle, disturbances, saddle_from_costs, samples)}


def main() -> None:
    """Print the tables."""
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main()
