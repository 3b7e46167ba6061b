r"""Resource allocation: how far truth is from equilibrium, and an equilibrium of misreports.

Truth
-----
`solve` returns the truthful profile. Its residual is its Nash gap: the gain of the best report, as a share of the
utility, for the agent that gains most. It is zero where the mechanism is truthful; under proportional fairness it is
zero for one resource, and without demands that bind less than one [1]_.

Misreports
----------
Under proportional fairness without demands that bind, agents are buyers with money :math:`w_i` in a Fisher market who
choose which values to show. For any small :math:`\delta`, these reports are an equilibrium up to :math:`\delta`: with p
the prices under truth, everyone reports the prices, :math:`v'_{ik} = p_k`, but :math:`(1 + \delta) p_k` for the goods
that truly are worth most to it per money. `strategic_equilibrium` computes them. Everyone has its truthful utility.

*The outcome.* At prices p each agent wants just its best goods, and the truthful allocation serves all of them. Prices
of a Fisher market are unique, so p it is, and any way to split the money over one's best goods is worth the same.

*No gain.* Let agent i end with the bundle y, whatever it reports, and let :math:`\lambda` be the prices at which the
others buy the rest. Then :math:`\lambda \cdot y \le w_i`, by the optimality of i's own report (see
`walras.mechanisms.bounds`). Let :math:`m = \min_k \lambda_k / p_k`. Another who buys good l prefers it to the cheapest
one, so :math:`\lambda_l \le (1 + \delta) m p_l`; the others spend :math:`W - w_i`, with W all the weight, so
:math:`W - w_i \le (1 + \delta) m (W - p \cdot y)`. Together with :math:`m \, p \cdot y \le w_i` this is
:math:`p \cdot y \le (1 + \delta) w_i`: at the prices p, the bundle costs hardly more than the money. Its utility is at
most :math:`1 + \delta` times the truthful one.

There are other equilibria: whoever could fix its report first would gain.

Gains
-----
The best report is no concave problem. `gain`, `residual` and `gap` are what the search of
`walras.mechanisms.best_misreport` attains: lower bounds. `bound` is what no report exceeds: by the proof above, or by
branch and bound, which is loose for a mechanism without a bound of its own.

References
----------
[1] N. Chen, X. Deng, H. Zhang, J. Zhang, Incentive ratios of Fisher markets, ICALP 2012.
"""

from dataclasses import dataclass

import numpy as np
import torch

from walras.core.checks import require, require_each
from walras.core.game import Actions
from walras.core.policy import Constant, Scripted
from walras.core.solution import Solution, Status, checked
from walras.core.typing import Floats
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation
from walras.equilibria.gap import Deviation
from walras.markets.allocation.fisher import equilibrium
from walras.mechanisms import AllocationProblem, Misreport, ProportionalFairness, Search, best_misreport, exploitability


@dataclass(frozen=True, kw_only=True)
class ReportProfile(Solution):
    """Reports, and what each agent could gain by another, as a share of its utility; `residual` is the largest."""

    gain: Floats  # [N] found, on average over types
    bound: Floats  # [N] no report gains more


@dataclass(frozen=True, kw_only=True)
class StrategicEquilibrium(ReportProfile):
    """Reports from which no agent gains more than the tolerance."""

    action: Floats  # [N, A]
    price: Floats  # [M] weight per unit


def solve_resource_allocation(
    game: ResourceAllocation,
    *,
    draws: int = 32,
    seed: int = 0,
    nodes: int = 64,
    tol: float = np.inf,
    throw: bool = True,
) -> ReportProfile:
    """Return the truthful profile; its residual says how far it is from equilibrium.

    Parameters
    ----------
    game : ResourceAllocation
        The game.
    draws, seed : int
        Types that are drawn, and the seed of the draw; fixed types need no draw.
    nodes : int
        Boxes that the bound may open for one agent, see `walras.mechanisms.bounds`.
    tol : float
        Largest gain that is still called an equilibrium; any by default.
    throw : bool
        Raise instead of returning an answer that does not meet `tol`.

    Raises
    ------
    ValueError
        If `draws` is less than one.
    SolverError
        If the residual exceeds `tol` and `throw` is true.
    """
    require(draws >= 1, "draws", "be at least 1", draws)
    fixed = game.values is not None and game.demands is not None
    state = game.reset(game.noise(np.random.default_rng(seed), 1 if fixed else draws))
    found = exploitability(
        game.rule, _types(game, state), game.misreports, max_demand=game.max_demand, search=Search.quick(), nodes=nodes
    )
    gain = found.relative.mean(dim=0).numpy()
    residual = float(gain.max())
    solution = ReportProfile(
        policy=Scripted(game),
        value=found.truthful.mean(dim=0).numpy(),
        residual=residual,
        iterations=1,
        status=Status.CONVERGED if residual <= tol else Status.ITERATION_LIMIT,
        gain=gain,
        bound=found.relative_upper.mean(dim=0).numpy(),
    )
    return checked(solution, throw)


