r"""The local-local-global auction: closed forms of what a bid pays, and the certified gap of the locals.

The global's value B is even on [0, 2] and truthful. Against a rival's bid :math:`b_2` a local's bid b wins with chance
:math:`(b + b_2)/2` and pays on average

| rule | :math:`W(b, b_2)`, both bids at most 1 |
|---|---|
| nearest zero | :math:`b b_2 / 2` if :math:`b_2 \ge b`, else :math:`(b^2 + b_2^2)/4` |
| nearest VCG | :math:`b (b + b_2) / 4` |
| nearest bid | :math:`b^2 / 2` if :math:`b_2 \ge b`, else :math:`(b^2 + 2 b b_2 - b_2^2)/4` |
| first price | :math:`b (b + b_2) / 2` |

integrals of the payments over B. All rise in both bids, so that bounds on the rival's bids bound them. A local's
bid above its value is dominated: what it then wins costs more than the value. With independent values utility is affine
in the value, and the envelope of `walras.equilibria.auctions.interim` certifies. If the locals' values may be the same,
the rival's bid then depends on the own value: each cell of values is judged with all bids of a grid.
"""

from dataclasses import replace

import numpy as np

from walras.core.checks import require
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs.auctions.llg_auction import LLGAuction
from walras.equilibria.auctions import formulas
from walras.equilibria.auctions.bid_functions import Bidding, Rising, Steps, Tabulated
from walras.equilibria.auctions.gap import bid_functions, certified
from walras.equilibria.auctions.interim import (
    CELLS,
    SHOWN,
    Found,
    InterimGap,
    Lines,
    Own,
    Terms,
    found,
    joined,
    own_cells,
)
from walras.equilibria.auctions.llg_first_price import ROUNDS, explicit_local, first_price_bids, first_price_found
from walras.equilibria.auctions.opposing import Bounds, Cells
from walras.equilibria.auctions.solutions import AuctionSolution, known
from walras.equilibria.audit import Audit
from walras.equilibria.certificate import Gap
from walras.equilibria.search import searched_gap
from walras.markets.auctions import Uniform

VALUES, BIDS = 8192, 4096
"""Cells of values, and bids, where values may be the same."""
PRIORS = (Uniform(), Uniform(), Uniform(0.0, 2.0))
TRUTH = Rising(lambda value: value)
HIGHEST = 1.0
"""A local's highest value, and the highest bid of locals that are certified, money."""


def solve_llg(game: LLGAuction) -> AuctionSolution:
    """Return the equilibrium of a core-selecting rule, with a truthful global bidder, or of first price.

    Raises
    ------
    ValueError
        If the rule is first price, the global bids, and locals' values are correlated: no certificate covers that.
    """
    if game.rule == "first_price":
        return _solve_first_price(game)
    same = Rising(formulas.local(game.rule, game.correlation))
    tol = 1e-3 if game.correlation == 0 else 2e-3
    return known(game, (same, same, TRUTH), "closed form", "L. M. Ausubel, O. Baranov, 2010", tol=tol)


def _solve_first_price(game: LLGAuction) -> AuctionSolution:
    if not game.global_bids:
        same = Rising(explicit_local(game.correlation))
        tol = 1e-3 if game.correlation == 0 else 2e-3
        return known(game, (same, same, TRUTH), "closed form", "first-order condition, linear in the value", tol=tol)
    rule = "be 0 in first price where the global bids"
    require(game.correlation == 0, "correlation", rule, game.correlation)
    return replace(known(game, first_price_bids(), "iterated", "no theorem: certified alone"), iterations=ROUNDS)


def llg_stake(game: LLGAuction) -> Floats:
    """Return what bidders earn in an episode of truthful VCG auctions, money: 5/24 a local, 7/24 the global."""
    return game.horizon * np.array([5 / 24, 5 / 24, 7 / 24])


def llg_gap(game: LLGAuction, policy: Policy, audit: Audit) -> Gap:
    """Return the certified gap of bid functions at most 1 beside a truthful global; of all else a searched one."""
    read = bid_functions(game, policy, CELLS, PRIORS)
    judged = None if read is None else llg_interim_gap(game, read, CELLS)
    if judged is None:
        return searched_gap(game, policy, audit, {})
    how = f"interim gap on {CELLS if game.correlation == 0 else VALUES} cells of values"
    return certified(game, policy, audit, judged, how)


def llg_interim_gap(game: LLGAuction, read: Bidding | Tabulated, cells: int) -> InterimGap | None:
    """Return the interim gap of an auction; none where locals bid above 1 or the global bids another than its value.

    In first price the global may bid anything, if values are independent.
    """
    pairs = zip(PRIORS, read.strategies, strict=True)
    first, second, rival = (own_cells(prior, s, cells, game.action_space) for prior, s in pairs)
    error = read.error if isinstance(read, Tabulated) else np.zeros(3)
    if game.rule == "first_price" and game.global_bids:
        cap = float(game.action_space.high[0])
        return None if game.correlation else joined(first_price_found(first, second, rival, cap), error)
    truthful = not game.global_bids or np.array_equal(Cells(rival.edges[:-1], rival.edges[1:]), rival.bids)
    inside = max(first.bids.high.max(), second.bids.high.max()) <= HIGHEST
    if not truthful or not inside:
        return None
    if game.correlation == 0:
        pair = (first, second), (second, first)
        locals_ = [found(own, _terms(game.rule, other.bids, cells)) for own, other in pair]
    else:
        few = [own_cells(PRIORS[0], s, VALUES, game.action_space) for s in read.strategies[:2]]
        locals_ = [_correlated(game, own, other.bids) for own, other in (few, few[::-1])]
    return joined([*locals_, _global(game, first.bids, second.bids)], error)


