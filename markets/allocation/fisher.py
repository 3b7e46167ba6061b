r"""The linear Fisher market: its equilibrium, and two dynamics that find it.

The market
----------
N buyers with money w and values :math:`v_i \ge 0` per unit want M goods in supplies s. Prices p and an allocation a
are an equilibrium if

1. each buyer spends all its money, on goods of the largest value per money:
   :math:`p \cdot a_i = w_i` and :math:`v_i \cdot a_i = w_i \max_k v_{ik} / p_k`;
2. each good with a price is sold out: :math:`\sum_i a_{ik} = s_k` where :math:`p_k > 0`, never more.

The equilibrium is the allocation of the largest Nash welfare, :math:`\max_a \sum_i w_i \log(v_i \cdot a_i)` subject to
:math:`\sum_i a_i \le s`, with the multipliers as prices (Eisenberg and Gale [1]_). Prices and utilities are unique;
`equilibrium` solves the program and measures the definition.

Proportional response
---------------------
Buyers bid :math:`b_{ik}`, a good is shared in proportion to the bids, and each buyer splits its money anew in
proportion to the utility that each good gave it [2]_:

.. math:: p_k = \sum_i b_{ik} / s_k, \qquad b'_{ik} = w_i \frac{v_{ik} b_{ik} / p_k}{\sum_l v_{il} b_{il} / p_l}.

This is mirror descent with steps of one on the convex function :math:`\varphi(b) = \sum_k P_k \log P_k - \sum_{ik}
b_{ik} \log(v_{ik} s_k)` of the bids, :math:`P_k = p_k s_k` [3]_, so that
:math:`\varphi(b^t) - \varphi(b^*) \le D(b^* \| b^0) / t` with D the Kullback-Leibler divergence. Two short steps make
it a statement about prices. Optimality of :math:`b^*` leaves
:math:`D(P^t \| P^*) \le \varphi(b^t) - \varphi(b^*)`; and if each buyer starts by splitting its money evenly over the
goods that it values, at most M, then :math:`D(b^* \| b^0) \le W \log M` for all the money W. Hence
:math:`D(P^t \| P^*) \le W \log M / t`.

Tatonnement
-----------
Prices rise where demand exceeds supply. In :math:`q = \log p` the dual of the program,
:math:`\sum_k s_k e^{q_k} + \sum_i w_i \max_k (\log v_{ik} - q_k)`, is convex, and its subgradient is what the supply
costs less what is spent on it. `tatonnement` follows it,

.. math:: p_k \leftarrow p_k \exp\Bigl(\frac{\eta}{W \sqrt t} \bigl(\text{spent on } k - p_k s_k\bigr)\Bigr).

A buyer's linear demand is a set where goods tie, and jumps where they do not, so that a constant step would circle the
equilibrium for ever; vanishing steps end there. Of the set, the buyer that splits its money evenly over its best goods
is taken.

References
----------
.. [1] E. Eisenberg, D. Gale, Consensus of subjective probabilities: the pari-mutuel method,
   Annals of Mathematical Statistics 30, 1959.
.. [2] F. Wu, L. Zhang, Proportional response dynamics leads to market equilibrium, STOC 2007.
.. [3] B. Birnbaum, N. R. Devanur, L. Xiao, Distributed algorithms via gradient descent for Fisher markets, EC 2011.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from walras.core.checks import require
from walras.core.solution import SolverError, Status
from walras.markets.eisenberg_gale.solver import proportional_fairness

TOLERANCE = 1e-6  # of `equilibrium_residual`


@dataclass(frozen=True, eq=False)
class FisherEquilibrium:
    """B equilibria and their certificates."""

    prices: Tensor  # [B, M] money per unit
    allocation: Tensor  # [B, N, M] differentiable; not unique where goods tie
    spending: Tensor  # [B, N, M] money
    residual: Tensor  # [B] see `equilibrium_residual`


@dataclass(frozen=True, eq=False)
class PricePath:
    """Prices of T steps of a dynamic, the first ones included, and how far each is from equilibrium."""

    prices: Tensor  # [T + 1, B, M] money per unit
    distance: Tensor  # [T + 1, B] divergence of what the supply costs from what it costs in equilibrium, in money


def equilibrium(values: Tensor, supplies: Tensor, money: Tensor | None = None) -> FisherEquilibrium:
    """Solve B markets at once, in double precision.

    Parameters
    ----------
    values : Tensor
        ``[B, N, M]``, not negative; each buyer values some good.
    supplies : Tensor
        ``[B, M]``, positive.
    money : Tensor, optional
        ``[N]`` or ``[B, N]``, positive; 1 by default.

    Raises
    ------
    ValueError
        If shapes disagree, a number is out of range, or a buyer values nothing.
    SolverError
        If a market misses the definition by more than 1e-6 of a buyer's utility or money, or of a supply.

    Examples
    --------
    >>> import torch
    >>> from walras.markets.allocation.fisher import equilibrium
    >>> equilibrium(torch.tensor([[[2.0, 1.0], [1.0, 2.0]]]), torch.tensor([[1.0, 4.0]])).prices.round(decimals=4)
    tensor([[0.6667, 0.3333]], dtype=torch.float64)
    """
    v, s, w = _market(values, supplies, money)
    far = 2 * s[:, None].expand_as(v)  # demands that cannot bind
    found = proportional_fairness(v, far, s, w, tol=TOLERANCE / 10)
    spending = found.prices[:, None] * found.allocation
    with torch.no_grad():
        residual = equilibrium_residual(found.prices, found.allocation, v, s, w)
    if len(residual) and not float(residual.max()) <= TOLERANCE:
        raise SolverError(f"{Status.ROUNDED.value} residual={float(residual.max()):.3g} at {int(residual.argmax())}")
    return FisherEquilibrium(found.prices, found.allocation, spending, residual)


def equilibrium_residual(
    prices: Tensor, allocation: Tensor, values: Tensor, supplies: Tensor, money: Tensor | None = None
) -> Tensor:
    """Return by how much the definition of an equilibrium is missed, ``[B]``; zero for an equilibrium only.

    The largest of four shares: the utility that a buyer with its money could have had and has not; what a buyer spends
    beyond its money, or keeps of it; what is sold beyond the supply; and the money's worth of what is left unsold, of
    all money.
    """
    v, s, w = _market(values, supplies, money)
    best = torch.where(v > 0, v / prices[:, None], 0.0).amax(dim=2)
    missed = 1 - (v * allocation).sum(dim=2) / (w * best)
    unspent = ((prices[:, None] * allocation).sum(dim=2) / w - 1).abs()
    left = s - allocation.sum(dim=1)
    unsold = (prices * left).clamp(min=0).sum(dim=1, keepdim=True) / w.sum(dim=1, keepdim=True)
    shares = torch.cat([missed, unspent, -left / s, unsold], dim=1)
    return shares.amax(dim=1).clamp(min=0)


def proportional_response(
    values: Tensor, supplies: Tensor, money: Tensor | None = None, steps: int = 1000
) -> PricePath:
    """Let buyers bid in proportion to the utility received, `steps` times from even bids.

    Parameters
    ----------
    values, supplies, money
        As in `equilibrium`.
    steps : int
        T.

    Raises
    ------
    ValueError
        As `equilibrium`, or if `steps` is negative.
    """
    v, s, w = _market(values, supplies, money)
    valued = v > 0

    def respond(bids: Tensor, step: int) -> Tensor:
        cost = bids.sum(dim=1, keepdim=True)
        received = v * s[:, None] * torch.where(cost > 0, bids / cost, 0.0)
        return w[..., None] * received / received.sum(dim=2, keepdim=True)

    even = w[..., None] * valued / valued.sum(dim=2, keepdim=True)
    return _path(v, s, w, even, respond, lambda bids: bids.sum(dim=1), steps)


def tatonnement(
    values: Tensor, supplies: Tensor, money: Tensor | None = None, steps: int = 1000, step_size: float = 1.0
) -> PricePath:
    """Move prices with excess demand, `steps` times from prices at which all supplies cost the same.

    Parameters
    ----------
    values, supplies, money
        As in `equilibrium`.
    steps : int
        T.
    step_size : float
        The first step, positive.

    Raises
    ------
    ValueError
        As `equilibrium`, or if `steps` is negative or `step_size` not positive.
    """
    require(step_size > 0, "step_size", "be positive", step_size)
    v, s, w = _market(values, supplies, money)
    total = w.sum(dim=1, keepdim=True)

    def adjust(cost: Tensor, step: int) -> Tensor:
        per_money = v * s[:, None] / cost[:, None]
        best = per_money == per_money.amax(dim=2, keepdim=True)
        spent = (w[..., None] * best / best.sum(dim=2, keepdim=True)).sum(dim=1)
        return cost * torch.exp(step_size / (1 + step) ** 0.5 * (spent - cost) / total)

    return _path(v, s, w, (total / s.shape[1]).expand_as(s), adjust, lambda cost: cost, steps)


def _path(
    values: Tensor,
    supplies: Tensor,
    money: Tensor,
    start: Tensor,
    step: Callable[[Tensor, int], Tensor],
    cost: Callable[[Tensor], Tensor],
    steps: int,
) -> PricePath:
    """Return the path of `steps` calls of `step`; `cost` tells what each supply costs, ``[B, M]``."""
    require(steps >= 0, "steps", "not be negative", steps)
    with torch.no_grad():
        settled = equilibrium(values, supplies, money).prices * supplies
        costs = [cost(start)]
        for count in range(steps):
            start = step(start, count)
            costs.append(cost(start))
        path = torch.stack(costs)
        distance = (torch.xlogy(path, path / settled) - path + settled).sum(dim=2)
    return PricePath(path / supplies, distance)


def _market(values: Tensor, supplies: Tensor, money: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, supplies and money ``[B, N]`` in double precision, checked but for the values' signs."""
    shape = tuple(values.shape)
    require(len(shape) == 3, "values", "have 3 dimensions", shape)
    require(tuple(supplies.shape) == shape[::2], "supplies", f"have shape {shape[::2]}", tuple(supplies.shape))
    given = torch.ones_like(values[:, :, 0]) if money is None else money
    require(given.shape in (shape[1:2], shape[:2]), "money", f"have shape {shape[1:2]} or {shape[:2]}", given.shape)
    for name, part in (("supplies", supplies), ("money", given)):
        legal = torch.isfinite(part) & (part > 0)
        require(bool(legal.all()), name, "be positive and finite", part[~legal][:1].tolist())
    return values.double(), supplies.double(), given.double().expand(shape[:2])
