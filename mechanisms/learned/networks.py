r"""Networks from reports to one number for each agent and resource.

What goes in does not know the scale of an agent's values, as proportional fairness does not. `reported` is seen of the
reports alone. `outcome` adds the proportionally fair outcome at them, which is what a misreport tries to move: how full
an agent is, how much more than its price a resource is worth to it (more only where its demand binds), the price, and
what it spends.

`Exchangeable` treats agents alike and resources alike [1]_, in any number: an entry sees itself, and the means of its
agent, of its resource and of all. `Dense` sees N x M reports as one vector.

References
----------
[1] J. Hartford, D. Graham, K. Leyton-Brown, S. Ravanbakhsh, Deep models of interactions across sets, ICML 2018.
"""

from typing import Any, final

import torch
from torch import Tensor, nn

from walras.core.checks import require
from walras.markets.eisenberg_gale.solver import proportional_fairness

REPORTED = 3
OUTCOME = 7
SMALL = 0.05  # of the mean price: keeps logarithms finite where a resource is free


def units(budgets: Tensor) -> Tensor:
    """Return the budgets, and 1 where there is none: what quantities of a resource are counted in."""
    return torch.where(budgets > 0, budgets, 1.0)


def reported(values: Tensor, demands: Tensor, budgets: Tensor) -> Tensor:
    """Return what is seen of the reports alone, ``[B, N, M, 3]``, without units.

    Of a resource without a budget, or that no one demands, nothing is seen: where a number would have no bound it is 0.
    """
    worth, unit, total = values * budgets[:, None], units(budgets), demands.sum(dim=1)
    plenty = torch.where((budgets > 0) & (total > 0), unit / torch.where(total > 0, total, 1.0), 1.0)
    asked = demands * values.shape[1] / unit[:, None]
    return torch.stack(
        [
            worth / worth.amax(dim=2, keepdim=True),
            torch.where(budgets[:, None] > 0, asked, 0.0),
            torch.log(plenty)[:, None].expand_as(values),
        ],
        dim=3,
    )


def outcome(values: Tensor, demands: Tensor, budgets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return what is seen of the reports and of the fair outcome at them, ``[B, N, M, 7]``, without units.

    A demand of nothing is met; of a resource without a budget nothing is seen.
    """
    fair = proportional_fairness(values, demands, budgets, weights)
    a, unit, there = fair.allocation, units(budgets)[:, None], (budgets > 0)[:, None]
    w = torch.ones_like(values[:, :, 0]) if weights is None else weights.expand_as(values[:, :, 0])
    typical = w.sum(dim=1)[:, None, None] / unit  # the price if all were spent on one resource
    price = torch.where(there, fair.prices[:, None] / typical, 0.0)
    worth = torch.where(there, (w / (values * a).sum(dim=2))[..., None] * values / typical, 0.0)
    seen = [
        torch.where(demands > 0, a / torch.where(demands > 0, demands, 1.0), 1.0),
        torch.log((worth + SMALL) / (price + SMALL)),
        price.expand_as(a),
        a / unit * price * values.shape[1],
    ]
    return torch.cat([reported(values, demands, budgets), torch.stack(seen, dim=3)], dim=3)


@final
class Exchangeable(nn.Module):
    """Three layers that permute their answers as agents or resources are permuted; for any N and M.

    Parameters
    ----------
    inputs, outputs : int
        Numbers for each agent and resource that come in and go out.
    width : int
        Channels of the hidden layers.
    seed : int
        Of the first weights.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    def __init__(self, inputs: int = OUTCOME, outputs: int = 1, width: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.settings = {"inputs": inputs, "outputs": outputs, "width": width}
        _require_sizes(**self.settings)
        self.outputs = outputs
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                Mixing(inputs, width), nn.Tanh(), Mixing(width, width), nn.Tanh(), Mixing(width, outputs, 0.1)
            )

    def forward(self, entries: Tensor) -> Tensor:
        """Return ``[B, N, M, outputs]``."""
        return self.layers(entries)


@final
class Mixing(nn.Module):
    """A linear map of an entry and of the means over its resource, its agent and all.

    Parameters
    ----------
    inputs, outputs : int
        Numbers for each agent and resource that come in and go out.
    scale : float
        Of the first weights; 0 starts from nothing.
    """

    def __init__(self, inputs: int, outputs: int, scale: float = 1.0) -> None:
        super().__init__()
        over: list[tuple[int, ...]] = [(), (1,), (2,), (1, 2)]
        self._over = over
        self.maps = nn.ModuleList(nn.Linear(inputs, outputs, bias=not dims, dtype=torch.float64) for dims in over)
        with torch.no_grad():
            for weight in self.parameters():
                weight.mul_(scale / 2).add_(0.0)  # nothing times a negative number is -0.0

    def forward(self, h: Tensor) -> Tensor:
        """Return ``[B, N, M, outputs]``."""
        parts = [
            mapped(h.mean(dim=dims, keepdim=True) if dims else h)
            for dims, mapped in zip(self._over, self.maps, strict=True)
        ]
        return parts[0] + parts[1] + parts[2] + parts[3]


@final
class Dense(nn.Module):
    """Two hidden layers on all reports as one vector; for one N and one M, and for names in one order.

    Parameters
    ----------
    agents, resources : int
        N and M.
    inputs, outputs, width, seed : int
        As for `Exchangeable`.

    Raises
    ------
    ValueError
        If a number is not positive, or reports of another size are given.
    """

    def __init__(
        self, agents: int, resources: int, inputs: int = OUTCOME, outputs: int = 1, width: int = 100, seed: int = 0
    ) -> None:
        super().__init__()
        self.settings = {
            "agents": agents, "resources": resources, "inputs": inputs, "outputs": outputs, "width": width
        }  # fmt: skip
        _require_sizes(**self.settings)
        self.outputs = outputs
        self._size, kind = (agents, resources), torch.float64
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            last = nn.Linear(width, agents * resources * outputs, dtype=kind)
            self.layers = nn.Sequential(
                nn.Linear(agents * resources * inputs, width, dtype=kind),
                nn.Tanh(),
                nn.Linear(width, width, dtype=kind),
                nn.Tanh(),
                last,
            )
        with torch.no_grad():
            last.weight.mul_(0.1)

    def forward(self, entries: Tensor) -> Tensor:
        """Return ``[B, N, M, outputs]``."""
        size = tuple(entries.shape[1:3])
        require(size == self._size, "values", f"have the network's N and M, {self._size}", size)
        return self.layers(entries.flatten(1)).reshape(*entries.shape[:3], self.outputs)


def _require_sizes(**sizes: Any) -> None:  # noqa: ANN401
    for name, size in sizes.items():
        require(size >= 1, name, "be at least 1", size)
