r"""Mechanisms with payments: an allocation, and what each agent pays for it.

An agent's utility is the worth of its bundle at the true type, :math:`\sum_k v_{ik} \min(a_{ik}, x_{ik})`, less its
payment. Here the scale of reported values counts.

| mechanism | what it guarantees |
|---|---|
| `VCG` | dominant strategies are truthful, in values and demands, and nobody pays more than it gains |
| `SealedBids` | what the auction's format does: second price and McAfee are truthful, first price is not |

The Vickrey-Clarke-Groves mechanism [1]_ takes the allocation of the largest reported welfare
:math:`\sum_j w_j v_j \cdot a_j` and charges each agent what the others lose by it,

.. math:: p_i = \frac{1}{w_i} \Bigl( \max_{a} \sum_{j \ne i} w_j v_j \cdot a_j
          - \sum_{j \ne i} w_j v_j \cdot a^*_j \Bigr) .

That needs a rule that maximises the sum of reported utilities over a set that no report moves: `WelfareMaximiser` for
divisible goods, `Assignment` for one indivisible good an agent, `walras.markets.auctions.SetPackingVCG` for packages,
which comes with its payments. Rules that maximise something else, such as `Utilitarian`, whose utilities are relative,
or proportional fairness, are refused: with these payments they would not be truthful.

References
----------
[1] W. Vickrey, 1961; E. H. Clarke, 1971; T. Groves, Incentives in teams, Econometrica 41, 1973.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, cast, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from walras.core.checks import require
from walras.core.typing import Floats
from walras.markets.eisenberg_gale.problem import checked_problem
from walras.mechanisms.rules import Mechanism


class Outcome(NamedTuple):
    """What a mechanism with payments decides."""

    allocation: Tensor  # [B, N, M] units; negative for who sells
    payment: Tensor  # [B, N] money; negative for who is paid


class PaymentMechanism(Protocol):
    """A rule from reports to an allocation and payments."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Outcome:
        """Return the outcome of reports ``[B, N, M]`` and supplies ``budgets [B, M]``, in double precision.

        Raises
        ------
        ValueError
            If shapes disagree, or an entry is negative, NaN or infinite.
        """
        ...


AnyMechanism: TypeAlias = Mechanism | PaymentMechanism
"""With payments or without."""


@runtime_checkable
class WelfareRule(Protocol):
    """A rule whose allocation has the largest weighted sum of reported utilities."""

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``."""
        ...

    def unsold(self, allocation: Tensor, budgets: Tensor) -> Tensor:
        """Return what the seller keeps is worth to it, ``[B]``, money."""
        ...


@final
@dataclass(frozen=True)
class WelfareMaximiser:
    """Each good goes to those who value it most, each up to its demand; equal values share by what they demand.

    Raises
    ------
    ValueError
        If `reserve` is negative or not finite.
    """

    reserve: float = 0.0
    """What a unit of any good is worth to the seller, money: nobody gets it for less."""

    def __post_init__(self) -> None:
        require(0 <= self.reserve < np.inf, "reserve", "be finite and not negative", self.reserve)

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]``; errors as in `PaymentMechanism`."""
        v, demand, b, w, _ = checked_problem(values, demands, budgets, weights)
        x = torch.minimum(demand, b[:, None])
        worth = v * w[..., None]
        x = torch.where((worth > self.reserve) | ((worth == self.reserve) & (worth > 0)), x, 0.0)
        mine, other = worth[:, :, None], worth[:, None]  # [B, N, N, M] agent by rival
        above = ((other > mine) * x[:, None]).sum(dim=2)
        equal = ((other == mine) * x[:, None]).sum(dim=2)
        left = (b[:, None] - above).clamp(min=0)
        short = equal > left
        return x * torch.where(short, left / torch.where(short, equal, 1.0), 1.0)  # no gradient of 0 / 0

    def unsold(self, allocation: Tensor, budgets: Tensor) -> Tensor:
        """Return the reserve for each unit that is left, ``[B]``."""
        return self.reserve * (budgets.double() - allocation.sum(dim=1)).clamp(min=0).sum(dim=1)


