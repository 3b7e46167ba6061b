"""Rules of play without regret in named and random games: which end in an equilibrium, and how fast.

Nine rules meet eight games that have names and five kinds of random ones, all players of a game following the same
rule. In each the last strategies may approach an equilibrium, or their mean alone may; else they settle elsewhere, as
where a fixed magnet pulls, or cycle. Where regret vanishes the mean joint play is coarse correlated, which says little.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras.core.checks import require, require_whole
from walras.scenarios.engine.study import AbstractStudy, Chart, Found
from walras.scenarios.matrix import play_charts, play_tables


@final
@dataclass(frozen=True)
class RulesOfPlay(AbstractStudy):
    """Rules of play without regret, in named and random games."""

    rounds: int = 10_000
    """Rounds of a game."""
    seeds: int = 20
    """Starts of each named game, and games of each random kind."""
    size: int = 5
    """Actions of each of two players in random games."""
    tolerance: float = 0.01
    """Gap, as a share of the spread of payoffs, up to which strategies are called an equilibrium."""
    draw: int = 0
    """Seed of starts and games."""

    def __post_init__(self) -> None:
        for name in ("rounds", "seeds", "size"):
            require_whole(getattr(self, name), name)
        require(self.rounds >= 100, "rounds", "be at least 100, for slopes to be seen", self.rounds)
        require(0 < self.tolerance < 1, "tolerance", "lie in (0, 1)", self.tolerance)

    def find(self) -> Found:
        """Let all rules play all games."""
        gaps = play_tables.gaps_table(self.rounds, self.seeds, self.size, self.draw)
        verdicts = play_tables.verdicts_table(gaps, self.tolerance)
        tables = {"verdicts": verdicts, "gaps": gaps, "paths": play_tables.paths_table(self.rounds)}
        counted = {name: int((verdicts["verdict"] == name).sum()) for name in play_tables.VERDICTS}
        facts: dict[str, float] = {f"{name} (of {len(verdicts)} pairs)": count for name, count in counted.items()}
        facts |= {
            f"regret above the tolerance (of {len(verdicts)} pairs)": int((verdicts["regret"] > self.tolerance).sum())
        }
        residual = play_tables.disagreement(min(self.seeds, 4), self.size, self.draw, min(self.rounds, 200))
        return Found(tables, residual, facts, headline=_headline(counted, len(verdicts), residual))

    def charts(self) -> Mapping[str, Chart]:
        """Show what becomes of each rule in each game, gaps by round, slopes, and paths."""
        return play_charts.CHARTS


def _headline(counted: Mapping[str, int], pairs: int, residual: float) -> str:
    return (
        f"Of {pairs} pairs of a rule and a game, the last strategies come to an equilibrium in"
        f" {counted['converges']}, their mean alone in {counted['average only']};"
        f" {counted['settles elsewhere']} settle elsewhere, gaps still fall in {counted['still falling']}, and"
        f" {counted['cycles']} cycle. Regrets, summed in play, and gaps of the"
        f" mean joint play, found afterwards, differ by at most {residual:.0e}."
    )
