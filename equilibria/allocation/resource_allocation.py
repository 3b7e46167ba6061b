r"""Resource allocation: how far truth is from equilibrium, and an equilibrium of misreports.

Truth
-----
`solve` returns the truthful profile, unless the misreports below are proved to be an equilibrium. Its residual is its
Nash gap: the gain of the best report of an agent that knows its own type alone. It is zero where the mechanism is
truthful; elsewhere the profile is no equilibrium, and the status says so. Under proportional fairness the gain is zero
for one resource, and without demands that bind less than the utility [1]_.

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
The best report is no concave problem. `gain` is what the search of `walras.mechanisms.best_misreport` attains that
knows all reports; `bound` is what no report exceeds: by the proof above, or by branch and bound, which is loose for a
mechanism without a bound of its own. `residual` is the upper end of the gap, of agents that know their own types alone;
`walras.equilibria.allocation.reports_gap` has the proof for all reports that are near to prices.

References
----------
[1] N. Chen, X. Deng, H. Zhang, J. Zhang, Incentive ratios of Fisher markets, ICALP 2012.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from walras.core.checks import require, require_each
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Constant, Scripted
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation
from walras.equilibria.allocation.reports_gap import truth_is_best
from walras.equilibria.gap import Deviation
from walras.markets.allocation.fisher import equilibrium
from walras.mechanisms import AllocationProblem, Misreport, ProportionalFairness, Search, best_misreport, exploitability

TOLERANCE = 1e-3
"""Largest gain, as a share of utility, of what is called an equilibrium."""


@dataclass(frozen=True, kw_only=True)
class ReportProfile(Solution):
    """Reports, and what each agent could gain by another that knows all reports, as a share of its utility."""

    gain: Floats  # [N] found, on average over types
    bound: Floats  # [N] no report gains more


@dataclass(frozen=True, kw_only=True)
class StrategicEquilibrium(ReportProfile):
    """Reports from which no agent gains more than the tolerance."""

    action: Floats  # [N, A]
    price: Floats  # [M] weight per unit


def solve_nash(game: ResourceAllocation, *, draws: int = 32, seed: int = 0) -> Solution:
    """Return an equilibrium of reports where one is proved, and else the truthful profile, which its gap then judges.

    Under a mechanism in which truth is best it is the truth; under proportional fairness with fixed types and demands
    that do not bind, the misreports of `strategic_equilibrium`.

    Parameters
    ----------
    game : ResourceAllocation
        The game.
    draws, seed : int
        As `solve_truthful`.
    """
    if not truth_is_best(game) and _slack(game):
        return strategic_equilibrium(game)
    return replace(solve_truthful(game, draws=draws, seed=seed), concept=Concept.NASH)


def solve_truthful(game: ResourceAllocation, *, draws: int = 32, seed: int = 0, nodes: int = 64) -> ReportProfile:
    """Return the truthful profile, with what a lie gains that knows all reports.

    Parameters
    ----------
    game : ResourceAllocation
        The game.
    draws, seed : int
        Types that are drawn, and the seed of the draw; fixed types need no draw.
    nodes : int
        Boxes that the bound may open for one agent, see `walras.mechanisms.bounds`.

    Raises
    ------
    ValueError
        If `draws` is less than one.
    """
    require(draws >= 1, "draws", "be at least 1", draws)
    fixed = game.values is not None and game.demands is not None
    state = game.reset(game.noise(np.random.default_rng(seed), 1 if fixed else draws))
    found = exploitability(
        game.rule, _types(game, state), game.misreports, max_demand=game.max_demand, search=Search.quick(), nodes=nodes
    )
    gain = found.relative.mean(dim=0).numpy()
    return ReportProfile(
        policy=Scripted(game),
        value=game.horizon * found.truthful.mean(dim=0).numpy(),
        residual=float(gain.max()),
        iterations=1,
        status=Status.CONVERGED,
        concept=Concept.TRUTHFUL,
        tol=TOLERANCE,
        gain=gain,
        bound=found.relative_upper.mean(dim=0).numpy(),
    )


def strategic_equilibrium(game: ResourceAllocation, *, tol: float = TOLERANCE) -> StrategicEquilibrium:
    """Return reports from which no agent gains more than `tol`, as a share of its utility.

    Parameters
    ----------
    game : ResourceAllocation
        A game of proportional fairness with fixed types, whose demands reach the budgets.
    tol : float
        Largest gain; what agents report differs from the prices by half of it, or less where utilities differ.

    Raises
    ------
    ValueError
        If the game is another, or `tol` is not positive.

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
    utility = np.array(game.weights) * per_money.max(axis=2)[0]
    shown = tol / 2 * min(1.0, float(utility.mean() / utility.max()))
    action = game.as_action(prices * (1 + shown * best_goods), state.demands)
    best = _best(game, state, action)
    gain = (best.gain / best.honest)[0].numpy()
    return StrategicEquilibrium(
        policy=Constant(action[0]),
        value=game.horizon * best.honest[0].numpy(),
        residual=float(gain.max()),
        iterations=1,
        status=Status.CONVERGED,
        tol=tol,
        gain=gain,
        bound=np.full(game.players, tol),
        action=action[0],
        price=prices,
    )


def _slack(game: ResourceAllocation) -> bool:
    """Return whether types are fixed, demands bind nothing, and the mechanism is proportional fairness."""
    fixed = isinstance(game.rule, ProportionalFairness) and game.values is not None and game.demands is not None
    return fixed and bool((np.array(game.demands) >= game.budgets).all())


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
