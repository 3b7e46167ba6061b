"""What the scenarios of personal demonstrations share: how they are made, who learns from them, how all are judged.

Each agent shows its own task, done alone; together their paths cross. Learners use these demonstrations in ways of
their own. Beside them stand the joint optimum, which is known, and naive imitation: each agent as if it were alone.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from walras import agents
from walras.agents.imitation.demonstrations import Demonstrations, collect, expert
from walras.core.checks import require, require_known
from walras.core.concept import Concept
from walras.core.learner import Learner
from walras.core.solution import Solution
from walras.envs import CooperativeNavigation, GridWorld
from walras.scenarios.cooperation import measures
from walras.scenarios.cooperation.charts import paths_chart, share_chart
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs

LEARNERS = {
    "pegmarl": "PegMARL",
    "mappo": "MAPPO",
    "magail": "MAGAIL",
    "behaviour_cloning": "behaviour cloning",
    "pofd": "POfD",
    "dm2": "DM2",
}
"""Who can learn, and their names in reports."""
EPISODES = 100
"""Episodes in which each method is judged, for each seed."""
ROLLOUT = 4096
"""Environment steps from which a learner learns at once."""


@dataclass(frozen=True)
class AbstractCooperation(AbstractScenario):
    """Learners with personal demonstrations, beside the joint optimum. A subclass says in which game.

    Raises
    ------
    ValueError
        If a learner is unknown, a number is below 1, `eta` or `quality` lies outside [0, 1], there are too few steps
        for the checkpoints, or no such game.
    """

    learners: tuple[str, ...] = ("pegmarl", "mappo", "magail", "behaviour_cloning")
    """Who learns: pegmarl, mappo (sees no demonstrations), magail, behaviour_cloning, pofd, dm2."""
    quality: float = 1.0
    """Probability of the expert's action at each step of a demonstration; a random one otherwise."""
    episodes: int = 200
    """Demonstrations of each agent."""
    eta: float = 0.02
    """Weight of the demonstrations in the rewards of pegmarl, pofd and dm2."""
    steps: int = 2_000_000
    """Environment steps of training, of 32 concurrent games together; behaviour cloning needs none."""
    checkpoints: int = 10
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions: of demonstrations and of learning."""

    def __post_init__(self) -> None:
        for name in self.learners:
            require_known(name, "learners", LEARNERS)
        for name in ("quality", "eta"):
            require(0 <= getattr(self, name) <= 1, name, "lie in [0, 1]", getattr(self, name))
        for name in ("episodes", "checkpoints"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        least = ROLLOUT * self.checkpoints
        self.game()  # refuses fields that name no game
        require(self.steps >= least, "steps", f"be at least {least}, {ROLLOUT} a checkpoint", self.steps)

    @abstractmethod
    def game(self) -> GridWorld | CooperativeNavigation:
        """Play on a map, or in a plane."""

    def evaluation_episodes(self) -> int:
        """Judge by many episodes, since policies draw their actions."""
        return EPISODES

    def equilibrium(self) -> Solution:
        """Find the joint optimum."""
        return measures.joint_optimum(self.evaluation())

    def concept(self) -> Concept:
        """Judge by what all together lack."""
        return Concept.JOINT_OPTIMUM

    def objective(self) -> Objective:
        """Play for the return of an episode."""
        meaning = "how far the mean return of an episode stays below the joint optimum's"
        return Objective("return", "an episode", "suboptimality", meaning, alike=True, of="episode")

    def demonstrations(self, seed: int) -> Demonstrations:
        """Let each agent show its own task, alone."""
        return collect(self.game(), self.quality, self.episodes, seed)

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare the optimum, each agent on its own way, and learners."""
        best = self.solution
        scripted: dict[str, Method | Runs] = {
            "optimum": Method(best.policy, "joint optimum" if best.converged else "best policy found", "reference"),
            "naive_imitation": expert(self.evaluation()),
        }
        return scripted | {name: Method(self._learner(name), LEARNERS[name]) for name in self.learners}

    def curve_measures(self) -> Mapping[str, Measure]:
        """Measure the share of the best return found."""
        return {"share": measures.share_of_policy}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure what is attained and what goes wrong."""
        return {
            "share": measures.share_of_optimum,
            "goal_rate": measures.goal_rate,
            "collisions": measures.collisions,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show how learners approach the joint optimum, and where agents go."""
        paths = partial(paths_chart, self.game(), partial(self.demonstrations, 0))
        return {"Share of the best return found": share_chart, "Shown alone and played together": paths}

    def _learner(self, name: str) -> Learner:
        shown = partial(collect, quality=self.quality, episodes=self.episodes)  # of each seed its own
        budget = {"steps": self.steps, "checkpoints": self.checkpoints}
        match name:
            case "mappo":
                return agents.MAPPO.of_paper(**budget)
            case "magail":
                return agents.MAGAIL(shown, **budget)
            case "behaviour_cloning":
                return agents.BehaviourCloning(shown)
            case "pofd":
                return agents.POfD(shown, eta=self.eta, **budget)
            case "dm2":
                return agents.DM2(shown, eta=self.eta, **budget)
            case _:
                return agents.PegMARL(shown, eta=self.eta, **budget)
