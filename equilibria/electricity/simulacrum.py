r"""A simulacrum of day-ahead and final prices: a market of buyers with budgets, fitted to what is observed.

After the stochastic Fisher market of Goktas, Greenwald, Zhao, Koppel and Ganesh [1]_, in a form whose equilibrium is
known: n buyers value two goods, power day ahead and power at last, by Cobb-Douglas utilities with shares
:math:`v_i`. Each saves a constant share :math:`\sigma_i` of its budget and spends the rest, so that at supplies
:math:`q_t` the prices

.. math::
    p_{jt} = \sum_i (1 - \sigma_i) b_{it} v_{ij} / q_{jt}, \quad
    b_{i, t+1} = \sigma_i b_{it} + \exp(\theta_i \cdot w_t)

clear both goods, in equilibrium and with no regret, whatever the parameters. What comes into the budgets depends on the
calendar and the forecast of the load, :math:`w_t`. The supply day ahead is that forecast, and a constant at last.

The parameters are fitted to both prices by their mean squared logarithmic error. A forecast goes on with the known
:math:`w_t`, and is raised or lowered by the mean logarithmic error of the days before, the state of the budgets being
unknown. The published model has more: policies that are learned, and a seller that acts in both markets. It is
`walras.equilibria.electricity.stochastic_fisher`, as far as what is published determines it.

References
----------
.. [1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel and S. Ganesh, Efficient Inverse Multiagent Learning, ICLR 2024.
"""

# torch is only partly typed.
# pyright: reportUnknownMemberType=false

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from walras.core.typing import Floats
from walras.markets.electricity.day_forecasts import YEAR, Days

BUYERS = 3
MEMORY = 240
"""Hours after which what came into a budget is spent: a share of at most `LASTING` of it is left each hour."""
LASTING = 0.97
UPDATES, RATE = 400, 0.03
LEVEL_DAYS = 7
"""Days before each over which a forecast's level is taken."""


@final
@dataclass(frozen=True, eq=False)
class Simulacrum:
    """Fitted parameters of n buyers."""

    saved: Tensor  # [n] share of the budget that is saved each hour
    inflow: Tensor  # [n, F] of the logarithm of what comes in
    share: Tensor  # [n, 2] of spending on each good
    loss: float  # mean squared logarithmic error of both prices

    def prices(self, seen: Tensor, supply: Tensor) -> Tensor:
        """Return both prices of hours with features ``[H, F]`` and supplies ``[H]``, ``[2, H]``."""
        return _prices(self.saved, self.inflow, self.share, seen, supply)


def fit_simulacrum(days: Days, first: int, seed: int = 0) -> Simulacrum:
    """Fit to the `YEAR` days before `first`, or to all if there are fewer."""
    part = slice(max(first - YEAR, 0), first)
    seen, supply = _features(days, part), _supply(days, part)
    wanted = torch.log(torch.tensor(np.stack((days.price[part].ravel(), days.actual[part].ravel()))).clamp(min=1.0))
    draw = torch.Generator().manual_seed(seed)
    free = [
        torch.randn(BUYERS, generator=draw, dtype=torch.float64),
        0.1 * torch.randn(BUYERS, seen.shape[1], generator=draw, dtype=torch.float64),
        torch.randn(BUYERS, 2, generator=draw, dtype=torch.float64),
    ]
    for parameter in free:
        parameter.requires_grad_()
    optimiser = torch.optim.Adam(free, lr=RATE)
    loss = torch.zeros(())
    for _ in range(UPDATES):
        optimiser.zero_grad()
        found = _prices(*_legal(*free), seen, supply)
        loss = ((torch.log(found) - wanted)[:, MEMORY:] ** 2).mean()
        loss.backward()
        optimiser.step()
    saved, inflow, share = (parameter.detach() for parameter in _legal(*free))
    return Simulacrum(saved, inflow, share, float(loss.detach()))


def simulacrum(days: Days, first: int) -> Floats:
    """Forecast day-ahead prices by the fitted simulacrum, ``[D - first, 24]``."""
    fitted = fit_simulacrum(days, first)
    every = slice(0, len(days.price))
    with torch.no_grad():
        path = fitted.prices(_features(days, every), _supply(days, every))[0].numpy().reshape(days.price.shape)
    missed = (np.log(np.maximum(days.price, 1.0)) - np.log(path)).mean(axis=1)
    level = np.convolve(missed, np.ones(LEVEL_DAYS) / LEVEL_DAYS)[first - 1 : len(missed) - 1]
    return path[first:] * np.exp(level)[:, None]


def _legal(saved: Tensor, inflow: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return LASTING * torch.sigmoid(saved), inflow, torch.softmax(share, dim=1)


def _prices(saved: Tensor, inflow: Tensor, share: Tensor, seen: Tensor, supply: Tensor) -> Tensor:
    """Return prices: budgets are what came in, less what was spent of it, hour by hour."""
    income = torch.exp(seen @ inflow.T).T  # [n, H]
    kept = saved[:, None] ** torch.arange(MEMORY, dtype=saved.dtype)  # of what came in so many hours ago
    size = income.shape[1] + MEMORY
    budget = torch.fft.irfft(torch.fft.rfft(income, size) * torch.fft.rfft(kept, size), size)[:, : income.shape[1]]
    spent = (1 - saved)[:, None] * budget
    return share.T @ spent / torch.stack((supply, torch.ones_like(supply)))


def _supply(days: Days, part: slice) -> Tensor:
    """Return the supply day ahead, the forecast of the load as a share of its mean."""
    return torch.tensor((days.load[part] / days.load.mean()).ravel())


def _features(days: Days, part: slice) -> Tensor:
    """Return a constant, two daily harmonics, the weekend, and the load's forecast, ``[H, 7]``."""
    hour = np.tile(np.arange(24.0), len(days.price[part]))
    waves = [wave(2 * np.pi * k * hour / 24) for k in (1, 2) for wave in (np.sin, np.cos)]
    weekend = np.repeat(days.weekday[part, 5:].sum(axis=1), 24)
    load = (days.load[part] / days.load.mean()).ravel() - 1
    return torch.tensor(np.stack([np.ones_like(hour), *waves, weekend, load], axis=1))
