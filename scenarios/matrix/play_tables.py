"""Tables of play without regret: gaps by round, what becomes of each rule in each game, and paths of strategies."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from walras.agents.no_regret.paths import gap_paths
from walras.agents.no_regret.play import mean_joint, strategies
from walras.agents.no_regret.rules import (
    FictitiousPlay,
    Hedge,
    MagneticMirrorDescent,
    NashPG,
    OptimisticHedge,
    PredictiveRMPlus,
    RegretMatching,
    RMPlus,
    Rule,
    SwapHedge,
)
from walras.core.typing import Floats
from walras.markets.matrix import MatrixGame, MatrixGames, named_games, random_games
from walras.markets.normal_form import Mixed
from walras.scenarios.engine.statistics import estimate

RULES: Mapping[str, Rule] = {
    "Hedge": Hedge(),
    "optimistic Hedge": OptimisticHedge(),
    "regret matching": RegretMatching(),
    "RM+": RMPlus(),
    "predictive RM+": PredictiveRMPlus(),
    "fictitious play": FictitiousPlay(),
    "swap Hedge": SwapHedge(),
    "magnetic mirror descent": MagneticMirrorDescent(),
    "NashPG": NashPG(),
}
"""All with their defaults."""
NAMED: Mapping[str, Callable[[], MatrixGame]] = {
    "prisoner's dilemma": named_games.prisoners_dilemma,
    "stag hunt": named_games.stag_hunt,
    "chicken": named_games.chicken,
    "battle of the sexes": named_games.battle_of_sexes,
    "matching pennies": named_games.matching_pennies,
    "rock, paper, scissors": named_games.rock_paper_scissors,
    "Shapley": named_games.shapley,
    "coordination, 3 actions": lambda: named_games.coordination(3),
}
"""From one start a seed."""
DRAWN: Mapping[str, Callable[[np.random.Generator, int, int], MatrixGames]] = {
    "random zero-sum": lambda rng, rows, size: random_games.zero_sum(rng, rows, (size, size)),
    "random": lambda rng, rows, size: random_games.normal(rng, rows, (size, size)),
    "random, opposed": lambda rng, rows, size: random_games.covariant(rng, rows, (size, size), -0.8),
    "random potential": lambda rng, rows, size: random_games.potential(rng, rows, (size, size)).games,
    "random, solvable by dominance": lambda rng, rows, size: (
        random_games.dominance_solvable(rng, rows, (size, size)).games
    ),
}
"""One game a seed."""
SIMPLEX = ("rock, paper, scissors", "Shapley")
"""Games whose strategies are drawn."""
START = (np.array([[0.5, 0.3, 0.2]]), np.array([[0.25, 0.25, 0.5]]))
"""Where their paths begin."""
SHOWN = 600
"""Rounds of a path that are drawn."""
VERDICTS = ("converges", "average only", "settles elsewhere", "still falling", "cycles")
ENOUGH = 0.9
"""Share of the seeds in which a gap is small, for it to be called so."""
STILL = 1e-3
"""Share by which a gap may change in the second half of the rounds, for strategies to have settled."""
FALLING = -0.25
"""Slope of the logarithm of a gap on that of the round, up to which it is called falling."""


def marks(rounds: int) -> list[int]:
    """Return numbers of rounds at equal ratios, 12 to a factor of ten."""
    count = round(12 * np.log10(max(rounds, 2))) + 1
    return sorted({*np.geomspace(1, rounds, count).round().astype(int).tolist()})


def games_of(seeds: int, size: int, rng: np.random.Generator) -> dict[str, MatrixGames]:
    """Return all games by name, one row a seed."""
    named = {name: MatrixGames(np.repeat(make().payoff[None], seeds, axis=0)) for name, make in NAMED.items()}
    return named | {name: make(rng, seeds, size) for name, make in DRAWN.items()}


def starts(games: MatrixGames, rng: np.random.Generator) -> Mixed:
    """Return strategies drawn evenly from all there are, ``[B, A_i]``."""
    return tuple(rng.dirichlet(np.ones(size), len(games)) for size in games.sizes)


def gaps_table(rounds: int, seeds: int, size: int, draw: int) -> pd.DataFrame:
    """Return gaps of the last and of the mean strategies, and regret a round: one row for each game, rule, seed, mark.

    Games of one shape are played at once.
    """
    rng = np.random.default_rng(draw)
    games = games_of(seeds, size, rng)
    first = {name: starts(each, rng) for name, each in games.items()}
    parts = list[pd.DataFrame]()
    for sizes in dict.fromkeys(each.sizes for each in games.values()):
        names = [name for name, each in games.items() if each.sizes == sizes]
        joined = MatrixGames(np.concatenate([games[name].payoff for name in names]))
        begun = tuple(np.concatenate([first[name][i] for name in names]) for i in (0, 1))
        label = pd.MultiIndex.from_product([names, range(seeds)], names=["game", "seed"])
        for rule, made in RULES.items():
            found = gap_paths(joined, made, marks(rounds), begun)
            for k, number in enumerate(found.rounds.tolist()):
                columns = {"last": found.last[k], "average": found.average[k], "regret": found.regret[k]}
                parts.append(pd.DataFrame(columns, index=label).reset_index().assign(rule=rule, round=number))
    return pd.concat(parts, ignore_index=True)


def verdicts_table(gaps: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Return for each game and rule what becomes of play, in which share of the seeds, and slopes with intervals."""
    rounds = int(gaps["round"].max())
    late = gaps[gaps["round"] >= rounds / 2]
    rows = list[dict[str, object]]()
    for game in dict.fromkeys(gaps["game"]):
        for rule in RULES:
            own = gaps[(gaps["game"] == game) & (gaps["rule"] == rule)]
            end = late[(late["game"] == game) & (late["rule"] == rule)]
            shares = {name: _small(end, name, tolerance) for name in ("last", "average")}
            slopes = {name: slope_of(own, name) for name in ("last", "average")}
            verdict = _verdict(shares, slopes, _settled(end))
            row: dict[str, object] = {"game": game, "rule": rule, "verdict": verdict}
            final = own[own["round"] == rounds]
            for name in ("last", "average"):
                row |= {f"{name}_gap": final[name].median(), f"{name}_small": shares[name]}
                low, mean, high = slopes[name]
                row |= {f"{name}_slope": mean, f"{name}_slope_low": low, f"{name}_slope_high": high}
            rows.append(row | {"regret": final["regret"].median()})
    return pd.DataFrame(rows)


