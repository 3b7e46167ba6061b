r"""Autobidding markets: the best levers of one advertiser, certified; the competitive split of several, one-sided.

The gap of one advertiser
-------------------------
Budget and target bind on average, and a policy that misses them may earn more than the optimum. So a policy is
*credited* with its value less a charge for what it misses,

.. math:: C = \mathrm{E}[V] - w \mathrm{E}[D] - (1 + \lambda) \max(0, \gamma \mathrm{E}[D] - \mathrm{E}[V])
          - (1 + \mu) \max(0, \mathrm{E}[D] - \rho)

a period, with the multipliers :math:`\lambda, \mu` of the fluid optimum (`walras.equilibria.auctions.advertiser`). The
charges exceed the multipliers, so that to miss a constraint never pays, and the gap is the largest C of any policy less
the policy's own. Both ends are statistical, over the episodes of the audit, and paired: they count the same auctions.

- *Above*: multipliers, planned on other auctions, prove what the best levers have at most. In each episode the largest
  mean over the grid of budgets counts, and between two budgets what concavity leaves open; its expectation is at least
  the maximum. Where targets are told, or auctions are known, each auction is bought that is worth it at the
  multipliers: the fluid bound, which the linear program of known auctions attains.
- *Below*: the levers that a linear program found on other auctions.

Known auctions of which a policy always buys the same have an exact gap.

Several advertisers
-------------------
Others' levers make one's prices, and no bound above is known. Below, levers that keep budget and target by what they
are (budgets that sum up to no more than the own, targets not below it) are tried in auctions that were played for it,
and the best is judged in the audit's. The value of a policy counts as it is.
"""

from typing import Any, NamedTuple

import numpy as np

from walras.core.concept import Concept
from walras.core.policy import Policy
from walras.core.rollout import Trajectory, rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.equilibria.auctions.advertiser import (
    BUDGETS,
    Levers,
    Optimum,
    best_levers,
    fluid_optimum,
    plan,
    sampled,
)
from walras.equilibria.auctions.pacing import first_price_pacing
from walras.equilibria.audit import Audit, Ends, certificate, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.markets.auctions.autobidding import frontier
from walras.markets.auctions.channels import LEAST, KnownAuctions, Lots, handed

TOLERANCE = 2e-2
"""Largest relative gain of levers that are called best: what the episodes of an audit leave open."""
PLANNED = 2**12
"""Periods on which a deviation is planned."""
UNION = 24
"""Periods whose auctions are cleared together for the competitive split."""
CANDIDATES = 32
"""Levers that are tried for one of several advertisers."""


def solve_autobidding(game: AutobiddingMarket, draws: int = 2**14) -> Solution:
    """Return the best levers of one advertiser, or the split of budgets that several spend in equilibrium of all.

    Parameters
    ----------
    game : AutobiddingMarket
        The market.
    draws : int
        Periods on which the levers of one advertiser are planned, where auctions are drawn.

    Raises
    ------
    ValueError
        If several advertisers tell channels targets alone.
    """
    levers = best_levers(game, draws)[0] if game.advertisers == 1 else competitive_split(game)
    return Solution(
        policy=levers,
        value=np.full(game.advertisers, np.nan),
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        concept=Concept.NASH,
        tol=TOLERANCE,
    )


def competitive_split(game: AutobiddingMarket, seed: int = 0) -> Levers:
    """Return budgets split as the first-price pacing equilibrium of all channels together spends them.

    Where auctions are known these budgets reproduce its prices in each channel. Money that is kept is split in the same
    shares. Targets are handed to each channel, as a cap of bids.

    Raises
    ------
    ValueError
        If channels are told targets alone.
    """
    if game.levers == "targets":
        raise ValueError(f"`levers` must be budgets or both, for budgets to be split; got {game.levers!r}.")
    lots = sampled(game, UNION, np.random.default_rng(seed))
    value = lots.value / np.maximum(game.targets, 1.0)[:, None, None]  # [S, N, J, K]
    goods = value.transpose(1, 2, 0, 3).reshape(game.advertisers, -1)  # channel by channel
    budgets = np.array(game.budgets)
    found = first_price_pacing(goods, len(lots.value) * budgets, throw=False)
    spend = (found.price * found.allocation).reshape(game.advertisers, game.channels, -1).sum(axis=2)
    total = spend.sum(axis=1, keepdims=True)
    share = np.divide(spend, total, out=np.full_like(spend, 1 / game.channels), where=total > 0)
    share = np.where(share > LEAST, share, 0.0)
    told = [(budgets[:, None] * share)[..., None]]
    if game.levers == "both":
        told.append(np.broadcast_to(np.array(game.targets)[:, None, None], told[0].shape))
    levers = np.concatenate(told, axis=2)[:, :, None]  # [N, J, 1, L]
    return Levers(tuple(levers), (np.ones((game.channels, 1)),) * game.advertisers)


