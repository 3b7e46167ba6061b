"""The gap of bidding policies: the certified interim gap where a bid follows from the own type, else a search.

Each step of an auction game is a fresh auction, so a bidder's gap of an episode is its interim gap in one auction,
times the horizon; what it saw before tells it nothing.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from walras.core.checks import per_agent, require, require_whole
from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.envs.auctions.contest import Contest
from walras.envs.auctions.double_auction import DoubleAuction
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.equilibria.auctions import terms
from walras.equilibria.auctions.bid_functions import Bidding, BidFunction, Tabulated
from walras.equilibria.auctions.black_box import Auction, black_box_gap
from walras.equilibria.auctions.interim import (
    CELLS,
    Found,
    InterimGap,
    MakesTerms,
    Own,
    Terms,
    found,
    joined,
    own_cells,
)
from walras.equilibria.auctions.mixed import Drawn, MixedBidding, is_turned, mixed_found
from walras.equilibria.auctions.noisy import TYPES, Normal, Read, noisy_found, read_noise
from walras.equilibria.auctions.opposing import Counted, Opposing, Rival
from walras.equilibria.audit import Audit, Checked, Ends, certificate, declared, memoryless
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.search import searched_gap
from walras.markets.auctions import (
    AllPay,
    Crowdsourcing,
    FirstPrice,
    Independent,
    Prior,
    SecondPrice,
    ThirdPrice,
    WarOfAttrition,
)

Certified: TypeAlias = SealedBidAuction | Contest | DoubleAuction
"""Games of which policies are certified."""


def interim_gap(game: Certified, policy: Policy, cells: int = CELLS) -> InterimGap:
    """Return what each bidder of one auction gains by its best bid, given its type: both ends.

    Parameters
    ----------
    game : SealedBidAuction, Contest or DoubleAuction
        With independent private values.
    policy : Policy
        Bids by each bidder's own type, without chance, or with mixed bids (`MixedBidding`), or in auctions of one good
        and contests with normal noise (`walras.equilibria.auctions.noisy`) that it declares. Unless it declares its bid
        functions, its table at the ends of the cells is certified, widened by the largest distance from the policy that
        was found.
    cells : int
        Cells of equal mass into which types are cut; the width falls with their number.

    Raises
    ------
    ValueError
        If the game is not covered, `cells` is no whole number, or the policy draws otherwise or sees more than the
        own type.
    """
    require_whole(cells, "cells")
    reason = uncovered(game)
    if reason:
        raise ValueError(f"`game` must have {reason}; got {game!r}.")
    read = _drawn(game, policy) or bid_functions(game, policy, cells)
    if read is None:
        rule = "bid by each bidder's own type, without chance or as it declares to draw"
        raise ValueError(f"`policy` must {rule}; got {type(policy).__name__}.")
    return _judged(game, read, cells)


def auction_gap(game: Certified, policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a policy: certified where that is known, with confidence where it draws by a law of its own.

    What else it may do is searched.
    """
    loose = isinstance(game.format, ThirdPrice | WarOfAttrition)  # whose payments are bounded less closely
    cells = CELLS * (4 if loose else 1)
    if uncovered(game):
        return searched_gap(game, policy, audit, {})
    drawn = _drawn(game, policy)
    if drawn is not None:
        how = "interim gap, mixed bids" if isinstance(drawn, MixedBidding) else f"interim gap on {TYPES} cells of types"
        return certified(game, policy, audit, _judged(game, drawn, cells), f"{how}, chance integrated")
    read = bid_functions(game, policy, cells)
    if read is not None:
        return certified(game, policy, audit, _judged(game, read, cells), f"interim gap on {cells} cells of types")
    if isinstance(game.format, ThirdPrice):  # who wins pays by the second highest rival bid
        return searched_gap(game, policy, audit, {})
    return black_box_gap(game, policy, audit, Auction(priors_of(game), _ranks(game), partial(_against, game)))


def certified(game: AbstractGame[Any], policy: Policy, audit: Audit, judged: InterimGap, how: str) -> Gap:
    """Return the gap of an episode, given that of one auction."""
    ends = Ends(*(game.horizon * end for end in (judged.lower, judged.upper, judged.lower)))
    if judged.table_error.any():
        how += f", of the policy's table, widened by {judged.table_error.max():.1g}, by which it differs where compared"
    value, best = game.horizon * judged.value, Bidding(judged.answers)
    return certificate(game, policy, audit, ends, value, Kind.BOUNDS, how, deviation=best)


