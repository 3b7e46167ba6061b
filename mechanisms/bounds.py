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
:math:`\lambda(y)` minimises, over :math:`p \ge 0`, :math:`p \cdot (b - y) + \sum_{j \ne i} \max_{0 \le a \le x_j}
[w_j \log(v_j \cdot a) - (p + z) \cdot a]`. After scaling its axes, the bracket is a concave function of one sum and of
separable terms, hence M-natural-concave [1]_, and its maximum is a submodular function of p; scaling axes does not
change that. The first term has decreasing differences in (p, b). So the minimiser falls in the supply [2]_:
:math:`y \ge l` implies :math:`\lambda(y) \ge \lambda(l)`.

The bound of a box
------------------
All bundles with :math:`l \le y \le h` earn at most the fractional knapsack

.. math:: \max \; v_i \cdot \min(y, x_i) \quad\text{s.t.}\quad (\lambda(l) + z) \cdot y \le w_i, \; l \le y \le h,

and there are none if :math:`(\lambda(l) + z) \cdot l > w_i`. Boxes are halved, the most promising first. Under partial
allocation agent i keeps the share :math:`f(y) = \exp((W(b - y) - W(b)) / w_i)` of y, with W the others' largest
weighted log-welfare; f falls in y, so that in a box it is at most :math:`f(l)`.

These statements are exact; the prices are those of the numerical solver, taken at a supply that is larger by
`MORE` of a budget, and bounds are raised by `SLACK` for its rounding.

References
----------
[1] K. Murota, Discrete convex analysis, SIAM, 2003.
[2] D. M. Topkis, Supermodularity and complementarity, Princeton University Press, 1998.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from walras.markets.eisenberg_gale import proportional_fairness
from walras.mechanisms.problem import AllocationProblem, utility
from walras.mechanisms.rules import EqualSplit, Mechanism, PartialAllocation, PostedSurcharge, ProportionalFairness

MORE = 1e-7  # of a budget: the supply at which prices are taken is larger by so much
SLACK = 1e-6  # of the bound
CLOSE = 1e-3  # a box whose bound is within this share of what is attained is not opened
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
    alone = _others(monopsony, torch.zeros_like(monopsony.value))[1]

    def bound(m: Monopsony, row: Tensor, low: Tensor, high: Tensor) -> Tensor:
        price, welfare = _others(m, low)
        kept = ((welfare - alone[row]) / m.money).clamp(max=0.0).exp()[:, None]
        useful = torch.minimum(high, m.demand / kept)
        return _knapsack(m.value * kept, price, m.money, low, useful, m.value * torch.minimum(kept * low, m.demand))

    return _branch(monopsony, torch.minimum(box[1], types.budgets[:, None]).flatten(0, 1), bound, nodes).reshape(
        types.values.shape[:2]
    )


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


Bound: TypeAlias = Callable[[Monopsony, Tensor, Tensor, Tensor], Tensor]


def _truthful(mechanism: Mechanism, types: AllocationProblem) -> Tensor:
    with torch.no_grad():
        return utility(mechanism(*types), types.values, types.demands)


def _surcharged(types: AllocationProblem, tau: float, nodes: int) -> Tensor:
    """Return the bound of proportional fairness with the surcharge `tau`."""

    def bound(m: Monopsony, row: Tensor, low: Tensor, high: Tensor) -> Tensor:
        price = _others(m, low)[0] + m.surcharge[:, 0]
        return _knapsack(m.value, price, m.money, low, high, m.value * low)

    useful = torch.minimum(types.demands, types.budgets[:, None]).flatten(0, 1)
    return _branch(_monopsony(types, tau), useful, bound, nodes).reshape(types.values.shape[:2])


def _monopsony(types: AllocationProblem, tau: float) -> Monopsony:
    v, x, b, _ = types
    rows, agents, _ = v.shape
    w = (torch.ones_like(v[:, :, 0]) if types.weights is None else types.weights).expand(rows, agents)
    # [N, N - 1]: row i holds the agents other than i.
    others = torch.tensor([[j for j in range(agents) if j != i] for i in range(agents)], dtype=torch.long)
    value, demand, money = (of_agent.flatten(0, 1).detach() for of_agent in (v, x, w))
    theirs = [of_agent[:, others].flatten(0, 1).detach() for of_agent in (v, x, w)]
    surcharge = torch.full((rows * agents, 1, 1), tau, dtype=v.dtype)
    return Monopsony(
        value, demand, money, b.repeat_interleave(agents, dim=0), theirs[0], theirs[1], theirs[2], surcharge
    )


