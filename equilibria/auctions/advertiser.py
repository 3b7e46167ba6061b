r"""What an advertiser alone can have: the fluid optimum, the linear program of known auctions, and the best levers.

An advertiser wants the most of :math:`\mathrm{E}[V] - w \mathrm{E}[D]`, w being 1 where it keeps what it does not spend
and else 0, with :math:`\mathrm{E}[V] \ge \gamma \mathrm{E}[D]` and :math:`\mathrm{E}[D] \le \rho` a period. Two truths
differ, and both are here:

- **fluid**: bids react to each auction by one threshold, :math:`v \ge \theta d`, and the constraints hold on average
  (`fluid_optimum`). Nothing that an advertiser does earns more.
- **levers**: channels get budgets or targets before the auctions of a period are drawn, and these bind in each period
  (`best_levers`). With few auctions a period that is less. Where auctions are known both are the linear program.

With multipliers :math:`\lambda` of the target and :math:`\mu` of the budget any play has

.. math:: \mathrm{E}[V] - w \mathrm{E}[D] \le \max_a \mathrm{E}\bigl[(1 + \lambda) V(a)
          - (w + \lambda \gamma + \mu) D(a)\bigr] + \mu \rho ,

which proves upper ends. If levers may be drawn, the best ones attain it: at most one channel then draws between two.

References
----------
Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, Multi-channel autobidding with budget and ROI
constraints, ICML 2023.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from walras.core.checks import require_whole
from walras.core.game import Actions
from walras.core.typing import Floats
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.markets.auctions.autobidding import bought, frontier
from walras.markets.auctions.channels import DrawnAuctions, KnownAuctions, Lots

QUANTILES = 2**15
"""Cells of competing prices in the fluid optimum."""
BUDGETS = 97
"""Budgets of the grid, from nothing to the largest that can be told."""
TARGETS = 33
"""Targets of the grid, with none and the largest among them."""
FEW = 17
"""Numbers of either grid where channels are told both."""


class Optimum(NamedTuple):
    """What an advertiser has at best a period, on average."""

    value: float  # money
    spend: Floats  # [J] money, by channel: the budgets that give it
    threshold: float  # least value for a unit of money that is bought
    target_multiplier: float  # value for a unit of value that the target asks for
    budget_multiplier: float  # value for a unit of money


class Arms(NamedTuple):
    """Levers that a channel may be told, and what comes of them on average over draws."""

    lever: Floats  # [J, A, L] of L numbers: a budget, a target, or both
    value: Floats  # [J, A] money
    spend: Floats  # [J, A] money


@final
@dataclass(frozen=True, eq=False)
class Levers:
    """Levers that are drawn anew each period, for each advertiser and channel on its own; most are told for sure."""

    lever: tuple[Floats, ...]  # N arrays [J, A, L]
    chance: tuple[Floats, ...]  # N arrays [J, A]
    independent: bool = True

    @property
    def mean(self) -> Floats:
        """The levers on average, ``[N, J, L]``."""
        pairs = zip(self.lever, self.chance, strict=True)
        return np.stack([(lever * chance[..., None]).sum(axis=1) for lever, chance in pairs])

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return levers ``[B, N, L J]``: all budgets before all targets."""
        number = rng.random((*observation.shape[:2], len(self.lever[0])))
        columns: list[Floats] = []
        for i, (lever, chance) in enumerate(zip(self.lever, self.chance, strict=True)):
            below = np.cumsum(chance, axis=1)[:, :-1]
            arm = (below <= number[:, i, :, None]).sum(axis=2)  # [B, J]
            told = lever[np.arange(len(lever)), arm]  # [B, J, L]
            columns.append(told.swapaxes(1, 2).reshape(len(observation), -1))
        return np.stack(columns, axis=1)


