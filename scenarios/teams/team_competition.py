"""Two teams learn against each other: cooperative inside, competitive between, with the Nash equilibrium known.

Each team has infinitely many agents with linear dynamics and quadratic costs. MRPG learns stage by stage from the last
to the first; policy gradients over the whole horizon learn all stages at once; PPO sees rewards alone. All play linear
feedback, so the gap of each is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import final

from walras.agents.sb3 import SB3
from walras.agents.teams.mrpg import MRPG
from walras.agents.teams.oracles import ZerothOrderOracle
from walras.agents.teams.policy_gradient import Natural, Vanilla
from walras.agents.teams.whole_horizon import WholeHorizon
from walras.core.checks import require_known
from walras.core.policy import Scripted
from walras.envs import MeanFieldLimitLQ, TeamMeanFieldLQ
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.teams import base as teams
from walras.scenarios.teams import measures

DYNAMICS = {"mild": TeamMeanFieldLQ.mild, "unstable": TeamMeanFieldLQ.unstable}


@final
@dataclass(frozen=True)
class TeamCompetition(AbstractScenario):
    """Teams that learn against each other, beside their Nash equilibrium."""

    dynamics: str = "mild"
    """mild, or unstable with strong coupling."""
    horizon: int = 5
    """Steps of an episode."""
    iterations: int = 60
    """Steps of gradient at each stage; over the whole horizon, as many in all."""
    rate: float = 0.1
    """Size of a step."""
    samples: int = 5_000
    """Episodes from which MRPG estimates a gradient without a model."""
    steps: int = 20_000
    """Environment steps of PPO."""
    checkpoints: int = 10
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def __post_init__(self) -> None:
        require_known(self.dynamics, "dynamics", DYNAMICS)

    def game(self) -> MeanFieldLimitLQ:
        """Play with infinitely many agents."""
        return replace(DYNAMICS[self.dynamics](), horizon=self.horizon, limit=3.0).limit_game()

    def evaluation(self) -> MeanFieldLimitLQ:
        """Judge in the same game, with room for the controls of gains that have run away."""
        return replace(self.game(), limit=1e15)

    def objective(self) -> Objective:
        """Play for a small cost."""
        return Objective("minus the cost", "a step")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare stage by stage with the whole horizon, models with samples."""
        updates = self.iterations * self.horizon
        exact = MRPG(rule=Natural(self.rate), iterations=self.iterations, checkpoints=self.checkpoints)
        sampled = replace(exact, oracle=ZerothOrderOracle(self.samples, radius=1.0), rule=Natural(self.rate / 2))
        natural = WholeHorizon(Natural(self.rate), updates, self.checkpoints)
        ppo = SB3("PPO", steps=self.steps, checkpoints=self.checkpoints, hyperparameters=teams.LINEAR)
        return {
            "mrpg": Method(exact, "MRPG"),
            "mrpg_sampled": Method(sampled, "MRPG from costs alone"),
            "natural_gradient": Method(natural, "natural gradient, whole horizon"),
            "policy_gradient": Method(replace(natural, rule=Vanilla(self.rate)), "plain gradient, whole horizon"),
            "ppo": Method(ppo, "PPO"),
            "equilibrium": Method(self.solution.policy, "Nash equilibrium", "reference"),
            "no_control": Scripted(self.evaluation()),
        }

    def curve_measures(self) -> Mapping[str, Measure]:
        """Measure the distance to the gains of the equilibrium."""
        return {"distance": measures.gain_distance}

    def charts(self) -> Mapping[str, Chart]:
        """Show how gains approach the equilibrium, and how the gap falls with the size of teams."""
        return {
            "Distance to the Nash gains": teams.DISTANCE,
            "Gap to equilibrium": teams.GAP,
            "Minus the cost of a step": teams.COST,
            "Gap against team size": partial(teams.size_chart, DYNAMICS[self.dynamics], self.horizon),
        }
