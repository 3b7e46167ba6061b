"""Finite games: this suite beside quantecon, nashpy and OpenSpiel, in one run, as ratios of processor time.

    python benchmarks/normal_form.py

Peers that are not installed are left out (``pip install quantecon nashpy open_spiel``). Times are processor seconds,
the median of `REPEATS`, each after one call that is not counted. An answer of a peer is wrong if a player gains more
than 1e-6.
"""

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from walras.agents.no_regret.play import play
from walras.agents.no_regret.rules import PredictiveRMPlus, RMPlus
from walras.core.typing import Floats
from walras.equilibria import correlated, extreme_nash, lemke_howson, nash, zero_sum
from walras.equilibria.normal_form.nash import branches
from walras.markets.matrix import MatrixGame, MatrixGames
from walras.markets.matrix.random_games import integer, normal
from walras.markets.matrix.random_games import zero_sum as random_zero_sum

REPEATS = 3
Peer: TypeAlias = Any
"""A package whose types are not known, or what it makes."""


def seconds(run: Callable[[], Any]) -> float:
    """Return the median processor time of a call."""
    run()
    times = []
    for _ in range(REPEATS):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return float(np.median(times))


def peer(name: str) -> Peer:
    """Return a package, or none if it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def one_equilibrium(rng: np.random.Generator) -> None:
    """Print microseconds a game of one equilibrium of two players, and how often answers are wrong."""
    print("one equilibrium of two players: microseconds a game, and wrong answers")
    for size, rows in ((5, 200), (20, 200), (50, 20)):
        for kind, games in (
            ("normal", normal(rng, rows, (size, size))),
            ("{0, 1, 2}", integer(rng, rows, (size, size))),
        ):
            own = seconds(lambda games=games: lemke_howson(games)) / rows
            told = (
                f"  {size} x {size} {kind}: walras {1e6 * own:.1f}, wrong {int((lemke_howson(games).label < 0).sum())}"
            )
            quantecon = peer("quantecon.game_theory")
            if quantecon is not None:
                theirs = [_of_quantecon(quantecon, games[b]) for b in range(rows)]
                answers = [quantecon.lemke_howson(game) for game in theirs]
                spent = (
                    seconds(lambda theirs=theirs, find=quantecon.lemke_howson: [find(game) for game in theirs]) / rows
                )
                told += f"; quantecon {1e6 * spent:.1f} (x {spent / own:.1f}), wrong {_wrong(games, answers)}"
            print(told)


def all_equilibria(rng: np.random.Generator) -> None:
    """Print milliseconds a game of all extreme equilibria, and how many are found."""
    print("all extreme equilibria: milliseconds a game, and equilibria found")
    quantecon, nashpy = peer("quantecon.game_theory"), peer("nashpy")
    for size in (4, 8, 12):
        for kind, games in (("normal", normal(rng, 10, (size, size))), ("{0, 1, 2}", integer(rng, 10, (size, size)))):
            rows = [games[b] for b in range(len(games))]
            own = seconds(lambda rows=rows: [extreme_nash(game, exact=False) for game in rows]) / len(rows)
            told = f"  {size} x {size} {kind}: walras {1e3 * own:.2f}, {sum(len(extreme_nash(g)) for g in rows)}"
            if quantecon is not None:
                theirs = [_of_quantecon(quantecon, game) for game in rows]
                find = quantecon.vertex_enumeration
                spent = seconds(lambda theirs=theirs, find=find: [find(game) for game in theirs]) / len(rows)
                told += f"; quantecon {1e3 * spent:.2f} (x {spent / own:.1f}), {sum(len(find(g)) for g in theirs)}"
            if nashpy is not None and size == 4:
                count = sum(len(list(_of_nashpy(nashpy, game).vertex_enumeration())) for game in rows)
                told += f"; nashpy {count}"
            print(told)


def several_players(rng: np.random.Generator) -> None:
    """Print milliseconds a game of one equilibrium of several players, and how many are found to 1e-10."""
    print("one equilibrium of several players: milliseconds a game, and games solved to 1e-10")
    for sizes in ((2, 2, 2), (3, 3, 3), (5, 5, 5), (3, 3, 3, 3, 3)):
        games = [normal(rng, 1, sizes)[0] for _ in range(10)]
        spent = seconds(lambda games=games: [nash(game, throw=False) for game in games]) / len(games)
        good = sum(game.nash_conv(nash(game, throw=False).mixed) <= 1e-10 * game.spread for game in games)
        print(f"  {sizes}: walras {1e3 * spent:.1f}, {good} of {len(games)}")


def lost_branches(rng: np.random.Generator) -> None:
    """Print how often the branch of logit equilibria from the even prior leads nowhere."""
    games = normal(rng, 1000, (2, 2, 2))
    lost = [b for b in range(len(games)) if not next(branches(games[b])).converged]
    found = sum(nash(games[b], throw=False).converged for b in lost)
    print(f"logit branches of 1,000 games of 2 x 2 x 2: {len(lost)} lead nowhere, of which others find {found}")


def devices(rng: np.random.Generator) -> None:
    """Print milliseconds of the best correlated and coarse correlated devices."""
    print("devices of the largest welfare: milliseconds, correlated and coarse")
    for sizes in ((10, 10), (20, 20), (30, 30), (5, 5, 5)):
        game = normal(rng, 1, sizes)[0]
        spent = [seconds(lambda game=game, concept=concept: correlated(game, concept)) for concept in ("ce", "cce")]
        print(f"  {sizes}: walras {1e3 * spent[0]:.1f}, {1e3 * spent[1]:.1f}")


def no_regret(rng: np.random.Generator) -> None:
    """Print seconds until 1,000 zero-sum games of 20 x 20 have a NashConv of 2e-3, and of their linear programs."""
    print("1,000 zero-sum games of 20 x 20 to a NashConv of 2e-3: seconds")
    games = random_zero_sum(rng, 1000, (20, 20))
    for rule, average in ((RMPlus(), "linear"), (PredictiveRMPlus(), "quadratic")):
        spent = seconds(lambda rule=rule, average=average: play(games, rule, 1000, average=average, target=2e-3))
        print(f"  {type(rule).__name__}, {average} mean: walras {spent:.3f}")
    some = MatrixGames(games.payoff[:50])
    print(f"  linear programs: walras {20 * seconds(lambda: zero_sum(some)):.3f}, exact")
    pyspiel = peer("pyspiel")
    if pyspiel is not None:
        theirs = [_of_openspiel(pyspiel, games[b]) for b in range(20)]
        spent = seconds(lambda: [_by_cfr(pyspiel, game) for game in theirs])
        print(f"  CFR+ of OpenSpiel: {1000 / len(theirs) * spent:.1f}, of {len(theirs)} games")


def _of_openspiel(pyspiel: Peer, game: MatrixGame) -> Peer:
    row, column = game.payoff.tolist()
    return pyspiel.convert_to_turn_based(pyspiel.create_matrix_game(row, column))


def _by_cfr(pyspiel: Peer, game: Peer) -> None:
    """Play by CFR+ until the mean strategies have a NashConv of 2e-3, asked every 20 rounds as our own are."""
    solver = pyspiel.CFRPlusSolver(game)
    while True:
        for _ in range(20):
            solver.evaluate_and_update_policy()
        if pyspiel.nash_conv(game, solver.average_policy()) <= 2e-3:
            return


def _of_quantecon(quantecon: Peer, game: MatrixGame) -> Peer:
    row, column = game.payoff
    players = (quantecon.Player(np.array(row)), quantecon.Player(np.array(column.T)))
    return quantecon.NormalFormGame(players)


def _of_nashpy(nashpy: Peer, game: MatrixGame) -> Peer:
    return nashpy.Game(*(np.array(own) for own in game.payoff))


def _wrong(games: MatrixGames, answers: Sequence[tuple[Floats, ...]]) -> int:
    x, y = (np.stack(side) for side in zip(*answers, strict=True))
    return int((games.gains((x, y)).max(axis=1) > 1e-6).sum())


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    for part in (one_equilibrium, all_equilibria, several_players, devices, no_regret, lost_branches):
        part(generator)
