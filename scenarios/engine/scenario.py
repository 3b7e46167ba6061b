"""A scenario: a frozen dataclass that names a game, its contestants, and what is measured. It holds no logic."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy as np
import pandas as pd

from walras.core.checks import require
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.rollout import Trajectory
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.equilibria.solve import solve

AgentMeasure: TypeAlias = Callable[[Any, Trajectory[Any]], Floats]
"""From game and trajectory to one number an agent, ``[N]``."""
MarketMeasure: TypeAlias = Callable[[Any, Trajectory[Any]], float]
"""From game and trajectory to one number."""
PolicyMeasure: TypeAlias = Callable[[Any, Policy], Floats]
"""From game and policy to one number an agent, ``[N]``."""
Chart: TypeAlias = Callable[[Any], Any]
"""From `walras.scenarios.engine.results.Results` to a plotly figure."""


class Stake(NamedTuple):
    """What agents play for: the word for a reward and its unit a step; the words for a gap, and what it is."""

    name: str = "profit"
    unit: str = "EUR/h"
    gap: str = "gain from deviating"
    meaning: str = (
        "what an agent would gain by its best deviation while the others stay: zero for every agent is an equilibrium"
    )
    whole: str = ""
    """What gaps are shares of; the reward if empty."""
    alike: bool = False
    """Whether all agents are paid the same, which is then told of one."""


@final
@dataclass(frozen=True)
class Training:
    """A contestant that learns first: independent Stable-Baselines3 learners, judged at each checkpoint.

    Raises
    ------
    ValueError
        If there are fewer steps than checkpoints, or fewer than one checkpoint.
    """

    learner: str  # "PPO", "SAC" or "TD3"
    steps: int  # of experience of each agent
    checkpoints: int = 10

    def __post_init__(self) -> None:
        require(self.checkpoints >= 1, "checkpoints", "be at least 1", self.checkpoints)
        require(self.steps >= self.checkpoints, "steps", f"be at least {self.checkpoints}", self.steps)


@final
@dataclass(frozen=True)
class Design:
    """A contestant that is a rule of the game: it brings its own exam, in which all agents tell the truth.

    The gap is then what the rule lets an agent gain by not telling it.
    """

    exam: Callable[[int, Path], AbstractGame[Any]]
    """From the seed, and a folder in which a rule that is trained keeps its checkpoints."""


@final
@dataclass(frozen=True)
class Learner:
    """A contestant that learns by an algorithm of the suite, in seconds: what was cut off begins again."""

    learn: Callable[[AbstractGame[Any], int], Iterable[tuple[int, Policy]]]
    """From the game and the seed to steps of experience and policy, checkpoint by checkpoint."""


Contestant: TypeAlias = Policy | Training | Learner | Design


class AbstractScenario(ABC):
    """What `walras run` runs. Each field of a subclass can be set on the command line."""

    seeds: int
    """Independent repetitions."""

    @abstractmethod
    def game(self) -> AbstractGame[Any]:
        """Return the game in which contestants train."""

    def exam(self) -> AbstractGame[Any]:
        """Return the game in which contestants are judged; the one in which they train by default."""
        return self.game()

    def exam_episodes(self) -> int:
        """Return the episodes by which a contestant is judged for each seed; one by default."""
        return 1

    def equilibrium(self) -> Solution:
        """Return the known equilibrium of the exam."""
        return solve(self.exam())

    def stake(self) -> Stake:
        """Return what agents play for; profit by default."""
        return Stake()

    @abstractmethod
    def contestants(self) -> Mapping[str, Contestant]:
        """Return who is compared, by name."""

    def agent_measures(self) -> Mapping[str, AgentMeasure]:
        """Return what is measured of each agent, beside its reward and its gap."""
        return {}

    def curve_measures(self) -> Mapping[str, PolicyMeasure]:
        """Return what is measured of the policy at each checkpoint, beside its reward and its gap."""
        return {}

    def market_measures(self) -> Mapping[str, MarketMeasure]:
        """Return what is measured of the market."""
        return {}

    def reference(self) -> pd.DataFrame | None:
        """Return recorded prices of the exam's hours: columns ``time``, ``price``, ``naive``; or nothing."""
        return None

    @abstractmethod
    def charts(self) -> Mapping[str, Chart]:
        """Return the report's charts, by title."""


def chunk_seed(seed: int, chunk: int) -> int:
    """Return the seed of one stretch of training, independent of the others."""
    return int(np.random.SeedSequence([seed, chunk]).generate_state(1)[0])
