"""What the scenarios of personal demonstrations share: how they are made, who learns from them, how all are judged.

Each agent shows its own task, done alone; together their paths cross. Learners use these demonstrations in ways of
their own. Beside them stand the joint optimum, which is known, and naive imitation: each agent as if it were alone.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from walras.agents.imitation.demonstrations import Demonstrations, collect, expert
from walras.core.checks import require, require_known
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.solution import Solution
from walras.envs import CooperativeNavigation, GridWorld
from walras.scenarios.cooperation import measures
from walras.scenarios.cooperation.charts import paths_chart, share_chart
from walras.scenarios.engine.scenario import (
    AbstractScenario,
    Chart,
    Contestant,
    Learner,
    MarketMeasure,
    PolicyMeasure,
    Stake,
)

if TYPE_CHECKING:
    from walras.agents.imitation.guided import Guide

LEARNERS = ("pegmarl", "mappo", "magail", "behaviour_cloning", "pofd", "dm2")
EPISODES = 100
"""Episodes in which each contestant is judged, for each seed."""
ROLLOUT = 4096
"""Frames from which a learner learns at once."""


@dataclass(frozen=True)
class AbstractCooperation(AbstractScenario):
    """Learners with personal demonstrations, beside the joint optimum. A subclass says in which game.

    Raises
    ------
    ValueError
        If a learner is unknown, a number is below 1, `eta` or `quality` lies outside [0, 1], there are too few frames
        for the checkpoints, or no such game.
    """

    learners: tuple[str, ...] = LEARNERS[:4]
    """Who learns: pegmarl, mappo (sees no demonstrations), magail, behaviour_cloning, pofd, dm2."""
    quality: float = 1.0
    """Probability of the expert's action at each step of a demonstration; a random one otherwise."""
    episodes: int = 200
    """Demonstrations of each agent."""
    eta: float = 0.02
    """Weight of the demonstrations in the rewards of pegmarl, pofd and dm2."""
    frames: int = 2_000_000
    """Steps of experience, of 32 concurrent games together; behaviour cloning needs none."""
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
        require(self.frames >= least, "frames", f"be at least {least}, {ROLLOUT} a checkpoint", self.frames)

    @abstractmethod
    def game(self) -> GridWorld | CooperativeNavigation:
        """Play on a map, or in a plane."""

    def exam_episodes(self) -> int:
        """Judge by many episodes, since policies draw their actions."""
        return EPISODES

    def equilibrium(self) -> Solution:
        """Find the joint optimum."""
        return measures.joint_optimum(self.exam())

    def stake(self) -> Stake:
        """Play for the return of an episode."""
        meaning = "how far the mean return of an episode stays below the joint optimum's, also as a share of that"
        return Stake("return", "an episode", "shortfall", meaning, "the joint optimum", alike=True)

    def demonstrations(self, seed: int) -> Demonstrations:
        """Let each agent show its own task, alone."""
        return collect(self.game(), self.quality, self.episodes, seed)

    def contestants(self) -> Mapping[str, Contestant]:
        """Compare the optimum, each agent on its own way, and learners."""
        scripted = {"optimum": self.equilibrium().policy, "naive_imitation": expert(self.exam())}
        return scripted | {name: Learner(self._learn(name)) for name in self.learners}

    def curve_measures(self) -> Mapping[str, PolicyMeasure]:
        """Measure the share of the joint optimum."""
        return {"share": measures.share_of_policy}

    def market_measures(self) -> Mapping[str, MarketMeasure]:
        """Measure what is attained and what goes wrong."""
        return {
            "share": measures.share_of_optimum,
            "goal_rate": measures.goal_rate,
            "collisions": measures.collisions,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show how learners approach the joint optimum, and where agents go."""
        paths = partial(paths_chart, self.game(), partial(self.demonstrations, 0))
        return {"Share of the joint optimum": share_chart, "Shown alone and played together": paths}

    def _learn(self, name: str) -> Callable[[AbstractGame[Any], int], Iterator[tuple[int, Policy]]]:
        if name == "behaviour_cloning":
            return partial(clone, self.demonstrations)
        return partial(learn, name, self.eta, self.demonstrations, self.frames, self.checkpoints)


def learn(
    name: str,
    eta: float,
    shown: Callable[[int], Demonstrations],
    frames: int,
    checkpoints: int,
    game: AbstractGame[Any],
    seed: int,
) -> Iterator[tuple[int, Policy]]:
    """Train by MAPPO, on rewards that a learner reshapes, and yield frames and policy at checkpoints."""
    from walras.agents.imitation import guided
    from walras.agents.ppo import mappo

    if name == "mappo":
        return mappo.checkpoints(game, mappo.Config.of_paper(), frames, checkpoints, seed)
    guide = _guides(eta)[name]
    shaping = guided.guidance(game, shown(seed), guide, seed)
    return mappo.checkpoints(game, guide.learner, frames, checkpoints, seed, shaping)


def clone(shown: Callable[[int], Demonstrations], game: AbstractGame[Any], seed: int) -> Iterator[tuple[int, Policy]]:
    """Learn what demonstrations do, after no frames."""
    from walras.agents.imitation import behaviour_cloning

    yield 0, behaviour_cloning.train(game, shown(seed), seed=seed)


def _guides(eta: float) -> Mapping[str, "Guide"]:
    """Return the settings of each learner that reshapes rewards."""
    from walras.agents.imitation import dm2, magail, pegmarl, pofd

    return {
        "pegmarl": pegmarl.Config(eta=eta),
        "magail": magail.Config(),
        "pofd": pofd.Config(eta=eta),
        "dm2": dm2.Config(eta=eta),
    }
