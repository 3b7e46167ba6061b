"""Random finite games: every answer of `nash` judged again by sums that round once, and the time of the slowest.

    python benchmarks/random_games.py [GAMES] [SEED]

Of the games, 10,000 by default, nine in ten have two players of 2 to 20 actions, the rest three players of 2 to 4, four
of 2 or 3, or five of 2. Payoffs are normal, or whole numbers with ties in most cells. An answer is **wrong** if `nash`
says that it converged and a player gains more than 1e-8 of the spread of the payoffs, **unsolved** if it says that it
did not. Times are processor seconds of a game, after one that is not counted.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from walras.core.typing import Floats
from walras.equilibria import nash
from walras.markets.matrix import MatrixGame

TOL = 1e-8
KINDS = ("normal", "0 to 2", "0 or 1", "zero sum")
MOST = {2: 20, 3: 4, 4: 3, 5: 2}
"""Actions of a player, by the number of players."""
SHARES = {2: 0.9, 3: 0.04, 4: 0.03, 5: 0.03}


@dataclass
class Row:
    """What games of a kind came to."""

    games: int = 0
    unsolved: int = 0
    wrong: int = 0
    worst: float = 0.0
    seconds: list[float] = field(default_factory=list[float])


def payoffs(rng: np.random.Generator, kind: str, sizes: tuple[int, ...]) -> Floats:
    """Return payoffs ``[N, A_1, .., A_N]``."""
    shape = (len(sizes), *sizes)
    match kind:
        case "normal":
            return rng.normal(size=shape)
        case "0 to 2":
            return rng.integers(0, 3, shape).astype(np.float64)
        case "0 or 1":
            return rng.integers(0, 2, shape).astype(np.float64)
        case _:
            found = rng.integers(-5, 6, shape).astype(np.float64)
            found[-1] = -found[:-1].sum(axis=0)
            return found


def regret(payoff: Floats, mixed: tuple[Floats, ...]) -> float:
    """Return the largest gain of a player by an action, as a share of its spread, of sums that round once."""
    worst = 0.0
    for player, own in enumerate(payoff):
        others = [x for j, x in enumerate(mixed) if j != player]
        table = np.moveaxis(own, player, 0).reshape(own.shape[player], -1)
        weight = [math.prod(chances) for chances in product(*(x.tolist() for x in others))]
        worth = [math.fsum(u * w for u, w in zip(row, weight, strict=True)) for row in table.tolist()]
        have = math.fsum(p * v for p, v in zip(mixed[player].tolist(), worth, strict=True))
        worst = max(worst, (max(worth) - have) / (np.ptp(own) or 1.0))
    return worst


def drawn(games: int, seed: int) -> Iterator[tuple[str, Floats]]:
    """Yield games with the name of their row."""
    rng = np.random.default_rng(seed)
    for players, share in SHARES.items():
        for k in range(round(games * share)):
            kind = KINDS[k % len(KINDS)]
            sizes = tuple(rng.integers(2, MOST[players] + 1, players).tolist())
            yield f"{players} players, {kind}", payoffs(rng, kind, sizes)


def judge(row: Row, payoff: Floats) -> None:
    """Solve a game, and note what came of it."""
    game, begin = MatrixGame(payoff), time.process_time()
    found = nash(game, throw=False)
    row.seconds.append(time.process_time() - begin)
    row.games += 1
    gain = regret(payoff, found.mixed)
    chances = all((x >= 0).all() and abs(x.sum() - 1) <= 1e-9 for x in found.mixed)
    if not found.converged:
        row.unsolved += 1
    elif gain > TOL or not chances:
        row.wrong += 1
    else:
        row.worst = max(row.worst, gain)


def main(games: int = 10_000, seed: int = 0) -> int:
    """Print a row for each kind; return how many answers were wrong."""
    nash(MatrixGame(payoffs(np.random.default_rng(0), "normal", (3, 3))))
    rows: dict[str, Row] = {}
    for name, payoff in drawn(games, seed):
        judge(rows.setdefault(name, Row()), payoff)
    print("| games | number | wrong | unsolved | largest gain left | mean, ms | slowest, ms |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        times = 1e3 * np.array(row.seconds)
        told = (
            f"{row.games:,} | {row.wrong} | {row.unsolved} | {row.worst:.1e} | {times.mean():.2f} | {times.max():.0f}"
        )
        print(f"| {name} | {told} |")
    each = list(rows.values())
    total = [sum(getattr(row, name) for row in each) for name in ("games", "wrong", "unsolved")]
    print("{:,} games, {} wrong, {} unsolved".format(*total))
    return total[1]


if __name__ == "__main__":
    sys.exit(min(main(*map(int, sys.argv[1:])), 1))
