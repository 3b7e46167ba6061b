r"""Schedules of storages by concave programmes, and bounds on the best one that no solver has to be trusted for.

The game's programme
--------------------
N storages sell :math:`x_{it} = d_{it} - c_{it}` in hour t, at the price :math:`a_t - b_t X_t`,
:math:`X_t = \sum_i x_{it}`. They hold :math:`s_{i,t+1} = s_{it} + r_i c_{it} - d_{it} / r_i`, with
:math:`0 \le s \le E`, :math:`0 \le c, d \le P` and :math:`s_{iT} \ge s_{i0}`. The optimum of

.. math:: \max \sum_t a_t X_t - \tfrac12 b_t \Bigl(X_t^2 + \theta \sum_i x_{it}^2\Bigr)

has the conditions of the open-loop Nash equilibrium with :math:`\theta = 1`, and those of price takers with
:math:`\theta = 0`. The x are unique for :math:`\theta = 1`, their sums for :math:`\theta = 0`. The programme allows
:math:`c, d > 0` in one hour. If the net schedule is feasible without it, it is the optimum; else the programme is a
bound only, as where negative prices pay for energy that is wasted.

One storage against given prices
--------------------------------
Against :math:`m_t - b_t x`, the best schedule with :math:`c_t d_t = 0` is found by branch and bound: the programme
with hours fixed to charging or discharging, until its net schedule is feasible. What lies above is proved by weak
duality. For any multipliers :math:`\lambda_t` of what is held,

.. math:: \max_x \sum_t \bigl[(m_t - b_t x_t) x_t + \lambda_t \delta(x_t)\bigr]
          + \max_s \sum_t \lambda_t (s_t - s_{t+1}),
          \qquad \delta(x) = \begin{cases} -x / r & x > 0 \\ -r x & x \le 0 \end{cases}

is no less than the best profit; both maxima are closed forms, hour by hour, also without concavity. The multipliers
come from the programme, and a wrong one would only make the bound worse.
"""

# Clarabel and scipy's sparse matrices are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import heapq
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any, NamedTuple, final

import numpy as np

from walras.core.typing import Floats

TOLERANCES = (1e-12, 1e-10)
"""Of the solver, tried in this order; power and money are in units of the market's size."""
NODES = 400
"""Programmes of a branch and bound, at most."""
CLOSED = 1e-9
"""Share of the money that moves at which bounds meet."""


@final
@dataclass(frozen=True, eq=False)
class Device:
    """One storage."""

    power: float  # MW at the grid
    energy: float  # MWh
    one_way: float  # share that is left of what is charged, and of what is discharged
    start: float  # MWh, and at least as much at the end

    def held(self, sold: Floats) -> Floats:
        """Return what is held after each hour of ``sold [T]``, ``[T]`` MWh, whether legal or not."""
        moved = np.where(sold > 0, -sold / self.one_way, -sold * self.one_way)
        return self.start + np.cumsum(moved)

    def legal(self, sold: Floats) -> Floats:
        """Return the schedule ``[T]`` that is nearest hour by hour and legal: cut as the game cuts."""
        held, cut, hours = self.start, np.empty_like(sold), len(sold)
        for t in range(hours):
            needed = max(self.start - (hours - 1 - t) * self.one_way * self.power, 0.0)
            spare, room = held - needed, max(self.energy - held, 0.0) / self.one_way
            high = min(self.power, spare * self.one_way) if spare >= 0 else spare / self.one_way
            cut[t] = max(min(sold[t], high), -min(self.power, room))
            moved = cut[t] / self.one_way if cut[t] > 0 else cut[t] * self.one_way
            held = min(max(held - moved, 0.0), self.energy)
        return cut


class BestSchedule(NamedTuple):
    """The best schedule found, what it earns, and what none earns more than."""

    sold: Floats  # [T] MW
    lower: float  # EUR
    upper: float  # EUR


