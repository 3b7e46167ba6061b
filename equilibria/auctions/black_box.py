r"""Bids of unknown law: the gap of a policy that draws and declares nothing, from what it is seen to bid.

In an auction of one good a bidder depends on its rivals by their highest bid alone. With H the law of that bid and
:math:`H_m` what is counted in m auctions, whatever H is,

.. math:: P\Bigl(\sup_b H(b) - H_m(b) > \epsilon\Bigr) \le e^{-2 m \epsilon^2},
          \qquad \epsilon = \sqrt{\ln(1 / \alpha) / 2m}

(Dvoretzky, Kiefer and Wolfowitz [1]_, with the constant of Massart [2]_). So :math:`H_m + \epsilon` bounds the chance
to win of all bids at once, and the envelope of `walras.equilibria.auctions.interim` bounds what the best bid of each
type earns. Where K prizes go by rank the laws of the K highest bids have a band each. What a bidder has is the mean of
its rewards in the same auctions; with s their standard deviation and w the width of what they may be, the mean exceeds
its expectation by no more than

.. math:: s \sqrt{2 \ln(2 / \alpha) / m} + 7 w \ln(2 / \alpha) / 3 (m - 1)

(Maurer and Pontil [3]_, closer than Hoeffding's bound, which knows w alone), but with chance :math:`\alpha`. The answer
is judged in fresh auctions, by the same bound: the lower end. Each end fails with half of one less `confidence`.

That bids are draws by the own type is tested, not proved (`walras.equilibria.auctions.own_draws`); a policy that fails
is searched.

References
----------
[1] A. Dvoretzky, J. Kiefer, J. Wolfowitz, Asymptotic minimax character of the sample distribution function, Annals of
    Mathematical Statistics 27, 1956.
[2] P. Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Annals of Probability 18, 1990.
[3] A. Maurer, M. Pontil, Empirical Bernstein bounds and sample variance penalization, COLT 2009, theorem 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.equilibria.auctions.bid_functions import Bidding, BidFunction
from walras.equilibria.auctions.interim import SHOWN, Own, Terms, found_with
from walras.equilibria.auctions.mixed import is_turned
from walras.equilibria.auctions.opposing import Bounds, Cells, Rival
from walras.equilibria.auctions.own_draws import strays
from walras.equilibria.audit import Audit, Ends, certificate, copied, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.search import searched_gap
from walras.markets.auctions.priors import Prior

ROWS = 1024
"""Auctions that are held at once."""
MOST = 2**22
"""Bids that are kept, at most."""
FRESH = 4
"""So many times fewer auctions judge the answers."""
AGAIN = 8
"""Of so many batches one is asked of a fresh copy again."""
CELLS, POINTS = 2**14, 2**16
"""Cells of a bidder's types, and bids of its rivals that are judged, at most."""


