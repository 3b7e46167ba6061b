"""The gap of reports to a mechanism without money: what an agent gains by another report, knowing its own type alone.

An agent that knows all reports can fix its lie to them, and gains more; that is the exploitability of the mechanism
(`walras.mechanisms.exploitability`), and it bounds this gap from above. Here the others' types are drawn anew, and the
answer is the report that earns most on average over what they then report. Under a mechanism in which truth is the best
report whatever the others say, it is the answer, and the gap of the truthful profile is zero.

What stands above is `walras.mechanisms.bounds.utility_bound`, or, under proportional fairness, less: where the others'
reports are near to the prices, `within_prices` bounds what any report can earn.
"""

import numpy as np
import torch
from torch import Tensor

from walras.core.game import Actions
from walras.core.policy import Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.allocation.resource_allocation import AllocationState, ResourceAllocation
from walras.equilibria.scale import SEEDS
from walras.equilibria.stage_games import Stage
from walras.markets.allocation.fisher import equilibrium
from walras.mechanisms import AllocationProblem, EqualSplit, PartialAllocation, ProportionalFairness
from walras.mechanisms.bounds import utility_bound
from walras.mechanisms.reports import Game, centred, demand_box, earned
from walras.mechanisms.search import scattered

SAMPLES = 32
"""Draws of the others' types that an answer is computed against, at most."""
SCATTER, NEAR, TRIALS = 16, (0.5, 0.15, 0.05), 8
"""Reports that are tried at first; then, ever nearer to the best, so many each."""
NODES = 64
"""Boxes that the bound may open for one agent, see `walras.mechanisms.bounds`."""
LEAST_PRICE = 1e-9
"""Least price at which bundles are judged, as a share of the largest."""


def reports_stage(game: ResourceAllocation) -> Stage:
    """Return the mechanism as a stage game, of which one profile of each episode is judged."""
    return Stage(
        _rewards,
        _replies,
        _hindsight,
        public=tuple(range(2 * game.resources, 3 * game.resources)),
        proved=truth_is_best(game),
        proved_alone=truth_is_best(game),
        hidden=True,
        imagines_law=game.correlation == 0,
        steps=1,
        samples=SAMPLES,
    )


def reports_stake(game: ResourceAllocation) -> Floats:
    """Return the mean utility of truth, for each agent: what all of them share is at stake."""
    played = rollout(game, Scripted(game), SEEDS).total
    return np.full(game.players, played.mean())


def truth_is_best(game: ResourceAllocation) -> bool:
    """Return whether no report beats the truth, whatever the others report."""
    values_alone = game.misreports == "values"
    return isinstance(game.rule, EqualSplit) or (isinstance(game.rule, PartialAllocation) and values_alone)


def _types(game: ResourceAllocation, observation: Floats) -> tuple[Floats, Floats]:
    values, demands, _ = np.split(observation, 3, axis=-1)
    return values, demands


def _reported(game: ResourceAllocation, observation: Floats, action: Actions) -> tuple[Floats, Floats]:
    """Return the values and demands that the mechanism is told, ``[..., N, M]`` each."""
    values, demands = _types(game, observation)
    flat = [part.reshape(-1, *part.shape[-2:]) for part in (values, demands, action)]
    told = game.reported(AllocationState(flat[0], flat[1], np.zeros_like(flat[0])), flat[2])
    return tuple(part.reshape(values.shape) for part in told)  # type: ignore[return-value]


def _rewards(game: ResourceAllocation, observation: Floats, action: Actions) -> Floats:
    values, demands = _types(game, observation)
    allocation = game.allocate(*_reported(game, observation, action))
    return np.sum(values * np.minimum(allocation, demands), axis=2)


