"""Random games in normal form, B at a time; `sizes` are the numbers of actions A_1 .. A_N."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.typing import Floats, Ints
from walras.markets.normal_form import MatrixGames


class Potential(NamedTuple):
    """Potential games and their exact potentials."""

    games: MatrixGames
    potential: Floats  # [B, A_1, .., A_N]


class Solvable(NamedTuple):
    """Games that iterated strict dominance solves, and the cell that it leaves."""

    games: MatrixGames
    cell: Ints  # [B, N]


def normal(rng: np.random.Generator, rows: int, sizes: Sequence[int]) -> MatrixGames:
    """Return games whose payoffs are independent and standard normal."""
    return MatrixGames(rng.normal(size=(rows, len(sizes), *sizes)))


def zero_sum(rng: np.random.Generator, rows: int, sizes: tuple[int, int]) -> MatrixGames:
    """Return games of two players with opposite, standard normal payoffs."""
    own = rng.normal(size=(rows, *sizes))
    return MatrixGames(np.stack([own, -own], axis=1))


def covariant(rng: np.random.Generator, rows: int, sizes: Sequence[int], correlation: float) -> MatrixGames:
    """Return games whose players' payoffs in a cell are normal with variance 1 and a common correlation.

    Raises
    ------
    ValueError
        If the correlation lies outside [-1 / (N - 1), 1].
    """
    players = len(sizes)
    least = -1 / max(players - 1, 1)
    require(least <= correlation <= 1, "correlation", f"lie in [{least:.4g}, 1]", correlation)
    matrix = (1 - correlation) * np.eye(players) + correlation
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return MatrixGames(np.moveaxis(rng.normal(size=(rows, *sizes, players)) @ root.T, -1, 1))


def integer(rng: np.random.Generator, rows: int, sizes: Sequence[int], levels: int = 3) -> MatrixGames:
    """Return games whose payoffs are 0 .. levels - 1, evenly drawn: degenerate on purpose."""
    require_whole(levels, "levels")
    return MatrixGames(rng.integers(0, levels, size=(rows, len(sizes), *sizes)).astype(np.float64))


def potential(rng: np.random.Generator, rows: int, sizes: Sequence[int]) -> Potential:
    """Return games whose payoffs are a normal potential, and for each player a function of the others' actions."""
    common = rng.normal(size=(rows, *sizes))
    payoff = [common + np.expand_dims(rng.normal(size=(rows, *_without(sizes, i))), i + 1) for i in range(len(sizes))]
    return Potential(MatrixGames(np.stack(payoff, axis=1)), common)


def congestion(rng: np.random.Generator, rows: int, players: int, resources: int) -> Potential:
    """Return games of players who choose a resource, whose cost grows with its users, and the potential [1]_.

    References
    ----------
    [1] R. W. Rosenthal, A class of games possessing pure-strategy Nash equilibria, International Journal of Game Theory
        2, 1973.
    """
    cost = np.cumsum(rng.random((rows, resources, players)), axis=2)  # of 1 .. N users
    chosen = np.stack(np.meshgrid(*[np.arange(resources)] * players, indexing="ij"))
    users = (chosen[..., None] == np.arange(resources)).sum(axis=0)  # [A, .., A, resources]
    load = np.take_along_axis(users, chosen.transpose(*range(1, players + 1), 0), axis=-1)  # [A, .., A, N]
    own = cost[:, chosen, np.moveaxis(load, -1, 0) - 1]
    before = np.concatenate([np.zeros((rows, resources, 1)), np.cumsum(cost, axis=2)], axis=2)
    total = before[:, np.arange(resources), users].sum(axis=-1)
    return Potential(MatrixGames(-own), -total)


def dominance_solvable(rng: np.random.Generator, rows: int, sizes: Sequence[int]) -> Solvable:
    """Return games that iterated strict dominance solves, in a random order of the actions that go.

    When an action goes, the surviving action of the player earns more against all actions of the others that are left.
    """
    ends = np.cumsum([0, *sizes])
    gone = rng.permuted(np.broadcast_to(np.arange(ends[-1]), (rows, int(ends[-1]))), axis=1).astype(np.float64)
    cell = np.stack([rng.integers(0, size, rows) for size in sizes], axis=1)
    np.put_along_axis(gone, cell + ends[:-1], np.inf, axis=1)
    times = [gone[:, a:b] for a, b in pairwise(ends)]
    payoff = rng.normal(size=(rows, len(sizes), *sizes))
    for i, own in enumerate(times):
        table = np.moveaxis(payoff[:, i], i + 1, 1)  # a view: [B, A_i, others]
        others = [times[j] for j in range(len(sizes)) if j != i]
        left = _least(others)[:, None] > own.reshape(rows, -1, *(1,) * len(others))
        best = np.take_along_axis(table, cell[:, i].reshape(rows, 1, *(1,) * len(others)), axis=1)
        table[...] = np.where(left, best - rng.exponential(size=table.shape) - 0.01, table)
    return Solvable(MatrixGames(payoff), cell)


def graphical(rng: np.random.Generator, rows: int, sizes: Sequence[int], neighbours: int = 1) -> MatrixGames:
    """Return games on a ring: a player's payoff depends on its own action and those of the next players alone."""
    players = len(sizes)
    require(0 <= neighbours < players, "neighbours", f"lie in 0 .. {players - 1}", neighbours)
    each = []
    for i in range(players):
        counted = {(i + k) % players for k in range(neighbours + 1)}
        shape = [size if j in counted else 1 for j, size in enumerate(sizes)]
        each.append(np.broadcast_to(rng.normal(size=(rows, *shape)), (rows, *sizes)))
    return MatrixGames(np.stack(each, axis=1))


def _least(times: Sequence[Floats]) -> Floats:
    """Return the least of the players' times in each joint action, ``[B, A_1, ..]``."""
    total = np.full((len(times[0]),), np.inf) if times else np.array(np.inf)
    for own in times:
        total = np.minimum(total[..., None], own.reshape(len(own), *(1,) * (total.ndim - 1), own.shape[1]))
    return total


def _without(sizes: Sequence[int], player: int) -> tuple[int, ...]:
    return tuple(size for j, size in enumerate(sizes) if j != player)
