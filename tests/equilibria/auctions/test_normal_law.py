"""Certified gaps of bids with noise against quadrature of chances and payments, which shares nothing with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats
from walras.envs import Contest, SealedBidAuction
from walras.equilibria import interim_gap
from walras.equilibria.auctions.normal_law import Ends, NormalLaw
from walras.equilibria.auctions.opposing import Bounds, Cells
from walras.markets.auctions import (
    AllPay,
    Crowdsourcing,
    FirstPrice,
    Prior,
    SecondPrice,
    ThirdPrice,
    Uniform,
    WarOfAttrition,
)

TYPES, LUCKS, BIDS = 1500, 600, 6001


@dataclass(frozen=True)
class Noise:
    """Means and deviations of three kinds of bidders: curved, with kinks, cut at both ends."""

    game: AbstractGame[Any]

    def normal(self, observation: Floats) -> tuple[Floats, Floats]:
        means, sds = zip(*(self.of(i)(observation[:, i, 0]) for i in range(observation.shape[1])), strict=True)
        return np.stack(means, axis=1)[:, :, None], np.stack(sds, axis=1)[:, :, None]

    def of(self, who: int) -> Callable[[Floats], tuple[Floats, Floats]]:
        kinds = (
            lambda v: (v * (0.6 - 0.1 * v), 0.04 + 0.02 * v),
            lambda v: (np.where(v < 0.5, 0.02, 0.02 + 0.9 * (v - 0.5)), np.full_like(v, 0.03)),
            lambda v: (0.2 + 0.75 * v, 0.1 - 0.05 * v),
        )
        return kinds[who % 3]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        mean, sd = self.normal(observation)
        return np.clip(mean + sd * rng.standard_normal(mean.shape), 0.0, 1.0)

    @property
    def independent(self) -> bool:
        return True


def priors(game: SealedBidAuction | Contest) -> tuple[Prior, ...]:
    return game.priors if isinstance(game, SealedBidAuction) else (game.prior,) * game.players


def chances(game: SealedBidAuction | Contest, policy: Noise, who: int, bid: Floats) -> tuple[Floats, Floats]:
    """Return the chance that a bidder bids less, and that it bids the same."""
    mean, sd = policy.of(who)(priors(game)[who].quantile((np.arange(TYPES) + 0.5) / TYPES))
    law = np.array([ndtr((b - mean) / sd).mean() for b in bid])
    law, none = np.where(bid >= 1.0, 1.0, law), np.zeros_like(bid)
    before = np.where(bid <= 0.0, 0.0, law)
    before[bid >= 1.0] = ndtr((1.0 - mean) / sd).mean()
    return before, np.where((bid <= 0.0) | (bid >= 1.0), law - before, none)


def by_quadrature(game: SealedBidAuction | Contest, policy: Noise, who: int) -> tuple[float, float]:
    """Return gain and value of a bidder: the best of many bids against what is integrated."""
    bid = np.linspace(0.0, 1.0, BIDS)
    rivals = [chances(game, policy, j, bid) for j in range(len(game.agents)) if j != who]
    node, weight = np.polynomial.legendre.leggauss(6)
    lots = [[less + (u + 1) / 2 * same for less, same in rivals] for u in node]
    won = sum(w / 2 * share(game.format, beats) for w, beats in zip(weight, lots, strict=True))
    won = np.where(bid >= getattr(game.format, "reserve", 0.0), won, 0.0)
    pay = payment(game.format, bid, won, rivals)
    types = priors(game)[who].quantile((np.arange(TYPES) + 0.5) / TYPES)
    mean, sd = policy.of(who)(types)
    own = np.clip(mean[:, None] + sd[:, None] * ndtri((np.arange(LUCKS) + 0.5) / LUCKS), 0.0, 1.0)
    have = float((types[:, None] * np.interp(own, bid, won) - np.interp(own, bid, pay)).mean())
    just_above = np.append(won[1:2], won[1:])  # above 0 a bid beats all who bid nothing
    best = np.max(types[2::5, None] * just_above - pay, axis=1)
    return float(np.maximum(best, 0.0).mean()) - have, have


def share(format_: object, beats: list[Floats]) -> Floats:
    if not isinstance(format_, Crowdsourcing):
        return np.prod(beats, axis=0)
    x, y = beats
    first, second = format_.prizes
    return first * x * y + second * (x * (1 - y) + y * (1 - x))


def payment(format_: object, bid: Floats, won: Floats, rivals: list[tuple[Floats, Floats]]) -> Floats:
    step = bid[1] - bid[0]
    below = integral(won, step)
    match format_:
        case FirstPrice():
            return bid * won
        case SecondPrice():
            return bid * won - below
        case WarOfAttrition():
            return bid - below
        case ThirdPrice():
            (x, _), (y, _) = rivals
            return bid * won + below - x * integral(y, step) - y * integral(x, step)
        case _:
            return bid


def integral(value: Floats, step: float) -> Floats:
    return np.concatenate(([0.0], np.cumsum((value[1:] + value[:-1]) / 2) * step))


THREE = (Uniform(),) * 3
GAMES = {
    "first price": SealedBidAuction(FirstPrice(), (Uniform(),) * 2, max_bid=1.0),
    "first price, reserve": SealedBidAuction(FirstPrice(reserve=0.2), THREE, max_bid=1.0),
    "second price, reserve": SealedBidAuction(SecondPrice(reserve=0.2), THREE, max_bid=1.0),
    "all-pay": SealedBidAuction(AllPay(), THREE, max_bid=1.0),
    "war of attrition": SealedBidAuction(WarOfAttrition(), THREE, max_bid=1.0),
    "third price": SealedBidAuction(ThirdPrice(), THREE, max_bid=1.0),
    "two prizes": Contest(Crowdsourcing((0.7, 0.3)), Uniform(), 3),
}
WIDE = {"war of attrition": 3e-3, "third price": 6e-3}
"""Widths of formats whose payments are bounded less closely where a rival bids the most that is allowed."""


@pytest.mark.parametrize(
    "name", ["first price", *(pytest.param(name, marks=pytest.mark.slow) for name in list(GAMES)[1:])]
)
def test_ends_hold_quadrature_and_are_close(name: str) -> None:
    game = GAMES[name]
    found = interim_gap(game, Noise(game))
    for who in range(len(game.agents)):
        gain, value = by_quadrature(game, Noise(game), who)
        assert found.lower[who] - 5e-5 <= gain <= found.upper[who] + 5e-5
        width = found.upper[who] - found.lower[who]
        assert abs(found.value[who] - value) <= width / 2 + 5e-5
        assert width <= WIDE.get(name, 4e-4)


def random_law(rng: np.random.Generator) -> NormalLaw:
    cells = 40
    mean, sd = rng.random(cells), 10 ** rng.uniform(-3, -0.5, cells)
    wide = Cells(mean, mean + 1e-3 * rng.random(cells)), Cells(sd, sd * (1 + 0.1 * rng.random(cells)))
    return NormalLaw(rng.random(cells), *wide, Ends(0.1, 0.9))


def test_bounds_of_laws_hold_and_are_close() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        law = random_law(rng)
        bid = np.concatenate((rng.random(300), [0.1, 0.9]))
        share = rng.random((2, 40))
        mean, sd = (part.low + s * (part.high - part.low) for part, s in zip((law.mean, law.sd), share, strict=True))
        mass = np.array([law.weight @ ndtr((b - mean) / sd) for b in bid])
        less, most = law.less(bid), law.most(bid)
        inside = (bid > 0.1) & (bid < 0.9)
        assert (less.low[inside] <= mass[inside] + 1e-10).all()
        assert (mass[inside] <= most[inside] + 1e-10).all()
        assert (law.least(bid) <= np.where(bid >= 0.9, law.weight.sum(), mass) + 1e-10)[bid >= 0.1].all()
        assert not most[bid < 0.1].any()
        assert not less.high[bid <= 0.1].any()
        np.testing.assert_allclose(law.most(bid[bid >= 0.9]), law.weight.sum())
        atom = law.weight @ np.array([ndtr((0.1 - mean) / sd), 1 - ndtr((0.9 - mean) / sd)]).T
        assert (law.tied(np.array([0.1, 0.9])) <= atom + 1e-10).all()
        drawn = np.clip(mean + sd * ndtri((np.arange(4000)[:, None] + 0.5) / 4000), 0.1, 0.9)
        truth = float((drawn**2).mean(axis=0) @ law.weight)
        low, high = law.mean_of(lambda b: Bounds(b**2, b**2), np.array([0.5]))
        assert low - 1e-4 <= truth <= high + 1e-4
        assert high - low <= 0.2 * law.weight.sum() * 0.1


def test_a_law_without_spread_of_cells_is_known_to_a_line() -> None:
    cells = Cells(*(np.array([0.5]),) * 2)
    law = NormalLaw(np.ones(1), cells, Cells(*(np.array([0.05]),) * 2), Ends(0.0, 1.0))
    bid = np.linspace(0.2, 0.8, 997)
    least, most = law.least(bid), law.most(bid)
    assert (most - least).max() <= 2e-5
    assert (least <= ndtr((bid - 0.5) / 0.05)).all()
    assert (ndtr((bid - 0.5) / 0.05) <= most).all()
