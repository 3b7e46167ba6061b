r"""Upper bounds on what any report earns, by branch and bound over the bundle that the agent ends with.

The strategic agent as a monopsonist
------------------------------------
Under proportional fairness with a fixed surcharge z, let agent i end with the bundle y, whatever it reports. The
others share what is left, b - y, at the prices :math:`\lambda(y)` of *their* market. Agent i's own optimality
conditions ask for a report with
:math:`w_i v'_k / (v' \cdot y) = z_k + \lambda_k(y) + \beta_k` where :math:`y_k > 0`; multiplied by y and summed,

.. math:: \sum_k (\lambda_k(y) + z_k) \, y_k \le w_i, \qquad 0 \le y \le x'_i .

Conversely the report :math:`v' = \lambda(y) + z`, with demands :math:`x' = y`, has y as an outcome. So the agent buys
with the money :math:`w_i` on a market whose prices its own purchases raise. Units beyond the true demand raise prices
and are worth nothing: under proportional fairness a misreport of demands gains no more than one of values does.

Prices rise with purchases
--------------------------
:math:`\lambda(y)` minimises, over :math:`p \ge 0`, the dual :math:`D_s(p) = p \cdot s + \sum_{j \ne i}
\max_{0 \le a \le x_j} [w_j \log(v_j \cdot a) - (p + z) \cdot a]` at the supply s = b - y. After scaling its axes,
the bracket is a concave function of one sum and of separable terms, hence M-natural-concave [1]_, and its maximum is
a submodular function of p; scaling axes does not change that. The first term has decreasing differences in (p, s). So
the minimiser falls in the supply [2]_: :math:`y \ge l` implies :math:`\lambda(y) \ge \lambda(l)`.

The bound of a box
------------------
All bundles with :math:`l \le y \le h` earn at most the fractional knapsack

.. math:: \max \; v_i \cdot \min(y, x_i) \quad\text{s.t.}\quad (\lambda(l) + z) \cdot y \le w_i, \; l \le y \le h,

and there are none if :math:`(\lambda(l) + z) \cdot l > w_i`. Boxes are halved, the most promising first, and cut down
to what the money can buy and to what must be bought to earn more than has been attained. Under partial allocation
agent i keeps the share :math:`f(y) = \exp((W(b - y) - W(b)) / w_i)` of y, with W the others' largest weighted
log-welfare; f falls in y, so that in a box it is at most :math:`f(l)`.

What the solver's rounding can do
---------------------------------
Prices are taken at the supply :math:`s' = b - l + \delta b`, a little more than is left. Let p' be prices there, whose
dual is at most :math:`\epsilon` above the least, and d what of p' exceeds :math:`\lambda(y)`, for a y in the box.
Submodularity and the optimality of :math:`\lambda(y)` give :math:`d \cdot (s' - (b - y)) \le \epsilon`, so that
:math:`d \cdot y \le d \cdot b \le \epsilon / \delta`: with that much more money, p' serves as well as
:math:`\lambda(l)`. With :math:`\gamma_j = w_j / u_j` the certificate of `walras.markets.eisenberg_gale.solver` becomes

.. math:: \epsilon = p' \cdot s' + \sum_{jk} (\gamma_j v_{jk} - z_k - p'_k)^+ x_{jk} + \sum_{jk} z_k a_{jk}
          - \sum_j w_j .

So the bound holds whatever the prices' accuracy, which only decides how tight it is. `SLACK` is for the rounding of
sums.

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
from walras.mechanisms.problem import AllocationProblem, utility
from walras.mechanisms.rules import EqualSplit, Mechanism, PartialAllocation, PostedSurcharge, ProportionalFairness

MORE = 5e-6  # of a budget: the supply at which prices are taken is larger by so much
SLACK = 1e-9  # of the bound
CLOSE = 1e-4  # a box whose bound is within this share of what is attained is not opened
Box = tuple[Tensor, Tensor]


@singledispatch
def utility_bound(mechanism: Mechanism, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return an upper bound, ``[B, N]``, of what each agent can earn by any report while the others tell the truth.

    Parameters
    ----------
    mechanism : Mechanism
        Its type chooses the bound; `utility_bound.register` adds one. The bound of a type that has none is all that an
        agent could use: it is valid for every mechanism, and loose.
    types : AllocationProblem
        True types.
    box : tuple of tensors
        The least and the largest demands that may be reported, ``[B, N, M]`` each.
    nodes : int
        Boxes that may be opened for one agent.
    """
    return (types.values * torch.minimum(types.demands, types.budgets[:, None])).sum(dim=2)


