"""The gap of bidding policies: the certified interim gap where a bid follows from the own type, else a search.

Each step of an auction game is a fresh auction, so a bidder's gap of an episode is its interim gap in one auction,
times the horizon; what it saw before tells it nothing.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from walras.core.checks import per_agent, require_whole
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs.auctions.contest import Contest
from walras.envs.auctions.double_auction import DoubleAuction
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.equilibria.auctions import terms
from walras.equilibria.auctions.bid_functions import Bidding, BidFunction, Table, Tabulated
from walras.equilibria.auctions.interim import CELLS, Found, InterimGap, MakesTerms, Own, found
from walras.equilibria.auctions.opposing import Cells, Opposing
from walras.equilibria.audit import Audit, Ends, certificate
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
        Bids by each bidder's own type, without chance. Unless it declares its bid functions, its table at the ends of
        the cells is certified.
    cells : int
        Cells of equal mass into which types are cut; the width falls with their number.

    Raises
    ------
    ValueError
        If the game is not covered, `cells` is no whole number, or the policy draws or sees more than the own type.
    """
    require_whole(cells, "cells")
    reason = uncovered(game)
    if reason:
        raise ValueError(f"`game` must have {reason}; got {game!r}.")
    read = bid_functions(game, policy, cells)
    if read is None:
        raise ValueError(f"`policy` must bid by each bidder's own type, without chance; got {type(policy).__name__}.")
    judge = _double if isinstance(game, DoubleAuction) else _single
    by_bidder = judge(game, read.strategies, cells)  # type: ignore[arg-type]
    columns = [np.array(part) for part in zip(*by_bidder, strict=True)]
    error = read.error if isinstance(read, Tabulated) else np.zeros(len(by_bidder))
    return InterimGap(*columns, table_error=error)


def auction_gap(game: Certified, policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a policy: certified where that is known, else searched."""
    cells = CELLS * (4 if isinstance(game.format, ThirdPrice) else 1)  # whose payments are bounded less closely
    read = None if uncovered(game) else bid_functions(game, policy, cells)
    if read is None:
        return searched_gap(game, policy, audit, {})
    judged = interim_gap(game, policy, cells)
    ends = Ends(*(game.horizon * end for end in (judged.lower, judged.upper, judged.lower)))
    best = Bidding(tuple(Table(*_rising(t, b)) for t, b in zip(judged.types, judged.best_bid, strict=True)))
    how = f"interim gap on {cells} cells of types"
    if isinstance(read, Tabulated):
        how += f"; the policy's table, from which it differs by at most {judged.table_error.max():.1g} where compared"
    value = game.horizon * judged.value
    return certificate(game, policy, audit, ends, value, Kind.BOUNDS, how, unit="money", deviation=best)


def uncovered(game: Certified) -> str:
    """Return what a game must have to be certified and lacks; nothing where it is covered."""
    if isinstance(game, SealedBidAuction) and not isinstance(game.dependence, Independent):
        return "independent private values"
    if set(_risk(game)) != {1.0} and not isinstance(game.format, FirstPrice):
        return "bidders without aversion to risk, but in first price"
    if not isinstance(game, DoubleAuction) and _terms(game) is None:
        return "a format whose payments are known to the certificate"
    return "" if all(isinstance(prior, Prior) for prior in _priors(game)) else "private values"


def bid_functions(game: Certified, policy: Policy, cells: int) -> Bidding | Tabulated | None:
    """Return the bid functions of a policy: its own where it declares them, else its table; none if it is no table."""
    if isinstance(policy, Bidding):
        return policy
    table = Tabulated(game, policy, tuple(_edges(prior, cells) for prior in _priors(game)))
    return table if table.plain else None


def _single(game: SealedBidAuction | Contest, strategies: Sequence[BidFunction], cells: int) -> list[Found]:
    """Return what is found of each bidder; bidders who are alike are judged once."""
    priors, makes = _priors(game), _terms(game)
    assert makes is not None
    alike: dict[tuple[Any, ...], Own] = {}
    owns = []
    for prior, strategy in zip(priors, strategies, strict=True):
        key = (prior, id(strategy))
        if key not in alike:
            alike[key] = _own(game, prior, strategy, cells)
        owns.append(alike[key])
    done: dict[tuple[Any, ...], Found] = {}
    everyone = []
    for i, own in enumerate(owns):
        rivals = [other for j, other in enumerate(owns) if j != i]
        key = (id(own), _risk(game)[i], *sorted(id(r) for r in rivals))
        if key not in done:
            opposing = Opposing(tuple(r.bids for r in rivals), getattr(game.format, "reserve", 0.0), _cap(game))
            done[key] = found(own, makes[i](opposing))
        everyone.append(done[key])
    return everyone


def _double(game: DoubleAuction, strategies: Sequence[BidFunction], cells: int) -> list[Found]:
    """Return what is found of the buyer, and of the seller, a buyer whose values and bids are turned round."""
    bids, asks = (_own(game, p, s, cells) for p, s in zip((game.buyers, game.sellers), strategies, strict=True))
    buyer = found(bids, terms.second_price(Opposing((asks.bids,), 0.0, _cap(game)), 1 - game.k))
    turned = Own(-asks.edges[::-1], -asks.means[::-1], _turned(asks.bids))
    facing = Opposing((_turned(bids.bids),), -_cap(game), 0.0)
    seller = found(turned, terms.second_price(facing, game.k))
    return [buyer, seller._replace(types=-seller.types, best_bid=-seller.best_bid)]


def _own(game: Certified, prior: Prior, strategy: BidFunction, cells: int) -> Own:
    """Return the cells of a bidder; bids outside the action space are cut, as episodes do."""
    share, edges, space = np.linspace(0.0, 1.0, cells + 1), _edges(prior, cells), game.action_space
    bids = (np.clip(part, space.low[0], space.high[0]) for part in strategy.cells(edges))
    return Own(edges, prior.cell_mean(share[:-1], share[1:]), Cells(*bids))


def _turned(bids: Cells) -> Cells:
    return Cells(-bids.high[::-1], -bids.low[::-1])


def _edges(prior: Prior, cells: int) -> Floats:
    return prior.quantile(np.linspace(0.0, 1.0, cells + 1))


def _priors(game: Certified) -> tuple[Any, ...]:
    if isinstance(game, SealedBidAuction):
        return game.priors
    return (game.buyers, game.sellers) if isinstance(game, DoubleAuction) else (game.prior,) * game.players


def _cap(game: Certified) -> float:
    return float(game.action_space.high[0])


def _risk(game: Certified) -> tuple[float, ...]:
    """Return each bidder's exponent of utility."""
    return per_agent("risk", game.risk if isinstance(game, SealedBidAuction) else 1.0, len(game.agents))


def _terms(game: SealedBidAuction | Contest) -> Sequence[MakesTerms] | None:
    """Return what makes the terms of each bidder; none where the format is not covered."""
    match game.format:
        case FirstPrice(entry_fee=fee):
            return [partial(terms.first_price, power=power, fee=fee) for power in _risk(game)]
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


def _rising(types: Floats, bids: Floats) -> tuple[Floats, Floats]:
    """Return types in rising order, each once, and their bids."""
    kept, first = np.unique(types, return_index=True)
    return kept, bids[first]