def fluid_optimum(game: AutobiddingMarket) -> Optimum:
    """Return what one advertiser has if bids react to each auction and constraints hold on average.

    Raises
    ------
    ValueError
        If the market has several advertisers, who make each other's prices.
    """
    _alone(game)
    if isinstance(game.auctions, KnownAuctions):
        return _known(game)
    from scipy.optimize import brentq

    channels, floor = _bought_above(game), 1.0 if game.utility == "quasilinear" else 0.0
    budget, target = game.budgets[0], game.targets[0]  # type: ignore[index]

    def over_budget(theta: float) -> float:
        return channels(theta)[1].sum() - budget

    def below_target(theta: float) -> float:
        value, spend = channels(theta)
        return target * spend.sum() - value.sum()

    thetas = [floor]
    for excess in (over_budget, below_target):
        if excess(floor) > 0:
            most = max(1.0, 2 * floor)
            while excess(most) > 0:
                most *= 2
            thetas.append(float(brentq(excess, floor, most, xtol=1e-14, rtol=1e-14)))
    value, spend = channels(max(thetas))
    return _optimum(game, float(value.sum()), spend, max(thetas), thetas, below_target(floor) > 0)


def best_levers(game: AutobiddingMarket, draws: int = 2**14, seed: int = 0) -> tuple[Levers, Optimum]:
    """Return the best levers of one advertiser on a grid, planned on drawn periods, and what they are worth there.

    Parameters
    ----------
    game : AutobiddingMarket
        With one advertiser.
    draws : int
        Periods; where auctions are known one is enough.
    seed : int
        Of the draws.

    Raises
    ------
    ValueError
        If the market has several advertisers.
    """
    _alone(game)
    require_whole(draws, "draws")
    return plan(game, sampled(game, draws, np.random.default_rng(seed)))


def best_constant_levers(game: AutobiddingMarket) -> tuple[Floats, float]:
    """Return the levers ``[L J]`` without chance that have the most value in known auctions, and the value a period.

    The paper's levers are such: with targets alone they may have next to nothing of the optimum, which levers that are
    drawn, or changed from period to period, do have.

    Raises
    ------
    ValueError
        If the market has several advertisers, its auctions are drawn, or there are more than a million choices.
    """
    _alone(game)
    if not isinstance(game.auctions, KnownAuctions):
        raise ValueError(f"`game` must have KnownAuctions; got {game.auctions!r}.")
    arms = arms_of(game, game.auctions.lots(np.empty((1, 0)), 1))
    count = [arms.value.shape[1]] * game.channels
    if np.prod(count) > 1_000_000:
        raise ValueError(f"`game` must have at most a million choices of levers; got {np.prod(count)}.")
    index = np.stack(np.meshgrid(*map(np.arange, count), indexing="ij"), axis=-1).reshape(-1, game.channels)
    place = np.arange(game.channels)
    value, spend = arms.value[place, index].sum(axis=1), arms.spend[place, index].sum(axis=1)
    slack = 1e-12 * max(1.0, float(game.auctions.most_value.sum()))
    allowed = (game.shortfall(value[:, None], spend[:, None])[:, 0] <= slack) & (
        game.overspend(spend[:, None])[:, 0] <= slack
    )
    worth = np.where(allowed, value - (spend if game.utility == "quasilinear" else 0.0), -np.inf)
    best = int(worth.argmax())
    return arms.lever[place, index[best]].T.ravel(), float(worth[best])


