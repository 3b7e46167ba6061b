"""Door: one agent holds a door open from its own goal, so that the other can pass.

Alone each agent finds open what others open, so demonstrations never show the help. In case b the helper's goal is the
only gap in the other's way: it must come, leave, and lose what its own demonstrations promise.
"""

from dataclasses import dataclass
from typing import final

from walras.envs import GridWorld
from walras.scenarios.cooperation.base import AbstractCooperation


@final
@dataclass(frozen=True)
class Door(AbstractCooperation):
    """Two agents of whom one opens a door for the other, beside the joint optimum."""

    case: str = "a"
    """a, or b with the helper's goal in the other's way."""

    def game(self) -> GridWorld:
        """Play on the door map."""
        return GridWorld.door(self.case)
