"""A team that must do well whatever nature does: robust control learned by descent and ascent.

RGDA learns stage by stage from the last to the first; descent and ascent over the whole horizon learns all at once.
Both take steps of the same size. On the unstable game that is too large for the whole horizon, whose gains end on the
ball around zero; with a step of 0.005 it converges, in more updates than RGDA needs. Beside them stand the saddle
point, and the regulator that counts on no disturbance, played against its worst one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

from walras.agents.teams.oracles import ZerothOrderOracle
from walras.agents.teams.policy_gradient import Vanilla
from walras.agents.teams.rgda import RGDA
from walras.agents.teams.whole_horizon import WholeHorizon
from walras.core.checks import require_known
from walras.core.policy import Scripted
from walras.core.solution import Solution
from walras.envs import MeanFieldLimitLQ, RobustTeamLQ
from walras.equilibria.solve import solve
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.teams import base as teams
from walras.scenarios.teams import measures

DYNAMICS = {"mild": RobustTeamLQ.mild, "unstable": RobustTeamLQ.unstable}


@final
@dataclass(frozen=True)
class RobustTeam(AbstractScenario):
    """A team against nature, beside the saddle point."""

    dynamics: str = "unstable"
    """mild, or unstable."""
    horizon: int = 6
    """Steps of an episode."""
    iterations: int = 70
    """Steps of gradient at each stage; over the whole horizon, as many in all."""
    rate: float = 0.025
    """Size of a step."""
    samples: int = 5_000
    """Episodes from which RGDA estimates a gradient without a model."""
    checkpoints: int = 10
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def __post_init__(self) -> None:
        require_known(self.dynamics, "dynamics", DYNAMICS)

    def game(self) -> MeanFieldLimitLQ:
        """Play with infinitely many agents; the second team is nature."""
        return self._robust().teams.limit_game()

    def equilibrium(self) -> Solution:
        """Solve for the saddle point, which must exist."""
        solve(self._robust())
        return solve(self.game(), throw=False)

    def objective(self) -> Objective:
        """Play for a small cost."""
        return Objective("minus the robust cost", "a step")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare stage by stage with the whole horizon, and robust with plain control."""
        rule, updates = Vanilla(self.rate, radius=50.0), self.iterations * self.horizon
        exact = RGDA(rule=rule, iterations=self.iterations, checkpoints=self.checkpoints)
        sampled = replace(exact, oracle=ZerothOrderOracle(self.samples, radius=1.0))
        return {
            "rgda": Method(exact, "RGDA"),
            "rgda_sampled": Method(sampled, "RGDA from costs alone"),
            "whole_horizon": Method(WholeHorizon(rule, updates, self.checkpoints), "descent ascent, whole horizon"),
            "saddle_point": Method(self.solution.policy, "saddle point", "reference"),
            "saddle_point_undisturbed": teams.undisturbed(self.game(), self.solution),
            "regulator_at_its_worst": teams.regulator_at_its_worst(self.game()),
            "regulator_undisturbed": teams.regulator(self.game()),
            "no_control": Scripted(self.game()),
        }

    def curve_measures(self) -> Mapping[str, Measure]:
        """Measure the distance to the gains of the saddle point."""
        return {"distance": measures.gain_distance}

    def charts(self) -> Mapping[str, Chart]:
        """Show how gains approach the saddle point."""
        return {
            "Distance to the saddle point": teams.DISTANCE,
            "Minus the robust cost of a step": teams.COST,
        }

    def _robust(self) -> RobustTeamLQ:
        return replace(DYNAMICS[self.dynamics](horizon=self.horizon), limit=1e15)  # gains may run away