def strategic_equilibrium(game: ResourceAllocation, *, tol: float = 1e-3, throw: bool = True) -> StrategicEquilibrium:
    """Return reports from which no agent gains more than `tol`, as a share of its utility.

    Parameters
    ----------
    game : ResourceAllocation
        A game of proportional fairness with fixed types, whose demands reach the budgets.
    tol : float
        Largest gain; what agents report differs from the prices by half of it.
    throw : bool
        Raise instead of returning an answer that does not meet `tol`.

    Raises
    ------
    ValueError
        If the game is another, or `tol` is not positive.
    SolverError
        If a gain beyond `tol` is found and `throw` is true.

    Examples
    --------
    Both goods cost the same, and each agent shows just that it prefers its own.

    >>> from walras.envs import ResourceAllocation
    >>> from walras.equilibria.allocation.resource_allocation import strategic_equilibrium
    >>> ones, taste = ((1.0, 1.0), (1.0, 1.0)), ((2.0, 1.0), (1.0, 2.0))
    >>> game = ResourceAllocation(players=2, values=taste, demands=ones, budget=0.5)
    >>> strategic_equilibrium(game).action.round(4)
    array([[1.    , 0.9995],
           [0.9995, 1.    ]])
    """
    require(tol > 0, "tol", "be positive", tol)
    require(isinstance(game.rule, ProportionalFairness), "game.mechanism", "be proportional fairness", game.mechanism)
    require(game.values is not None, "game.values", "be fixed", None)
    require(game.demands is not None, "game.demands", "be fixed", None)
    demands = np.array(game.demands)
    require_each(demands >= game.budgets, "game.demands", f"reach the budgets, {game.budgets}", demands)
    state = game.reset(np.zeros((1, 2, game.players + 1, game.resources)))
    types = _types(game, state)
    prices = equilibrium(types.values, types.budgets, types.weights).prices[0].numpy()
    per_money = state.values / prices
    best_goods = per_money > (1 - tol / 100) * per_money.max(axis=2, keepdims=True)
    action = game.as_action(prices * (1 + tol / 2 * best_goods), state.demands)
    best = _best(game, state, action)
    gain = (best.gain / best.honest)[0].numpy()
    solution = StrategicEquilibrium(
        policy=Constant(action[0]),
        value=best.honest[0].numpy(),
        residual=float(gain.max()),
        iterations=1,
        status=Status.CONVERGED if gain.max() <= tol else Status.ITERATION_LIMIT,
        gain=gain,
        bound=np.full(game.players, tol),
        action=action[0],
        price=prices,
    )
    return checked(solution, throw)


def resource_allocation_deviation(game: ResourceAllocation, state: AllocationState, action: Actions) -> Deviation:
    """Return the best reports found against ``action [M, N, A]``; gains are lower bounds."""
    best = _best(game, state, action)
    return Deviation(best.honest.numpy(), best.gain.numpy(), _action(game, best))


def _best(game: ResourceAllocation, state: AllocationState, action: Actions) -> Misreport:
    values, demands = (torch.tensor(part) for part in game.reported(state, action))
    return best_misreport(
        game.rule,
        _types(game, state),
        game.misreports,
        reports=(values, demands),
        max_demand=game.max_demand,
        search=Search.quick(),
    )


def _types(game: ResourceAllocation, state: AllocationState) -> AllocationProblem:
    budgets = torch.tensor(game.budgets).expand(len(state.values), -1)
    weights = torch.tensor(game.weights, dtype=torch.float64)
    return AllocationProblem(torch.tensor(state.values), torch.tensor(state.demands), budgets, weights)


def _action(game: ResourceAllocation, best: Misreport) -> Actions:
    return game.as_action(best.values.numpy(), best.demands.numpy())
