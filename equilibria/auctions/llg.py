r"""The local-local-global auction: closed forms of what a bid pays, and the certified gap of the locals.

The global's value B is even on [0, 2] and truthful. Against a rival's bid :math:`b_2` a local's bid b wins with chance
:math:`s/2`, :math:`s = b + b_2`, and pays on average

| rule | :math:`W(b, b_2)` | :math:`X(b, b_2)` |
|---|---|---|
| nearest zero | :math:`b b_2 / 2` if :math:`b_2 \ge b`, else :math:`(b^2 + b_2^2)/4` | see `beyond_against` |
| nearest VCG | :math:`b s / 4` | :math:`(s - 2)(2 + 3b - b_2)/8` |
| nearest bid | :math:`b^2 / 2` if :math:`b_2 \ge b`, else :math:`(b^2 + 2 b b_2 - b_2^2)/4` | the same |
| first price | :math:`b s / 2` | :math:`b (s - 2)/2` |

W integrates the payments over :math:`B \le s`. Where :math:`s > 2` the locals win from every global: the chance is 1,
and X, what they would pay beyond :math:`B = 2`, is taken off. Both rise in both bids, so that bounds on the rival's
bids bound them. A local's bid above its value is dominated: what it then wins costs more than the value. With
independent values utility is affine in the value, and the envelope of `walras.equilibria.auctions.interim` certifies.
If the locals' values may be the same, the rival's bid then depends on the own value: each cell of values is judged with
all bids of a grid.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

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
"""A local's highest value, beyond which no bid is better, money."""
TOP = 2.0
"""The global's highest value, money."""


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
    """Return the certified gap of bid functions beside a truthful global; of all else a searched one."""
    read = bid_functions(game, policy, CELLS, PRIORS)
    judged = None if read is None else llg_interim_gap(game, read, CELLS)
    if judged is None:
        return searched_gap(game, policy, audit, {})
    how = f"interim gap on {CELLS if game.correlation == 0 else VALUES} cells of values"
    return certified(game, policy, audit, judged, how)


def llg_interim_gap(game: LLGAuction, read: Bidding | Tabulated, cells: int) -> InterimGap | None:
    """Return the interim gap of an auction; none where the global bids another than its value.

    In first price the global may bid anything, if values are independent.
    """
    pairs = zip(PRIORS, read.strategies, strict=True)
    first, second, rival = (own_cells(prior, s, cells, game.action_space) for prior, s in pairs)
    error = read.error if isinstance(read, Tabulated) else np.zeros(3)
    if game.rule == "first_price" and game.global_bids:
        cap = float(game.action_space.high[0])
        return None if game.correlation else joined(first_price_found(first, second, rival, cap), error)
    if game.global_bids and not np.array_equal(Cells(rival.edges[:-1], rival.edges[1:]), rival.bids):
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
    grid, sides = np.linspace(0.0, HIGHEST, bids + 1), tuple(Sorted(np.sort(side)) for side in rival)
    win, pay = _chances(Cells(grid, grid), sides), _payments(rule, Cells(grid, grid), sides)
    lower = Lines(win.low, -pay.high, grid)
    upper = Lines(np.append(win.high[1:], win.high[-1]), -pay.low, grid)

    def own(mine: Own) -> Bounds:
        wins, paid = _chances(mine.bids, sides), _payments(rule, mine.bids, sides)
        return Bounds(mine.means * wins.low - paid.high, mine.means * wins.high - paid.low)

    return Terms(lower, upper, own, lambda mine: _chances(mine, sides))


def _chances(bids: Cells, rival: "tuple[Sorted, ...]") -> Bounds:
    """Return bounds on the chance that bids win, given bounds on a rival's bids."""
    return Bounds(*(side.chance(bid) for bid, side in zip(bids, rival, strict=True)))


def _payments(rule: str, bids: Cells, rival: "tuple[Sorted, ...]") -> Bounds:
    """Return bounds on the mean payment of bids, given bounds on a rival's bids."""
    (low, high), (least, most) = bids, rival
    return Bounds(
        _mean_paid(rule, low, least) - _mean_beyond(rule, low, most),
        _mean_paid(rule, high, most) - _mean_beyond(rule, high, least),
    )


@final
@dataclass(frozen=True, eq=False)
class Sorted:
    """A rival's bids in rising order, all as likely."""

    bids: Floats  # [K] money

    def chance(self, bid: Floats) -> Floats:
        """Return the mean chance to win beside the rival, ``[...]``."""
        left = TOP - bid
        share, total, _ = self.above(left)
        return (bid + self.bids.mean() - (total - left * share)) / 2

    def above(self, limit: Floats | float) -> Floats:
        """Return means of 1, the rival's bid and its square, each 0 where the bid is at most a limit, ``[3, ...]``."""
        return self._sums[:, np.searchsorted(self.bids, limit, side="right")]

    @cached_property
    def _sums(self) -> Floats:
        """Sums of 1, the bid and its square from each bid on, ``[3, K + 1]``, as shares of all."""
        parts = np.stack((np.ones_like(self.bids), self.bids, self.bids**2))[:, ::-1]
        return np.pad(np.cumsum(parts, axis=1)[:, ::-1], ((0, 0), (0, 1))) / len(self.bids)