def _others(m: Monopsony, taken: Tensor) -> tuple[Tensor, Tensor]:
    """Return prices ``[R, M]`` and log-welfare ``[R]`` of the others' market without what is taken."""
    if m.others_values.shape[1] == 0:
        return torch.zeros_like(taken), torch.zeros_like(taken[:, 0])
    supply = (m.budgets - taken).clamp(min=0) + MORE * m.budgets
    found = proportional_fairness(m.others_values, m.others_demands, supply, m.others_weights, m.surcharge)
    welfare = (m.others_weights * (m.others_values * found.allocation).sum(dim=2).log()).sum(dim=1)
    return found.prices, welfare


def _knapsack(value: Tensor, price: Tensor, money: Tensor, low: Tensor, high: Tensor, base: Tensor) -> Tensor:
    """Return the most that is earned from `low` up to `high`, ``[R]``; minus infinity where `low` is too dear."""
    left = money - (price * low).sum(dim=1)
    room = (high - low).clamp(min=0)
    order = (value / price.clamp(min=1e-300)).argsort(dim=1, descending=True)
    cost, worth = (price * room).gather(1, order), (value * room).gather(1, order)
    before = cost.cumsum(dim=1) - cost
    share = ((left[:, None] - before) / cost.clamp(min=1e-300)).clamp(0, 1)
    return torch.where(left >= -SLACK * money, base.sum(dim=1) + (share * worth).sum(dim=1), -torch.inf)


def _branch(m: Monopsony, top: Tensor, bound: Bound, nodes: int) -> Tensor:
    """Return the bound over all bundles up to ``top [R, M]`` of each row, boxes opened best first, ``[R]``."""
    row = torch.arange(len(top))
    low, high = torch.zeros_like(top), top
    score = bound(m, row, low, high)
    for _ in range(nodes):
        best = torch.full((len(top),), -torch.inf, dtype=top.dtype).scatter_reduce(0, row, score, "amax")
        attained = _attained(m, row, low, score, len(top))
        # Open the best box of each row whose bound is not yet near what is attained.
        chosen = (score >= best[row]) & (score > attained[row] * (1 + CLOSE)) & ((high - low).amax(dim=1) > MORE)
        if not bool(chosen.any()):
            break
        halves = _halved(m.value[row[chosen]], low[chosen], high[chosen])
        rows = row[chosen].repeat(2)
        scores = bound(Monopsony(*(part[rows] for part in m)), rows, *halves)
        # A part is never worth more than the whole.
        scores = torch.minimum(scores, score[chosen].repeat(2))
        row, score = torch.cat([row[~chosen], rows]), torch.cat([score[~chosen], scores])
        low, high = torch.cat([low[~chosen], halves[0]]), torch.cat([high[~chosen], halves[1]])
        live = score > -torch.inf
        row, score, low, high = row[live], score[live], low[live], high[live]
    best = torch.full((len(top),), -torch.inf, dtype=top.dtype).scatter_reduce(0, row, score, "amax")
    return best * (1 + SLACK)


def _attained(m: Monopsony, row: Tensor, low: Tensor, score: Tensor, rows: int) -> Tensor:
    """Return what the least bundles of the boxes earn at most, ``[R]``; each that has a bound can be paid."""
    worth = torch.where(score > -torch.inf, (m.value[row] * torch.minimum(low, m.demand[row])).sum(dim=1), 0.0)
    return torch.zeros(rows, dtype=low.dtype).scatter_reduce(0, row, worth, "amax")


def _halved(value: Tensor, low: Tensor, high: Tensor) -> Box:
    """Return both halves of each box, cut across the side that is worth most; ``[2 R, M]`` each."""
    side = (value * (high - low)).argmax(dim=1, keepdim=True)
    middle = (low + high).gather(1, side) / 2
    return torch.cat([low, low.scatter(1, side, middle)]), torch.cat([high.scatter(1, side, middle), high])
