"""Two teams learn against each other: cooperative inside, competitive between, with the Nash equilibrium known.

Each team has infinitely many agents with linear dynamics and quadratic costs. MRPG learns stage by stage from the last
to the first; policy gradients over the whole horizon learn all stages at once; PPO sees rewards alone. All play linear
feedback, so the gap of each is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import final

from walras.agents.teams import mrpg, whole_horizon
from walras.agents.teams.oracles import ExactOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Natural, Vanilla
from walras.core.checks import require_known
from walras.core.policy import Scripted
from walras.envs import MeanFieldLimitLQ, TeamMeanFieldLQ
from walras.scenarios.engine.scenario import (
    AbstractScenario,
    Chart,
    Contestant,
    Learner,
    PolicyMeasure,
    Stake,
)
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
    experience: int = 20_000
    """Steps of experience of PPO."""
    checkpoints: int = 10
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def __post_init__(self) -> None:
        require_known(self.dynamics, "dynamics", DYNAMICS)

    def game(self) -> MeanFieldLimitLQ:
        """Play with infinitely many agents."""
        return replace(DYNAMICS[self.dynamics](), horizon=self.horizon, limit=3.0).limit_game()

    def exam(self) -> MeanFieldLimitLQ:
        """Judge in the same game, with room for the controls of gains that have run away."""
        return replace(self.game(), limit=1e15)

    def stake(self) -> Stake:
        """Play for a small cost."""
        return Stake("minus the cost", "a step")

    def contestants(self) -> Mapping[str, Contestant]:
        """Compare stage by stage with the whole horizon, models with samples."""
        natural, vanilla = Natural(self.rate), Vanilla(self.rate)
        noisy = mrpg.Config(ZerothOrderOracle(self.samples, radius=1.0), Natural(self.rate / 2), self.iterations)
        exact = mrpg.Config(ExactOracle(), natural, self.iterations)
        at_once = self.iterations * self.horizon
        return {
            "mrpg": self._learner(mrpg.train, exact),
            "mrpg_sampled": self._learner(mrpg.train, noisy),
            "natural_gradient": self._learner(whole_horizon.train, whole_horizon.Config(natural, at_once)),
            "policy_gradient": self._learner(whole_horizon.train, whole_horizon.Config(vanilla, at_once)),
            "ppo": Learner(partial(teams.learn_ppo, self.experience, self.checkpoints)),
            "no_control": Scripted(self.exam()),
        }

    def curve_measures(self) -> Mapping[str, PolicyMeasure]:
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

    def _learner(self, train: teams.Train, config: object) -> Learner:
        return Learner(partial(teams.learn, train, config, self.checkpoints))
