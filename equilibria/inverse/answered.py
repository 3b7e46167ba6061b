"""The min-max formulation of any family, of which the deviator's best answers are known in closed form.

By the envelope theorem the slope of the regret in the parameters is that of the payoffs at the best deviations, so that
parameters can descend where deviations have no gradient: prices that jump, blocks, bids, bundles within a budget.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.descent import Gradients
from walras.equilibria.inverse.family import AbstractFamily, periods, told, weights_of


@final
@dataclass(frozen=True, eq=False)
class AnsweredObjective:
    """The cumulative regret of one play, parameters ``[1, P]``; deviations are the best ones, ``[1, 0]``."""

    family: AbstractFamily[Any]
    observed: Any

    @property
    def periods(self) -> int:
        """T."""
        return periods(self.observed)

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the regret and its slope in the parameters; of one period, an unbiased estimate."""
        found, weight = self.family.regrets(self.observed, theta[0]), weights_of(self.family, self.observed)
        if rows is not None:  # deviations may be rules for all periods, so that they are answered together
            weight = np.where(np.arange(len(weight)) == rows[0], len(weight) * weight, 0.0)
        slope = weight @ found.slope.sum(axis=1)
        return Gradients(np.array([weight @ found.gain.sum(axis=1)]), slope[None], deviation)

    def answer(self, theta: Floats) -> Floats:
        """Return nothing: best deviations are taken where regret is."""
        return np.empty((len(theta), 0))

    def project(self, theta: Floats) -> Floats:
        """Cut parameters to their bounds, in the scale of the family."""
        return told(self.family, np.clip(theta, *self.family.bounds))

    def project_deviation(self, deviation: Floats) -> Floats:
        """Refuse steps of deviations.

        Raises
        ------
        TypeError
            Always: only methods with best answers apply.
        """
        name = type(self.family).__name__
        raise TypeError(
            f"`config` must be MaxOracle or StochasticMaxOracle for {name}: best deviations have no gradient."
        )

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw first parameters evenly from their box."""
        return self.project(rng.uniform(*self.family.bounds)[None]), np.empty((1, 0))
