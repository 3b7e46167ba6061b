"""The arguments of an allocation problem, checked: every solver and mechanism asks the same of them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from walras.markets.eisenberg_gale.interior_point import Problem

SMALL = 1e-11  # of a budget: a smaller demand competes with no one
NOTHING = 1e-40  # of a budget: a smaller demand is none


def checked_problem(
    values: Any,  # noqa: ANN401 - tensor or array
    demands: Any,  # noqa: ANN401
    budgets: Any,  # noqa: ANN401
    weights: Any = None,  # noqa: ANN401
    surcharge: Any = None,  # noqa: ANN401
) -> Problem:
    """Return the arguments in double precision, those that are left out filled in.

    Parameters
    ----------
    values, demands : tensor or array_like
        ``[B, N, M]``, finite and not negative.
    budgets : tensor or array_like
        ``[B, M]``, finite and not negative.
    weights : tensor or array_like, optional
        ``[N]`` or ``[B, N]``, positive; 1 by default.
    surcharge : tensor or array_like, optional
        ``[B, N, M]`` or broadcastable to it, not negative; 0 by default.

    Raises
    ------
    ValueError
        If shapes disagree, or an entry is NaN, infinite or negative.
    """
    v, x, b = _tensor("values", values, 3), _tensor("demands", demands, 3), _tensor("budgets", budgets, 2)
    _agree("demands", x, "values", tuple(v.shape))
    _agree("budgets", b, "values without agents", (v.shape[0], v.shape[2]))
    if v.shape[1] == 0 or v.shape[2] == 0:
        raise ValueError(f"`values` must hold at least one agent and one resource; got shape {tuple(v.shape)}.")
    w = torch.ones_like(v[:, :, 0]) if weights is None else _expanded("weights", weights, v[:, :, 0])
    z = torch.zeros_like(v) if surcharge is None else _expanded("surcharge", surcharge, v)
    if w.numel() and not w.amin() > 0:
        raise ValueError(f"`weights` must be positive; got {w.min().item()!r}.")
    return Problem(v, x, b, w, z)


def require_utility(problem: Problem) -> None:
    """Refuse an agent that can have no utility: it values, demands, or finds a budget of, nothing.

    Parameters
    ----------
    problem : Problem
        Checked arguments. A demand that is not above `NOTHING` of its budget is none.

    Raises
    ------
    ValueError
        If there is one.
    """
    v, x, b, *_ = problem
    useful = (v * b[:, None] * (x > NOTHING * b[:, None])).amax(dim=2)
    if useful.numel() and not useful.amin() > 0:
        row, agent = torch.nonzero(useful <= 0)[0].tolist()
        raise ValueError(
            "`values` must give each agent a resource that it values, demands, and that has a budget; "
            f"got none for agent {agent} of instance {row}."
        )


def _tensor(name: str, given: Any, ndim: int | None) -> Tensor:  # noqa: ANN401
    """Return `given` in double precision, finite and not negative."""
    tensor = (
        given.to(torch.float64) if isinstance(given, Tensor) else torch.from_numpy(np.array(given, dtype=np.float64))
    )
    if ndim is not None and tensor.ndim != ndim:
        raise ValueError(f"`{name}` must have {ndim} dimensions; got shape {tuple(tensor.shape)}.")
    if not _legal(tensor):
        index = tuple(int(i) for i in torch.nonzero(~(torch.isfinite(tensor) & (tensor >= 0)))[0])
        raise ValueError(
            f"`{name}` must be finite and not negative; got {tensor[index].item()!r} at index {list(index)}."
        )
    return tensor


def _legal(tensor: Tensor) -> bool:
    """Return whether all is finite and not negative, in one pass: NaN is its own least and largest."""
    if not tensor.numel():
        return True
    low, high = torch.aminmax(tensor)
    return bool((low >= 0) & (high < torch.inf))


def _expanded(name: str, given: Any, like: Tensor) -> Tensor:  # noqa: ANN401
    """Return `given` in the shape of `like`."""
    tensor = _tensor(name, given, None)
    try:
        return tensor.expand(like.shape)
    except RuntimeError:
        raise ValueError(
            f"`{name}` must have a shape that broadcasts to {tuple(like.shape)}; got {tuple(tensor.shape)}."
        ) from None


def _agree(name: str, tensor: Tensor, other: str, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"`{name}` must have the shape of {other}, {shape}; got {tuple(tensor.shape)}.")
