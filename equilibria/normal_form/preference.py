r"""Regularised preference games: the policy that no other is preferred to, close to a reference.

Of two players, each draws an action; a is preferred to a' with probability :math:`P(a \succ a') = 1 - P(a' \succ a)`.
Both pay :math:`\beta` for each nat of divergence from the reference policy. The equilibrium is unique and symmetric,

.. math:: \pi(a) \propto \rho(a) \exp\bigl(P(a \succ \pi) / \beta\bigr) ,

and what a player gains by the best answer to :math:`\pi` is
:math:`\beta \log \sum_a \rho(a) e^{P(a \succ \pi) / \beta} - \tfrac12 + \beta\, \mathrm{KL}(\pi \| \rho)`.

Mirror-prox steps of size :math:`\eta` find it: a trial step from the current policy, then a step that answers the
trial,

.. math:: \pi_{k + 1} \propto
    \left[\rho^{\eta \beta} \pi_k\, e^{\eta P(\cdot \succ \pi_{k + 1/2})}\right]^{1 / (1 + \eta \beta)} ,

each of which takes at least the factor :math:`1 / (1 + 2 \beta)` from the divergence to the equilibrium, with
:math:`\eta = 2`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_shaped, require, require_each
from walras.core.solution import SolverError
from walras.core.typing import Floats

ETA = 2.0
"""Size of a step."""
STEPS = 1_000_000
SETTLED = 1e-15
"""Largest change of a probability at the fixed point."""


class Preferred(NamedTuple):
    """Equilibria of B preference games."""

    policy: Floats  # [B, A]
    residual: Floats  # [B] gain of the best answer


def preference_nash(preference: ArrayLike, reference: ArrayLike | None = None, beta: float = 0.1) -> Preferred:
    """Return the regularised equilibrium of each game.

    Parameters
    ----------
    preference : array_like
        P, ``[B, A, A]``: how likely the row is preferred to the column.
    reference : array_like, optional
        The reference policy, ``[A]`` or ``[B, A]``; even by default.
    beta : float
        Price of a nat of divergence from the reference.

    Raises
    ------
    ValueError
        If P and its transpose do not sum to one, an entry lies outside [0, 1], the reference is no distribution with
        full support, or `beta` is not positive and finite.
    SolverError
        If the steps do not settle.

    Examples
    --------
    >>> from walras.equilibria import preference_nash
    >>> found = preference_nash([[[0.5, 0.9, 0.2], [0.1, 0.5, 0.8], [0.8, 0.2, 0.5]]], beta=0.05)
    >>> found.policy.round(6).tolist()
    [[0.315736, 0.288734, 0.39553]]
    """
    table = np.asarray(preference, dtype=np.float64)
    require(table.ndim == 3 and table.shape[1] == table.shape[2], "preference", "have the shape [B, A, A]", table.shape)
    require_each((table >= 0) & (table <= 1), "preference", "hold probabilities", table)
    both = table + table.swapaxes(1, 2)
    require_each(np.abs(both - 1) <= 1e-12, "preference", "sum to one with its transpose", both)
    require(0 < beta < np.inf, "beta", "be positive and finite", beta)
    rows, size = table.shape[:2]
    given = np.full(size, 1 / size) if reference is None else np.asarray(reference, dtype=np.float64)
    prior = as_shaped("reference", np.broadcast_to(given, (rows, size)), (rows, size))
    require_each(prior > 0, "reference", "be positive", prior)
    require_each(np.abs(prior.sum(axis=1) - 1) <= 1e-9, "reference", "sum to one", prior.sum(axis=1))
    policy = _settled(table, np.log(prior), beta)
    return Preferred(policy, preference_gain(table, policy, prior, beta))


def preference_gain(preference: Floats, policy: Floats, reference: Floats, beta: float) -> Floats:
    """Return what the best answer gains against ``policy [B, A]``, ``[B]``: zero at the equilibrium alone."""
    liked = np.einsum("bij,bj->bi", preference, policy) / beta
    logs = np.log(reference)
    top = (logs + liked).max(axis=1)
    best = top + np.log(np.exp(logs + liked - top[:, None]).sum(axis=1))
    some = np.where(policy > 0, policy, 1.0)
    apart = np.where(policy > 0, policy * (np.log(some) - logs), 0.0).sum(axis=1)
    return np.maximum(beta * best - 0.5 + beta * apart, 0.0)


def _settled(table: Floats, prior: Floats, beta: float) -> Floats:
    """Return the fixed point of mirror-prox steps, ``[B, A]``, from logarithms of the reference."""
    logs = prior
    for _ in range(STEPS):
        trial = _answered(table, prior, logs, np.exp(logs), beta)
        after = _answered(table, prior, logs, np.exp(trial), beta)
        if np.abs(np.exp(after) - np.exp(logs)).max() <= SETTLED:
            return np.exp(after)
        logs = after
    raise SolverError(f"Mirror-prox steps still move after {STEPS}: raise `beta`.")


def _answered(table: Floats, prior: Floats, logs: Floats, against: Floats, beta: float) -> Floats:
    """Return the logarithms of the step that answers a policy."""
    liked = np.einsum("bij,bj->bi", table, against)
    step = (ETA * beta * prior + logs + ETA * liked) / (1 + ETA * beta)
    step = step - step.max(axis=1, keepdims=True)
    return step - np.log(np.exp(step).sum(axis=1, keepdims=True))
