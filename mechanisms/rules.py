r"""Hand-made mechanisms: frozen objects called as ``mechanism(values, demands, budgets, weights=None)``.

| mechanism | what it guarantees |
|---|---|
| `ProportionalFairness` | the largest Nash welfare; not truthful |
| `PartialAllocation` | truthful in values where demands are public [1]_; burns up to half and more |
| `EqualSplit` | truthful; ignores values |
| `PostedSurcharge` | proportional fairness at prices raised by a constant: between the two |
| `Utilitarian` | the largest weighted sum of relative utilities; not truthful |
| `Egalitarian` | the largest of the smallest relative utility; not truthful |

Partial allocation gives each agent the share
:math:`f_i = (\prod_{j \ne i} u_j(z)^{w_j} / \prod_{j \ne i} u_j(z^{-i})^{w_j})^{1/w_i}` of its proportionally fair
bundle z, with :math:`z^{-i}` the allocation without i. With equal weights :math:`f_i \ge (1 - 1/N)^{N-1}`. It is not
truthful where demands are private too: a higher demand makes up for the burning.

The last two compare agents, so they must fix a unit: an agent's *relative* utility is :math:`v_i \cdot a_i / U_i` with
:math:`U_i = v_i \cdot \min(x_i, b)`, what it would have alone. In reported units, an agent that multiplied its values
by a large number would get all it asks for from the one, and nothing from the other.

References
----------
[1] R. Cole, V. Gkatzelis, G. Goel, Mechanism design for fair division: allocating divisible items without payments,
    EC 2013.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from walras.core.checks import require
from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.markets.eisenberg_gale.problem import checked_problem, require_utility
from walras.markets.eisenberg_gale.solver import proportional_fairness


class Mechanism(Protocol):
    """A rule from reports to an allocation."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]`` of reports ``[B, N, M]`` and budgets ``[B, M]``, in double precision.

        Entries may be zero. Only `EqualSplit` serves an agent that values, demands, or finds a budget of, nothing.

        Raises
        ------
        ValueError
            If shapes disagree, an entry is negative, NaN or infinite, or an agent cannot have a utility.
        """
        ...


@final
@dataclass(frozen=True)
class ProportionalFairness:
    """The allocation of the largest Nash welfare."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; errors as in `proportional_fairness`."""
        return proportional_fairness(values, demands, budgets, weights).allocation


@final
@dataclass(frozen=True)
class PostedSurcharge:
    """Proportional fairness with the constant `tau` on top of every price.

    Raises
    ------
    ValueError
        If `tau` is negative.
    """

    tau: float

    def __post_init__(self) -> None:
        require(self.tau >= 0, "tau", "not be negative", self.tau)

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; errors as in `proportional_fairness`."""
        surcharge = torch.full((), self.tau, dtype=torch.float64, device=values.device)
        return proportional_fairness(values, demands, budgets, weights, surcharge).allocation


@final
@dataclass(frozen=True)
class PartialAllocation:
    """A share of each agent's proportionally fair bundle, so small that reporting true values is best."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; N + 1 proportionally fair problems are solved at once."""
        v, x, b, w, _ = checked_problem(values, demands, budgets, weights)
        bundle = proportional_fairness(v, x, b, w).allocation
        return bundle * kept_share(bundle, v, x, b, w)[..., None]


