"""Finite games: gains by enumeration of cells in exact arithmetic, Markov games by each player's own recursion."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
from robust.family import Family, Refused, expect, numbers, scale

from walras.core.solution import Status
from walras.equilibria import correlated, extreme_nash, nash, zero_sum
from walras.equilibria.matrix.markov import markov_correlated, markov_perfect, markov_zero_sum
from walras.markets.matrix import MarkovGame, MatrixGame

TOL = 1e-7
"""Largest gain, as a share of the spread of a player's payoffs."""


def payoffs(rng: np.random.Generator, sizes: tuple[int, ...]) -> np.ndarray:
    """Return payoffs ``[N, *sizes]`` with ties, zeros and equal actions, each player's in a unit of its own."""
    kind, each = rng.random(), []
    for player in range(len(sizes)):
        own = numbers(rng, *sizes) if kind < 0.8 else rng.integers(-1, 2, sizes).astype(float)
        if rng.random() < 0.15:
            own = np.repeat(own.take([0], axis=player), sizes[player], axis=player)  # all its actions are alike
        each.append((own + rng.choice([0.0, 0.0, -1.0, 1e3])) * scale(rng))
    return np.stack(each)


def game_of(rng: np.random.Generator) -> MatrixGame:
    """Return a game of one player to four."""
    players = int(rng.choice([1, 2, 2, 2, 2, 3, 3, 4]))
    most = {1: 7, 2: 7, 3: 4, 4: 3}[players]
    return MatrixGame(payoffs(rng, tuple(rng.integers(1, most, players).tolist())))


def pair(rng: np.random.Generator) -> MatrixGame:
    """Return a game of two players of up to four actions."""
    return MatrixGame(payoffs(rng, tuple(rng.integers(1, 5, 2).tolist())))


def opposed(rng: np.random.Generator) -> MatrixGame:
    """Return a game of two players whose payoffs sum to zero."""
    row = payoffs(rng, tuple(rng.integers(1, 9, 2).tolist()))[0]
    return MatrixGame(np.stack((row, -row)))


def gains(payoff: np.ndarray, mixed: list[np.ndarray]) -> list[float]:
    """Return each player's exact gain by its best action, as a share of the spread of its payoffs."""
    found = []
    for player, own in enumerate(payoff):
        others = [range(n) for j, n in enumerate(own.shape) if j != player]
        worth = [Fraction(0)] * own.shape[player]
        chances = [[Fraction(float(p)) for p in x] for j, x in enumerate(mixed) if j != player]
        for cell in product(*others):
            weight = Fraction(1)
            for x, a in zip(chances, cell, strict=True):
                weight *= x[a]
            if weight:
                for action in range(own.shape[player]):
                    worth[action] += weight * Fraction(float(own[(*cell[:player], action, *cell[player:])]))
        total = sum(map(Fraction, mixed[player].tolist()), Fraction(0))
        have = sum((Fraction(float(p)) * w for p, w in zip(mixed[player], worth, strict=True)), Fraction(0)) / total
        found.append(float((max(worth) - have) / Fraction(float(np.ptp(own)) or 1.0)))
    return found


def expect_strategies(mixed: list[np.ndarray]) -> None:
    """Chances are not negative and sum to 1."""
    for x in mixed:
        expect((x >= 0).all() and abs(x.sum() - 1) <= 1e-9, f"{x} are no chances")


def judge_nash(game: MatrixGame, found: Any) -> None:  # noqa: ANN401
    """No player gains by an action."""
    expect_strategies(list(found.mixed))
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    worst = max(gains(game.payoff, list(found.mixed)))
    expect(worst <= TOL, f"a player gains {worst:.3g} of its spread")


def judge_zero_sum(game: MatrixGame, found: Any) -> None:  # noqa: ANN401
    """Each side can hold the other to the value."""
    row, spread = game.payoff[0], np.ptp(game.payoff[0])
    expect_strategies([found.x[0], found.y[0]])
    low, high = (found.x[0] @ row).min(), (row @ found.y[0]).max()
    slack = TOL * spread + 1e-14 * np.abs(row).max()
    expect(low >= found.value[0] - slack, f"the row player holds {low:.9g}, not {found.value[0]:.9g}")
    expect(high <= found.value[0] + slack, f"the column player holds {high:.9g}, not {found.value[0]:.9g}")