@final
@dataclass(frozen=True, eq=False)
class Banded:
    """A law of which draws were counted: at no bid it lies farther from them than a band, but with little chance."""

    drawn: Floats  # [m] money, rising
    band: float

    def points(self) -> Floats:
        """Return bids that were drawn, evenly by rank, and what lies just above."""
        some = np.append(self.drawn[:: -(-len(self.drawn) // POINTS)], self.drawn[-1])
        return np.concatenate((some, np.nextafter(some, np.inf)))

    def less(self, bid: Floats) -> Bounds:
        """Count."""
        return self._within(np.searchsorted(self.drawn, bid, side="left"))

    def most(self, bid: Floats) -> Floats:
        """Count."""
        return self._within(np.searchsorted(self.drawn, bid, side="right")).high

    def tied(self, bid: Floats) -> Floats:
        """Nothing is known of ties."""
        return np.zeros(len(bid))

    def _within(self, count: Any) -> Bounds:  # noqa: ANN401 - whole numbers
        share = count / len(self.drawn)
        return Bounds(np.maximum(share - self.band, 0.0), np.minimum(share + self.band, 1.0))


class Auction(NamedTuple):
    """What a game's rules say to the certificate."""

    priors: Sequence[Prior]  # N
    ranks: int  # of the highest rival bids that decide what a bidder has
    terms: Callable[[int, tuple[Rival, ...]], Terms]  # of a bidder, given the laws of these bids; of a seller turned


class Held(NamedTuple):
    """What was bid and earned in m auctions."""

    bids: Floats  # [m, N] money
    rewards: Floats  # [m, N]


class Round(NamedTuple):
    """Auctions that are held at once."""

    state: Any
    noise: Floats  # that settles ties
    bids: Floats  # [R, N, 1] money


def black_box_gap(game: AbstractGame[Any], policy: Policy, audit: Audit, auction: Auction) -> Gap:
    """Return the gap of a policy that draws by a law that it does not declare, with the audit's confidence.

    It is counted in as many auctions as the budget has frames, and searched where bids are no draws by the own type.
    """
    judged = judged_policy(game, policy, audit.device)
    why = strays(game, judged, audit)
    held = None if why else _held(game, judged, audit)
    if held is None:
        found = searched_gap(game, policy, audit, {})
        told = f"; not certified: {why or 'the policy changes while it plays'}"
        return replace(found, method=tuple(how + told for how in found.method))
    fails = (1 - audit.confidence) / 2  # of each end
    upper, answers, widths = zip(*(_best(game, held, i, auction, fails) for i in range(len(game.agents))), strict=True)
    deviation = Bidding(answers)
    gains = _gains(game, judged, audit, deviation, len(held.bids) // FRESH)
    mean, most = gains.mean(axis=0), np.array(upper)
    least = mean - shortfall(gains, 2 * np.array(widths), fails)
    ends = Ends(*(game.horizon * np.clip(end, 0.0, most) for end in (least, most, mean)))
    how, value = f"band about {len(held.bids)} draws of the highest rival bid", game.horizon * held.rewards.mean(axis=0)
    return certificate(game, policy, audit, ends, value, Kind.STATISTICAL, how, deviation=deviation)


def shortfall(values: Floats, width: Floats | float, fails: float) -> Floats:
    """Return by how much means of ``values [m, ...]`` may exceed their expectations, but with chance `fails`."""
    count, doubt = len(values), np.log(2 / fails)
    return values.std(axis=0, ddof=1) * np.sqrt(2 * doubt / count) + 7 * width * doubt / (3 * (count - 1))


def _round(game: AbstractGame[Any], policy: Policy, rng: np.random.Generator) -> Round:
    """Let a policy bid in fresh auctions."""
    noise = game.noise(rng, 2 * ROWS)
    state = game.reset(noise[:ROWS])
    return Round(state, noise[ROWS:], policy.act(game.observe(state), rng))


def _held(game: AbstractGame[Any], policy: Policy, audit: Audit) -> Held | None:
    """Return auctions, as many as the budget has frames; none where a fresh copy of the policy bids otherwise."""
    calls = max(min(audit.budget.frames, MOST // len(game.agents)) // ROWS, 1)
    playing, bids, rewards = copied(policy), list[Floats](), list[Floats]()
    for call in range(calls):
        now = _round(game, playing, audit.rng(42, call))
        if call % AGAIN == 0 or call == calls - 1:
            again = _round(game, copied(policy), audit.rng(42, call))
            if not np.array_equal(now.bids, again.bids):
                return None
        bids.append(now.bids[:, :, 0])
        rewards.append(game.step(now.state, now.bids, now.noise).reward)
    return Held(np.concatenate(bids), np.concatenate(rewards))


def _best(
    game: AbstractGame[Any], held: Held, who: int, auction: Auction, fails: float
) -> tuple[float, BidFunction, float]:
    """Return what a bidder gains at most, but with chance `fails`, its answer, and the width of what it may have."""
    space, sells = cast(Box, game.action_space), is_turned(game, who)
    rivals = np.delete(-held.bids if sells else held.bids, who, axis=1)
    highest = np.sort(rivals, axis=1)[:, ::-1][:, : auction.ranks]
    band = float(np.sqrt(np.log(2 * auction.ranks / fails) / (2 * len(highest))))
    terms = auction.terms(who, tuple(Banded(np.sort(column), band) for column in highest.T))
    own, idle = _own(auction.priors[who]), float(-space.high[0] if sells else space.low[0])
    reward, width = held.rewards[:, who], _width(game, auction.priors, terms)
    mean, error = float(reward.mean()), float(shortfall(reward, width, fails / 2))
    unknown = np.full(SHOWN, np.nan)
    found = found_with(own.turned if sells else own, terms, (mean - error, mean + error), unknown, idle)
    return found.upper, (found.turned if sells else found).answer, width


def _own(prior: Prior) -> Own:
    """Return cells of a bidder's types, of equal mass."""
    share = np.linspace(0.0, 1.0, CELLS + 1)
    means = prior.cell_mean(share[:-1], share[1:])
    return Own(prior.quantile(share), means, Cells(means, means))


def _width(game: Any, priors: Sequence[Prior], terms: Terms) -> float:  # noqa: ANN401 - any auction
    """Return the width of what a bidder may have, as utility: the good for nothing, or nothing for the largest bid."""
    most = max(prior.high for prior in priors) * max(getattr(game.format, "prizes", (1.0,)))
    paid = float(game.action_space.high[0]) + terms.fee
    return most**terms.power + paid**terms.power


def _gains(game: AbstractGame[Any], policy: Policy, audit: Audit, deviation: Policy, auctions: int) -> Floats:
    """Return what each bidder gains in fresh auctions by its part of a deviation, ``[m, N]``."""
    playing, gains = copied(policy), list[Floats]()
    for call in range(max(auctions // ROWS, 1)):
        rng = audit.rng(43, call)
        state, noise, bids = _round(game, playing, rng)
        plain, other = game.step(state, bids, noise).reward, deviation.act(game.observe(state), rng)
        for i in range(bids.shape[1]):
            changed = bids.copy()
            changed[:, i] = other[:, i]
            plain[:, i] -= game.step(state, changed, noise).reward[:, i]
        gains.append(-plain)
    return np.concatenate(gains)
