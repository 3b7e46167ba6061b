r"""How bidders' types hang together, and what the good is worth to them given the types.

A dependence turns uniform numbers into types, which bidders see, and values, which they earn.

| dependence | types | values |
|---|---|---|
| `Independent` | drawn alone | own type |
| `BernoulliWeights` | with probability gamma, all have one quantile; else drawn alone | own type |
| `Affiliated` | :math:`x_i = s_i + t`, all of s and t even on [0, 1] | the mean of all types |
| `MineralRights` | given V, even on [0, 1], :math:`x_i` is even on [0, 2V] | V |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Floats
from walras.markets.auctions.priors import Prior


class Types(NamedTuple):
    """What is drawn of N bidders in B auctions."""

    type: Floats  # [B, N] what each bidder sees
    value: Floats  # [B, N] what the good is worth to it, money


@runtime_checkable
class Dependence(Protocol):
    """A joint law of types."""

    def numbers(self, players: int) -> int:
        """Return how many uniform numbers an auction needs."""
        ...

    def types(self, uniform: Floats, priors: Sequence[Prior]) -> Types:
        """Return the types of ``uniform [B, numbers]``."""
        ...


@final
@dataclass(frozen=True)
class Independent:
    """Each bidder's type is drawn alone, and is its value."""

    def numbers(self, players: int) -> int:
        """One a bidder."""
        return players

    def types(self, uniform: Floats, priors: Sequence[Prior]) -> Types:
        """Return the quantiles."""
        types = _quantiles(uniform, priors)
        return Types(types, types)


@final
@dataclass(frozen=True)
class BernoulliWeights:
    """With probability `gamma` all bidders share one quantile; otherwise each draws alone (Ausubel and Baranov, 2010).

    Raises
    ------
    ValueError
        If `gamma` lies outside [0, 1].
    """

    gamma: float = 0.5

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 <= self.gamma <= 1, "gamma", "lie in [0, 1]", self.gamma)

    def numbers(self, players: int) -> int:
        """One a bidder, and the coin."""
        return players + 1

    def types(self, uniform: Floats, priors: Sequence[Prior]) -> Types:
        """Return the quantiles, of the first number where the coin says so."""
        own, coin = uniform[:, :-1], uniform[:, -1:]
        types = _quantiles(np.where(coin < self.gamma, own[:, :1], own), priors)
        return Types(types, types)


@final
@dataclass(frozen=True)
class Affiliated:
    """Signals with a common part: x_i = s_i + t; the good is worth their mean to all (Krishna, Auction Theory, 6.2)."""

    def numbers(self, players: int) -> int:
        """One a bidder, and the common part."""
        return players + 1

    def types(self, uniform: Floats, priors: Sequence[Prior]) -> Types:
        """Return signals and their mean; priors say nothing here."""
        signal = uniform[:, :-1] + uniform[:, -1:]
        mean = signal[:, 0].copy()
        for column in signal.T[1:]:
            mean += column
        return Types(signal, np.repeat((mean / signal.shape[1])[:, None], signal.shape[1], axis=1))


@final
@dataclass(frozen=True)
class MineralRights:
    """Signals of a common value V: given V, even on [0, 2V] (Krishna, Auction Theory, 6.1)."""

    def numbers(self, players: int) -> int:
        """One a bidder, and the value."""
        return players + 1

    def types(self, uniform: Floats, priors: Sequence[Prior]) -> Types:
        """Return signals and the value; priors say nothing here."""
        value = np.repeat(uniform[:, -1:], uniform.shape[1] - 1, axis=1)
        return Types(2 * value * uniform[:, :-1], value)


def _quantiles(uniform: Floats, priors: Sequence[Prior]) -> Floats:
    return np.column_stack([prior.quantile(column) for prior, column in zip(priors, uniform.T, strict=True)])
