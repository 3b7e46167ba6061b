"""A scenario: a frozen dataclass that names a game, its methods, and what is measured. It holds no logic."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, final

import pandas as pd

from walras.core.checks import require_known
from walras.core.concept import Concept
from walras.core.display import Shown, differing
from walras.core.game import AbstractGame
from walras.core.learner import Learner
from walras.core.policy import Policy
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.equilibria.solve import solve
from walras.scenarios.engine.measure import Measure

ROLES = ("reference", "learner", "rule")
STAKE = "what is at stake"
"""What relative gaps are shares of where nothing else is said."""

Chart: TypeAlias = Callable[[Any], Any]
"""From `walras.scenarios.engine.results.Results` to a plotly figure."""


@final
@dataclass(frozen=True)
class Objective:
    """What agents play for, in words: reports and tables name rewards and gaps by them."""

    reward: str = "reward"
    """What a reward is, such as profit."""
    unit: str = ""
    """The unit of rewards and gaps as they are shown, such as EUR/h."""
    gap: str = "gain from deviating"
    """What the gap is called."""
    meaning: str = (
        "what an agent would gain by its best deviation while the others stay: zero for every agent is an equilibrium"
    )
    """What the gap is, in a sentence that goes on from "The gap is"."""
    share_of: str = ""
    """What relative gaps are shares of, such as "the gains from trade"; what is at stake if empty."""
    alike: bool = False
    """Whether all agents are paid the same, so that one number tells of all."""
    of: str = "step"
    """What rewards and gaps are shown of: a "step", on average, or a whole "episode"."""

    def __post_init__(self) -> None:
        require_known(self.of, "of", ("step", "episode"))

    def shown(self, values: Floats, span: float) -> Floats:
        """Return values of so many steps as they are shown; `walras.core.AbstractGame.span` tells how many."""
        return values / span if self.of == "step" else values


@final
@dataclass(frozen=True)
class Design:
    """A rule of the game that is judged, such as a mechanism: it brings a game of its own, played by its script.

    The gap is then what the rule lets an agent gain by another report than the true one.
    """

    evaluation: Callable[[int, Path], AbstractGame[Any]]
    """From the seed, and a folder in which a rule that is trained keeps its checkpoints, to the game."""


Runs: TypeAlias = Policy | Learner | Design
"""What a method runs: a policy as it is, a learner that trains first, or a rule of the game."""


@final
@dataclass(frozen=True)
class Method:
    """What is compared, and how it is shown.

    Raises
    ------
    ValueError
        If `role` is unknown.
    """

    runs: Runs
    """A policy, a learner, or a rule of the game."""
    title: str = ""
    """Its name in reports; the key of `AbstractScenario.methods` if empty."""
    role: str = ""
    """``reference`` for what others are compared with, ``learner`` or ``rule``; by default what it runs says."""

    def __post_init__(self) -> None:
        require_known(self.role or "rule", "role", ROLES)


class AbstractScenario(Shown, ABC):
    """What `walras run` runs. Each field of a subclass can be set on the command line."""

    seeds: int
    """Independent repetitions."""

    @abstractmethod
    def game(self) -> AbstractGame[Any]:
        """Return the game in which learners train."""

    def evaluation(self) -> AbstractGame[Any]:
        """Return the evaluation environment; the game in which learners train by default."""
        return self.game()

    def evaluation_episodes(self) -> int:
        """Return the episodes by which a method is judged for each seed; one by default."""
        return 1

    def equilibrium(self) -> Solution:
        """Find the known solution of the evaluation environment; its status says what it is."""
        return solve(self.evaluation(), throw=False)

    @cached_property
    def solution(self) -> Solution:
        """What `equilibrium` finds, once."""
        return self.equilibrium()

    def concept(self) -> Concept:
        """Return what gaps are distances from; Nash equilibrium by default."""
        return Concept.NASH

    def objective(self) -> Objective:
        """Return what agents play for; rewards without a unit by default."""
        return Objective()

    @abstractmethod
    def methods(self) -> Mapping[str, Method | Runs]:
        """Return what is compared, by name: names of files and columns."""

    def agent_measures(self) -> Mapping[str, Measure]:
        """Return what is measured of each agent, beside its reward and its gap: from game and trajectory to ``[N]``."""
        return {}

    def curve_measures(self) -> Mapping[str, Measure]:
        """Return what is measured of a learner at each checkpoint: from game and policy to ``[N]``."""
        return {}

    def policy_measures(self) -> Mapping[str, Measure]:
        """Return what is measured of a policy itself, at the end: from evaluation and policy to ``[N]``."""
        return {}

    def path_measures(self) -> Mapping[str, Measure]:
        """Return what is measured of a policy period by period: from evaluation and policy to ``[T, N]``."""
        return {}

    def market_measures(self) -> Mapping[str, Measure]:
        """Return what is measured of the market: from game and trajectory to one number."""
        return {}

    def reference(self) -> pd.DataFrame | None:
        """Return recorded prices of the evaluation's hours, or nothing.

        Columns ``time`` and ``price``, and one for each forecast of it, such as ``standard_naive``, to whose error the
        others are related. ``crps_NAME`` scores a forecast by the hour; what methods' prices are compared at is shifted
        by
        ``level``.
        """
        return None

    @abstractmethod
    def charts(self) -> Mapping[str, Chart]:
        """Return the report's charts, by title."""

    def _facts(self) -> dict[str, object]:
        return differing(self)


def methods_of(scenario: AbstractScenario) -> dict[str, Method]:
    """Return the methods of `scenario`, each with a title and a role."""
    return {name: _described(name, method) for name, method in scenario.methods().items()}


def _described(name: str, method: Method | Runs) -> Method:
    shown = method if isinstance(method, Method) else Method(method)
    role = "learner" if isinstance(shown.runs, Learner) else "rule"
    return replace(shown, title=shown.title or name.replace("_", " "), role=shown.role or role)
