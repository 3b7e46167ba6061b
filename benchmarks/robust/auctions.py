"""Auctions: rules in exact arithmetic, equilibria by simulated rivals, pacing by its definition."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from robust.family import Family, Refused, Wrong, expect, numbers, scale

from walras.core.solution import Status
from walras.envs import SealedBidAuction
from walras.equilibria import first_price_pacing, second_price_pacing, solve
from walras.equilibria.auctions.bid_functions import Bidding, Rising
from walras.equilibria.auctions.gap import interim_gap
from walras.markets.auctions import (
    AllPay,
    Discriminatory,
    FirstPrice,
    Power,
    SecondPrice,
    ThirdPrice,
    TruncatedNormal,
    Uniform,
    UniformPrice,
    Vickrey,
    WarOfAttrition,
    clear,
)


@dataclass(frozen=True)
class Bids:
    """Sealed bids and a rule."""

    format: Any
    bids: np.ndarray  # [1, N] or [1, N, M]


def bids(rng: np.random.Generator) -> Bids:
    """Return one bidder to six, with ties and zeros, for one good or several units."""
    bidders, unit = int(rng.integers(1, 7)), scale(rng)
    if rng.random() < 0.5:
        reserve = float(rng.choice([0.0, 0.25, 2.0])) * unit
        one = (FirstPrice(reserve), SecondPrice(reserve), ThirdPrice(), AllPay(), WarOfAttrition())
        return Bids(one[rng.integers(5)], numbers(rng, 1, bidders) * unit)
    each = int(rng.integers(1, 4))
    units = int(rng.integers(1, bidders * each + 1))
    kinds = (UniformPrice(units), UniformPrice(units, "last_accepted"), Discriminatory(units), Vickrey(units))
    return Bids(kinds[rng.integers(4)], -np.sort(-numbers(rng, 1, bidders, each) * unit, axis=2))


def judge_bids(b: Bids, found: Any) -> None:  # noqa: ANN401
    """Raise unless the highest bids win, ties share, and all pay what the rule says, in fractions."""
    offers = [[Fraction(x) for x in np.atleast_1d(row).tolist()] for row in b.bids[0]]
    won, paid = np.atleast_2d(found.allocation[0].T).T.reshape(len(offers), -1), found.payment[0]
    units, reserve = getattr(b.format, "units", 1), Fraction(getattr(b.format, "reserve", 0.0))
    flat = sorted((x for row in offers for x in row), reverse=True)
    margin = flat[min(units, len(flat)) - 1]
    above, at = sum(x > margin for x in flat), flat.count(margin)
    tied = Fraction(min(units, len(flat)) - above, at)
    for i, row in enumerate(offers):
        for k, x in enumerate(row):
            due = Fraction(x > margin) + tied * (x == margin)
            due *= x >= reserve
            expect(abs(Fraction(float(won[i, k])) - due) <= 1e-12, f"bidder {i} wins {won[i, k]} of {float(due)}")
        right = _due(b.format, offers, i, units, reserve)
        if right is not None:
            expect(abs(Fraction(float(paid[i])) - right) <= 1e-12 * float(flat[0]), f"{i} pays {paid[i]}")


def _due(rule: Any, offers: list[list[Fraction]], i: int, units: int, reserve: Fraction) -> Fraction | None:  # noqa: ANN401
    """Return what a bidder pays, by the average over all orders of ties; none where this knows no rule."""
    flat = sorted((x for row in offers for x in row), reverse=True) + [Fraction(0)] * 3
    margin, tied = flat[units - 1], flat.count(flat[units - 1])
    share = [
        (Fraction(x > margin) + Fraction(units - sum(y > margin for y in flat), tied) * (x == margin)) * (x >= reserve)
        for x in offers[i]
    ]
    rank = {FirstPrice: 0, SecondPrice: 1, ThirdPrice: 2}.get(type(rule))
    if rank is not None:
        return share[0] * max(flat[rank], reserve) if rank < 2 else share[0] * flat[rank]
    if isinstance(rule, AllPay):
        return offers[i][0]
    if isinstance(rule, WarOfAttrition):
        return min(offers[i][0], flat[1])
    if isinstance(rule, UniformPrice):
        price = flat[units - (rule.pricing == "last_accepted")]
        return sum(share, Fraction(0)) * price
    if isinstance(rule, Discriminatory):
        return sum((s * x for s, x in zip(share, offers[i], strict=True)), Fraction(0))
    if tied > 1 and sum(x == margin for row in offers for x in row) > 1 and flat[units - 1] == flat[units]:
        return None  # shared units of Vickrey
    rivals = sorted((x for j, row in enumerate(offers) if j != i for x in row), reverse=True) + [Fraction(0)] * units
    return sum(rivals[units - int(sum(share)) : units], Fraction(0))


PRICED = FirstPrice(), SecondPrice(), ThirdPrice(), AllPay(), WarOfAttrition()


def sealed(rng: np.random.Generator) -> SealedBidAuction:
    """Return two bidders to five, alike or not, or many who are alike, in any unit of money."""
    unit, players = scale(rng), int(rng.choice([2, 3, 4, 5, 5, int(10 ** rng.uniform(1, 4))]))
    low = float(rng.choice([0.0, 0.0, 0.5])) * unit
    kinds = (
        Uniform(low, unit),
        Power(float(rng.uniform(0.3, 3)), unit),
        TruncatedNormal(float(rng.uniform(0, 1)) * unit, float(rng.choice([0.01, 0.3])) * unit, low, unit),
    )
    prior: Any = kinds[rng.integers(3)]
    if rng.random() < 0.2:
        prior, players = (Uniform(0.0, unit), Uniform(0.0, float(rng.choice([0.5, 1.0, 2.0])) * unit)), 2
    format = PRICED[rng.integers(5)]
    if isinstance(format, FirstPrice | SecondPrice) and rng.random() < 0.3:
        format = type(format)(float(rng.choice([0.3, 0.9])) * unit)
    risk = float(rng.choice([1.0, 1.0, 0.5])) if isinstance(format, FirstPrice) else 1.0
    return SealedBidAuction(format, prior, players, risk)


def judge_sealed(game: SealedBidAuction, found: Any) -> None:  # noqa: ANN401
    """No bid on a grid earns more against simulated rivals, beyond what chance explains."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    rng, draws = np.random.default_rng(0), 4000
    for i, prior in enumerate(game.priors[:2]):
        rivals = highest_rivals(game, found, i, draws, rng)
        expect(np.isfinite(rivals).all() and (rivals >= 0).all(), "a bid is no number, or negative")
        for v in prior.quantile(np.array([0.2, 0.7, 1.0])):
            own = float(found.strategies[i](np.array([v]))[0])
            grid = np.append(np.linspace(0, rivals[:, 0].max() * 1.01, 100), own)
            worth = np.array([_utility(game, float(v), b, rivals) for b in grid])
            stake = float(v) ** float(np.max(game.risk))
            expect(worth[-1] >= worth.max() - 0.04 * stake, f"type {v:.4g} bids {own:.4g}, {grid[worth.argmax()]:.4g}")


