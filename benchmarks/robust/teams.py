"""Linear-quadratic games, judged by each player's own Riccati recursion against the others' gains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from robust.family import Family, Refused, expect, numbers, scale

from walras.core.solution import Status
from walras.envs import TeamMeanFieldLQ
from walras.equilibria import lq_nash, solve


@dataclass(frozen=True)
class Matrices:
    """One game on one process."""

    A: np.ndarray  # [n, n]
    B: list[np.ndarray]  # N of [n, p]
    Q: list[np.ndarray]  # N of [n, n]
    R: list[np.ndarray]  # N of [p, p]
    horizon: int


def matrices(rng: np.random.Generator) -> Matrices:
    """Return one player to four, stable processes and not, payoffs in units of their own."""
    n, players = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    A = (numbers(rng, n, n) - 0.5) * rng.choice([0.1, 1.0, 3.0])
    B = [(numbers(rng, n, int(rng.integers(1, 3))) - 0.5) * rng.choice([1e-3, 1.0, 1e3]) for _ in range(players)]
    Q, R = [], []
    for b in B:
        root, money = numbers(rng, n, n), scale(rng)
        Q.append(root @ root.T * money * rng.choice([0.0, 1.0, 1.0]))
        R.append(np.diag(10.0 ** rng.uniform(-3, 3, b.shape[1])) * money)
    return Matrices(A, B, Q, R, int(rng.integers(1, 30)))


def solve_lq(m: Matrices) -> Any:  # noqa: ANN401
    """Return the feedback equilibrium."""
    return lq_nash(m.A, m.B, m.Q, m.R, m.horizon, throw=False)


def judge_lq(m: Matrices, found: Any) -> None:  # noqa: ANN401
    """No player's cost falls by its best reply, from any state."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    gains = found.gains
    for i in range(len(m.B)):
        played, best = m.Q[i].copy(), m.Q[i].copy()
        for t in reversed(range(m.horizon)):
            others = m.A - sum((b @ gains[t][j] for j, b in enumerate(m.B) if j != i), np.zeros_like(m.A))
            closed, k = others - m.B[i] @ gains[t][i], gains[t][i]
            played = m.Q[i] + k.T @ m.R[i] @ k + closed.T @ played @ closed
            system = m.R[i] + m.B[i].T @ best @ m.B[i]
            k = np.linalg.solve(system, m.B[i].T @ best @ others)
            closed = others - m.B[i] @ k
            best = m.Q[i] + k.T @ m.R[i] @ k + closed.T @ best @ closed
        size = max(np.abs(played).max(), 1e-300)
        expect(np.isfinite(size), "a cost is no number")
        gain = np.linalg.eigvalsh((played - best + (played - best).T) / 2).max()
        rounding = 1e-20 * np.abs(m.R[i]).max()  # of a gain of 1e-10, where a player pays for its control alone
        expect(gain <= 1e-6 * size + rounding, f"player {i} saves {gain / max(size, 1e-300):.3g} of its cost")


def team(rng: np.random.Generator) -> TeamMeanFieldLQ:
    """Return the two teams with other couplings, sizes and horizons."""
    A = np.diag(rng.uniform(0.1, 1.3, 2)) + (numbers(rng, 2, 2) - 0.5) * 0.2
    return TeamMeanFieldLQ(
        A=A,
        A_mean=(numbers(rng, 2, 2) - 0.5) * float(10.0 ** rng.uniform(-9, 0)),
        size=int(rng.choice([1, 2, 3, 32])),
        horizon=int(rng.integers(1, 12)),
    )


def judge_team(game: TeamMeanFieldLQ, found: Any) -> None:  # noqa: ANN401
    """Raise unless the policy earns in play what the solution says, within six standard errors."""
    from walras.core import rollout

    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    total = rollout(game, found.policy, range(64)).total
    error = total.std(axis=0) / 8 + 1e-9 * np.abs(found.value)
    expect((np.abs(total.mean(axis=0) - found.value) <= 6 * error).all(), "the value is not what the policy earns")


FAMILIES = (
    Family("lq_nash", matrices, solve_lq, judge_lq),
    Family("team_mean_field", team, lambda game: solve(game, throw=False, seeds=range(4)), judge_team),
)
