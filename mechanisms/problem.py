r"""The allocation problem: what agents get from an allocation, and how a society judges it.

N agents share M divisible resources with budgets b. Agent i's type is its values :math:`v_i` and its demands
:math:`x_i`; a mechanism maps reported types to an allocation ``[B, N, M]``. Utility counts what lies within the
**true** demand, :math:`u_i = \sum_k v_{ik} \min(a_{ik}, x_{ik})`, while a mechanism can only enforce the reported one.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class AllocationProblem(NamedTuple):
    """B instances of the problem: the agents' true types, and what there is to share.

    A plain tuple serves wherever one is taken. The mechanisms check shapes and signs.
    """

    values: Tensor  # [B, N, M] utility per unit of resource
    demands: Tensor  # [B, N, M] units beyond which a resource is worth nothing
    budgets: Tensor  # [B, M] units
    weights: Tensor | None = None  # [N] or [B, N]; 1 where none


def utility(allocation: Tensor, values: Tensor, demands: Tensor) -> Tensor:
    """Return each agent's utility, ``[B, N]``, of ``allocation [B, N, M]`` at its true type."""
    return (values * torch.minimum(allocation, demands)).sum(dim=-1)


def nash_welfare(utilities: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weighted geometric mean of ``utilities [B, N]``, ``[B]``."""
    if weights is None:
        return utilities.log().mean(dim=-1).exp()
    return ((weights * utilities.log()).sum(dim=-1) / weights.sum(dim=-1)).exp()


def log_nash_welfare(utilities: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weighted sum of the logarithms of ``utilities [B, N]``, ``[B]``."""
    return (utilities.log() if weights is None else weights * utilities.log()).sum(dim=-1)


def utilitarian_welfare(utilities: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weighted sum of ``utilities [B, N]``, ``[B]``."""
    return (utilities if weights is None else weights * utilities).sum(dim=-1)


def egalitarian_welfare(utilities: Tensor) -> Tensor:
    """Return the smallest of ``utilities [B, N]``, ``[B]``."""
    return utilities.amin(dim=-1)


def efficiency(allocation: Tensor, demands: Tensor, budgets: Tensor) -> Tensor:
    """Return what is allocated as a share of what could be used, ``[B]``."""
    usable = torch.minimum(budgets, demands.sum(dim=-2)).sum(dim=-1)
    return allocation.sum(dim=(-2, -1)) / usable


def envy(allocation: Tensor, values: Tensor, demands: Tensor) -> Tensor:
    """Return the utility that each agent would gain from its most enviable neighbour's bundle, ``[B, N]``."""
    usable = torch.minimum(allocation[:, None], demands[:, :, None])  # [B, N, N, M] agent by bundle
    of_others = (values[:, :, None] * usable).sum(dim=-1)
    return (of_others - utility(allocation, values, demands)[..., None]).amax(dim=-1)
