r"""Learning from losses where changing the action costs, with few observations.

- `BlockExp3` sees the loss of its own action alone: regret and switches are of the order :math:`T^{2/3}` with blocks of
  :math:`T^{1/3}` rounds [1]_.
- `LazyHedge` sees all losses: its actions have exactly the chances of `Hedge`, and change at most
  :math:`\eta \sum_t p_t \ell_t` times on average [2]_.
- `BudgetedProbes` sees all losses in one round of each of N blocks: regret of the order :math:`T / \sqrt N`, fewer than
N
  switches.

Losses lie in [0, 1], ``[B, T, A]``; a rule looks at no more of them than it may see.

References
----------
[1] R. Arora, O. Dekel, A. Tewari, Online bandit learning against an adaptive adversary, ICML 2012.
[2] S. Geulen, B. Voecking, M. Winkler, Regret minimization for online buffering problems using the weighted majority
    algorithm, COLT 2010.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from walras.agents.no_regret.rules import check_positive, softmax
from walras.core.checks import require, require_each, require_numbers, require_whole
from walras.core.typing import Floats, Ints


@final
@dataclass(frozen=True)
class BlockExp3:
    """Exponential weights on estimated losses; one action a block."""

    eta: float
    block: int = 1
    """Rounds in which the action stays."""

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")
        require_whole(self.block, "block")

    def actions(self, losses: Floats, rng: np.random.Generator) -> Ints:
        """Return what is done in each round, ``[B, T]``."""
        rows, steps, size = checked_losses(losses).shape
        logs, done = np.zeros((rows, size)), np.empty((rows, steps), dtype=np.int64)
        for start in range(0, steps, self.block):
            part = slice(start, min(start + self.block, steps))
            chance = softmax(logs)
            arm = _drawn(chance, rng)
            done[:, part] = arm[:, None]
            seen = np.take_along_axis(losses[:, part], arm[:, None, None], axis=2)[..., 0].mean(axis=1)
            logs[np.arange(rows), arm] -= self.eta * seen / chance[np.arange(rows), arm]
        return done


@final
@dataclass(frozen=True)
class LazyHedge:
    """`Hedge` that keeps its action as long as its chances allow."""

    eta: float = 0.1

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")

    def actions(self, losses: Floats, rng: np.random.Generator) -> Ints:
        """Return what is done in each round, ``[B, T]``.

        The action is kept with the chance by which its weight fell, else drawn afresh.
        """
        rows, steps, size = checked_losses(losses).shape
        logs, done = np.zeros((rows, size)), np.empty((rows, steps), dtype=np.int64)
        arm = _drawn(softmax(logs), rng)
        for t in range(steps):
            done[:, t] = arm
            logs -= self.eta * losses[:, t]
            kept = rng.random(rows) < np.exp(-self.eta * losses[np.arange(rows), t, arm])
            arm = np.where(kept, arm, _drawn(softmax(logs), rng))
        return done


@final
@dataclass(frozen=True)
class BudgetedProbes:
    """`Hedge` on the losses of one random round of each block; one action a block."""

    eta: float
    blocks: int

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "eta")
        require_whole(self.blocks, "blocks")

    def actions(self, losses: Floats, rng: np.random.Generator) -> Ints:
        """Return what is done in each round, ``[B, T]``."""
        rows, steps, size = checked_losses(losses).shape
        require(self.blocks <= steps, "blocks", f"be at most {steps}, one a round", self.blocks)
        logs, done = np.zeros((rows, size)), np.empty((rows, steps), dtype=np.int64)
        edges = np.linspace(0, steps, self.blocks + 1).round().astype(int)
        for low, high in pairwise(edges.tolist()):
            done[:, low:high] = _drawn(softmax(logs), rng)[:, None]
            probe = rng.integers(low, high, size=rows)
            logs -= self.eta * losses[np.arange(rows), probe]
        return done


def switches(actions: Ints) -> Ints:
    """Return how often ``actions [B, T]`` change, ``[B]``."""
    return (np.diff(actions, axis=1) != 0).sum(axis=1)


def loss_regret(losses: Floats, actions: Ints) -> Floats:
    """Return by how much actions lost more than the best single one, ``[B]``."""
    own = np.take_along_axis(losses, actions[..., None], axis=2)[..., 0].sum(axis=1)
    return own - losses.sum(axis=1).min(axis=1)


def checked_losses(losses: Floats) -> Floats:
    """Return losses after their check."""
    require(losses.ndim == 3, "losses", "be [B, T, A]", losses.shape)
    require_each((losses >= 0) & (losses <= 1), "losses", "lie in [0, 1]", losses)
    return losses


def _drawn(chance: Floats, rng: np.random.Generator) -> Ints:
    """Return an action of each row of ``chance [B, A]``."""
    below = np.cumsum(chance, axis=1)[:, :-1]
    return np.sum(below <= rng.random(len(chance))[:, None], axis=1)