@final
@dataclass(frozen=True)
class Assignment:
    """Each agent gets at most one whole unit of one good, where it demands one; budgets count whole units.

    An assignment problem a row (scipy); equal assignments are settled by its order.
    """

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the allocation ``[B, N, M]`` of zeros and ones; errors as in `PaymentMechanism`."""
        v, x, b, w, _ = checked_problem(values, demands, budgets, weights)
        worth = (v * w[..., None] * (x >= 1)).detach().cpu().numpy()
        rows = [_assigned(*row) for row in zip(worth, b.cpu().numpy().astype(np.int64), strict=True)]
        return torch.from_numpy(np.array(rows).reshape(worth.shape)).to(v)

    def unsold(self, allocation: Tensor, budgets: Tensor) -> Tensor:
        """Return zeros ``[B]``."""
        return torch.zeros(len(allocation), dtype=torch.float64, device=allocation.device)


@final
@dataclass(frozen=True)
class VCG:
    """The Vickrey-Clarke-Groves mechanism: the largest reported welfare, and each pays what the others lose by it.

    With a reserve of the rule the seller counts among the others. With one good and the reserve of
    `walras.markets.auctions.myerson_reserve` it is Myerson's optimal auction for bidders with one regular prior.

    Raises
    ------
    TypeError
        If `rule` does not maximise reported welfare.

    Examples
    --------
    >>> import torch
    >>> from walras.mechanisms import VCG
    >>> values = torch.tensor([[[3.0, 1.0], [2.0, 4.0]]])
    >>> VCG()(values, torch.ones(1, 2, 2), torch.ones(1, 2)).payment
    tensor([[2., 1.]], dtype=torch.float64)
    """

    rule: WelfareRule = WelfareMaximiser()

    def __post_init__(self) -> None:
        given = cast(object, self.rule)  # what a caller passes
        if not isinstance(given, WelfareRule):
            kind = type(given).__name__
            rule = "maximise the sum of reported utilities (WelfareMaximiser, Assignment)"
            raise TypeError(f"`rule` must {rule}; got {kind}.")

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Outcome:
        """Return allocation and payments; N + 1 problems are solved in one batch. Errors as in `PaymentMechanism`."""
        v, x, b, w, _ = checked_problem(values, demands, budgets, weights)
        rows, agents, goods = v.shape
        absent = torch.cat((torch.zeros(1, agents), torch.eye(agents))).to(v)  # [1 + N, N]: all, then without each
        there = (1 - absent)[None, :, :, None].expand(rows, -1, -1, goods)
        some = (v[:, None] * there).flatten(0, 1), (x[:, None] * there).flatten(0, 1)
        more = b.repeat_interleave(agents + 1, dim=0), w.repeat_interleave(agents + 1, dim=0)
        allocation = self.rule(*some, *more)
        each = (some[0] * torch.minimum(allocation, some[1])).sum(dim=2) * more[1]
        seller = self.rule.unsold(allocation, more[0]).reshape(rows, agents + 1)
        each = each.reshape(rows, agents + 1, agents)
        chosen = each[:, 0]  # [B, N]
        with_all = seller[:, :1] + chosen.sum(dim=1, keepdim=True) - chosen
        without = seller[:, 1:] + each[:, 1:].sum(dim=2)
        payment = torch.minimum((without - with_all).clamp(min=0.0), chosen) / w
        return Outcome(allocation.reshape(rows, agents + 1, agents, goods)[:, 0], payment)


class Cleared(Protocol):
    """What an auction's format decides."""

    @property
    def allocation(self) -> Floats:
        """Goods won, ``[B, N]``; negative for who sells."""
        ...

    @property
    def payment(self) -> Floats:
        """Money, ``[B, N]``."""
        ...


class AuctionFormat(Protocol):
    """A format of `walras.markets.auctions` in which a bid is one number."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` unless bids of this shape can be cleared."""
        ...

    def clear(self, bids: Floats, ties: Floats | None) -> Cleared:
        """Return the outcome of ``bids [B, N]``."""
        ...


@final
@dataclass(frozen=True)
class SealedBids:
    """An auction of one good as a mechanism: reported values are the bids, demands and budgets do not count.

    Ties are shared evenly, in expectation, where the format shares them. In double auctions values of sellers are their
    costs.
    """

    format: AuctionFormat

    def __call__(self, values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Outcome:
        """Return what the format decides, without a gradient.

        Raises
        ------
        ValueError
            If there is more than one good, or the format cannot serve so many bidders.
        """
        v = checked_problem(values, demands, budgets, weights)[0]
        require(v.shape[2] == 1, "values", "be of one good, [B, N, 1]", tuple(v.shape))
        bids = v[:, :, 0].detach().cpu().numpy()
        self.format.check(bids.shape)
        found = self.format.clear(bids, None)
        return Outcome(torch.from_numpy(found.allocation[:, :, None]).to(v), torch.from_numpy(found.payment).to(v))


def _assigned(worth: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return who gets what, ``[N, M]`` of zeros and ones, of one instance."""
    from scipy.optimize import linear_sum_assignment

    copies = np.repeat(np.arange(len(units)), np.minimum(units, len(worth)))
    won = np.zeros_like(worth)
    agent, copy = linear_sum_assignment(worth[:, copies], maximize=True)
    won[agent, copies[copy]] = 1.0
    return won * (worth > 0)