def uncovered(game: Certified) -> str:
    """Return what a game must have to be certified and lacks; nothing where it is covered."""
    if isinstance(game, SealedBidAuction) and not isinstance(game.dependence, Independent):
        return "independent private values"
    plain = isinstance(game.format, FirstPrice) and not game.format.entry_fee
    if set(risk_of(game)) != {1.0} and not plain:
        return "bidders without aversion to risk, but in first price without an entry fee"
    if not isinstance(game, DoubleAuction) and terms_of(game) is None:
        return "a format whose payments are known to the certificate"
    return "" if all(isinstance(prior, Prior) for prior in priors_of(game)) else "private values"


def bid_functions(
    game: AbstractGame[Any], policy: Policy, cells: int, priors: Sequence[Prior] | None = None
) -> Bidding | Tabulated | None:
    """Return the bid functions of a policy: its own where it declares them, else its table; none if it is no table.

    Raises
    ------
    ValueError
        If it declares bid functions of more or fewer bidders than the game has.
    """
    if isinstance(policy, Bidding):
        rule = f"hold one strategy for each of {len(game.agents)} bidders"
        require(len(policy.strategies) == len(game.agents), "policy", rule, len(policy.strategies))
        return policy
    if not memoryless(game, Checked(game, policy), range(4)):
        return None
    edges = (prior.quantile(np.linspace(0.0, 1.0, cells + 1)) for prior in priors or priors_of(game))  # type: ignore[arg-type]
    table = Tabulated(game, policy, tuple(edges))
    return table if table.plain else None


def _drawn(game: Certified, policy: Policy) -> Read | MixedBidding | None:
    """Return the laws of a policy that declares normal noise or mixed bids, where that is certified."""
    own = declared(policy)
    mixed = own if isinstance(own, MixedBidding) else None
    if mixed is None and (isinstance(game, DoubleAuction) or not isinstance(own, Normal)):
        return None
    if mixed is not None and (mixed.game, mixed.priors) != (game, priors_of(game)):
        return None
    if not memoryless(game, Checked(game, policy), range(4)):
        return None
    return read_noise(game, policy, priors_of(game)) if mixed is None else mixed


def _judged(game: Certified, read: Bidding | Tabulated | Read | MixedBidding, cells: int) -> InterimGap:
    if isinstance(read, MixedBidding):
        everyone = mixed_found(read, lambda laws: faced(game, laws))
        return joined(everyone, np.zeros(len(everyone)))
    if isinstance(read, Read):
        makes = terms_of(game)  # type: ignore[arg-type]
        assert makes is not None
        return joined(noisy_found(game, read, priors_of(game), list(makes)), read.error)
    judge = _double if isinstance(game, DoubleAuction) else _single
    everyone = judge(game, read.strategies, cells)  # type: ignore[arg-type]
    return joined(everyone, read.error if isinstance(read, Tabulated) else np.zeros(len(everyone)))


def _single(game: SealedBidAuction | Contest, strategies: Sequence[BidFunction], cells: int) -> list[Found]:
    """Return what is found of each bidder; bidders who are alike are judged once."""
    priors, makes, risk = priors_of(game), terms_of(game), risk_of(game)
    assert makes is not None
    owns, cut = list[Own](), dict[tuple[Prior, int], Own]()
    for prior, strategy in zip(priors, strategies, strict=True):
        key = prior, id(strategy)
        if key not in cut:
            cut[key] = own_cells(prior, strategy, cells, game.action_space, len(priors) - 1)
        owns.append(cut[key])
    known, done = {id(own): Counted(own.bids, own.mass) for own in owns}, dict[tuple[int, float], Found]()
    for i, own in enumerate(owns):
        if (id(own), risk[i]) not in done:  # who is alike faces the same rivals: all but one of its own kind
            rivals = tuple(known[id(other)] for j, other in enumerate(owns) if j != i)
            opposing = Opposing(rivals, getattr(game.format, "reserve", 0.0), cap_of(game))
            done[id(own), risk[i]] = found(own, makes[i](opposing), idle=float(game.action_space.low[0]))
    return [done[id(own), power] for own, power in zip(owns, risk, strict=True)]


