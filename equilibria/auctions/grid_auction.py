r"""Auctions with finitely many types and a grid of bids: best bid functions against mixtures of bid functions.

Bidder i has one of :math:`V_i` types, each with its chance, independently of the others, and a strategy is a bid of the
grid for each type. The highest bid wins, equal ones at equal chances; the winner pays its bid (first price), or all pay
their own (all pay). Let the others bid below b with the chances :math:`L_j` and exactly b with :math:`E_j`. If each tie
is settled by numbers drawn for all bidders, bidder i wins with

.. math:: \int_0^1 \prod_{j \ne i} (L_j + x E_j)\, dx ,

a polynomial of degree N - 1, which Gauss and Legendre's rule integrates exactly. So each type's best bid follows by
comparison, and the gap is exact: for `walras.equilibria.double_oracle`, replies are proved to be best. The game of all
strategies, of :math:`G^{V}` a bidder, is never written down.

References
----------
[1] V. Krishna, Auction Theory, Academic Press, 2nd edition, 2010.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.core.checks import as_floats, require, require_each, require_known, require_whole
from walras.core.typing import Floats
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.equilibria.normal_form.double_oracle import Reply
from walras.markets.auctions import AllPay, FirstPrice, Independent

PAYMENTS = ("all", "winner")


@final
@dataclass(frozen=True, eq=False)
class GridAuction:
    """An auction on a grid of bids; its actions are, for each type, the number of a bid.

    Raises
    ------
    ValueError
        If shapes differ, chances are negative or do not sum to 1, bids do not rise, or `pays` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.equilibria import double_oracle
    >>> auction = GridAuction([[0.0, 1.0]] * 2, [[0.5, 0.5]] * 2, np.linspace(0, 0.6, 7))
    >>> found = double_oracle(auction, np.zeros((2, 2), dtype=np.int64))
    >>> found.ended, bool(found.gap_upper.max() <= 1e-6)
    ('converged', True)
    """

    types: ArrayLike  # [N, V] money
    chances: ArrayLike  # [N, V]
    bids: ArrayLike  # [G] money, rising
    pays: str = "winner"

    def __post_init__(self) -> None:
        for name, axes in (("types", 2), ("chances", 2), ("bids", 1)):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), axes))
        require(self._types.shape == self._chances.shape, "chances", "be as many as types", self._chances.shape)
        require(len(self._types) >= 2, "types", "be of at least 2 bidders", len(self._types))
        require_each(self._chances >= 0, "chances", "not be negative", self._chances)
        sums = self._chances.sum(axis=1)
        require_each(np.abs(sums - 1) <= 1e-9, "chances", "sum to 1 for each bidder", sums)
        require(bool((np.diff(self._bids) > 0).all()), "bids", "rise", self._bids)
        require_known(self.pays, "pays", PAYMENTS)

    @classmethod
    def of(cls, game: SealedBidAuction, types: int, bids: ArrayLike) -> "GridAuction":
        """Return an auction whose types stand for cells of equal chance of the game's priors, each by its mean.

        Raises
        ------
        ValueError
            If the format is neither first price nor all pay, or has a reserve or an entry fee, types depend on each
            other, a bidder is averse to risk, or there is no type.
        """
        plain = isinstance(game.format, AllPay) or game.format == FirstPrice()
        require(plain, "game", "be first price, without reserve and entry fee, or all pay", game.format)
        require(isinstance(game.dependence, Independent), "game", "have independent types", game.dependence)
        require_whole(types, "types")
        require(set(np.ravel(game.risk)) == {1.0}, "game", "have bidders without aversion to risk", game.risk)
        share = np.linspace(0.0, 1.0, types + 1)
        means = np.stack([prior.cell_mean(share[:-1], share[1:]) for prior in game.priors])
        pays = "all" if isinstance(game.format, AllPay) else "winner"
        return cls(means, np.full(means.shape, 1 / types), bids, pays)

    def payoffs(self, actions: NDArray[Any]) -> Floats:
        """Return expected payoffs ``[K, N]`` of strategies ``[K, N, V]``, before types are drawn."""
        laws = self._laws(actions)
        each = [self._expected(i, actions[:, i], self._wins(i, laws)) for i in range(len(self._types))]
        return np.stack(each, axis=1)

    def reply(self, player: int, actions: NDArray[Any], weights: Floats) -> Reply:
        """Return the best bid of each type, the lowest where several are, and what it is worth."""
        worth = self._worth(player, weights @ self._wins(player, self._laws(actions)))
        return Reply(worth.argmax(axis=1), float(self._chances[player] @ worth.max(axis=1)))

    def _laws(self, actions: NDArray[Any]) -> Floats:
        """Return the chances of each bid, ``[K, N, G]``."""
        count, players, _ = actions.shape
        law = np.zeros((count, players, len(self._bids)))
        where = np.arange(count)[:, None, None], np.arange(players)[:, None], actions
        np.add.at(law, where, self._chances)
        return law

    def _wins(self, player: int, laws: Floats) -> Floats:
        """Return the chance to win by each bid, ``[K, G]``."""
        equal = np.delete(laws, player, axis=1)
        below = np.cumsum(equal, axis=2) - equal
        at, weight = self._rule
        return np.prod(below[..., None] + equal[..., None] * at, axis=1) @ weight

    def _worth(self, player: int, wins: Floats) -> Floats:
        """Return what each type earns by each bid, ``[V, G]``."""
        value = self._types[player][:, None]
        return value * wins - self._bids if self.pays == "all" else (value - self._bids) * wins

    def _expected(self, player: int, strategy: NDArray[Any], wins: Floats) -> Floats:
        """Return what strategies ``[K, V]`` earn where bids win with the chances ``wins [K, G]``."""
        won, bid = np.take_along_axis(wins, strategy, axis=1), self._bids[strategy]
        value = self._types[player]
        worth = value * won - bid if self.pays == "all" else (value - bid) * won
        return worth @ self._chances[player]

    @cached_property
    def _rule(self) -> tuple[Floats, Floats]:
        """Points and weights of an integral from 0 to 1 that is exact for polynomials of degree N - 1."""
        at, weight = np.polynomial.legendre.leggauss(len(self._types) // 2 + 1)
        return (at + 1) / 2, weight / 2

    @property
    def _types(self) -> Floats:
        return np.asarray(self.types)

    @property
    def _chances(self) -> Floats:
        return np.asarray(self.chances)

    @property
    def _bids(self) -> Floats:
        return np.asarray(self.bids)
