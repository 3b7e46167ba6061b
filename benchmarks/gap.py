"""How far policies are from equilibrium, certified: every registered game, solved, scripted, random and learned.

Run: ``OMP_NUM_THREADS=1 python benchmarks/gap.py [--games NAME ...] [--policies NAME ...] [--steps N]``. For each game
it prints the concept and residual of its solution, and the gap of four policies: the solution's, the scripted rule,
chance, and MAPPO after a few steps of training. Ends are those of the player that could gain most, as a share of what
it has at stake; seconds are of processor time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro

from walras.agents import mappo
from walras.core import AbstractGame, Random, Scripted
from walras.core.policy import Policy
from walras.envs.registration import GAMES, make_game
from walras.equilibria import Gap, gap, solve


@dataclass(frozen=True)
class Options:
    """What is judged."""

    games: tuple[str, ...] = ()
    """Names of games, such as CournotMarket; all by default."""
    policies: tuple[str, ...] = ("solved", "scripted", "random", "mappo")
    """Whose gap is asked."""
    steps: int = 4096
    """Environment steps by which MAPPO learns."""


def main(options: Options) -> None:
    """Print the table."""
    print("| game | concept | residual | status | policy | lower, % | upper, % | lower | upper | unit | kind | s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for key, name in GAMES.items():
        if not options.games or name in options.games:
            judge(name, make_game(key), options)


def judge(name: str, game: AbstractGame[Any], options: Options) -> None:
    """Print the rows of one game."""
    found, took = timed(lambda: solve(game, throw=False))
    head = f"| {name} | {found.concept} | {found.residual:.2g} | {found.status.name} "
    policies: dict[str, Callable[[], Policy]] = {
        "solved": lambda: found.policy,
        "scripted": lambda: Scripted(game),
        "random": lambda: Random(game),
        "mappo": lambda: mappo.train(game, steps=options.steps, checkpoints=1),
    }
    print(f"{head}| solve | | | | | | | {took:.1f} |")
    for label in options.policies:
        policy = policies[label]()
        judged, took = timed(lambda policy=policy: gap(game, policy))
        print(f"{head}| {label} {row(judged)}| {took:.1f} |", flush=True)


def row(judged: Gap) -> str:
    """Return the ends of the player that could gain most."""
    low, high = judged.relative
    worst = int(np.argmax(np.where(np.isfinite(high), high, low)))
    share = f"| {100 * low[worst]:.3g} | {100 * high[worst]:.3g} "
    return f"{share}| {judged.lower[worst]:.4g} | {judged.upper[worst]:.4g} | {judged.unit} | {judged.kind} "


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and its seconds."""
    began = time.process_time()
    return call(), time.process_time() - began


if __name__ == "__main__":
    main(tyro.cli(Options))
