r"""Hand-made mechanisms: frozen objects called as ``mechanism(values, demands, budgets, weights=None)``.

| mechanism | what it guarantees |
|---|---|
| `ProportionalFairness` | the largest Nash welfare; not truthful |
| `PartialAllocation` | truthful in values where demands are public [1]_; burns up to half and more |
| `EqualSplit` | truthful; ignores values |
| `PostedSurcharge` | proportional fairness at prices raised by a constant: between the two |

Partial allocation gives each agent the share
:math:`f_i = (\prod_{j \ne i} u_j(z)^{w_j} / \prod_{j \ne i} u_j(z^{-i})^{w_j})^{1/w_i}` of its proportionally fair
bundle z, with :math:`z^{-i}` the allocation without i. With equal weights :math:`f_i \ge (1 - 1/N)^{N-1}`. It is not
truthful where demands are private too: a higher demand makes up for the burning.

References
----------
[1] R. Cole, V. Gkatzelis, G. Goel, Mechanism design for fair division: allocating divisible items without payments,
    EC 2013.
"""

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from walras.core.checks import require
from walras.markets.eisenberg_gale import proportional_fairness


class Mechanism(Protocol):
    """A rule from reports to an allocation."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]`` of reports ``[B, N, M]`` and budgets ``[B, M]``."""
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
        bundle = proportional_fairness(values, demands, budgets, weights).allocation
        return bundle * kept_share(bundle, values, demands, budgets, weights)[..., None]


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
        rows, agents, _ = demands.shape
        w = torch.ones_like(demands) if weights is None else weights.expand(rows, agents)[..., None].expand_as(demands)
        # The level at which agent i is full is x_i / w_i; between two levels what is given rises linearly.
        level, order = (demands / w).sort(dim=1)
        x, share = demands.gather(1, order), w.gather(1, order)
        full = x.cumsum(dim=1) - x  # demand of those who are full before
        thirsty = share.flip(1).cumsum(dim=1).flip(1)  # weight of the others
        theta = (budgets[:, None] - full) / thirsty
        reached = (full + level * thirsty >= budgets[:, None]).int()
        first = reached.argmax(dim=1, keepdim=True)
        cut = torch.where(reached.any(dim=1, keepdim=True), theta.gather(1, first), torch.inf)
        return torch.minimum(demands, cut * w)