def _terms(rule: str, rival: Cells, bids: int) -> Terms:
    """Return what bids earn a local whose value is independent of its rival's."""
    grid, sides = np.linspace(0.0, HIGHEST, bids + 1), (np.sort(rival.low), np.sort(rival.high))
    win = Bounds(*((grid + side.mean()) / 2 for side in sides))
    pay = Bounds(*(_paid(rule, grid, side) for side in sides))
    lower = Lines(win.low, -pay.high, grid)
    upper = Lines(np.append(win.high[1:], win.high[-1]), -pay.low, grid)

    def chance(bids: Cells) -> Bounds:
        return Bounds((bids.low + sides[0].mean()) / 2, (bids.high + sides[1].mean()) / 2)

    def own(mine: Own) -> Bounds:
        (low, high), wins = mine.bids, chance(mine.bids)
        paid = Bounds(_paid(rule, low, sides[0]), _paid(rule, high, sides[1]))
        return Bounds(mine.means * wins.low - paid.high, mine.means * wins.high - paid.low)

    return Terms(lower, upper, own, chance)


def _paid(rule: str, bid: Floats, rival: Floats) -> Floats:
    """Return the mean of W over a rival's bids, given in rising order, at each bid."""
    count, mean = len(rival), rival.mean()
    if rule in ("nearest_vcg", "first_price"):
        return bid * (bid + mean) / (4 if rule == "nearest_vcg" else 2)
    below = np.searchsorted(rival, bid, side="left")  # rivals that bid less
    total, squares = (np.concatenate(([0.0], np.cumsum(part))) for part in (rival, rival**2))
    share = below / count
    if rule == "nearest_zero":
        return bid * (total[-1] - total[below]) / count / 2 + (bid**2 * share + squares[below] / count) / 4
    return bid**2 * (1 - share) / 2 + (bid**2 * share + 2 * bid * total[below] / count - squares[below] / count) / 4


def paid_against(rule: str, bid: Floats, rival: Floats) -> Floats:
    """Return W of bids against single rivals' bids."""
    if rule == "nearest_zero":
        return np.where(rival >= bid, bid * rival / 2, (bid**2 + rival**2) / 4)
    if rule == "nearest_bid":
        return np.where(rival >= bid, bid**2 / 2, (bid**2 + 2 * bid * rival - rival**2) / 4)
    return bid * (bid + rival) / (4 if rule == "nearest_vcg" else 2)


def _correlated(game: LLGAuction, own: Own, rival: Cells) -> Found:
    """Return what is found of a local bidder whose rival may have the same value."""
    g, rule, grid = game.correlation, game.rule, np.linspace(0.0, HIGHEST, BIDS + 1)
    terms = _terms(rule, rival, BIDS)
    alone_low, alone_high = terms.lower, terms.upper
    least, most, best = (np.empty(len(own.means)) for _ in range(3))
    for j, (low, high) in enumerate(zip(own.edges[:-1], own.edges[1:], strict=True)):
        same_low = low * (grid + rival.low[j]) / 2 - paid_against(rule, grid, rival.high[j])
        next_bid = np.append(grid[1:], HIGHEST)
        same_high = high * (next_bid + rival.high[j]) / 2 - paid_against(rule, grid, rival.low[j])
        earned = (1 - g) * (low * alone_low.slope + alone_low.intercept) + g * same_low
        best[j], least[j] = grid[earned.argmax()], earned.max()
        most[j] = ((1 - g) * (high * alone_high.slope + alone_high.intercept) + g * same_high).max()
    alone, (bid_low, bid_high) = terms.own(own), own.bids
    same = Bounds(
        own.edges[:-1] * (bid_low + rival.low) / 2 - paid_against(rule, bid_high, rival.high),
        own.edges[1:] * (bid_high + rival.high) / 2 - paid_against(rule, bid_low, rival.low),
    )
    have = Bounds(*((1 - g) * a + g * s for a, s in zip(alone, same, strict=True)))
    lower = max(0.0, float(np.maximum(least, 0.0).mean() - have.high.mean()))
    upper = max(lower, float(most.mean() - have.low.mean()))
    value = float(have.low.mean() + have.high.mean()) / 2
    shown = np.linspace(0, len(best) - 1, SHOWN).astype(np.int64)
    answer, middle = Steps(own.edges[1:-1], np.where(least > 0, best, 0.0)), (have.low + have.high)[shown] / 2
    return Found(lower, upper, value, own.means[shown], np.maximum(least, 0.0)[shown], middle, answer)


def _global(game: LLGAuction, first: Cells, second: Cells) -> Found:
    """Return what a truthful global bidder has: nothing is gained, since truth is dominant, or it has no choice."""
    shown, nothing = np.linspace(0.0, 2.0, SHOWN), np.full(SHOWN, np.nan)
    if game.rule == "first_price":  # it bids its value and pays that
        return Found(0.0, 0.0, 0.0, shown, nothing, nothing, TRUTH)
    bids = [np.mean(part, axis=0) for part in (first, second)]
    mean, square = sum(b.mean() for b in bids), sum((b**2).mean() for b in bids)
    cross = (1 - game.correlation) * bids[0].mean() * bids[1].mean() + game.correlation * (bids[0] * bids[1]).mean()
    value = float((4 - 4 * mean + square + 2 * cross) / 4)  # E (2 - s)^2 / 4
    return Found(0.0, 0.0, value, shown, nothing, nothing, TRUTH)
