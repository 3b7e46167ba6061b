"""A study: a result without a game, such as the clearing of a market's hours, which `walras run` runs as well.

Its folder has ``manifest.json``, a table in parquet and CSV for each name, ``summary.json`` and ``report.html``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, final

import pandas as pd

Tables: TypeAlias = Mapping[str, pd.DataFrame]
"""Tables by name."""
Chart: TypeAlias = Callable[[Tables], Any]
"""From a study's tables to a plotly figure; none where there is nothing to draw."""


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a study found."""

    tables: Tables
    residual: float | None
    """The largest violation of what defines the result, relative; none where nothing is solved."""
    facts: dict[str, float] = field(default_factory=dict[str, float])
    """Numbers of the whole, by their words; the unit in brackets at the end."""
    left_out: tuple[str, ...] = ()
    """What the input holds and the study does not use, in sentences."""
    headline: str = ""
    """What was found, in a sentence or two, instead of one on the violation of the conditions of an optimum."""
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What ``summary.json`` holds beside, by key."""


class AbstractStudy(ABC):
    """What is computed once, and has no seeds and no learners."""

    libraries: ClassVar[Mapping[str, str]] = {}
    """Libraries beside the base install on whose versions the numbers depend, and the extra that each comes with."""

    @abstractmethod
    def find(self) -> Found:
        """Return the result."""

    @abstractmethod
    def charts(self) -> Mapping[str, Chart]:
        """Return the report's charts by title, from the tables to plotly figures."""