def _mean_beyond(rule: str, bid: Floats, rival: Sorted) -> Floats:
    """Return the mean of X over a rival's bids, at each bid."""
    left = TOP - bid
    share, total, squares = every = rival.above(left)
    if rule == "first_price":
        return bid * (total - left * share) / 2
    if rule != "nearest_zero":
        return ((4 + 2 * bid) * total - squares - left * (2 + 3 * bid) * share) / 8
    half, higher = rival.above(np.maximum(left, 1.0)), rival.above(np.maximum(left, bid))
    (few, low, low_squares), (some, _, middle_squares), (many, high, _) = every - half, half - higher, higher
    by_the_rest = ((bid**2 - 4) * few + 4 * low - low_squares) / 4  # rivals who bid at most 1, and less
    by_half_first = ((bid**2 - 2) * some + middle_squares) / 4  # who bid less, and more than 1
    return by_the_rest + by_half_first + (bid * high - np.where(bid < 1, bid * left, 1.0) * many) / 2


def _mean_paid(rule: str, bid: Floats, rival: Sorted) -> Floats:
    """Return the mean of W over a rival's bids, at each bid."""
    if rule in ("nearest_vcg", "first_price"):
        return bid * (bid + rival.bids.mean()) / (4 if rule == "nearest_vcg" else 2)
    above = rival.above(bid)
    (share, total, squares), (_, higher, _) = rival.above(-1.0)[:, None] - above, above  # of who bids at most as much
    if rule == "nearest_zero":
        return bid * higher / 2 + (bid**2 * share + squares) / 4
    return bid**2 * (1 - share) / 2 + (bid**2 * share + 2 * bid * total - squares) / 4


def paid_against(rule: str, bid: Floats, rival: Floats) -> Floats:
    """Return W of bids against single rivals' bids."""
    if rule == "nearest_zero":
        return np.where(rival >= bid, bid * rival / 2, (bid**2 + rival**2) / 4)
    if rule == "nearest_bid":
        return np.where(rival >= bid, bid**2 / 2, (bid**2 + 2 * bid * rival - rival**2) / 4)
    return bid * (bid + rival) / (4 if rule == "nearest_vcg" else 2)


def beyond_against(rule: str, bid: Floats, rival: Floats) -> Floats:
    """Return X of bids against single rivals' bids.

    By nearest zero a local pays half of B up to twice the lower bid, and then its own bid if that is the lower one,
    else what the rival's bid leaves of B.
    """
    over = np.maximum(bid + rival - TOP, 0.0)
    if not over.any():
        return over
    if rule == "first_price":
        return bid * over / 2
    if rule != "nearest_zero":
        return over * (2 + 3 * bid - rival) / 8
    lower = np.maximum(np.minimum(bid, rival), 1.0)
    own, left = bid * (bid + rival - 2 * lower), (bid**2 - (2 * lower - rival) ** 2) / 2
    return np.where(over > 0, (lower**2 - 1 + np.where(rival >= bid, own, left)) / 2, 0.0)


def _same(rule: str, value: Floats, wins: Floats, pays: Floats, near: Floats, far: Floats) -> Floats:
    """Return a bound on what bids earn beside a rival of the same value, whose bid is between `near` and `far`.

    From below, if `far` is the higher one, and `wins` and `pays` are a cell's lowest and highest bids; else from above.
    """
    return value * np.minimum((wins + near) / 2, 1.0) - paid_against(rule, pays, far) + beyond_against(rule, pays, near)


def _correlated(game: LLGAuction, own: Own, rival: Cells) -> Found:
    """Return what is found of a local bidder whose rival may have the same value."""
    g, rule, grid = game.correlation, game.rule, np.linspace(0.0, HIGHEST, BIDS + 1)
    terms = _terms(rule, rival, BIDS)
    alone_low, alone_high = terms.lower, terms.upper
    least, most, best = (np.empty(len(own.means)) for _ in range(3))
    after = np.append(grid[1:], HIGHEST)
    for j, (low, high) in enumerate(zip(own.edges[:-1], own.edges[1:], strict=True)):
        same_low = _same(rule, low, grid, grid, rival.low[j], rival.high[j])
        same_high = _same(rule, high, after, grid, rival.high[j], rival.low[j])
        earned = (1 - g) * (low * alone_low.slope + alone_low.intercept) + g * same_low
        best[j], least[j] = grid[earned.argmax()], earned.max()
        most[j] = ((1 - g) * (high * alone_high.slope + alone_high.intercept) + g * same_high).max()
    alone, bids = terms.own(own), own.bids
    same = Bounds(
        _same(rule, own.edges[:-1], bids.low, bids.high, rival.low, rival.high),
        _same(rule, own.edges[1:], bids.high, bids.low, rival.high, rival.low),
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
    one, two = (np.mean(part, axis=0) for part in (first, second))
    rival, left = Sorted(np.sort(two)), TOP - one
    share, total, squares = rival.above(-1.0)[:, None] - rival.above(left)
    apart = (left**2 * share - 2 * left * total + squares).mean()
    alike = (np.maximum(left - two, 0.0) ** 2).mean()
    value = float((1 - game.correlation) * apart + game.correlation * alike) / 4  # E of the square of what is left of 2
    return Found(0.0, 0.0, value, shown, nothing, nothing, TRUTH)