@utility_bound.register
def _(mechanism: ProportionalFairness, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    return _surcharged(types, 0.0, nodes)


@utility_bound.register
def _(mechanism: PostedSurcharge, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    return _surcharged(types, mechanism.tau, nodes)


@utility_bound.register
def _(mechanism: EqualSplit, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return the truthful utility: the uniform rule is truthful, and values do not count."""
    return _truthful(mechanism, types)


@utility_bound.register
def _(mechanism: PartialAllocation, types: AllocationProblem, box: Box, nodes: int) -> Tensor:
    """Return the truthful utility where demands are public: there it is best. Elsewhere, the best box."""
    if torch.equal(*box):
        return _truthful(mechanism, types)
    monopsony = _monopsony(types, 0.0)
    alone = _others(monopsony, torch.zeros_like(monopsony.value)).welfare
    top = torch.minimum(box[1], types.budgets[:, None]).flatten(0, 1)
    return _branch(monopsony._replace(alone=alone), top, nodes).reshape(types.values.shape[:2])


class Monopsony(NamedTuple):
    """R strategic agents, each against a market of others."""

    value: Tensor  # [R, M]
    demand: Tensor  # [R, M]
    money: Tensor  # [R] its weight
    budgets: Tensor  # [R, M]
    others_values: Tensor  # [R, N - 1, M]
    others_demands: Tensor  # [R, N - 1, M]
    others_weights: Tensor  # [R, N - 1]
    surcharge: Tensor  # [R, 1, 1]
    alone: Tensor  # [R] the others' log-welfare without the agent, who burns for what they lose; -inf: it burns nothing


class Market(NamedTuple):
    """R markets of others, at a supply that is larger by `MORE` of a budget."""

    prices: Tensor  # [R, M]
    welfare: Tensor  # [R] weighted log-welfare
    doubt: Tensor  # [R] how far the prices' dual may be above the least


class Boxes(NamedTuple):
    """Boxes of bundles, several to an agent."""

    row: Tensor  # [K] whose
    low: Tensor  # [K, M]
    high: Tensor  # [K, M]
    bound: Tensor  # [K] no bundle of the box earns more; minus infinity where there is none
    attained: Tensor  # [K] what `low` earns


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
    """Return the others' market without what is ``taken [R, M]``."""
    v, w, z = m.others_values, m.others_weights, m.surcharge
    if v.shape[1] == 0:
        return Market(torch.zeros_like(taken), torch.zeros_like(m.money), torch.zeros_like(m.money))
    supply = (m.budgets - taken).clamp(min=0) + MORE * m.budgets
    found = proportional_fairness(v, m.others_demands, supply, w, z)
    p, a = found.prices, found.allocation
    u = (v * a).sum(dim=2)
    beta = ((w / u)[..., None] * v - z - p[:, None]).clamp(min=0)
    most = torch.minimum(m.others_demands, (1 + MORE) * m.budgets[:, None])
    spent = (p * supply).sum(dim=1) + (beta * most + z * a).sum(dim=(1, 2))
    return Market(p, (w * u.log()).sum(dim=1), (spent - w.sum(dim=1)).clamp(min=0))


def _explored(m: Monopsony, row: Tensor, low: Tensor, high: Tensor) -> Boxes:
    """Return the boxes with their bounds, less the bundles that cost more than there is money; ``m`` by box."""
    others = _others(m, low)
    price, money = others.prices + m.surcharge[:, 0], m.money + others.doubt / MORE
    kept = ((others.welfare + others.doubt - m.alone) / m.money).clamp(max=0.0).exp()[:, None]
    left = money - (price * low).sum(dim=1)
    high = torch.minimum(high, low + left[:, None].clamp(min=0) / price.clamp(min=1e-300))
    attained = (m.value * torch.minimum(kept * low, m.demand)).sum(dim=1)
    more = _knapsack(m.value * kept, price, left, torch.minimum(high, m.demand / kept) - low)
    paid = left >= 0
    return Boxes(row, low, high, torch.where(paid, attained + more, -torch.inf), torch.where(paid, attained, 0.0))


def _knapsack(value: Tensor, price: Tensor, left: Tensor, room: Tensor) -> Tensor:
    """Return the most that the money ``left [R]`` buys of what there is ``room [R, M]`` for, ``[R]``."""
    order = (value / price.clamp(min=1e-300)).argsort(dim=1, descending=True)
    cost, worth = ((each * room.clamp(min=0)).gather(1, order) for each in (price, value))
    before = cost.cumsum(dim=1) - cost
    share = torch.where(cost > 0, (left[:, None] - before) / cost, 1.0).clamp(0, 1)
    return (share * worth).sum(dim=1)


def _branch(m: Monopsony, top: Tensor, nodes: int) -> Tensor:
    """Return the bound over all bundles up to ``top [R, M]`` of each agent, boxes opened best first, ``[R]``."""
    # What has no value only raises prices.
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
        # A part is never worth more than the whole.
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
    """Return the least bundles, from `low` up, that with all else at `high` earn what is attained, ``[K, M]``."""
    spare = ((value * high).sum(dim=1) - attained).clamp(min=0)
    least = high - spare[:, None] / value.clamp(min=1e-300)
    return torch.where(value > 0, torch.maximum(low, least), low)


def _halved(value: Tensor, low: Tensor, high: Tensor) -> Box:
    """Return both halves of each box, cut across the side that is worth most; ``[2 R, M]`` each."""
    side = (value * (high - low)).argmax(dim=1, keepdim=True)
    middle = (low + high).gather(1, side) / 2
    return torch.cat([low, low.scatter(1, side, middle)]), torch.cat([high.scatter(1, side, middle), high])