def highest_rivals(game: SealedBidAuction, found: Any, i: int, draws: int, rng: np.random.Generator) -> np.ndarray:  # noqa: ANN401
    """Return the two highest bids of a bidder's rivals in each draw; of many who are alike, by order statistics."""
    if game.players > 16:
        top, second = rng.random((2, draws)) ** (1 / np.array([[game.players - 1], [game.players - 2]]))
        return np.stack([found.strategies[0](game.priors[0].quantile(u)) for u in (top, top * second)], axis=1)
    share = [(rng.permutation(draws) + rng.random(draws)) / draws for _ in range(game.players)]
    bid = [s(p.quantile(u)) for s, p, u in zip(found.strategies, game.priors, share, strict=True)]
    return -np.sort(-np.delete(np.stack(bid, axis=1), i, axis=1), axis=1)[:, :2]


def _utility(game: SealedBidAuction, v: float, bid: float, rivals: np.ndarray) -> float:
    top, reserve = rivals[:, 0], getattr(game.format, "reserve", 0.0)
    wins = (bid > top) & (bid >= reserve)
    second = rivals[:, 1] if rivals.shape[1] > 1 else np.zeros(len(rivals))
    match game.format:
        case FirstPrice():
            return float((wins * max(v - bid, 0.0) ** float(np.max(game.risk))).mean())
        case SecondPrice():
            return float((wins * (v - np.maximum(top, reserve))).mean())
        case ThirdPrice():
            return float((wins * (v - second)).mean())
        case AllPay():
            return float(wins.mean()) * v - bid
        case _:
            return float(np.where(wins, v - top, -bid).mean())


@dataclass(frozen=True)
class Shaded:
    """Bidders who bid a share of their types."""

    game: SealedBidAuction
    share: float


def shaded(rng: np.random.Generator) -> Shaded:
    """Return bidders of even types in any unit, in first or second price."""
    format = FirstPrice() if rng.random() < 0.6 else SecondPrice()
    game = SealedBidAuction(format, Uniform(0.0, scale(rng)), int(rng.integers(2, 6)))
    return Shaded(game, float(rng.choice([rng.random(), 1.0, 0.5])))


def solve_shaded(s: Shaded) -> Any:  # noqa: ANN401
    """Return the interim gap on few cells."""
    return interim_gap(s.game, Bidding((Rising(lambda value: s.share * value),) * s.game.players), cells=4096)


