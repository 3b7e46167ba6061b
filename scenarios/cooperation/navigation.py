"""Navigation: soft particles behind a wall that must spread over landmarks.

Each has shown how it flies to a landmark of its own when alone. The joint optimum is known between bounds: shares are
of the best plan that was found, and a learner may do better.
"""

from dataclasses import dataclass, replace
from typing import final

from walras.envs import CooperativeNavigation
from walras.envs.cooperation.navigation_rewards import Covering
from walras.scenarios.cooperation.base import AbstractCooperation


@final
@dataclass(frozen=True)
class Navigation(AbstractCooperation):
    """Particles who learn to spread over landmarks behind a wall, beside the best plan found."""

    eta: float = 0.1
    """Weight of the demonstrations in the rewards of pegmarl, pofd and dm2."""
    agents: int = 2
    """2 or 3."""

    def game(self) -> CooperativeNavigation:
        """Play with the wall, without the loss of each agent that touches itself: it hides what share is attained."""
        return replace(CooperativeNavigation.with_wall(self.agents), reward=Covering(self_contact=0.0))
