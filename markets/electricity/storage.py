"""Storages: what they give, draw and hold."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require, require_numbers


@final
@dataclass(frozen=True)
class Storage:
    """A storage at a bus.

    Raises
    ------
    ValueError
        If a number is negative or not finite, an efficiency lies outside (0, 1], or it starts with more than it holds.
    """

    name: str
    bus: Hashable
    power: float  # MW that it gives, most
    charge: float  # MW that it draws, most
    energy: float  # MWh that it holds, most
    efficiency_charge: float = 1.0
    efficiency_discharge: float = 1.0
    start: float | None = None  # MWh; None: what is best
    cost: float = 0.0  # EUR/MWh that it gives
    owner: str = ""

    def __post_init__(self) -> None:
        require_numbers(self)
        for name in ("power", "charge", "energy"):
            require(0 <= getattr(self, name) < np.inf, name, "be finite and not negative", getattr(self, name))
        for name in ("efficiency_charge", "efficiency_discharge"):
            require(0 < getattr(self, name) <= 1, name, "lie in (0, 1]", getattr(self, name))
        require(self.start is None or 0 <= self.start <= self.energy, "start", "lie in [0, energy]", self.start)
        require(bool(np.isfinite(self.cost)), "cost", "be finite", self.cost)
