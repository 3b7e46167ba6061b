r"""Upper bounds on the utility that an agent can reach by any report, by branch and bound over the bundles it can get.

The strategic agent as a monopsonist
------------------------------------
Let the mechanism be proportional fairness with a fixed surcharge z, and let agent i receive the bundle y, whatever it
reports. Then the others receive the rest, b - y, at the prices :math:`\lambda(y)` of the market that they form among
themselves. By its own optimality conditions agent i's report satisfies
:math:`w_i v'_k / (v' \cdot y) = z_k + \lambda_k(y) + \beta_k` where :math:`y_k > 0`, with the multiplier
:math:`\beta_k \ge 0` of its demand. Multiplied by :math:`y_k` and summed over k, this is

.. math:: \sum_k (\lambda_k(y) + z_k) \, y_k \le w_i, \qquad 0 \le y \le x'_i .

Conversely, with the report :math:`v' = \lambda(y) + z` and the demands :math:`x' = y` the agent receives y. So the
strategic agent is a buyer with the budget :math:`w_i` who raises the prices by its own purchases: a monopsonist. Units
beyond its true demand raise prices and have no value for it. Under proportional fairness a misreport of demands
therefore gains no more than a misreport of values alone.

Prices rise with purchases
--------------------------
The prices :math:`\lambda(y)` minimise, over :math:`p \ge 0`, the dual :math:`D_s(p) = p \cdot s + \sum_{j \ne i}
\max_{0 \le a \le x_j} [w_j \log(v_j \cdot a) - (p + z) \cdot a]` at the supply s = b - y. If each resource is measured
in units of its value to agent j, the bracket is a concave function of one sum plus separable terms. It is thus
M-natural-concave [1]_, and its maximum is submodular in p, in any units. The term :math:`p \cdot s` has increasing
differences in p and s. So the minimiser falls as the supply rises [2]_: :math:`y \ge l` implies :math:`\lambda(y) \ge
\lambda(l)`.

The bound of a box
------------------
A box is the set of bundles with :math:`l \le y \le h`. The utility of each of them is at most the value of the
fractional knapsack problem

.. math:: \max \; v_i \cdot \min(y, x_i) \quad\text{s.t.}\quad (\lambda(l) + z) \cdot y \le w_i, \; l \le y \le h,

and the agent can afford none of them if :math:`(\lambda(l) + z) \cdot l > w_i`. The search halves the box with the
largest bound first. It also shrinks boxes: from above to what the agent can afford, and from below to what it needs in
order to exceed the best utility found so far. Under partial allocation agent i keeps the share :math:`f(y) = \exp((W(b
- y) - W(b)) / w_i)` of y, where W is the largest weighted log-welfare of the others. As f falls in y, it is at most
:math:`f(l)` in a box.

Rounding errors of the solver
-----------------------------
The solver computes prices at the supply :math:`s' = b - l + \delta b`, slightly more than what is left. Let p' be these
prices, :math:`\epsilon` a bound on how far their dual is above the minimum, and d the amount by which p' exceeds
:math:`\lambda(y)`, for some y in the box. Submodularity and the optimality of :math:`\lambda(y)` give :math:`d \cdot
(s' - (b - y)) \le \epsilon`, hence :math:`d \cdot y \le d \cdot b \le \epsilon / \delta`. So the bound holds with p' in
the place of :math:`\lambda(l)` if the budget is larger by :math:`\epsilon / \delta`. With :math:`\gamma_j = w_j / u_j`
the certificate of `walras.markets.eisenberg_gale.solver` becomes

.. math:: \epsilon = p' \cdot s' + \sum_{jk} (\gamma_j v_{jk} - z_k - p'_k)^+ x_{jk} + \sum_{jk} z_k a_{jk}
          - \sum_j w_j .

The bound is therefore valid for prices of any accuracy; inaccurate prices only make it looser. `SLACK` covers the
rounding of sums.

References
----------
[1] K. Murota, Discrete convex analysis, SIAM, 2003.
[2] D. M. Topkis, Supermodularity and complementarity, Princeton University Press, 1998.
"""

from functools import singledispatch
from typing import NamedTuple

import torch
from torch import Tensor

from walras.markets.eisenberg_gale.solver import proportional_fairness
from walras.mechanisms.payments import VCG, AnyMechanism
from walras.mechanisms.problem import AllocationProblem, utility
from walras.mechanisms.rules import EqualSplit, Mechanism, PartialAllocation, PostedSurcharge, ProportionalFairness

MORE = 5e-6  # delta: the supply at which prices are computed is larger by this share of a budget
SLACK = 1e-9  # share of the bound that is added for the rounding of sums
CLOSE = 1e-4  # a box is not halved if its bound exceeds the best utility found by less than this share
Box = tuple[Tensor, Tensor]


