r"""Outputs of owners on an elastic network, by one concave programme: price takers, and Cournot firms by conjecture.

Owner f, with units k at buses n(k), conjectures that the others' outputs and all *differences* of prices stay, so that
all prices fall by :math:`B = 1 / \sum_n 1/b_n` a MW that it sells [1]_. Its conditions,

.. math:: 0 \le x_k \le K_k \;\perp\; p_{n(k)} - c_k - d_k x_k - \theta B X_f, \qquad X_f = \sum_{k \in f} x_k,

with :math:`\theta = 1` are those of the optimum of

.. math:: \max_{D, x} \sum_n a_n D_n - \tfrac12 b_n D_n^2 - \sum_k c_k x_k + \tfrac12 d_k x_k^2
          - \tfrac{\theta B}{2} \sum_f X_f^2

over the network and the capacities: the multiplier of a bus is its price, and the last term adds :math:`\theta B X_f`
to the marginal cost of each unit. With :math:`\theta = 0` it is the welfare optimum, of price takers. Consumption,
prices at buses with consumers and, for :math:`\theta = 1`, each owner's total are unique; how an owner splits it,
where costs rise or differ.

References
----------
[1] C. Metzler, B. F. Hobbs, J.-S. Pang, Nash-Cournot equilibria in power markets on a linearized DC network with
arbitrage, Networks and Spatial Economics 3, 2003.
"""

# cvxpy is only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import warnings
from typing import Any

import numpy as np

from walras.core.typing import Floats, Ints
from walras.markets.electricity.elastic_network import ElasticNetwork

OPTIONS = {"equilibrate_enable": False, "max_iter": 500} | dict.fromkeys(
    ("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-12
)
"""Of Clarabel; power and money are in units of the market's size."""
LOOSE = OPTIONS | dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
AT_LIMIT = 1e-9
"""Share of the market's size: an output that is nearer to a limit is at it."""


def outputs(
    network: ElasticNetwork, bus: Ints, owner: Ints, cost: Floats, cost_slope: Floats, capacity: Floats, theta: float
) -> Floats:
    r"""Return what K units produce, ``[K]`` MW.

    Parameters
    ----------
    network : ElasticNetwork
        The network and its consumers.
    bus, owner : Ints
        ``[K]``: positions of the units' buses, and which units have one owner.
    cost, cost_slope, capacity : Floats
        ``[K]``: c in EUR/MWh, d in EUR/MWh per MW, K in MW.
    theta : float
        1 for Cournot firms that conjecture that price differences stay, 0 for price takers.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    import cvxpy as cp

    power = max(float(capacity.max(initial=0.0)), float(np.abs(network.weight * network.intercept).max())) or 1.0
    money = max(float(np.abs(network.intercept).max()), float(cost.max(initial=0.0))) or 1.0
    used = network.weight > 0
    slope = power / money / network.weight[used]
    x: Any = cp.Variable(len(bus))
    demand: Any = cp.Variable(int(used.sum()))
    totals: Any = cp.Variable(int(owner.max()) + 1)
    gather = np.zeros((int(owner.max()) + 1, len(bus)))
    gather[owner, np.arange(len(bus))] = 1.0
    worth = network.intercept[used] / money @ demand - cp.sum(cp.multiply(slope / 2, cp.square(demand)))
    spent = cost / money @ x + cp.sum(cp.multiply(cost_slope * power / money / 2, cp.square(x)))
    held = theta * network.level_slope * power / money / 2 * cp.sum_squares(totals)
    rows, limit = network.factors[network.limited], network.limit[network.limited] / power
    limits: list[Any] = [x >= 0, x <= capacity / power, gather @ x == totals, cp.sum(demand) == cp.sum(x)]
    if len(limit):
        flow = rows[:, bus] @ x - rows[:, used] @ demand
        limits += [flow <= limit, flow >= -limit]
    problem = cp.Problem(cp.Maximize(worth - spent - held), limits)
    for options in (OPTIONS, LOOSE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of accuracy, which the status tells
            problem.solve(solver=cp.CLARABEL, **options)
        if str(problem.status) == "optimal":
            break
    if str(problem.status) != "optimal":
        raise RuntimeError(f"The solver must end at an optimum; got status {problem.status!r}.")
    found = np.asarray(x.value) * power
    edge = AT_LIMIT * power
    return np.where(found < edge, 0.0, np.where(found > capacity - edge, capacity, found))