def plan(game: AutobiddingMarket, lots: Lots) -> tuple[Levers, Optimum]:
    """Return the best levers in given periods, and the multipliers of target and budget there."""
    from scipy.optimize import linprog

    arms, weight = arms_of(game, lots), 1.0 if game.utility == "quasilinear" else 0.0
    channels, count = arms.value.shape
    budget, target = game.budgets[0], game.targets[0]  # type: ignore[index]
    found: Any = linprog(
        -(arms.value - weight * arms.spend).ravel(),
        A_ub=np.stack(((target * arms.spend - arms.value).ravel(), arms.spend.ravel())),
        b_ub=[0.0, budget],
        A_eq=np.kron(np.eye(channels), np.ones(count)),
        b_eq=np.ones(channels),
        bounds=(0, 1),
    )
    assert found.x is not None  # to buy nothing is allowed
    chance = np.maximum(found.x.reshape(channels, count), 0.0)
    chance /= chance.sum(axis=1, keepdims=True)
    spend = (chance * arms.spend).sum(axis=1)
    multipliers = np.maximum(-np.asarray(found.ineqlin.marginals), 0.0)
    keep = np.flatnonzero((chance > 0).any(axis=0))
    levers = Levers((arms.lever[:, keep],), (chance[:, keep],))
    price = weight + multipliers[0] * target + multipliers[1]
    worth = float((chance * (arms.value - weight * arms.spend)).sum())
    return levers, Optimum(worth, spend, price / (1 + multipliers[0]), float(multipliers[0]), float(multipliers[1]))


def arms_of(game: AutobiddingMarket, lots: Lots) -> Arms:
    """Return the levers of the grid, with the mean of what comes of them in given periods of one advertiser.

    Where auctions are known, the grid holds the budgets and targets at which an auction is cut.
    """
    known = isinstance(game.auctions, KnownAuctions)
    budgets, targets = (_cuts if known else _even)(game, lots)
    if game.levers == "budgets":
        return _for_budgets(lots, budgets)
    if game.levers == "targets":
        return _for_pairs(lots, np.full((len(targets), targets.shape[1]), np.inf), targets, slice(1, 2))
    each = np.repeat(budgets, targets.shape[1], axis=1)
    return _for_pairs(lots, each, np.tile(targets, budgets.shape[1]), slice(0, 2))


def _even(game: AutobiddingMarket, _: Lots) -> tuple[Floats, Floats]:
    """Return even budgets and targets, ``[J, A]`` each; targets are even in what a unit of value may cost."""
    few = game.levers == "both"
    budgets = np.linspace(0.0, float(np.max(game.budgets)), FEW if few else BUDGETS)
    steps = FEW if few else TARGETS
    targets = game.most_target * np.linspace(0.0, 1.0, steps) ** 2
    return tuple(np.tile(grid, (game.channels, 1)) for grid in (budgets, targets))  # type: ignore[return-value]


def _cuts(game: AutobiddingMarket, lots: Lots) -> tuple[Floats, Floats]:
    """Return the budgets at which each channel has bought so many auctions, what is left then, and such targets."""
    value, cost = lots.value[0, 0], lots.price[0]
    best = fluid_optimum(game).spend
    budgets, targets = list[Floats](), list[Floats]()
    for v, d, own in zip(value, cost, best, strict=True):
        order = np.argsort(-np.where(v > 0, v / np.where(d > 0, d, 1e-300), -1.0), kind="stable")
        paid, won = np.cumsum(d[order]), np.cumsum(v[order])
        money = np.concatenate(([0.0, own], paid))
        ratio = np.where(paid > 0, won / np.where(paid > 0, paid, 1.0), game.most_target)
        at = np.interp(own, np.concatenate(([0.0], paid)), np.concatenate(([0.0], won)))
        asked = np.concatenate(([0.0, game.most_target, at / own if own > 0 else 0.0], ratio))
        budgets.append(np.minimum(money, np.max(game.budgets)))
        targets.append(np.minimum(asked * (1 - 1e-12), game.most_target))
    return np.stack(budgets), np.stack(targets)


def _for_budgets(lots: Lots, budgets: Floats) -> Arms:
    value, spend = np.empty(budgets.shape), np.empty(budgets.shape)
    for j, grid in enumerate(budgets):
        found = frontier(lots.value[:, 0, j], lots.price[:, j], grid)
        value[j], spend[j] = (part.mean(axis=0) for part in found)
    return Arms(budgets[..., None], value, spend)