@singledispatch
def utility_bound(mechanism: AnyMechanism, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return an upper bound, ``[B, N]``, on the utility of each agent by any report, if the others report the truth.

    Parameters
    ----------
    mechanism : Mechanism
        Its type selects the bound; `utility_bound.register` adds one. For all other types the bound is the utility of
        everything that the agent demands and the budgets allow: valid for every mechanism, and loose.
    types : AllocationProblem
        True types.
    box : tuple of tensors
        The least and the largest demands that may be reported, ``[B, N, M]`` each.
    nodes : int
        Boxes that may be halved for one agent.
    """
    return (types.values * torch.minimum(types.demands, types.budgets[:, None])).sum(dim=2)


@utility_bound.register
def _(mechanism: ProportionalFairness, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    return _surcharged(types, 0.0, nodes)


@utility_bound.register
def _(mechanism: PostedSurcharge, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    return _surcharged(types, mechanism.tau, nodes)


@utility_bound.register
def _(mechanism: VCG, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return the utility of a true report: truth is dominant, in values and demands."""
    found = mechanism(*types)
    return utility(found.allocation, types.values, types.demands) - found.payment


@utility_bound.register
def _(mechanism: EqualSplit, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return the utility of a true report: equal split is truthful, and does not use values."""
    return _truthful(mechanism, types)


@utility_bound.register
def _(mechanism: PartialAllocation, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return the utility of a true report where demands are public, since no report is better; else search boxes."""
    if torch.equal(*box):
        return _truthful(mechanism, types)
    monopsony = _monopsony(types, 0.0)
    alone = _others(monopsony, torch.zeros_like(monopsony.value)).welfare
    most = torch.maximum(box[1], types.demands)  # the truth may be told, whatever else may not
    top = torch.minimum(most, types.budgets[:, None]).flatten(0, 1)
    return _branch(monopsony._replace(alone=alone), top, nodes).reshape(types.values.shape[:2])


class Monopsony(NamedTuple):
    """R strategic agents, each of which faces the market of the others."""

    value: Tensor  # [R, M]
    demand: Tensor  # [R, M]
    money: Tensor  # [R] its weight
    budgets: Tensor  # [R, M]
    others_values: Tensor  # [R, N - 1, M]
    others_demands: Tensor  # [R, N - 1, M]
    others_weights: Tensor  # [R, N - 1]
    surcharge: Tensor  # [R, 1, 1]
    alone: Tensor  # [R] the others' log-welfare without the agent, for its share f; -inf if it keeps the whole bundle


class Market(NamedTuple):
    """R markets of the others, with the supply that the strategic agent leaves them and `MORE` of each budget."""

    prices: Tensor  # [R, M]
    welfare: Tensor  # [R] weighted log-welfare
    error: Tensor  # [R] epsilon: a bound on how far the dual of the prices is above its minimum


class Boxes(NamedTuple):
    """K boxes of bundles, several for each agent."""

    row: Tensor  # [K] the agent
    low: Tensor  # [K, M]
    high: Tensor  # [K, M]
    bound: Tensor  # [K] on the utility of all bundles of the box; minus infinity if the agent can afford none of them
    attained: Tensor  # [K] the utility of `low`


def _truthful(mechanism: Mechanism, types: AllocationProblem) -> Tensor:
    with torch.no_grad():
        return utility(mechanism(*types), types.values, types.demands)


def _surcharged(types: AllocationProblem, tau: float, nodes: int) -> Tensor:
    """Return the bound of proportional fairness with the surcharge `tau`."""
    useful = torch.minimum(types.demands, types.budgets[:, None]).flatten(0, 1)
    return _branch(_monopsony(types, tau), useful, nodes).reshape(types.values.shape[:2])


def _monopsony(types: AllocationProblem, tau: float) -> Monopsony:
    v, x, b = (part.detach().to(torch.float64) for part in types[:3])
    rows, agents, _ = v.shape
    w = (torch.ones_like(v[:, :, 0]) if types.weights is None else types.weights.to(v)).expand(rows, agents)
    # [N, N - 1]: row i holds the agents other than i.
    others = torch.tensor([[j for j in range(agents) if j != i] for i in range(agents)], dtype=torch.long)
    value, demand, money = (of_agent.flatten(0, 1) for of_agent in (v, x, w))
    theirs = [of_agent[:, others].flatten(0, 1) for of_agent in (v, x, w)]
    surcharge = torch.full((rows * agents, 1, 1), tau, dtype=v.dtype)
    budgets, alone = b.repeat_interleave(agents, dim=0), torch.full_like(money, -torch.inf)
    return Monopsony(value, demand, money, budgets, theirs[0], theirs[1], theirs[2], surcharge, alone)


def _others(m: Monopsony, taken: Tensor) -> Market:
    """Return the market of the others when the strategic agents have ``taken [R, M]``."""
    v, w, z = m.others_values, m.others_weights, m.surcharge
    if v.shape[1] == 0:
        return Market(torch.zeros_like(taken), torch.zeros_like(m.money), torch.zeros_like(m.money))
    supply = (m.budgets - taken).clamp(min=0) + MORE * m.budgets
    found = proportional_fairness(v, m.others_demands, supply, w, z, throw=False)  # `error` bounds what it misses
    p, a = found.prices, found.allocation
    u = (v * a).sum(dim=2)
    beta = ((w / u)[..., None] * v - z - p[:, None]).clamp(min=0)
    most = torch.minimum(m.others_demands, (1 + MORE) * m.budgets[:, None])
    spent = (p * supply).sum(dim=1) + (beta * most + z * a).sum(dim=(1, 2))
    return Market(p, (w * u.log()).sum(dim=1), (spent - w.sum(dim=1)).clamp(min=0))


def _explored(m: Monopsony, row: Tensor, low: Tensor, high: Tensor) -> Boxes:
    """Return the boxes with their bounds, cut to what the agent can afford; ``m`` has a row for each box."""
    others = _others(m, low)
    price, money = others.prices + m.surcharge[:, 0], m.money + others.error / MORE
    kept = ((others.welfare + others.error - m.alone) / m.money).clamp(max=0.0).exp()[:, None]
    left = money - (price * low).sum(dim=1)
    high = torch.minimum(high, low + left[:, None].clamp(min=0) / price.clamp(min=1e-300))
    attained = (m.value * torch.minimum(kept * low, m.demand)).sum(dim=1)
    more = _knapsack(m.value * kept, price, left, torch.minimum(high, m.demand / kept) - low)
    paid = left >= 0
    return Boxes(row, low, high, torch.where(paid, attained + more, -torch.inf), torch.where(paid, attained, 0.0))


def _knapsack(value: Tensor, price: Tensor, left: Tensor, room: Tensor) -> Tensor:
    """Return the largest value, ``[R]``, of at most ``room [R, M]`` units bought with the money ``left [R]``."""
    order = (value / price.clamp(min=1e-300)).argsort(dim=1, descending=True)
    cost, worth = ((each * room.clamp(min=0)).gather(1, order) for each in (price, value))
    before = cost.cumsum(dim=1) - cost
    share = torch.where(cost > 0, (left[:, None] - before) / cost, 1.0).clamp(0, 1)
    return (share * worth).sum(dim=1)


def _branch(m: Monopsony, top: Tensor, nodes: int) -> Tensor:
    """Return each agent's bound, ``[R]``, over all bundles up to ``top [R, M]``: best-first branch and bound."""
    # To buy a resource without value only raises prices.
    top = torch.where(m.value > 0, top.to(m.value), 0.0)
    boxes = _explored(m, torch.arange(len(top)), torch.zeros_like(top), top)
    attained = boxes.attained
    for _ in range(nodes):
        best = _best(boxes.bound, boxes.row, attained)[boxes.row]
        wide = (boxes.high - boxes.low).amax(dim=1) > MORE * m.budgets[boxes.row].amax(dim=1)
        chosen = (boxes.bound >= best) & (boxes.bound > attained[boxes.row] * (1 + CLOSE)) & wide
        if not bool(chosen.any()):
            break
        opened = Boxes(*(part[chosen] for part in boxes))
        row = opened.row.repeat(2)
        low, high = _halved(m.value[opened.row], opened.low, opened.high)
        theirs = Monopsony(*(part[row] for part in m))
        new = _explored(theirs, row, _worthwhile(theirs.value, low, high, attained[row]), high)
        # The bound of a box holds for its halves.
        new = new._replace(bound=torch.minimum(new.bound, opened.bound.repeat(2)))
        attained = _best(new.attained, row, attained)
        boxes = Boxes(*(torch.cat([old[~chosen], part]) for old, part in zip(boxes, new, strict=True)))
        live = boxes.bound > attained[boxes.row]
        boxes = Boxes(*(part[live] for part in boxes))
    return _best(boxes.bound, boxes.row, attained) * (1 + SLACK)


def _best(scores: Tensor, row: Tensor, least: Tensor) -> Tensor:
    """Return each agent's largest of ``scores [K]``, at least ``least [R]``, ``[R]``."""
    return least.scatter_reduce(0, row, scores, "amax")


def _worthwhile(value: Tensor, low: Tensor, high: Tensor, attained: Tensor) -> Tensor:
    """Return the lower corners ``[K, M]`` of the boxes less the bundles whose utility is below what is attained.

    A bundle needs so much of a resource that its utility reaches `attained` if it has all others at `high`.
    """
    spare = ((value * high).sum(dim=1) - attained).clamp(min=0)
    least = high - spare[:, None] / value.clamp(min=1e-300)
    return torch.where(value > 0, torch.maximum(low, least), low)


def _halved(value: Tensor, low: Tensor, high: Tensor) -> Box:
    """Return both halves of each box, ``[2 K, M]``, cut in the resource of which its range is worth most."""
    side = (value * (high - low)).argmax(dim=1, keepdim=True)
    middle = (low + high).gather(1, side) / 2
    return torch.cat([low, low.scatter(1, side, middle)]), torch.cat([high.scatter(1, side, middle), high])