def schedules(
    intercept: Floats, slope: Floats, power: Floats, energy: Floats, one_way: Floats, start: Floats, theta: float
) -> Floats:
    """Return what storages sell, ``[T, N]`` MW: the net schedule of the programme.

    Parameters
    ----------
    intercept, slope : ndarray
        ``[T]``: a in EUR/MWh, b in EUR/MWh per MW.
    power, energy, one_way, start : ndarray
        ``[N]``: P in MW, E in MWh, r, and what is held at first, MWh.
    theta : float
        1 for the open-loop Nash equilibrium, 0 for price takers.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    low, high = (sign * np.broadcast_to(power, (len(intercept), len(power))) for sign in (-1.0, 1.0))
    charge, discharge, _ = _optimum(intercept, slope, energy, one_way, start, theta, low, high)
    return discharge - charge


def best_schedule(margin: Floats, slope: Floats, device: Device) -> BestSchedule:
    """Return the best schedule of one storage at prices ``margin - slope * sold``, hour by hour.

    Parameters
    ----------
    margin, slope : ndarray
        ``[T]`` EUR/MWh and EUR/MWh per MW; a slope may be zero.
    device : Device
        The storage.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    closed = CLOSED * float(np.sum((np.abs(margin) + slope * device.power) * device.power))
    low, high = np.full(len(margin), -device.power), np.full(len(margin), device.power)
    best, worth, proved = np.zeros(len(margin)), 0.0, -np.inf
    best = device.legal(best)
    worth = _worth(margin, slope, best)
    ticket, queue = count(), [(-np.inf, 0, low, high)]
    nodes = 0
    while queue and -queue[0][0] > worth + closed and nodes < NODES:
        above, _, low, high = heapq.heappop(queue)
        nodes += 1
        charge, discharge, bound = _relaxed(margin, slope, device, low, high)
        bound = min(bound, -above)
        found = device.legal(discharge - charge)
        if _worth(margin, slope, found) > worth:
            best, worth = found, _worth(margin, slope, found)
        at = int(np.minimum(charge, discharge).argmax())
        if bound <= worth + closed or low[at] >= 0 or high[at] <= 0:
            proved = max(proved, bound)
            continue
        for side in (low, high):
            fixed = side.copy()
            fixed[at] = 0.0
            pair = (fixed, high) if side is low else (low, fixed)
            heapq.heappush(queue, (-bound, next(ticket), *pair))
    rest = -queue[0][0] if queue else -np.inf
    return BestSchedule(best, worth, max(worth, proved, rest))


def _worth(margin: Floats, slope: Floats, sold: Floats) -> float:
    return float(np.sum((margin - slope * sold) * sold))


def _relaxed(margin: Floats, slope: Floats, device: Device, low: Floats, high: Floats) -> tuple[Floats, Floats, float]:
    """Return charging and discharging ``[T]`` MW of the programme, and what is proved to lie above each schedule."""
    energy, one_way, start = (np.array([part]) for part in (device.energy, device.one_way, device.start))
    charge, discharge, value = _optimum(margin, slope, energy, one_way, start, 1.0, low[:, None], high[:, None])
    bound = min(dual_bound(margin, margin, slope, device, sign * value[:, 0], low, high) for sign in (1.0, -1.0))
    return charge[:, 0], discharge[:, 0], bound


def dual_bound(
    selling: Floats,
    buying: Floats,
    slope: Floats,
    device: Device,
    value: Floats,
    low: Floats | None = None,
    high: Floats | None = None,
) -> float:
    """Return what no schedule earns more than, EUR.

    Parameters
    ----------
    selling, buying : ndarray
        ``[T]`` EUR/MWh: the price at which the first MW is sold, and bought.
    slope : ndarray
        ``[T]``: by how much a MW moves it.
    device : Device
        The storage.
    value : ndarray
        ``[T]`` EUR/MWh: multipliers of what is held after each hour; any are valid.
    low, high : ndarray, optional
        ``[T]`` MW: limits of what is sold, -P and P by default.
    """
    r, most = device.one_way, device.power
    low = np.full(len(selling), -most) if low is None else low
    high = np.full(len(selling), most) if high is None else high
    sold = _peak(selling - value / r, slope, 0.0 * high, np.maximum(high, 0.0))
    bought = _peak(buying - value * r, slope, np.minimum(low, 0.0), 0.0 * low)
    return float(np.maximum(sold, bought).sum() + _holding(device, value))