def _for_pairs(lots: Lots, budgets: Floats, targets: Floats, shown: slice) -> Arms:
    value, spend = np.empty(budgets.shape), np.empty(budgets.shape)
    for j, pair in enumerate(zip(budgets, targets, strict=True)):
        v, d = lots.value[:, 0, j], lots.price[:, j]
        for a, (budget, target) in enumerate(zip(*pair, strict=True)):
            share = bought(v, d, np.full(len(v), budget), np.full(len(v), target))
            value[j, a], spend[j, a] = (v * share).sum(axis=1).mean(), (d * share).sum(axis=1).mean()
    return Arms(np.stack((budgets, targets), axis=2)[..., shown], value, spend)


def sampled(game: AutobiddingMarket, draws: int, rng: np.random.Generator) -> Lots:
    """Return the auctions of so many periods, of one where they are known."""
    rows = 1 if isinstance(game.auctions, KnownAuctions) else draws
    return game.auctions.lots(game.noise(rng, rows), game.advertisers)


def _known(game: AutobiddingMarket) -> Optimum:
    """Return the linear program over the auctions of all channels."""
    lots = game.auctions.lots(np.empty((1, 0)), 1)
    v, d = lots.value[0, 0], lots.price[0]
    floor = 1.0 if game.utility == "quasilinear" else 0.0
    wanted = np.where(v >= floor * d, v, 0.0)
    budget, target = game.budgets[0], game.targets[0]  # type: ignore[index]
    share = bought(wanted.ravel(), d.ravel(), budget, target).reshape(v.shape)
    value, spend = float((v * share).sum()), (d * share).sum(axis=1)
    wants = (wanted > 0) & (share < 1)
    ratio = np.where(wants, v / np.where(d > 0, d, 1.0), 0.0)
    theta = max(float(ratio.max()), floor)
    binds = spend.sum() < budget * (1 - 1e-12)  # what stops the buying is then the target
    return _optimum(game, value, spend, theta, [floor, theta], target_binds=bool(binds))


def _optimum(
    game: AutobiddingMarket, value: float, spend: Floats, theta: float, thetas: list[float], target_binds: bool
) -> Optimum:
    """Return an optimum with the multipliers of the constraint that asks for the highest threshold."""
    floor, target = thetas[0], game.targets[0]  # type: ignore[index]
    worth = value - (float(spend.sum()) if game.utility == "quasilinear" else 0.0)
    of_target = target_binds and theta == thetas[-1] and theta > floor
    if of_target:
        return Optimum(worth, spend, theta, (theta - floor) / (target - theta), 0.0)
    return Optimum(worth, spend, theta, 0.0, theta - floor)


def _bought_above(game: AutobiddingMarket) -> Callable[[float], tuple[Floats, Floats]]:
    """Return the function from a threshold to mean value and spend by channel, ``[J]`` each, a period."""
    law = game.auctions
    assert isinstance(law, DrawnAuctions)
    edges = np.linspace(0.0, 1.0, QUANTILES + 1)
    price = np.asarray(law.prices.cell_mean(edges[:-1], edges[1:]))

    def bought_above(theta: float) -> tuple[Floats, Floats]:
        value, spend = np.empty(law.channels), np.empty(law.channels)
        for j, scale in enumerate(law.scale):
            least = np.clip(theta * price / scale, law.values.low, law.values.high)
            below = np.asarray(law.values.cdf(least))
            chance = 1 - below
            some = chance > 1e-14
            mean = np.zeros_like(price)
            mean[some] = law.values.cell_mean(below[some], np.ones(int(some.sum())))
            value[j], spend[j] = law.count * scale * (chance * mean).mean(), law.count * (price * chance).mean()
        return value, spend

    return bought_above


def _alone(game: AutobiddingMarket) -> None:
    if game.advertisers != 1:
        raise ValueError(f"`game` must have one advertiser; got {game.advertisers}, who make each other's prices.")