def _replies(
    game: ResourceAllocation, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    """Return the value ``[M]`` and the report ``[M, A]`` of the best answers found."""
    faced = _faced(game, observation, agent, action)
    samples, rows = weight.shape[1], len(weight)
    one = faced._replace(**{name: getattr(faced, name)[::samples] for name in ("value", "demand", "low", "high")})
    draw = torch.Generator().manual_seed(0)
    values, demands = scattered(one, 1 if truth_is_best(game) else SCATTER, draw)
    best = _best(game, faced, values, demands, weight)
    for width in () if truth_is_best(game) else NEAR:
        moves = torch.randn((2, TRIALS, rows, game.resources), generator=draw, dtype=torch.float64)
        moves[:, 0] = 0.0
        asked = best[1] + width / 2 * (one.high - one.low) * moves[1]
        near = centred(best[0] + width * moves[0]), torch.minimum(torch.maximum(asked, one.low), one.high)
        best = _best(game, faced, *near, weight)
    report = game.as_action(best[0].exp().numpy()[:, None], best[1].numpy()[:, None])[:, 0]
    return best[2].numpy(), report


def _faced(game: ResourceAllocation, observation: Floats, agent: int, action: Actions) -> Game:
    """Return the reports of others that `agent` faces, a row for each problem and draw, ``R = M S``."""
    values, demands = (torch.tensor(p).flatten(0, 1) for p in _types(game, observation))
    told_values, told_demands = (torch.tensor(p).flatten(0, 1) for p in _reported(game, observation, action))
    low, high = demand_box(demands, game.misreports, game.max_demand)
    rows = len(values)
    weights = torch.tensor(game.weights, dtype=torch.float64).expand(rows, -1)
    budgets, who = torch.tensor(game.budgets).expand(rows, -1), torch.full((rows,), agent)
    value, demand, least, most = (part[:, agent] for part in (values, demands, low, high))
    return Game(told_values, told_demands, budgets, weights, who, value, demand, least, most)


def _best(
    game: ResourceAllocation, faced: Game, values: Tensor, demands: Tensor, weight: Floats
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best of C reports ``[C, M, K]`` of each problem and what it earns on average."""
    samples, rows = weight.shape[1], torch.arange(len(weight))
    share = torch.tensor(weight)
    with torch.no_grad():
        got = [
            earned(game.rule, faced, v.repeat_interleave(samples, dim=0), x.repeat_interleave(samples, dim=0))
            for v, x in zip(values, demands, strict=True)
        ]
    scores = torch.stack([(one.reshape(share.shape) * share).sum(dim=1) for one in got])
    top = scores.argmax(dim=0)
    return values[top, rows], demands[top, rows], scores[top, rows]


def _hindsight(game: ResourceAllocation, observation: Floats, action: Actions) -> Floats:
    """Return what no report gains, even one made for these very reports."""
    types, told = _types(game, observation), _reported(game, observation, action)
    budgets = torch.tensor(game.budgets).expand(len(observation), -1)
    weights = torch.tensor(game.weights, dtype=torch.float64)
    most = np.empty(action.shape[:2])
    for agent in range(game.players):
        values, demands = (torch.tensor(part) for part in told)
        values[:, agent], demands[:, agent] = (torch.tensor(true[:, agent]) for true in types)
        problem = AllocationProblem(values, demands, budgets, weights)
        box = demand_box(problem.demands, game.misreports, game.max_demand)
        most[:, agent] = utility_bound(game.rule, problem, box, NODES)[:, agent].numpy()
    if isinstance(game.rule, ProportionalFairness):
        most = np.minimum(most, within_prices(game, *types, *told))
    return np.maximum(most - _rewards(game, observation, action), 0.0)


def within_prices(
    game: ResourceAllocation, values: Floats, demands: Floats, told_values: Floats, told_demands: Floats
) -> Floats:
    r"""Return the utility ``[M, N]`` that no report exceeds under proportional fairness; infinite if it is not known.

    Take any prices p, scaled to :math:`p \cdot B = W`, and :math:`\delta` so that no other reports values per price
    that differ by more than the factor :math:`1 + \delta`. Whatever agent i reports, its bundle costs
    :math:`p \cdot y \le (1 + \delta) w_i W / (W + \delta w_i)`; the proof is that of
    `walras.equilibria.allocation.resource_allocation`. It needs that the others' demands do not bind. The prices are
    those of the reports.
    """
    budgets, weights = np.broadcast_to(game.budgets, (len(values), game.resources)), np.array(game.weights)
    market = (torch.tensor(told_values), torch.tensor(budgets), torch.tensor(weights))
    prices = equilibrium(*market).prices.numpy()
    prices = np.maximum(prices, LEAST_PRICE * prices.max(axis=1, keepdims=True))
    prices *= weights.sum() / np.sum(prices * budgets, axis=1, keepdims=True)
    per_price = told_values / prices[:, None]
    with np.errstate(divide="ignore"):
        spread = per_price.max(axis=2) / per_price.min(axis=2) - 1
    spread[(told_demands < budgets[:, None]).any(axis=2)] = np.inf
    most = np.full(values.shape[:2], np.inf)
    for agent in range(game.players):
        others = np.delete(spread, agent, axis=1).max(axis=1, initial=0.0)
        known = np.isfinite(others)
        factor = (1 + others[known]) / (1 + others[known] * weights[agent] / weights.sum())
        wanted = np.minimum(demands[:, agent], budgets)[known]
        most[known, agent] = _best_bundle(values[known, agent], wanted, prices[known], weights[agent] * factor)
    return most


def _best_bundle(values: Floats, wanted: Floats, prices: Floats, money: Floats) -> Floats:
    """Return the utility ``[M]`` of the best bundle that `money` buys: goods by what they are worth per price."""
    order = np.argsort(-values / prices, axis=1)
    value, most, price = (np.take_along_axis(part, order, axis=1) for part in (values, wanted, prices))
    cost = price * most
    left = money[:, None] - (np.cumsum(cost, axis=1) - cost)
    return np.sum(value * np.clip(left / price, 0.0, most), axis=1)