def slope_of(gaps: pd.DataFrame, name: str) -> tuple[float, float, float]:
    """Return the slope of the logarithm of a gap on that of the round, in the last two factors of ten, with its ends.

    The interquartile mean over seeds between the ends of its 95 % interval; minus infinity where most gaps vanish.
    """
    late = gaps[gaps["round"] >= gaps["round"].max() / 100]
    table = late.pivot(index="round", columns="seed", values=name).sort_index()
    values = table.to_numpy(dtype=np.float64)
    gone = (values <= 1e-12).any(axis=0)
    if gone.mean() > 0.5:
        return -np.inf, -np.inf, -np.inf
    x = np.log(table.index.to_numpy(dtype=np.float64))
    fitted = np.polyfit(x, np.log(values[:, ~gone]), 1)[0]
    told = estimate(fitted)
    return told.low, told.mean, told.high


def paths_table(rounds: int) -> pd.DataFrame:
    """Return the first player's strategies in two games of three actions, in the first `SHOWN` rounds.

    ``game, rule, round, first, second, third``.
    """
    shown = np.arange(min(rounds, SHOWN))
    parts = list[pd.DataFrame]()
    for game in SIMPLEX:
        shares = MatrixGames(NAMED[game]().payoff[None]).normalised
        for rule, made in RULES.items():
            played = strategies(shares, made, len(shown), first=START)[0][:, 0]
            columns = dict(zip(("first", "second", "third"), played.T, strict=True))
            parts.append(pd.DataFrame({"game": game, "rule": rule, "round": shown + 1, **columns}))
    return pd.concat(parts, ignore_index=True)


def disagreement(seeds: int, size: int, draw: int, rounds: int) -> float:
    """Return by how much the largest regret a round and the gap of the mean joint play differ: they are one number.

    The one is summed while rules play, the other found from all that was played.
    """
    rng, most = np.random.default_rng(draw), 0.0
    for games in games_of(seeds, size, rng).values():
        shares, first = games.normalised, starts(games, rng)
        for rule in RULES.values():
            regret = gap_paths(games, rule, [rounds], first).regret[0]
            joint = mean_joint(strategies(shares, rule, rounds, first=first))
            most = max(most, float(np.abs(regret - shares.gap(joint).max(axis=1)).max()))
    return most


def _small(gaps: pd.DataFrame, name: str, tolerance: float) -> float:
    """Return the share of seeds in which a gap is small at all marks of the second half."""
    return float((gaps.groupby("seed")[name].max() <= tolerance).mean())


def _settled(gaps: pd.DataFrame) -> float:
    """Return the share of seeds in which the gap of the last strategies stays as it is in the second half."""
    last = gaps.groupby("seed")["last"]
    return float((last.max() - last.min() <= STILL * last.max()).mean())


def _verdict(shares: Mapping[str, float], slopes: Mapping[str, tuple[float, float, float]], settled: float) -> str:
    if shares["last"] >= ENOUGH:
        return VERDICTS[0]
    if shares["average"] >= ENOUGH:
        return VERDICTS[1]
    if settled >= ENOUGH:
        return VERDICTS[2]
    falls = min(slopes["last"][2], slopes["average"][2]) <= FALLING
    return VERDICTS[3] if falls else VERDICTS[4]


def heights(paths: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the places of strategies in a triangle with corners (0, 0), (1, 0) and (1/2, sqrt(3)/2)."""
    second, third = (paths[name].to_numpy(dtype=np.float64) for name in ("second", "third"))
    return second + third / 2, third * np.sqrt(3) / 2
