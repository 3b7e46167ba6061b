r"""Learned mechanisms: `RPFNet`, `ExPFNet` and `ExSNet`, for `walras.mechanisms.learned.training.fit`.

RPF-Net [1]_ regularises proportional fairness by a learned function z of the reports,

.. math:: f(v, x, b) = \arg\max_a \sum_i w_i \log(v_i \cdot a_i) - \langle z, a \rangle
          \quad\text{s.t.}\quad 0 \le a \le x, \; \sum_i a_i \le b,

so that the regulariser is an agent's own surcharge on each price. z = 0 is proportional fairness; where z takes the
place of the prices, what is reported moves them no more, and budget is left unspent. Our reading of what the paper
leaves open: :math:`z \ge 0`, in units of prices, from a network that sees the reports and their fair outcome.

ExPF-Net, from the first version of [2]_, modifies the objective of proportional fairness by learned parameters. Our
reading: the same layer with few parameters, a linear score of an entry's features and of their means over its agent,
its resource and all.

ExS-Net [2]_ is a network alone. It shares each resource among the agents and a synthetic agent, whose share is burnt:
:math:`a_{ik} = \min(x_{ik}, b_k s_{ik})` with s a softmax over N + 1 rows. Every answer is feasible, and no convex
program is solved: that is its speed.

References
----------
[1] S. Zeng, S. Bhatt, A. Koppel, S. Ganesh, Regularized proportional fairness mechanism for resource allocation without
    money, TMLR, 2024; arXiv 2501.01111.
[2] S. Zeng, S. Bhatt, E. Kreacic, P. Hassanzadeh, A. Koppel, S. Ganesh, Learning payment-free resource allocation
    mechanisms, 2023; arXiv 2311.10927.
"""

from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from walras.core.checks import require
from walras.markets.eisenberg_gale.problem import checked_problem, require_utility
from walras.markets.eisenberg_gale.solver import proportional_fairness
from walras.mechanisms.learned.networks import (
    OUTCOME,
    REPORTED,
    Dense,
    Exchangeable,
    Mixing,
    outcome,
    reported,
    units,
)

START = -0.5  # before the softplus: the surcharge that training starts from is half of a typical price


class _Regularised(nn.Module):
    """Proportional fairness with a surcharge that is learned."""

    def surcharge(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return z, ``[B, N, M]``, in units of prices: money per unit of resource."""
        rows, agents, _ = values.shape
        money = torch.ones((rows, agents)) if weights is None else weights.expand(rows, agents)
        typical = money.to(values).sum(dim=1)[:, None, None] / 2 / units(budgets)[:, None]
        return softplus(self.score(outcome(values, demands, budgets, weights)) + START) * typical

    def score(self, entries: Tensor) -> Tensor:
        """Return the score ``[B, N, M]`` of ``entries [B, N, M, 7]``."""
        raise NotImplementedError

    def forward(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; errors as in `proportional_fairness`."""
        v, x, b, w = _checked(values, demands, budgets, weights)
        return proportional_fairness(v, x, b, w, self.surcharge(v, x, b, w)).allocation


@final
class RPFNet(_Regularised):
    """Proportional fairness regularised by a network.

    Parameters
    ----------
    network : Exchangeable or Dense, optional
        Of one output; `Exchangeable` by default, which serves any N and M.
    seed : int
        Of the default network's first weights.

    Raises
    ------
    ValueError
        If the network has not one output.
    """

    learning_rate: ClassVar = 3e-3

    def __init__(self, network: Exchangeable | Dense | None = None, seed: int = 0) -> None:
        super().__init__()
        self.network = network or Exchangeable(seed=seed)
        require(self.network.outputs == 1, "network", "have one output", self.network.outputs)

    def score(self, entries: Tensor) -> Tensor:
        """Return the network's score ``[B, N, M]``."""
        return self.network(entries)[..., 0]


@final
class ExPFNet(_Regularised):
    """Proportional fairness with a surcharge of 29 parameters: a linear score of an entry and the means around it."""

    learning_rate: ClassVar = 0.02

    def __init__(self) -> None:
        super().__init__()
        self.mix = Mixing(OUTCOME, 1, scale=0.0)

    def score(self, entries: Tensor) -> Tensor:
        """Return the linear score ``[B, N, M]``."""
        return self.mix(entries)[..., 0]


@final
class ExSNet(nn.Module):
    """A network that shares each resource among the agents and a synthetic one, whose share is burnt.

    Parameters
    ----------
    network : Exchangeable or Dense, optional
        Of two outputs: an agent's claim, and its part of the synthetic agent's; `Exchangeable` by default. It sees the
        reports alone.
    seed : int
        Of the default network's first weights.

    Raises
    ------
    ValueError
        If the network has not two outputs.
    """

    learning_rate: ClassVar = 3e-3

    def __init__(self, network: Exchangeable | Dense | None = None, seed: int = 0) -> None:
        super().__init__()
        self.network = network or Exchangeable(REPORTED, 2, seed=seed)
        require(self.network.outputs == 2, "network", "have two outputs", self.network.outputs)

    def shares(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the shares ``[B, N + 1, M]`` of each resource, weighted; the last row is the synthetic agent's."""
        claims = self.network(reported(values, demands, budgets))
        burnt = claims[..., 1].mean(dim=1, keepdim=True) - 3.0
        own = claims[..., 0] if weights is None else claims[..., 0] + weights.expand_as(values[..., 0]).log()[..., None]
        return torch.softmax(torch.cat([own, burnt], dim=1), dim=1)

    def forward(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; errors as in `proportional_fairness`."""
        v, x, b, w = _checked(values, demands, budgets, weights)
        return torch.minimum(x, b[:, None] * self.shares(v, x, b, w)[:, :-1])


def _checked(
    values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the arguments in double precision, of agents that can all have a utility."""
    problem = checked_problem(values, demands, budgets, weights)
    require_utility(problem)
    return problem[:4]