def _double(game: DoubleAuction, strategies: Sequence[BidFunction], cells: int) -> list[Found]:
    """Return what is found of the buyer, and of the seller, a buyer whose values and bids are turned round."""
    bids, asks = (own_cells(p, s, cells, game.action_space) for p, s in zip(priors_of(game), strategies, strict=True))
    buyer, seller = _double_terms(game, Counted(bids.turned.bids), Counted(asks.bids))
    return [found(bids, buyer), found(asks.turned, seller, idle=-cap_of(game)).turned]


def _double_terms(game: DoubleAuction, turned_bids: Rival, asks: Rival) -> tuple[Terms, Terms]:
    """Return the terms of the buyer against asks, and those of the seller, turned round, against bids turned round."""
    return _buyer_terms(game, asks), _seller_terms(game, turned_bids)


def _buyer_terms(game: DoubleAuction, asks: Rival) -> Terms:
    return terms.second_price(Opposing((asks,), 0.0, cap_of(game), equal_trades=True), 1 - game.k)


def _seller_terms(game: DoubleAuction, turned_bids: Rival) -> Terms:
    return terms.second_price(Opposing((turned_bids,), -cap_of(game), 0.0, equal_trades=True), game.k)


def _ranks(game: Certified) -> int:
    """Return how many of the highest rival bids decide what a bidder has."""
    return min(len(game.format.prizes), len(game.agents) - 1) if isinstance(game.format, Crowdsourcing) else 1


def _against(game: Certified, who: int, highest: tuple[Rival, ...]) -> Terms:
    """Return the terms of a bidder, given the laws of its rivals' highest bids; those of a seller are turned round."""
    if isinstance(game, DoubleAuction):
        return (_seller_terms if is_turned(game, who) else _buyer_terms)(game, highest[0])
    opposing = Opposing(highest, getattr(game.format, "reserve", 0.0), cap_of(game))
    if isinstance(game.format, Crowdsourcing):
        return terms.all_pay(opposing, partial(terms.by_order, prizes=game.format.prizes))
    makes = terms_of(game)
    assert makes is not None
    return makes[who](opposing)


def faced(game: Certified, laws: Sequence[Drawn]) -> list[Terms]:
    """Return the terms of each bidder against rivals who draw; those of a seller are turned round."""
    if isinstance(game, DoubleAuction):
        return list(_double_terms(game, laws[0].turned, laws[1]))
    makes, reserve, known = terms_of(game), getattr(game.format, "reserve", 0.0), dict[tuple[Any, ...], Terms]()
    assert makes is not None
    everyone = list[Terms]()
    for i, make in enumerate(makes):
        rivals = tuple(law for j, law in enumerate(laws) if j != i)
        key = (str(make), *sorted(id(rival) for rival in rivals))
        if key not in known:
            known[key] = make(Opposing(rivals, reserve, cap_of(game)))
        everyone.append(known[key])
    return everyone


def priors_of(game: Certified) -> tuple[Any, ...]:
    """Return each bidder's prior."""
    if isinstance(game, SealedBidAuction):
        return game.priors
    return (game.buyers, game.sellers) if isinstance(game, DoubleAuction) else (game.prior,) * game.players


def cap_of(game: Certified) -> float:
    """Return the largest bid that is allowed, money."""
    return float(game.action_space.high[0])


def risk_of(game: Certified) -> tuple[float, ...]:
    """Return each bidder's exponent of utility."""
    return per_agent("risk", game.risk if isinstance(game, SealedBidAuction) else 1.0, len(game.agents))


def terms_of(game: SealedBidAuction | Contest) -> Sequence[MakesTerms] | None:
    """Return what makes the terms of each bidder; none where the format is not covered."""
    match game.format:
        case FirstPrice(entry_fee=fee):
            return [partial(terms.first_price, power=power, fee=fee) for power in risk_of(game)]
        case SecondPrice(entry_fee=fee):
            return [partial(terms.second_price, fee=fee)] * len(game.agents)
        case ThirdPrice():
            return [terms.third_price] * len(game.agents)
        case AllPay():
            return [terms.all_pay] * len(game.agents)
        case WarOfAttrition():
            return [terms.war_of_attrition] * len(game.agents)
        case Crowdsourcing(prizes=prizes):
            return [terms.crowdsourcing(prizes)] * len(game.agents)
        case _:
            return None