def kept_share(
    bundle: Tensor, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the share of its proportionally fair ``bundle [B, N, M]`` that each agent keeps, ``[B, N]``."""
    rows, agents = values.shape[:2]
    if agents == 1:
        return torch.ones((rows, 1), dtype=bundle.dtype, device=bundle.device)
    w = torch.ones_like(values[:, :, 0]) if weights is None else weights.expand(rows, agents)
    # [N, N - 1]: row i holds the agents other than i.
    others = torch.tensor([[j for j in range(agents) if j != i] for i in range(agents)], device=values.device)
    v, x, rest = (t[:, others].flatten(0, 1) for t in (values, demands, w))
    without = proportional_fairness(v, x, budgets.repeat_interleave(agents, dim=0), rest).allocation
    alone = (rest * (v * without).sum(dim=2).log()).sum(dim=1).reshape(rows, agents)
    logs = w * (values * bundle).sum(dim=2).log()
    together = logs.sum(dim=1, keepdim=True) - logs
    return torch.clamp((together - alone) / w, max=0.0).exp()


@final
@dataclass(frozen=True)
class EqualSplit:
    """Each resource is shared equally, and what agents do not demand equally among the others."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]`` by water-filling, weighted by `weights`: values do not count."""
        _, demand, b, weight, _ = checked_problem(values, demands, budgets, weights)
        w = weight[..., None].expand_as(demand)
        # The level at which agent i is full is x_i / w_i; between two levels what is given rises linearly.
        level, order = (demand / w).sort(dim=1)
        x, share = demand.gather(1, order), w.gather(1, order)
        full = torch.cat((torch.zeros_like(x[:, :1]), x.cumsum(dim=1)[:, :-1]), dim=1)  # demand of those full before
        thirsty = share.flip(1).cumsum(dim=1).flip(1)  # weight of the others
        theta = (b[:, None] - full) / thirsty
        reached = (full + level * thirsty >= b[:, None]).int()
        first = reached.argmax(dim=1, keepdim=True)
        cut = torch.where(reached.any(dim=1, keepdim=True), theta.gather(1, first), torch.inf)
        return torch.minimum(demand, cut * w)


@final
@dataclass(frozen=True)
class Utilitarian:
    """The allocation of the largest weighted sum of relative utilities, resource by resource.

    A resource goes to those who value it most, relatively and by weight, each up to its demand. Those whose numbers
    are equal share in proportion to what they demand.
    """

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; it does not move with small changes of values.

        Raises
        ------
        ValueError
            As `Mechanism`.
        """
        v, x, b, w = _relative(values, demands, budgets, weights)
        worth = v * w[..., None]
        mine, other = worth[:, :, None], worth[:, None]  # [B, N, N, M] agent by rival
        above = ((other > mine) * x[:, None]).sum(dim=2)
        equal = ((other == mine) * x[:, None]).sum(dim=2)
        left = (b[:, None] - above).clamp(min=0)
        return x * torch.where(equal > left, left / equal, 1.0)


@final
@dataclass(frozen=True)
class Egalitarian:
    """The allocation whose smallest relative utility per weight is largest.

    Among these it takes one of the largest sum of relative utilities, so that nothing useful is left over. Two linear
    programmes an instance. With equal weights, all are offered the same share of what they would have alone; an agent
    of weight 2 is offered twice the share.
    """

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``, without a gradient; errors as in `Utilitarian`."""
        v, x, b, w = _relative(values, demands, budgets, weights)
        most = x / torch.where(b > 0, b, 1.0)[:, None]
        worth, cap, weight = (part.detach().cpu().numpy() for part in (v * x, most, w))
        share = [_fairest(*row) for row in zip(worth, cap, weight, strict=True)]
        return torch.from_numpy(np.array(share).reshape(worth.shape)).to(x) * x


def _relative(
    values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return relative values, usable demands, budgets and weights ``[B, N]``, checked, in double precision."""
    problem = checked_problem(values, demands, budgets, weights)
    require_utility(problem)
    v, demand, b, w, _ = problem
    x = torch.minimum(demand, b[:, None])
    alone = (v * x).sum(dim=2)
    return v / alone[..., None], x, b, w


def _fairest(worth: Floats, cap: Floats, weights: Floats) -> Floats:
    """Return the egalitarian shares of demands, ``[N, M]``, of one instance.

    `worth` is what each demand is of its agent's utility alone, `cap` what it is of its budget: shares of demands keep
    their digits where a demand is tiny.
    """
    agents, resources = worth.shape
    shares, own = agents * resources, np.repeat(np.eye(agents), resources, axis=1)
    floor = np.column_stack((-own * worth.ravel(), weights))  # w_i t <= u_i
    budget = np.column_stack((np.tile(np.eye(resources), agents) * cap.ravel(), np.zeros(resources)))
    matrix, limit = np.vstack((floor, budget)), np.repeat([0.0, 1.0], [agents, resources])
    ranges = [(0.0, 1.0)] * shares
    level = _optimum(np.append(np.zeros(shares), -1.0), matrix, limit, [*ranges, (0.0, np.inf)])[-1].item()
    best = _optimum(np.append(-worth.ravel(), 0.0), matrix, limit, [*ranges, (level, level)])[:-1]
    best = best.reshape(worth.shape).clip(0.0, 1.0)
    return best / np.maximum((best * cap).sum(axis=0), 1.0)  # a programme may exceed a budget by its tolerance


def _optimum(cost: Floats, matrix: Floats, limit: Floats, bounds: list[tuple[float, float]]) -> Floats:
    found = linprog(cost, A_ub=matrix, b_ub=limit, bounds=bounds)
    if found.x is None or not found.success:
        raise SolverError(found.message)
    return found.x
