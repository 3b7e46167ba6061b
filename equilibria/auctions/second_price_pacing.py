r"""Pacing equilibria of second-price auctions, by a mixed-integer program.

N bidders with values :math:`v_{ij}` and budgets :math:`B_i` bid :math:`\alpha_i v_{ij}` for M divisible goods, one unit
of each. In a *pacing equilibrium* the price of a good is its second highest bid, only highest bidders win, all is sold,
nobody spends more than its budget, and a bidder with :math:`\alpha_i < 1` spends all of it. One always exists; there
may be many, of different revenue, and to find one, even nearly, is PPAD-complete [2]_: no method is known that does not
take exponential time. So this is for few bidders and goods.

Binary variables say who may win a good, who does by designation, who sets its price, and whose budget is exhausted;
given them all else is linear [1]_. HiGHS finds the equilibrium of the largest or of the least revenue. Its answer is
solved again with the binary variables fixed, and judged by the definition.

References
----------
[1] V. Conitzer, C. Kroer, E. Sodomka, N. Stier-Moses, Multiplicative pacing equilibria in auction markets, Operations
    Research 70, 2022.
[2] X. Chen, C. Kroer, R. Kumar, The complexity of pacing for second-price auctions, Mathematics of Operations Research,
    2024.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_known, require_whole
from walras.core.solution import SolverError, Status, checked
from walras.core.typing import Floats, Ints
from walras.equilibria.auctions.pacing import PacingEquilibrium, checked_market, largest, violation
from walras.markets.auctions.autobidding import bought

TOLERANCE = 1e-9
FREE = 1e-9
"""Price, in the highest value, up to which a good is said to cost nothing."""
SENSES = {"max": -1.0, "min": 1.0}
Sense = Literal["max", "min"]


class Program(NamedTuple):
    """The mixed-integer program: A x between `low` and `high`; blocks of variables as in `_program`."""

    matrix: Any  # sparse
    low: Floats
    high: Floats
    whole: Ints  # 1 where a variable is binary
    revenue: Floats  # what they add to revenue


def second_price_pacing(
    values: ArrayLike,
    budgets: ArrayLike,
    sense: Sense = "max",
    *,
    tol: float = TOLERANCE,
    max_iter: int = 100_000,
    throw: bool = True,
) -> PacingEquilibrium:
    """Return the pacing equilibrium of second-price auctions with the largest or the least revenue.

    Parameters
    ----------
    values : array_like
        ``[N, M]`` money, not negative: what all of a good is worth.
    budgets : array_like
        ``[N]`` money, positive.
    sense : {"max", "min"}
        Which revenue is sought.
    tol : float
        Largest residual.
    max_iter : int
        Nodes of branch and bound. Four bidders and eight goods need more than there is patience for.
    throw : bool
        Raise instead of returning what is not certified, or an equilibrium whose revenue may not be the extreme one.

    Raises
    ------
    ValueError
        If shapes disagree, a number is NaN, infinite or negative, a budget is zero, or `sense` is unknown.
    SolverError
        If the search stopped at its limit, or the answer is not certified, and `throw` is true; also without `throw` if
        the search found no equilibrium at all.

    Examples
    --------
    >>> from walras.equilibria import second_price_pacing
    >>> values, budgets = [[5.0, 2.0, 1.0], [3.0, 4.0, 5.0]], [3.0, 6.0]
    >>> [float(second_price_pacing(values, budgets, sense).revenue.round(6)) for sense in ("max", "min")]
    [6.0, 4.8]
    """
    require_known(sense, "sense", SENSES)
    require_whole(max_iter, "max_iter")
    require(tol >= 0, "tol", "be at least 0", tol)
    v, money, _ = checked_market(values, budgets, None)
    require(v.ndim == 2, "values", "be [N, M], of one market", v.shape)
    unit = float(v.max()) or 1.0
    found = _searched(_program(v / unit, np.minimum(money, 2 * v.sum(axis=1) + unit) / unit), sense, max_iter)
    multiplier, allocation = _read(found.x, v.shape)
    bids = multiplier[:, None] * v
    highest, price = np.sort(np.vstack((bids, np.zeros_like(bids[:2]))), axis=0)[::-1][:2]
    spend, worth = (price * allocation).sum(axis=1), (v * allocation).sum(axis=1)
    regret = _best(v, money, bids, highest, price) - (worth - spend)
    wrong = violation(v[None], money[None], np.ones((1, v.shape[1])), multiplier[None], highest[None], price[None],
                      allocation[None])  # fmt: skip
    residual = largest(np.append(wrong, regret / money))
    return checked(
        PacingEquilibrium(
            residual=residual,
            iterations=found.nodes,
            status=Status.ROUNDED if residual > tol else found.status,
            multiplier=multiplier,
            price=price,
            allocation=allocation,
            spend=spend,
            utility=worth - spend,
            regret=regret / money,
        ),
        throw,
    )


def _program(v: Floats, budgets: Floats) -> Program:
    """Return the program of values ``[N, M]`` of at most 1, with a last bidder who values nothing.

    Variables are multipliers [N], spend [N, M], prices [M], highest bids [M], who may win, who does by designation and
    who sets the price [N, M] each, and whose budget is exhausted [N]; constraints in the order of [1].
    """
    from scipy import sparse

    v, budgets = np.vstack((v, np.zeros_like(v[:1]))), np.append(budgets, 1.0)
    n, m = v.shape
    of_bidder = sparse.kron(sparse.eye(n), np.ones((1, m)))
    of_good = sparse.kron(np.ones((1, n)), sparse.eye(m))
    pair, bid = sparse.eye(n * m), sparse.diags(v.ravel()) @ of_bidder.T
    most = sparse.diags(np.tile(v.max(axis=0), n))
    spent = np.minimum(budgets[:, None], v).ravel()
    big = np.tile(v.max(axis=0), n)
    rows = [
        ([None, of_bidder, None, None, None, None, None, None], -np.inf, budgets),
        ([None, of_bidder, None, None, None, None, None, -sparse.diags(budgets)], 0.0, np.inf),
        ([sparse.eye(n), None, None, None, None, None, None, sparse.eye(n)], 1.0, np.inf),
        ([None, of_good, -sparse.eye(m), None, None, None, None, None], 0.0, 0.0),
        ([None, pair, None, None, -sparse.diags(spent), None, None, None], -np.inf, 0.0),
        ([-bid, None, None, of_good.T, None, None, None, None], 0.0, np.inf),
        ([-bid, None, None, of_good.T, most, None, None, None], -np.inf, big),
        ([None, None, None, None, -pair, pair, None, None], -np.inf, 0.0),
        ([-bid, None, of_good.T, None, None, sparse.diags(v.ravel()), None, None], 0.0, np.inf),
        ([-bid, None, of_good.T, None, None, None, most, None], -np.inf, big),
        ([None, None, None, None, None, of_good, None, None], 1.0, 1.0),
        ([None, None, None, None, None, None, of_good, None], 1.0, 1.0),
        ([None, None, None, None, None, pair, pair, None], -np.inf, 1.0),
    ]
    matrix = sparse.bmat([blocks for blocks, _, _ in rows], format="csr")
    heights = [next(block for block in blocks if block is not None).shape[0] for blocks, _, _ in rows]
    low = np.concatenate([np.broadcast_to(a, h) for (_, a, _), h in zip(rows, heights, strict=True)])
    high = np.concatenate([np.broadcast_to(b, h) for (_, _, b), h in zip(rows, heights, strict=True)])
    sizes = [n, n * m, m, m, n * m, n * m, n * m, n]
    whole = np.repeat([0, 0, 0, 0, 1, 1, 1, 1], sizes)
    return Program(matrix, low, high, whole, np.repeat([0, 0, 1, 0, 0, 0, 0, 0], sizes))


class Search(NamedTuple):
    """What branch and bound came to."""

    x: Floats
    nodes: int
    status: Status


def _searched(program: Program, sense: Sense, max_iter: int) -> Search:
    """Return the best answer, its continuous part solved anew for the binary variables that were found.

    Raises
    ------
    SolverError
        If none was found.
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, linprog, milp

    cost = SENSES[sense] * program.revenue
    found = milp(
        cost,
        constraints=LinearConstraint(program.matrix, program.low, program.high),
        integrality=program.whole,
        bounds=Bounds(0.0, 1.0),
        options={"mip_rel_gap": 0.0, "node_limit": max_iter},
    )
    status = Status.CONVERGED if found.status == 0 else Status.ITERATION_LIMIT
    if found.x is None:
        raise SolverError(f"{Status.ITERATION_LIMIT.value} {found.message}")
    kept = np.round(found.x)
    ends = np.stack((np.where(program.whole > 0, kept, 0.0), np.where(program.whole > 0, kept, 1.0)), axis=1)
    tight, below, above = program.low == program.high, program.high < np.inf, program.low > -np.inf
    again: Any = linprog(  # pyright: ignore[reportCallIssue] - sparse matrices are not in its types
        cost,
        A_ub=sparse.vstack((program.matrix[below & ~tight], -program.matrix[above & ~tight])),
        b_ub=np.concatenate((program.high[below & ~tight], -program.low[above & ~tight])),
        A_eq=program.matrix[tight],
        b_eq=program.low[tight],
        bounds=ends,  # pyright: ignore[reportArgumentType]
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    x = found.x if again.x is None else again.x  # of a rounding that does not hold, the residual tells
    return Search(x, int(found.mip_node_count or 0), status)


def _read(x: Floats, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return multipliers ``[N]`` and shares ``[N, M]``: by spend, or of free goods by designation."""
    n, m = shape[0] + 1, shape[1]
    spend = x[n : n + n * m].reshape(n, m)[:-1]
    winner = np.round(x[-(2 * n * m + n) : -(n * m + n)].reshape(n, m)[:-1])
    price = spend.sum(axis=0)
    free = price <= FREE
    shares = np.where(free, winner, spend / np.where(free, 1.0, price))
    return x[: n - 1], np.maximum(shares, 0.0)


def _best(v: Floats, money: Floats, bids: Floats, highest: Floats, second: Floats) -> Floats:
    """Return each bidder's largest utility against the others' bids, ``[N]`` money: the advertiser's linear program."""
    leads = np.arange(len(v))[:, None] == bids.argmax(axis=0)
    rival = np.where(leads, second, highest)
    worth = np.where(v > rival, v, 0.0)
    return ((v - rival) * bought(worth, np.where(v > rival, rival, 0.0), money)).sum(axis=1)
