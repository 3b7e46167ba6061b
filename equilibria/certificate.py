r"""The gap as an object: how far each player is from the best deviation, between two ends.

.. math:: \text{lower}_i \;\le\; \max_d V_i(d, \pi_{-i}) - V_i(\pi) \;\le\; \text{upper}_i ,

where :math:`V_i` is the expected, undiscounted sum of rewards of an episode; of a game that is played without end
(`walras.core.AbstractGame.endless`), the discounted sum of all rewards from the start. `kind` says what the ends are
worth:

| kind | lower | upper |
|---|---|---|
| `EXACT` | the gap | the same |
| `BOUNDS` | proved | proved |
| `STATISTICAL` | holds with `confidence` | holds with `confidence` |
| `LOWER` | what a deviation attains, with `confidence` | nothing better than a trivial bound, or infinite |

A deviation that attains the lower end comes with it and can be replayed (`walras.equilibria.replay`).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from walras.core.checks import require_whole
from walras.core.concept import Concept
from walras.core.policy import Policy
from walras.core.typing import Floats

if TYPE_CHECKING:
    import pandas as pd


class Kind(StrEnum):
    """What the two ends of a gap are worth."""

    EXACT = "exact"
    BOUNDS = "bounds"
    STATISTICAL = "statistical"
    LOWER = "lower bound"


@final
@dataclass(frozen=True)
class Budget:
    """What a gap may cost.

    Raises
    ------
    ValueError
        If a number is no whole number, or less than 1.
    """

    samples: int = 256
    """Scenarios of the others' actions that an answer is computed against, at each state."""
    episodes: int = 4096
    """Episodes on which deviations in linear-quadratic games are fitted, chosen and judged, each; elsewhere at most."""
    frames: int = 1_500_000
    """Environment steps of the search for a deviation where no solver answers, for each player."""

    def __post_init__(self) -> None:
        for name in ("samples", "episodes", "frames"):
            require_whole(getattr(self, name), name)


class Relative(NamedTuple):
    """Both ends as shares of the scale, ``[N]`` each."""

    lower: Floats
    upper: Floats


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Gap:
    """What each player would gain by its best deviation, an episode; N agents, in the order of the game."""

    agents: tuple[str, ...]
    lower: Floats  # [N]
    upper: Floats  # [N]
    estimate: Floats  # [N] what `deviation` gains
    value: Floats  # [N] expected return of an episode under the policy
    scale: Floats  # [N] what is at stake, a constant of the game; NaN where none is known
    kind: Kind
    method: tuple[str, ...]  # [N] how the ends were found
    concept: Concept
    horizon: int
    seeds: tuple[int, ...]
    budget: Budget
    unit: str = "1"
    confidence: float | None = None
    deviators: str = "observation"
    device: str = "joint"
    independent: bool | None = None  # whether agents draw independently of each other; None if it is not known
    discount: float | None = None  # weight of the next reward in play without end; None where an episode is summed
    players: tuple[tuple[int, ...], ...] = ()  # agents that deviate together; each alone by default
    growing: bool = False  # whether doubling the search still raised the lower end by more than 5 %
    rare: bool = (
        False  # whether fewer than ten episodes carry most of what an agent may gain: nothing is converged on it
    )
    deviation: Policy | None = field(default=None, repr=False)

    @property
    def span(self) -> float:
        """Steps that are summed: the horizon, or the sum of all weights of play without end."""
        return self.horizon if self.discount is None else 1 / (1 - self.discount)

    @property
    def per_step(self) -> "Relative":
        """Both ends a step, ``[N]`` each; of play without end, as discounted averages."""
        return Relative(self.lower / self.span, self.upper / self.span)

    @property
    def relative(self) -> Relative:
        """Both ends as shares of what is at stake, ``[N]`` each."""
        return Relative(self.lower / self.scale, self.upper / self.scale)

    @property
    def nash_conv(self) -> tuple[float, float]:
        """Both ends of the sum of gaps over players."""
        first = self._first
        return float(self.lower[first].sum()), float(self.upper[first].sum())

    @property
    def exploitability(self) -> tuple[float, float]:
        """Both ends of the mean gap of a player."""
        low, high = self.nash_conv
        return low / len(self._first), high / len(self._first)

    @property
    def certifies(self) -> str:
        """What a gap of zero proves: "Nash", "coarse correlated", the concept that was asked for, or nothing."""
        if self.kind is Kind.LOWER:
            return ""
        if self.concept not in (Concept.NASH, Concept.TRUTHFUL):
            return str(self.concept)
        return "Nash" if self.device == "product" or self.independent else "coarse correlated"

    @property
    def _first(self) -> list[int]:
        """One agent of each player."""
        return [player[0] for player in self.players or tuple((i,) for i in range(len(self.agents)))]

    def to_frame(self) -> "pd.DataFrame":
        """Return one row an agent: ends, estimate, value, scale, shares and method."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in ("lower", "upper", "estimate", "value", "scale", "method")}
        low, high = self.relative
        return pd.DataFrame({"agent": self.agents} | columns | {"relative_lower": low, "relative_upper": high})

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold of it: all but the deviation."""
        names = ("lower", "upper", "estimate", "value", "scale")
        return {
            "agents": list(self.agents),
            **{name: [v if np.isfinite(v) else str(v) for v in getattr(self, name).tolist()] for name in names},
            "kind": str(self.kind),
            "concept": str(self.concept),
            "certifies": self.certifies,
            "confidence": self.confidence,
            "method": list(self.method),
            "unit": self.unit,
            "horizon": self.horizon,
            "discount": self.discount,
            "deviators": self.deviators,
            "device": self.device,
            "growing": self.growing,
            "rare": self.rare,
            "seeds": list(self.seeds),
            "budget": vars(self.budget),
        }

    def _repr_html_(self) -> str:
        """Show a table in notebooks: one row a player."""
        title = escape(repr(self).partition("\n")[0])
        rows = self.to_frame().iloc[self._first].drop(columns=["estimate"])
        return f"<p>{title}</p>{rows.to_html(index=False, float_format='{:.4g}'.format)}"

    def __repr__(self) -> str:
        """Show a row a player, at most ten."""
        first, (low, high) = self._first, self.relative
        shown = first[:8]
        sure = "" if self.confidence is None else f" at {self.confidence:.0%}"
        summed = "an episode" if self.discount is None else f"in play without end, discounted by {self.discount:g}"
        lines = [f"Gap ({self.concept}, {self.kind}{sure}), {self.unit} {summed}:"]
        width = max(len(self.agents[i]) for i in shown)
        for i in shown:
            share = f"{low[i]:.2%} to {high[i]:.2%}" if np.isfinite(self.scale[i]) else "no scale"
            lines.append(f"  {self.agents[i]:<{width}}  {self.lower[i]:.6g} .. {self.upper[i]:.6g}  ({share})")
        return "\n".join([*lines, f"  and {len(first) - len(shown)} more"] if len(first) > len(shown) else lines)
