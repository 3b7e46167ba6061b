"""Whether a clearing is one: the conditions of optimality, rebuilt from the network and not taken from the solver.

That each unit agrees with the price at its bus does not show that prices are right: with wrong prices each may agree
with its own. The flow law ties the prices of all buses together. With ``B_f`` the flow of each line for a unit of
angle, A the incidence and ``mu`` the line prices, the angles are free only if ``B_f' (A' pi + mu) = 0``; given the
price at one bus, and ``mu`` at the lines that are at a limit, this determines the prices of all others.
"""

# scipy.sparse is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from walras.core.sizes import largest
from walras.core.typing import Bools, Floats
from walras.markets.electricity.network_grid import Grid
from walras.markets.electricity.network_program import Found, Offered

EDGE = 1e-6  # of the largest load: closer to a limit is at it


class PriceLaw:
    """Prices at all buses from those at the reference buses and the prices of lines at their limits.

    Raises
    ------
    ValueError
        If the susceptances do not determine the flows: those of lines that lie parallel cancel.
    """

    def __init__(self, grid: Grid) -> None:
        n = len(grid.buses)
        self._grid, self._free = grid, np.setdiff1d(np.arange(n), grid.reference)
        self._angle = grid.moved[: self._free.size]
        law = sp.csc_array(self._angle @ grid.across)
        self._known = law[:, grid.reference]
        try:
            self._factor: Any = splu(sp.csc_array(law[:, self._free])) if self._free.size else None
        except RuntimeError as singular:
            raise ValueError("`susceptance` must determine the flows; got lines that cancel each other.") from singular

    def prices(self, nodal_price: Floats, line_price: Floats) -> Floats:
        """Return the prices ``[n]`` that follow from those at the reference buses and from ``line_price [L]``."""
        prices = nodal_price.copy()
        if self._factor is not None:
            right = -self._angle @ line_price - self._known @ nodal_price[self._grid.reference]
            prices[self._free] = self._factor.solve(right)
        return prices


def residual(grid: Grid, asked: Offered, found: Found) -> float:
    """Return the largest violation of optimality, relative: imbalance, limits, and what all could gain together."""
    boxes = _boxes(grid, asked, found)
    balance = grid.units_at_bus @ found.dispatch + found.unserved - asked.load - grid.incidence @ found.flow
    outside = [np.maximum(np.maximum(low - x, x - high), 0.0) for x, _, low, high in boxes]
    regret = sum(_regret(*box) for box in boxes)
    # Relative to a sum without signs: a cost may be near 0 because negative prices cancel positive ones.
    gross = asked.price_scale * asked.power_scale
    gross += float(np.abs(asked.price) @ np.abs(found.dispatch) + asked.slope @ found.dispatch**2 / 2)
    gross += float(asked.cap * np.abs(found.unserved).sum())
    # The angles and the direct flows are free: prices and line prices must leave them no gradient.
    gradient = grid.moved @ (grid.across @ found.nodal_price + found.line_price)
    return max(
        largest(balance, *outside) / asked.power_scale,
        largest(gradient) / max(largest(found.nodal_price), asked.price_scale),
        regret / gross,
    )


def price_residual(grid: Grid, law: PriceLaw, asked: Offered, found: Found) -> float:
    """Return by how much prices are wrong, EUR/MWh.

    The largest of three: the difference from the prices rebuilt from the network, the difference of a unit's marginal
    cost, or of a direct-current line's two ends, from the price where neither is at a limit, and a price on the wrong
    side of a marginal cost at a limit.
    """
    edge = EDGE * asked.power_scale
    units, loads, flows = _boxes(grid, asked, found)
    held = np.where(_inside(*flows, edge), 0.0, found.line_price)
    across = (grid.across @ found.nodal_price + held)[grid.direct]
    wrong = [_wrong(*box, edge) for box in (units, loads, flows)]
    return largest(law.prices(found.nodal_price, held) - found.nodal_price, across, *wrong)


def _boxes(grid: Grid, asked: Offered, found: Found) -> tuple[tuple[Floats, Floats, Floats, Floats], ...]:
    """Return what is chosen, its marginal cost at the prices, and its limits: units, unserved loads, flows."""
    marginal = asked.marginal(found.dispatch) - found.nodal_price[grid.unit_bus]
    return (
        (found.dispatch, marginal, asked.minimum, asked.quantity),
        (found.unserved, asked.cap - found.nodal_price, np.zeros_like(found.unserved), asked.sheddable),
        # No price goes with an infinite limit, so its length does not matter.
        (found.flow, -found.line_price, *_finite(grid, found.flow)),
    )


def _finite(grid: Grid, flow: Floats) -> tuple[Floats, Floats]:
    """Return the limits of the flows, ``[L]`` each; where there is none, a place beyond the flow."""
    beyond = 1.0 + 2 * np.abs(flow)
    return np.where(np.isfinite(grid.low), grid.low, -beyond), np.where(np.isfinite(grid.high), grid.high, beyond)


def _inside(x: Floats, marginal: Floats, low: Floats, high: Floats, edge: float) -> Bools:
    return (x > low + edge) & (x < high - edge) & np.isfinite(marginal)


def _wrong(x: Floats, marginal: Floats, low: Floats, high: Floats, edge: float) -> Floats:
    """Return by how much a marginal cost asks to move where there is room to."""
    down, up = np.where(x > low + edge, marginal, 0.0), np.where(x < high - edge, -marginal, 0.0)
    return np.maximum(np.maximum(down, up), 0.0)


def _regret(x: Floats, marginal: Floats, low: Floats, high: Floats) -> float:
    """Sum what moving each `x` to its best end of [low, high] would save at the marginal costs, EUR."""
    return float(np.sum(np.maximum(marginal, 0.0) * (x - low) + np.minimum(marginal, 0.0) * (x - high)))