def judge_shaded(s: Shaded, found: Any) -> None:  # noqa: ANN401
    """Raise unless the gain of the best bid, by its formula and a sum over types, lies between both ends."""
    high, rivals = s.game.highest, s.game.players - 1
    v = (np.arange(400_000) + 0.5) / 400_000 * high
    most = s.share * high
    if isinstance(s.game.format, FirstPrice):
        best = np.minimum(v * rivals / (rivals + 1), most)
        have = (1 - s.share) * v * (v / high) ** rivals
        gain = (v - best) * (best / max(most, 1e-300)) ** rivals - have if most > 0 else v - have
    else:  # the expected second bid is that of the highest rival
        least = np.minimum(v, most)
        own = np.minimum(s.share * v, most)
        gain = [
            v * (b / most) ** rivals - most * rivals / (rivals + 1) * (b / most) ** (rivals + 1) for b in (least, own)
        ]
        gain = gain[0] - gain[1]
    mean, slack = float(gain.mean()), 1e-5 * high
    expect((found.lower <= mean + slack).all(), f"gains {mean:.6g}, at least {found.lower.max():.6g}")
    expect((found.upper >= mean - slack).all(), f"gains {mean:.6g}, at most {found.upper.min():.6g}")
    expect((found.upper - found.lower <= 0.01 * high).all(), f"the ends are {found.upper - found.lower} apart")


@dataclass(frozen=True)
class Paced:
    """Bidders with budgets; M goods."""

    values: np.ndarray  # [N, M]
    budgets: np.ndarray  # [N]


def paced(rng: np.random.Generator, most: int = 6, spread: float | None = None) -> Paced:
    """Return one bidder to many, with goods that nobody values, ties, and budgets of any size."""
    n, m, unit = int(rng.integers(1, most)), int(rng.integers(1, most)), scale(rng)
    wide = float(rng.choice([0.0, 0.0, 2.0, 6.0])) if spread is None else spread
    values = numbers(rng, n, m, spread=wide) * unit
    return Paced(values, (0.01 + numbers(rng, n)) * unit * m * 10.0 ** rng.uniform(-wide / 2, wide / 2, n))


def judge_first(p: Paced, found: Any) -> None:  # noqa: ANN401
    """Highest bidders win what is all sold, none overspends, who is paced spends all, and all buy best bargains."""
    if found.status is not Status.CONVERGED:
        raise Refused(found.status.name)
    bid, x, tol = found.multiplier[:, None] * p.values, found.allocation, 3e-4
    price = bid.max(axis=0)
    expect((np.abs(found.price - price) <= 1e-6 * price.max(initial=0.0)).all(), "a price is not the highest bid")
    expect((x >= 0).all() and (found.multiplier <= 1 + 1e-9).all(), "an amount or a multiplier is out of range")
    sold = x.sum(axis=0)
    expect((np.abs(sold - 1) <= tol)[price > 0].all(), "a good that has a price is not all sold")
    spend = (x * price).sum(axis=1) / p.budgets
    expect((spend <= 1 + tol).all(), f"a bidder spends {spend.max():.6g} of its budget")
    loose = np.minimum(1 - found.multiplier, 1 - spend)
    expect((loose <= tol).all(), f"a bidder is paced and keeps {loose.max():.3g} of its budget")
    with np.errstate(divide="ignore", invalid="ignore"):
        bargain = np.where(p.values > price, p.values / price - 1, 0.0).max(axis=1)
    regret = bargain - ((p.values - price) * x).sum(axis=1) / p.budgets
    expect((regret <= 5e-4 * np.maximum(1, bargain)).all(), f"a bidder gains {regret.max():.3g} of its budget")


def judge_second(p: Paced, found: Any) -> None:  # noqa: ANN401
    """Raise unless the definition holds for both revenues, and the largest is no less than the least."""
    for one in found:
        if one.status is not Status.CONVERGED:
            raise Refused(one.status.name)
        bid, x = one.multiplier[:, None] * p.values, one.allocation
        top, second = np.sort(np.vstack((bid, np.zeros_like(bid[:2]))), axis=0)[::-1][:2]
        unit = top.max(initial=0.0)
        expect((x >= 0).all() and (one.multiplier <= 1 + 1e-9).all(), "an amount or a multiplier is out of range")
        expect((x * (top - bid) <= 1e-6 * unit).all(), "a bid below the highest wins")
        expect((np.abs(x.sum(axis=0) - 1) <= 1e-6)[second > 1e-6 * unit].all(), "a good is not all sold")
        spend = (x * second).sum(axis=1) / p.budgets
        expect((spend <= 1 + 1e-6).all(), f"a bidder spends {spend.max():.6g} of its budget")
        expect((np.minimum(1 - one.multiplier, 1 - spend) <= 1e-6).all(), "a bidder is paced with money left")
    if found[0].revenue < found[1].revenue - 1e-6 * p.values.sum():
        raise Wrong(f"the largest revenue is {found[0].revenue:.6g}, the least {found[1].revenue:.6g}")


FAMILIES = (
    Family("auction_rules", bids, lambda b: clear(b.format, b.bids), judge_bids),
    Family("auction_solve", sealed, lambda game: solve(game, throw=False), judge_sealed),
    Family("interim_gap", shaded, solve_shaded, judge_shaded),
    Family("first_price_pacing", paced, lambda p: first_price_pacing(p.values, p.budgets, throw=False), judge_first),
    Family(
        "second_price_pacing",
        lambda rng: paced(rng, 4),
        lambda p: [second_price_pacing(p.values, p.budgets, sense, throw=False) for sense in ("max", "min")],
        judge_second,
    ),
)