def judge_extreme(game: MatrixGame, found: Any) -> None:  # noqa: ANN401
    """All that is listed are equilibria, and those of a generic game that support by support are found are listed."""
    expect(len(found) > 0, "there is no equilibrium")
    for k in range(len(found)):
        worst = max(gains(game.payoff, [found.x[k], found.y[k]]))
        expect(worst <= TOL, f"in equilibrium {k} a player gains {worst:.3g}")
    for x, y in supported(game.payoff):
        near = (np.abs(found.x - x).max(axis=1) <= 1e-6) & (np.abs(found.y - y).max(axis=1) <= 1e-6)
        expect(near.any() or not found.complete, f"{x}, {y} is not listed")


def supported(payoff: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the isolated equilibria whose two supports are of one size and whose other actions are worse."""
    (m, n), found = payoff.shape[1:], []
    row, column = ((own - own.min()) / (np.ptp(own) or 1.0) for own in payoff)
    for size in range(1, min(m, n) + 1):
        for rows, columns in product(combinations(range(m), size), combinations(range(n), size)):
            y = _even(row[np.ix_(rows, columns)])
            x = _even(column[np.ix_(rows, columns)].T)
            if x is None or y is None:
                continue
            whole = np.zeros(m), np.zeros(n)
            whole[0][list(rows)], whole[1][list(columns)] = x, y
            against, answer = row @ whole[1], whole[0] @ column
            worse = np.delete(against, rows), np.delete(answer, columns)
            if all((rest < top - 1e-6).all() for rest, top in zip(worse, (against[rows[0]], answer[columns[0]]))):  # noqa: B905
                found.append(whole)
    return found


def _even(table: np.ndarray) -> np.ndarray | None:
    """Return the chances of columns at which all rows earn the same, if they are clearly positive and unique."""
    size = len(table)
    system = np.block([[table, -np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
    if np.linalg.cond(system) > 1e6:
        return None
    chances = np.linalg.solve(system, np.append(np.zeros(size), 1.0))[:-1]
    return chances if (chances > 1e-6).all() else None


@dataclass(frozen=True)
class Asked:
    """A device that is asked for."""

    game: MatrixGame
    concept: str
    objective: str


def asked(rng: np.random.Generator) -> Asked:
    """Return a game of two or three, a set of devices and an objective."""
    sizes = tuple(rng.integers(1, 4, int(rng.integers(2, 4))).tolist())
    return Asked(MatrixGame(payoffs(rng, sizes)), str(rng.choice(["ce", "cce"])), str(rng.choice(OBJECTIVES)))


OBJECTIVES = "welfare", "min_welfare", "max_entropy"


def judge_device(a: Asked, found: Any) -> None:  # noqa: ANN401
    """No player gains by leaving the device, and no pure equilibrium is better by the objective."""
    joint, payoff = found.joint, a.game.payoff
    expect((joint >= 0).all() and abs(joint.sum() - 1) <= 1e-9, "the device has no chances")
    for i, own in enumerate(payoff):
        drawn, worth = np.moveaxis(joint, i, 0), np.moveaxis(own, i, 0)
        table = np.array([[((alt - told) * chance).sum() for alt in worth] for told, chance in zip(worth, drawn)])  # noqa: B905
        gain = table.max(axis=1).sum() if a.concept == "ce" else table.sum(axis=0).max()
        expect(gain <= 1e-6 * (np.ptp(own) or 1.0), f"player {i} gains {gain:.3g} by leaving")
    if a.objective != "max_entropy":
        sign, total = (1 if a.objective == "welfare" else -1), payoff.sum(axis=0)
        cells = [c for c in np.ndindex(joint.shape) if _is_pure_nash(payoff, c)]
        best = max((sign * total[c] for c in cells), default=-np.inf)
        got = sign * (total * joint).sum()
        expect(got >= best - 1e-6 * sum(np.abs(own).max() for own in payoff), f"{got:.9g}, a pure one has {best:.9g}")


def _is_pure_nash(payoff: np.ndarray, cell: tuple[int, ...]) -> bool:
    lines = ((own, tuple(slice(None) if j == i else a for j, a in enumerate(cell))) for i, own in enumerate(payoff))
    return all(own[line].max() == own[cell] for own, line in lines)


@dataclass(frozen=True)
class Stochastic:
    """A Markov game and what is asked of it."""

    game: MarkovGame
    solve: Callable[..., Any]


def stochastic(rng: np.random.Generator) -> Stochastic:
    """Return one state to four, two players, opposed or not, with a horizon or without, and chances of zero."""
    states, sizes, zero = int(rng.integers(1, 5)), tuple(rng.integers(1, 4, 2).tolist()), rng.random() < 0.5
    reward = np.stack([payoffs(rng, sizes) for _ in range(states)], axis=1)
    units = scale(rng), scale(rng)
    reward = np.stack([own / (np.abs(own).max() or 1.0) * unit for own, unit in zip(reward, units, strict=True)])
    if zero:
        reward = np.stack((reward[0], -reward[0]))
    chances = numbers(rng, states, *sizes, states) + 1e-9 * (rng.random() < 0.5)
    chances[..., 0] += chances.sum(axis=-1) == 0
    chances = chances / chances.sum(axis=-1, keepdims=True)
    horizon = int(rng.integers(1, 6)) if rng.random() < 0.6 else None
    discount = float(rng.choice([0.0, 0.5, 0.9, 0.99] if horizon is None else [0.0, 0.5, 1.0]))
    game = MarkovGame(reward, chances, np.eye(states)[0], horizon, discount)
    solve = markov_zero_sum if zero else markov_perfect
    return Stochastic(game, markov_correlated if horizon and rng.random() < 0.3 else solve)


def solve_stochastic(s: Stochastic) -> Any:  # noqa: ANN401
    """Solve it."""
    return s.solve(s.game) if s.solve is markov_correlated else s.solve(s.game, throw=False)


def judge_stochastic(s: Stochastic, found: Any) -> None:  # noqa: ANN401
    """No player gains by another policy of its own, in any state and step, by its own recursion."""
    game = s.game
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    steps, forever = game.horizon or 1, game.horizon is None
    rounds = int(np.ceil(np.log(1e-12) / np.log(max(game.discount, 1e-9)))) + 1 if forever else steps
    joint = found.joint if hasattr(found, "joint") else _product(found.policies, game.sizes)
    for i, own in enumerate(game.reward):
        have, best = np.zeros(game.states), np.zeros(game.states)
        for t in reversed(range(rounds)):
            drawn, ahead = joint[0 if forever else t], game.transition
            after = [(own + game.discount * ahead @ value) for value in (have, best)]
            have = (drawn * after[0]).sum(axis=(1, 2))
            others = drawn.sum(axis=1 + i)  # who leaves a device knows nothing
            best = np.einsum("sj,saj->sa", others, np.moveaxis(after[1], 1 + i, 1)).max(axis=1)
            best = np.maximum(best, have) if hasattr(found, "joint") else best
        size = (np.ptp(own) or 1.0) * (steps if not forever else 1 / (1 - game.discount))
        gain = (best - have).max() / size
        expect(gain <= TOL, f"player {i} gains {gain:.3g} of its scale")


def _product(policies: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    first, second = policies[0, ..., : sizes[0]], policies[1, ..., : sizes[1]]
    return first[..., :, None] * second[..., None, :]


FAMILIES = (
    Family("nash", game_of, lambda game: nash(game, throw=False), judge_nash),
    Family("zero_sum", opposed, zero_sum, judge_zero_sum),
    Family("extreme_nash", pair, extreme_nash, judge_extreme),
    Family("correlated", asked, lambda a: correlated(a.game, a.concept, a.objective), judge_device),
    Family("markov", stochastic, solve_stochastic, judge_stochastic),
)
