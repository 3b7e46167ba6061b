"""The gap of reports to a mechanism without money: what an agent gains by another report, knowing its own type alone.

An agent that knows all reports can fix its lie to them, and gains more; that is the exploitability of the mechanism
(`walras.mechanisms.exploitability`), and it bounds this gap from above. Here the others' types are drawn anew, and the
answer is the report that earns most on average over what they then report. Under a mechanism in which truth is the best
report whatever the others say, it is the answer, and the gap of the truthful profile is zero.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from walras.core.game import Actions
from walras.core.policy import Policy, Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.allocation.resource_allocation import ResourceAllocation
from walras.equilibria.audit import Audit
from walras.equilibria.certificate import Gap
from walras.equilibria.stage_games import Stage, stage_gap
from walras.equilibria.stakes import SEEDS
from walras.mechanisms import AllocationProblem, EqualSplit, PartialAllocation
from walras.mechanisms.bounds import utility_bound
from walras.mechanisms.reports import Game, centred, demand_box, earned
from walras.mechanisms.search import scattered

SAMPLES = 32
"""Draws of the others' types that an answer is computed against, at most."""
SCATTER, NEAR, TRIALS = 16, (0.5, 0.15, 0.05), 8
"""Reports that are tried at first; then, ever nearer to the best, so many each."""
NODES = 64
"""Boxes that the bound may open for one agent, see `walras.mechanisms.bounds`."""


def reports_gap(game: ResourceAllocation, policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a policy, in units of utility an episode; one profile of each episode is judged."""
    budget = replace(audit.budget, samples=min(audit.budget.samples, SAMPLES))
    stage = replace(
        STAGE,
        proved=truth_is_best(game),
        public=tuple(range(2 * game.resources, 3 * game.resources)),
        imagines_law=game.correlation == 0,
    )
    return stage_gap(game, policy, replace(audit, budget=budget), stage)


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
    from walras.envs.allocation.resource_allocation import AllocationState

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
    told = (torch.tensor(part).flatten(0, 1) for part in _reported(game, observation, action))
    low, high = demand_box(demands, game.misreports, game.max_demand)
    rows = len(values)
    weights = torch.tensor(game.weights, dtype=torch.float64).expand(rows, -1)
    budgets, who = torch.tensor(game.budgets).expand(rows, -1), torch.full((rows,), agent)
    own = (part[:, agent] for part in (values, demands, low, high))
    return Game(*told, budgets, weights, who, *own)


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
        mixed = [torch.tensor(part) for part in told]
        for part, true in zip(mixed, types, strict=True):
            part[:, agent] = torch.tensor(true[:, agent])
        problem = AllocationProblem(*mixed, budgets, weights)
        box = demand_box(problem.demands, game.misreports, game.max_demand)
        most[:, agent] = utility_bound(game.rule, problem, box, NODES)[:, agent].numpy()
    return np.maximum(most - _rewards(game, observation, action), 0.0)


STAGE = Stage(_rewards, _replies, _hindsight, hidden=True, proved=False, proved_alone=False, steps=1)
