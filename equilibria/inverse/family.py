r"""What a family of games must answer for its parameters to be inferred: its conditions, and what deviations gain.

A family is a game whose payoffs have unknown parameters :math:`\theta`, P numbers with names. It answers two questions
on observed play of T periods, by two roads:

- `conditions`: the set of parameters at which no player gains, as linear equations and inequalities, derived from
  first-order conditions or from finitely many deviations;
- `regrets`: what each player gains by its best deviation at given parameters, period by period, by the closed form of
  the best deviation; with a subgradient in the parameters, by the envelope theorem.

The first makes the answer, the second certifies it.
"""

from abc import ABC, abstractmethod
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from walras.core.checks import require
from walras.core.game import abstract_property
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.parameter_set import ParameterSet

if TYPE_CHECKING:
    import pandas as pd

Play = TypeVar("Play")
"""A frozen dataclass of arrays, periods first."""


class Regrets(NamedTuple):
    """What deviations gain at given parameters."""

    gain: Floats  # [T, N] of the best deviation; its mean over periods is the regret of the play
    payoff: Floats  # [T, N] as played
    slope: Floats  # [T, N, P] subgradient of `gain` in the parameters


class AbstractFamily(ABC, Generic[Play]):
    """A parametric family of games."""

    unit: ClassVar[str] = "money"
    """Of payoffs, and of regret."""

    @abstract_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the P parameters."""
        raise NotImplementedError

    @abstract_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Return the smallest and largest value of each parameter, ``[P]`` each; infinite where there is none."""
        raise NotImplementedError

    @abstract_property
    def agents(self) -> tuple[str, ...]:
        """Return the names of the N players."""
        raise NotImplementedError

    @property
    def convex(self) -> bool:
        """Whether regret is convex in the parameters, so that a local answer is a global one.

        It is where payoffs are affine in them, as they are unless a family says otherwise.
        """
        return True

    @abstractmethod
    def read(self, table: "pd.DataFrame") -> Play:
        """Return the observations of a table.

        Raises
        ------
        ValueError
            If a column is missing, periods or agents are, or numbers do not fit the market.
        """

    @abstractmethod
    def check(self, observed: Play) -> None:
        """Raise ``ValueError`` unless observations fit the family."""

    @abstractmethod
    def conditions(self, observed: Play) -> ParameterSet:
        """Return the parameters at which nobody gains."""

    @abstractmethod
    def own(self, player: int) -> Ints:
        """Return the places of an agent's own parameters, such as its costs; all of them where all agents share them.

        Raises
        ------
        ValueError
            If some agents share a parameter, such as unknown demand, and each has others of its own.
        """

    @abstractmethod
    def regrets(self, observed: Play, theta: Floats) -> Regrets:
        """Return what each player gains by its best deviation at parameters ``theta [P]``."""


@runtime_checkable
class Sampled(Protocol):
    """A family whose observed play may be a sample of mixed strategies: conditions hold up to what chance explains."""

    def confidence_set(self, observed: Any, confidence: float) -> ParameterSet:  # noqa: ANN401 - the family's own
        """Return a set that holds the true parameters with at least this probability."""
        ...

    def estimate(self, observed: Any, allowed: ParameterSet) -> Floats:  # noqa: ANN401 - the family's own
        """Return one point of such a set, ``[P]``."""
        ...


@runtime_checkable
class Weighted(Protocol):
    """A family whose periods do not count alike, such as the cells of a mixed profile."""

    def weights(self, observed: Any) -> Floats:  # noqa: ANN401 - the family's own
        """Return the weight of each period, ``[T]``, of sum one."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A family in which some parameters count but for their scale, such as valuations, which sum to one."""

    def scaled(self, theta: Floats) -> Floats:
        """Return ``theta [.., P]`` in the scale in which parameters are told."""
        ...


def told(family: AbstractFamily[Any], theta: Floats) -> Floats:
    """Return ``theta [.., P]`` in the scale in which the family tells its parameters."""
    return family.scaled(theta) if isinstance(family, Scaled) else theta


def periods(observed: Any) -> int:  # noqa: ANN401 - a family's own
    """Return T."""
    return len(getattr(observed, fields(observed)[0].name))


def take(observed: Play, rows: Ints) -> Play:
    """Return some of the periods."""
    given: Any = observed
    parts = {part.name: getattr(given, part.name) for part in fields(given)}
    return replace(given, **{name: part[rows] for name, part in parts.items() if part is not None})


def weights_of(family: AbstractFamily[Any], observed: Any) -> Floats:  # noqa: ANN401 - the family's own
    """Return the weight of each period, ``[T]``, of sum one."""
    if isinstance(family, Weighted):
        return family.weights(observed)
    count = periods(observed)
    return np.full(count, 1 / count)


def observations_of(family: AbstractFamily[Play], given: Any) -> Play:  # noqa: ANN401 - observations or a table
    """Return checked observations, from themselves, a table, or the path of one.

    Raises
    ------
    ValueError
        If there are none, or they do not fit the family.
    """
    import pandas as pd

    from walras.markets.tables import read_table

    table = read_table(given, "observations") if isinstance(given, str | Path) else given
    observed = family.read(table) if isinstance(table, pd.DataFrame) else table
    require(periods(observed) > 0, "observations", "hold at least one period", 0)
    family.check(observed)
    return observed