def autobidding_stake(game: AutobiddingMarket) -> Floats:
    """Return what advertisers have at stake in an episode, money: one the fluid optimum, several what they can win."""
    if game.advertisers == 1:
        return np.array([game.horizon * fluid_optimum(game).value])
    return np.full(game.advertisers, game.horizon * game.auctions.most_value.sum() / game.advertisers)


def autobidding_gap(game: AutobiddingMarket, policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a policy: two-sided with one advertiser, a lower bound with several."""
    judged = judged_policy(game, policy, audit.device)
    played = rollout(game, judged, audit.seeds)
    if game.advertisers > 1:
        return _tried(game, judged, audit, played)
    fluid, lots = fluid_optimum(game), _lots(played)
    own = _credits(game, fluid, played.state.all_value[-1, :, 0], played.state.all_spend[-1, :, 0], game.horizon)
    levers, planned = plan(game, sampled(game, PLANNED, audit.rng(1)))
    most = _at_most(game, lots, fluid, planned)
    sure = 1 - (1 - audit.confidence) / 4  # four credits, of which the least counts
    above = interval(game.horizon * (most[:, None] - own), sure)
    answer = handed(_rows(lots), *game.told(levers.act(np.empty((len(most) * game.horizon, 1, 0)), audit.rng(2))))
    value, spend = (part.reshape(len(most), -1).sum(axis=1) for part in (answer.value, answer.spend))
    other = _credits(game, fluid, value, spend, game.horizon)
    below = interval(game.horizon * (other[:, :, None] - own[:, None]), sure)
    fixed = isinstance(game.auctions, KnownAuctions) and not np.ptp(own, axis=0).any()
    ends = _ends(above.high, below.low, below.mean)
    if fixed:
        gain = max(0.0, float(above.mean.max()))
        ends = gain, gain, gain
    return certificate(
        game,
        judged,
        audit,
        Ends(*(np.array([end]) for end in ends)),
        played.total.mean(axis=0),
        Kind.EXACT if fixed else Kind.STATISTICAL,
        "linear program of known auctions" if fixed else f"multipliers above, levers of {PLANNED} periods below",
        deviation=levers,
    )


def credited(game: AutobiddingMarket, value: Floats, spend: Floats) -> Floats:
    """Return the credit of one advertiser for mean value and spend a period, ``[...]`` each; see the module."""
    return _credits(game, fluid_optimum(game), value, spend, 1.0).min(axis=-1)


def _credits(game: AutobiddingMarket, fluid: Optimum, value: Floats, spend: Floats, periods: float) -> Floats:
    """Return credits ``[..., 4]`` a period with each charge or none, of which the least counts."""
    v, d = value / periods, spend / periods
    worth = v - d if game.utility == "quasilinear" else v
    short = (1 + fluid.target_multiplier) * (game.targets[0] * d - v)  # type: ignore[index]
    over = (1 + fluid.budget_multiplier) * (d - game.budgets[0])  # type: ignore[index]
    return np.stack((worth, worth - short, worth - over, worth - short - over), axis=-1)


def _ends(above: Floats, below: Floats, mean: Floats) -> tuple[float, float, float]:
    """Return lower, upper and estimate from credits above ``[4]``, and below of deviation by own ``[4, 4]``.

    The least credit of the policy is at most each of its credits, and that of the deviation is one of its four.
    """
    upper = max(0.0, float(above.max()))
    lower = min(upper, max(0.0, float(below.min(axis=0).max())))
    return lower, upper, min(upper, max(lower, float(mean.min(axis=0).max())))


def _at_most(game: AutobiddingMarket, lots: Lots, fluid: Optimum, planned: Optimum) -> Floats:
    """Return what no levers exceed on average a period, in each episode, ``[E]``."""
    tight = game.levers == "budgets" and not isinstance(game.auctions, KnownAuctions)
    found = planned if tight else fluid
    lam, mu = (min(own, 1 + of) for own, of in zip(found[3:], fluid[3:], strict=True))
    weight = 1.0 if game.utility == "quasilinear" else 0.0
    cost = weight + lam * game.targets[0] + mu  # type: ignore[index]
    most = (_best_budgets if tight else _each_auction)(game, lots, 1 + lam, cost)
    return most + mu * game.budgets[0]  # type: ignore[index]


def _each_auction(game: AutobiddingMarket, lots: Lots, worth: float, cost: float) -> Floats:
    """Return what is had if each auction is bought that is worth it, ``[E]``."""
    gain = np.maximum(worth * lots.value[:, :, 0] - cost * lots.price, 0.0)  # [E, T, J, K]
    return gain.sum(axis=(2, 3)).mean(axis=1)


def _best_budgets(game: AutobiddingMarket, lots: Lots, worth: float, cost: float) -> Floats:
    """Return what no budgets exceed in each episode, ``[E]``: between two of the grid by chords, which bound the next.

    Value is concave in the budget, so that it stays below the chord of the cell before, drawn on; spend is concave, and
    stays above its own chord.
    """
    grid = np.linspace(0.0, float(np.max(game.budgets)), BUDGETS)
    total = np.zeros(len(lots.value))
    for j in range(game.channels):
        for e in range(len(total)):
            value, spend = (p.mean(axis=0) for p in frontier(lots.value[e, :, 0, j], lots.price[e, :, j], grid))
            drawn_on = np.append(value[1], 2 * value[1:-1] - value[:-2])
            between = worth * drawn_on - cost * np.append(spend[0], spend[2:])
            total[e] += max(float((worth * value - cost * spend).max()), float(between.max()))
    return total


def _lots(played: Trajectory[Any]) -> Lots:
    """Return the auctions of all periods, episode by episode: ``[E, T, N, J, K]`` and ``[E, T, J, K]``."""
    worth, price = (p[1:].swapaxes(0, 1) for p in (played.state.worth, played.state.price))
    return Lots(np.ascontiguousarray(worth), np.ascontiguousarray(price[:, :, 0]))


def _rows(lots: Lots) -> Lots:
    return Lots(*(part.reshape(-1, *part.shape[2:]) for part in lots))


class _Try(NamedTuple):
    """Levers of one of several advertisers, and what they gain."""

    lever: Floats  # [A]
    gain: Floats  # [E] an episode


def _tried(game: AutobiddingMarket, policy: Policy, audit: Audit, played: Trajectory[Any]) -> Gap:
    """Return the gap from below of several advertisers."""
    practice = rollout(game, policy, audit.fresh(3, 8))
    tries = [_best_try(game, practice, played, i, audit.rng(4, i)) for i in range(game.advertisers)]
    gains = interval(np.stack([each.gain for each in tries], axis=1), audit.confidence)
    lever = [np.stack(np.split(each.lever, each.lever.size // game.channels), axis=1)[:, None] for each in tries]
    lower = np.maximum(gains.low, 0.0)
    return certificate(
        game,
        policy,
        audit,
        Ends(lower, np.full(game.advertisers, np.inf), np.maximum(gains.mean, lower)),
        played.total.mean(axis=0),
        Kind.LOWER,
        f"{CANDIDATES} levers that keep budget and target",
        deviation=Levers(tuple(lever), (np.ones((game.channels, 1)),) * game.advertisers),
    )


def _best_try(
    game: AutobiddingMarket, practice: Trajectory[Any], played: Trajectory[Any], who: int, rng: np.random.Generator
) -> _Try:
    """Return the levers that are best in the auctions of practice, and what they gain in those that were played."""
    candidates = _candidates(game, who, rng)
    earned = [_earned(game, practice, who, lever) for lever in candidates]
    worth = np.array([value.mean() if spend.mean() <= game.horizon * game.budgets[who] else -np.inf  # type: ignore[index]
                      for value, spend in earned])  # fmt: skip
    best = candidates[int(worth.argmax())]
    return _Try(best, _earned(game, played, who, best)[0] - played.total[:, who])


def _candidates(game: AutobiddingMarket, who: int, rng: np.random.Generator) -> Floats:
    """Return levers ``[C, A]``: shares of the budget, even on the simplex, and targets not below the own."""
    share = rng.dirichlet(np.ones(game.channels), CANDIDATES)
    share[: game.channels] = np.eye(game.channels)
    share[game.channels] = 1 / game.channels
    own = game.targets[who]  # type: ignore[index]
    room = (game.most_target - own) * rng.random((CANDIDATES, game.channels)) ** 4
    room[: game.channels + 1] = 0.0
    parts = {"budgets": [game.budgets[who] * share], "targets": [own + room]}  # type: ignore[index]
    return np.concatenate(parts.get(game.levers, parts["budgets"] + parts["targets"]), axis=1)


def _earned(game: AutobiddingMarket, played: Trajectory[Any], who: int, lever: Floats) -> tuple[Floats, Floats]:
    """Return what an advertiser earns and spends in each episode, ``[E]``, by other levers beside the others' own."""
    lots = _lots(played)
    action = np.ascontiguousarray(played.action.swapaxes(0, 1))
    action[:, :, who] = lever
    back = handed(_rows(lots), *game.told(action.reshape(-1, *action.shape[2:])))
    value, spend = (p[:, who].sum(axis=1).reshape(action.shape[:2]).sum(axis=1) for p in (back.value, back.spend))
    return (value - spend if game.utility == "quasilinear" else value), spend
