"""`solve` for auctions: equilibria that are known, as bid functions, certified by the interim gap."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.game import AbstractGame
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.auctions.contest import Contest
from walras.envs.auctions.double_auction import DoubleAuction
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.equilibria.auctions import collocation, formulas
from walras.equilibria.auctions.bid_functions import Bidding, BidFunction, Rising
from walras.equilibria.auctions.opposing import MANY
from walras.markets.auctions import (
    AllPay,
    Crowdsourcing,
    FirstPrice,
    Independent,
    Prior,
    SecondPrice,
    ThirdPrice,
    Tullock,
    Uniform,
    WarOfAttrition,
)

TOLERANCE = 1e-3
"""Largest relative gain of a solution that is called an equilibrium: what cells of types leave open."""
LEBRUN = "B. Lebrun, First price auctions in the asymmetric N bidder case, 1999"
KRISHNA = "V. Krishna, Auction Theory, 2nd edition, 2010"

APART = (Uniform(0.0, 0.5), Uniform(0.6, 0.7))
KAPLAN_ZAMIR: Mapping[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "E2": (lambda v: np.where(v <= 0.4, v / 4 + 0.3, v / 2 + 0.2), lambda v: v / 2 + 0.1),
    "E3": (lambda v: v / 5 + 0.4, lambda v: np.full(np.shape(v), 0.5)),
}
"""Equilibria of bidders whose values lie apart, in which the weak one bids above its value where it cannot win."""


@dataclass(frozen=True, kw_only=True)
class AuctionSolution(Solution):
    """A Bayes-Nash equilibrium in bid functions."""

    strategies: tuple[BidFunction, ...]
    """From types to bids, one a bidder."""
    method: str
    """How it was found: "closed form", "quadrature", "collocation" or "iterated"."""
    source: str
    """Where the theorem stands."""
    unique: bool | None
    """Whether it is the only one; None where that is not known."""


def known(
    game: AbstractGame[Any],
    strategies: tuple[BidFunction, ...],
    method: str,
    source: str,
    *,
    unique: bool | None = None,
    tol: float = TOLERANCE,
) -> AuctionSolution:
    """Return a solution before it is certified."""
    return AuctionSolution(
        policy=Bidding(strategies),
        value=np.full(len(game.agents), np.nan),
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        concept=Concept.NASH,
        tol=tol,
        strategies=strategies,
        method=method,
        source=source,
        unique=unique,
    )


def solve_sealed_bid(game: SealedBidAuction, *, select: str = "") -> AuctionSolution:
    """Return an equilibrium of an auction of one good.

    Parameters
    ----------
    game : SealedBidAuction
        The auction.
    select : str
        Which of several known equilibria, of two bidders on [0, .5] and [.6, .7] in first price: "E2", the default, or
        "E3", in which the weak bidder never wins.

    Raises
    ------
    ValueError
        If none is known: bidders differ, but in the second-price auction and in first price without a fee.
    """
    require(select in ("", *KAPLAN_ZAMIR), "select", f"be one of {', '.join(KAPLAN_ZAMIR)}", select)
    if game.priors == APART and game.format == FirstPrice() and set(game.risk) == {1.0}:  # type: ignore[arg-type]
        formula = KAPLAN_ZAMIR[select or "E2"]
        return known(game, tuple(map(Rising, formula)), "closed form", "T. Kaplan, S. Zamir, 2015", unique=False)
    require(not select, "select", "be empty where one equilibrium is known", select)
    if not isinstance(game.dependence, Independent):
        return _with_common_part(game)
    if isinstance(game.format, SecondPrice) and not game.entry_fee:
        return known(
            game, (Rising(lambda value: value),) * game.players, "closed form", "W. Vickrey, 1961", unique=False
        )
    if len(set(game.priors)) > 1 or len(set(game.risk)) > 1:  # type: ignore[arg-type]
        return _unequal(game)
    strategies = (Rising(_alike(game)),) * game.players

    unique = True if isinstance(game.format, FirstPrice) else None
    return known(game, strategies, "quadrature", KRISHNA, unique=unique)


def solve_contest(game: Contest) -> AuctionSolution:
    """Return the known equilibrium of a contest.

    Raises
    ------
    ValueError
        If none is known: a lottery contest with private values or with r above n / (n - 1), or prizes by rank for a
        value that all know.
    """
    if isinstance(game.format, Tullock):
        return _tullock(game)
    if not isinstance(game.prior, Prior):
        raise ValueError(f"`prior` must be a distribution where prizes go by rank; got {game.prior!r}.")
    prizes = game.format.prizes if isinstance(game.format, Crowdsourcing) else (1.0,)
    strategies = (Rising(formulas.contest(game.prior, game.players, prizes)),) * game.players
    return known(game, strategies, "quadrature", "B. Moldovanu, A. Sela, The optimal allocation of prizes, 2001")


def solve_double_auction(game: DoubleAuction) -> AuctionSolution:
    """Return the linear equilibrium of the double auction, one of a continuum.

    Raises
    ------
    ValueError
        If value and cost are not both even on [0, 1].
    """
    for name, prior in (("buyers", game.buyers), ("sellers", game.sellers)):
        if prior != Uniform():
            raise ValueError(f"`{name}` must be Uniform(0, 1), for which an equilibrium is known; got {prior!r}.")
    strategies = (Rising(formulas.buyer(game.k)), Rising(formulas.seller(game.k)))
    return known(game, strategies, "closed form", "K. Chatterjee, W. Samuelson, 1983", unique=False)


def sealed_bid_stake(game: SealedBidAuction) -> Floats:
    """Return what bidders have at stake in an episode: their utility if the highest value wins and keeps its rent."""
    if not isinstance(game.dependence, Independent):
        return np.full(game.players, game.horizon / 9)  # of the affiliated first-price auction; a constant scale
    reserve = getattr(game.format, "reserve", 0.0)
    alike: list[tuple[Prior, float]] = list(zip(game.priors, game.risk, strict=True))  # type: ignore[arg-type]
    kinds = {kind: _at_stake(game.priors, kind[0], max(reserve, kind[0].low), kind[1]) for kind in set(alike)}
    return game.horizon * np.array([kinds[kind] for kind in alike])


def contest_stake(game: Contest) -> Floats:
    """Return what contestants have at stake in an episode: an even share of the value, money."""
    mean = game.prior.cell_mean(np.zeros(1), np.ones(1))[0] if isinstance(game.prior, Prior) else game.prior
    return np.full(game.players, game.horizon * mean / game.players**2)


def double_auction_stake(game: DoubleAuction) -> Floats:
    """Return half of the gains from trade that a planner would realise in an episode, money."""
    from scipy.integrate import quad

    low, high = game.sellers.low, game.buyers.high
    both = quad(
        lambda x: float(game.sellers.cdf(np.array(x)) * (1 - game.buyers.cdf(np.array(x)))), low, high, limit=200
    )
    return np.full(2, game.horizon * both[0] / 2)


def _at_stake(priors: tuple[Prior, ...], own: Prior, start: float, risk: float) -> float:
    """Return the utility of a bidder who wins where its value is highest, and then keeps its mean information rent."""
    from scipy.integrate import quad

    others = Counter(priors)
    others[own] -= 1
    inner = {end for prior in priors for end in (prior.low, prior.high)}
    if len(priors) - 1 > MANY:  # who wins has a type next to the top
        inner |= set(own.quantile(np.array([0.001, 0.1, 0.5, 0.9]) ** (1 / (len(priors) - 1))).tolist())
    ends = sorted(end for end in inner if start < end < own.high) or None

    def total(weight: Callable[[Floats], Floats]) -> float:
        def wins(value: float) -> float:
            v = np.array(value)
            return float(np.prod([float(prior.cdf(v)) ** times for prior, times in others.items()]) * weight(v))

        return float(quad(wins, start, own.high, points=ends, limit=200)[0])

    won, rent = total(own.pdf), total(lambda v: 1 - own.cdf(v))
    return won * (rent / won) ** risk if won > 0 else 0.0


def _alike(game: SealedBidAuction) -> Callable[[Floats], Floats]:
    """Return the bids where all bidders are alike."""
    prior, bidders, risk = game.priors[0], game.players, float(np.max(game.risk))
    neutral = risk == 1.0
    match game.format:
        case FirstPrice(reserve=reserve, entry_fee=0.0):
            return formulas.first_price(prior, bidders, reserve, risk)
        case FirstPrice(reserve=reserve, entry_fee=fee) if neutral:
            return formulas.first_price_with_fee(prior, bidders, reserve, fee)
        case SecondPrice(reserve=reserve, entry_fee=fee) if neutral:
            return formulas.second_price_with_fee(prior, bidders, reserve, fee)
        case ThirdPrice() if neutral:
            return formulas.third_price(prior, bidders)
        case AllPay() if neutral:
            return formulas.contest(prior, bidders, (1.0,))
        case WarOfAttrition() if neutral:
            return formulas.war_of_attrition(prior, bidders, game.largest_bid)
        case _:
            raise ValueError(f"`format` must be one with a known equilibrium; got {game.format!r} with risk {risk}.")


def _unequal(game: SealedBidAuction) -> AuctionSolution:
    """Return the equilibrium of the first-price auction among unequal bidders."""
    if not isinstance(game.format, FirstPrice) or game.entry_fee:
        rule = "be the same for all bidders, as `risk`, but in SecondPrice and in FirstPrice without a fee"
        raise ValueError(f"`prior` must {rule}; got {game.prior!r}.")
    even = [p for p in game.priors if isinstance(p, Uniform) and p.low == 0]
    if len(even) == game.players == 2 and game.format == FirstPrice() and set(game.risk) == {1.0}:  # type: ignore[arg-type]
        first, second = (prior.high for prior in even)
        strategies = Rising(formulas.two_uniform(first, second)), Rising(formulas.two_uniform(second, first))
        return known(game, strategies, "closed form", "M. Plum, 1992", unique=True)
    return _collocated(game)


def _collocated(game: SealedBidAuction) -> AuctionSolution:
    """Return what collocation finds; where inverse bids do not rise it did not arrive."""
    found = collocation.first_price(game.priors, game.format.reserve, game.risk)  # type: ignore[union-attr, arg-type]
    each = {id(bid): Rising(bid) for bid in found.bids}
    told = known(game, tuple(each[id(bid)] for bid in found.bids), "collocation", LEBRUN)
    return replace(told, iterations=found.steps, status=Status.UNCERTIFIED if found.sound else Status.NOT_FOUND)


def _with_common_part(game: SealedBidAuction) -> AuctionSolution:
    """Return the equilibrium of affiliated signals of two bidders, or of mineral rights of three."""
    bids: dict[tuple[str, str, int], Callable[[Floats], Floats]] = {
        ("Affiliated", "FirstPrice", 2): lambda x: 2 * x / 3,
        ("Affiliated", "SecondPrice", 2): lambda x: x,
        ("MineralRights", "SecondPrice", 3): lambda x: 2 * x / (2 + x),
    }
    asked = type(game.dependence).__name__, type(game.format).__name__, game.players
    plain = game.format in (FirstPrice(), SecondPrice()) and set(game.risk) == {1.0}  # type: ignore[arg-type]
    if asked not in bids or not plain:
        rule = f"be one with a known equilibrium ({', '.join(f'{d} in {f} with {n}' for d, f, n in bids)})"
        raise ValueError(f"`dependence` must {rule}; got {game.dependence!r} in {game.format!r} with {game.players}.")
    return known(game, (Rising(bids[asked]),) * game.players, "closed form", KRISHNA)


def _tullock(game: Contest) -> AuctionSolution:
    assert isinstance(game.format, Tullock)
    r, most = game.format.r, game.players / (game.players - 1)
    if isinstance(game.prior, Prior) or r > most:
        rule = f"be a value that all know, and r at most {most:.4g}, in Tullock"
        raise ValueError(f"`prior` must {rule}; got {game.prior!r} and r {r}.")
    effort = formulas.tullock(game.players, r, game.prior)
    same = Rising(lambda value: np.full(np.shape(value), effort))
    return known(game, (same,) * game.players, "closed form", "G. Tullock, Efficient rent seeking, 1980")
