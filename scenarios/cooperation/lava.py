"""Lava: agents whose goals lie in opposite corners, on a ring around a square of lava.

Each knows its way when alone, and two or more ways cross. Collisions cost, lava ends the episode, and only the arrival
of all is paid; so without demonstrations agents hardly ever see the prize, and by demonstrations alone they collide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from walras.envs import GridWorld
from walras.scenarios.cooperation import measures
from walras.scenarios.cooperation.base import AbstractCooperation
from walras.scenarios.engine.measure import Measure


@final
@dataclass(frozen=True)
class Lava(AbstractCooperation):
    """Agents around a square of lava who learn to pass each other, beside the joint optimum."""

    agents: int = 2
    """2, 3 or 4."""

    def game(self) -> GridWorld:
        """Play on the lava map."""
        return GridWorld.lava(self.agents)

    def market_measures(self) -> Mapping[str, Measure]:
        """Add how often somebody ends in lava."""
        return {**super().market_measures(), "lava_rate": measures.lava_rate}