def _peak(margin: Floats, slope: Floats, low: Floats, high: Floats) -> Floats:
    """Return the largest ``(margin - slope x) x`` over x in [low, high], ``[T]``."""
    inside = margin / (2 * np.where(slope > 0, slope, 1.0))
    at = np.where(slope > 0, np.clip(inside, low, high), np.where(margin > 0, high, low))
    return (margin - slope * at) * at


def _holding(device: Device, value: Floats) -> float:
    """Return the largest sum of ``value_t (s_t - s_{t+1})`` over what may be held."""
    change = np.diff(value)  # weight of what is held after hour t = 0 .. T - 2
    end = max(-value[-1] * device.start, -value[-1] * device.energy)
    return float(value[0] * device.start + np.maximum(change, 0.0).sum() * device.energy + end)


def _optimum(
    intercept: Floats,
    slope: Floats,
    energy: Floats,
    one_way: Floats,
    start: Floats,
    theta: float,
    low: Floats,
    high: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return charging, discharging, MW, and the multipliers of what is held, EUR/MWh, ``[T, N]`` each.

    What is sold lies in ``[low, high]``, ``[T, N]`` MW each; of one storage and theta 1 this is its own best schedule.
    """
    from scipy import sparse

    clarabel: Any = import_module("clarabel")  # only where it is used
    (hours, count), size = low.shape, float(np.maximum(-low, high).max()) or 1.0
    money = float(np.abs(intercept).max()) or 1.0
    unit, each = sparse.identity(hours), sparse.identity(count)
    sells = sparse.kron(each, sparse.hstack([-unit, unit, 0.0 * unit]))  # [N T, 3 N T] of charge, discharge, held
    total, weight = sparse.kron(np.ones((1, count)), unit) @ sells, slope * size / money
    square = total.T @ sparse.diags(weight) @ total
    square = square + theta * sells.T @ sparse.diags(np.tile(weight, count)) @ sells
    kept = unit - sparse.eye(hours, k=-1)
    balance = sparse.block_diag([sparse.hstack([-r * unit, unit / r, kept]) for r in one_way])
    most = np.concatenate([-low, high, np.broadcast_to(energy, low.shape)]).T.ravel() / size
    least = np.zeros((count, 3 * hours))
    least[:, -1] = start / size
    first = np.zeros((count, hours))
    first[:, 0] = start / size
    whole = sparse.identity(3 * count * hours)
    rows = sparse.vstack([balance, whole, -whole]).tocsc()
    right = np.concatenate([first.ravel(), most, -least.ravel()])
    cones = [clarabel.ZeroConeT(count * hours), clarabel.NonnegativeConeT(6 * count * hours)]
    problem = sparse.triu(square).tocsc(), -(total.T @ (intercept / money)), rows, right, cones
    found, multiplier = _solved(clarabel, problem)
    parts = found.reshape(count, 3, hours) * size
    return parts[:, 0].T, parts[:, 1].T, multiplier[: count * hours].reshape(count, hours).T * money


def _solved(clarabel: Any, problem: tuple[Any, ...]) -> tuple[Floats, Floats]:  # noqa: ANN401 - the module
    status = "unsolved"
    for tolerance in TOLERANCES:
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_iter, settings.equilibrate_enable = False, 500, False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
        solution = clarabel.DefaultSolver(*problem, settings).solve()
        status = str(solution.status)
        if status == "Solved":
            return np.array(solution.x), np.array(solution.z)
    raise RuntimeError(f"The solver must end at an optimum; got status {status!r}.")
