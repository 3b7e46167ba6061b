r"""Static Nash equilibria of repeated pricing on the grid: all pure ones, by comparing all joint prices.

To repeat an equilibrium of the stage game, whatever happened, is an equilibrium of the repeated game for every
discount: nothing that a firm does moves the others. It is the benchmark of competition to which learned prices are
compared. The logarithm of a firm's profit has increasing differences in its own price and the others', so a pure
equilibrium exists on every grid [1]_; there may be several, and on the continuum there is one.

References
----------
[1] P. Milgrom, J. Roberts, Rationalizability, learning, and equilibrium in games with strategic complementarities,
    Econometrica 58, 1990.
"""

from dataclasses import dataclass

import numpy as np

from walras.core.policy import Constant
from walras.core.solution import Solution, Status
from walras.core.typing import Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing


@dataclass(frozen=True, kw_only=True)
class PricingEquilibrium(Solution):
    """A static Nash equilibrium on the grid, repeated."""

    action: Ints  # [N] numbers of prices
    price: Floats  # [N] money
    equilibria: Ints  # [E, N] all pure equilibria of the stage game, the least first


def solve_repeated_pricing(game: RepeatedPricing) -> PricingEquilibrium:
    """Return the least static Nash equilibrium on the grid, repeated; `equilibria` holds all pure ones."""
    known = game.static_equilibria
    action = known[0]
    return PricingEquilibrium(
        policy=Constant(action),
        value=game.profits[(slice(None), *action)] * game.span,
        residual=0.0,
        iterations=1,
        status=Status.CONVERGED,
        action=action,
        price=game.grid[np.arange(len(action)), action],
        equilibria=known,
    )
