r"""First price among unequal bidders: inverse bids as polynomials, by collocation.

With :math:`\phi_i` the value at which bidder i bids b, of n bidders whose utility is income to the power
:math:`\rho_i`, the conditions of a Bayes-Nash equilibrium in rising bids are (K. Plum, 1992; Krishna, 4.3;
aversion to risk joins by the same steps)

.. math:: \frac{f_i(\phi_i)}{F_i(\phi_i)} \phi_i' =
          \frac{1}{n-1} \sum_j \frac{\rho_j}{\phi_j - b} - \frac{\rho_i}{\phi_i - b},

from :math:`\phi_i = b` at the reserve, or at the least value, to one highest bid at which all have their highest value,
and which is unknown. With :math:`b = r + t x^p`, p = 1, or 2 where a reserve cuts values off and inverse bids begin as
a square root, :math:`\phi_i = r + x (w_i + (1 - x) z_i(x))` with polynomials :math:`z_i` meets both ends, whatever the
highest bid r + t. Equations times x are smooth; they are met in least squares at twice as many points as there are
coefficients, by Gauss and Newton's steps. Where these fail from straight lines, they follow a path on which bidders
become unequal little by little.

The answer is a candidate: nothing here proves it. `solve` certifies it by the interim gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias, final

import numpy as np
from numpy.polynomial import chebyshev

from walras.core.checks import require
from walras.core.typing import Bools, Floats
from walras.markets.auctions.priors import Prior

DEGREES = (24, 40, 64)
"""Coefficients of each polynomial, tried in turn."""
MET, NEAR = 1e-7, 1e-2
"""Root mean square of the scaled equations at which more coefficients, or the path, are not tried."""
STEPS = 40
"""Newton's steps, at most."""
PATH = 8
"""Steps of the path from equal to unequal bidders."""
KNOTS = 4097
"""Points from which the search for the bid of a value begins."""

Hazard: TypeAlias = Callable[[Floats], Floats]
"""From a value's place between the start, 0, and the highest value, 1, to the derivative of ln F."""


class Bidders(NamedTuple):
    """G kinds of bidders."""

    hazard: tuple[Hazard, ...]
    width: Floats  # [G] from the start to the highest value, money
    risk: Floats  # [G]
    number: Floats  # [G] bidders of the kind


class Guess(NamedTuple):
    """Inverse bids."""

    coefficients: Floats  # [G, K] of z
    top: Floats  # [] highest bid less the start, money
    error: float  # root mean square of the equations


class Candidate(NamedTuple):
    """What the solver found."""

    bids: tuple["Collocated", ...]  # one a bidder
    steps: int  # paths and degrees that were tried
    sound: bool  # whether inverse bids rise and exceed bids


@final
@dataclass(frozen=True, eq=False)
class Collocated:
    """A bid function given by its inverse: a polynomial in x, where the bid is ``start + top x ** power``."""

    start: float  # money
    width: float  # from the start to the highest value, money
    top: float  # highest bid less the start, money
    power: int
    coefficients: Floats  # [K]

    def __call__(self, value: Floats) -> Floats:
        """Return the bids; values below the start bid nothing."""
        place = np.interp(value, self._knots[1], self._knots[0])
        for _ in range(2):
            inverse, slope = self._inverse(place)
            place = np.clip(place - (inverse - value) / slope, 0.0, 1.0)
        return np.where(value < self.start, 0.0, self.start + self.top * place**self.power)

    @cached_property
    def rises(self) -> bool:
        """Whether values rise with the bid, and exceed it."""
        x, value = self._knots
        above = (value - self.start - self.top * x**self.power)[1:] > 0
        return bool((np.diff(value) > 0).all() and above.all())

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        """Points x, and the values that bid there."""
        x = np.linspace(0.0, 1.0, KNOTS)
        return x, self._inverse(x)[0]

    def _inverse(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the values at x, and their slopes."""
        z = chebyshev.chebval(2 * x - 1, self.coefficients)
        slope = 2 * chebyshev.chebval(2 * x - 1, chebyshev.chebder(self.coefficients))
        share = self.width + (1 - x) * z
        return self.start + x * share, share + x * ((1 - x) * slope - z)


def first_price(priors: Sequence[Prior], reserve: float, risk: Sequence[float]) -> Candidate:
    """Return bids of the first-price auction among unequal bidders.

    Parameters
    ----------
    priors : sequence of Prior
        One a bidder.
    reserve : float
        Least bid that wins, money.
    risk : sequence of float
        Exponents of utility, one a bidder.

    Raises
    ------
    ValueError
        If bidders' values start apart and above the reserve, or end apart among three bidders or more, or if three
        bidders or more differ so much in risk that their highest bids do.
    """
    start = max(reserve, min(prior.low for prior in priors))
    _require_ends(priors, reserve)
    _require_one_top(risk)
    kinds = list(dict.fromkeys(zip(priors, risk, strict=True)))
    bidders = _described(kinds, [list(zip(priors, risk, strict=True)).count(kind) for kind in kinds], start)
    power = 2 if start > min(prior.low for prior in priors) else 1
    steps, sound, bids = 0, False, dict[tuple[Prior, float], Collocated]()
    for degree in DEGREES:
        guess, tries = _best(Equations(degree, power), bidders)
        steps += tries
        found = {
            kind: Collocated(start, float(width), float(guess.top), power, z)
            for kind, width, z in zip(kinds, bidders.width, guess.coefficients, strict=True)
        }
        if not bids or all(bid.rises for bid in found.values()):
            bids, sound = found, all(bid.rises for bid in found.values())
        if sound and guess.error <= MET:
            break
    return Candidate(tuple(bids[kind] for kind in zip(priors, risk, strict=True)), steps, sound)


def _require_ends(priors: Sequence[Prior], reserve: float) -> None:
    """Raise unless the conditions at both ends are those of the module."""
    low, high = {max(prior.low, reserve) for prior in priors}, {prior.high for prior in priors}
    require(len(low) == 1, "prior", "start at one value for all bidders, or below the reserve, in FirstPrice", priors)
    require(min(high) > min(low), "prior", "reach above the reserve for all bidders in FirstPrice", priors)
    require(len(high) == 1 or len(priors) == 2, "prior", "end at one value for three bidders or more", priors)


def _require_one_top(risk: Sequence[float]) -> None:
    """Raise unless inverse bids rise at a highest bid of all, by the condition there."""
    most = sum(risk) / (len(risk) - 1)
    require(max(risk) <= most, "risk", f"be at most {most:.4g}, for one highest bid in FirstPrice", tuple(risk))


def _described(kinds: Sequence[tuple[Prior, float]], count: Sequence[int], start: float) -> Bidders:
    hazard = tuple(_hazard(prior, start) for prior, _ in kinds)
    width = np.array([prior.high - start for prior, _ in kinds])
    return Bidders(hazard, width, np.array([risk for _, risk in kinds]), np.array(count, dtype=np.float64))


def _hazard(prior: Prior, start: float) -> Hazard:
    width = prior.high - start

    def hazard(place: Floats) -> Floats:
        value = start + width * place
        return width * prior.pdf(value) / prior.cdf(value)

    return hazard


def _between(bidders: Bidders, share: float) -> Bidders:
    """Return bidders on the path from those who are all alike, at share 0, to the given ones, at 1."""
    weight = bidders.number / bidders.number.sum()

    def blend(own: Hazard) -> Hazard:
        def hazard(place: Floats) -> Floats:
            mean = sum((w * each(place) for w, each in zip(weight, bidders.hazard, strict=True)), np.zeros_like(place))
            return (1 - share) * mean + share * own(place)

        return hazard

    width, risk = ((1 - share) * (weight * part).sum() + share * part for part in (bidders.width, bidders.risk))
    return Bidders(tuple(blend(own) for own in bidders.hazard), width, risk, bidders.number)


def _best(equations: "Equations", bidders: Bidders) -> tuple[Guess, int]:
    """Return the better of what is found from straight lines and along the path, and how often was tried."""
    direct = equations.solved(bidders, equations.lines(bidders))
    if direct.error <= NEAR:
        return direct, 1
    guess = equations.lines(_between(bidders, 0.0))
    for share in np.linspace(0.0, 1.0, PATH + 1).tolist():
        guess = equations.solved(_between(bidders, share), guess)
    return min((direct, guess), key=lambda one: one.error), PATH + 2


@final
@dataclass(frozen=True)
class Equations:
    """The conditions at the points of collocation, for polynomials of K coefficients."""

    degree: int  # K
    power: int

    @cached_property
    def x(self) -> Floats:
        """Points ``[M]`` of (0, 1)."""
        return (1 - np.cos(np.pi * (np.arange(2 * self.degree) + 0.5) / (2 * self.degree))) / 2

    @cached_property
    def _shapes(self) -> tuple[Floats, Floats, Floats]:
        """Return of :math:`(1 - x) z`, of x times it, and of the slope of that, the share of each coefficient."""
        z = chebyshev.chebvander(2 * self.x - 1, self.degree - 1)
        unit = np.eye(self.degree)
        slope = np.column_stack([2 * chebyshev.chebval(2 * self.x - 1, chebyshev.chebder(one)) for one in unit])
        x = self.x[:, None]
        return (1 - x) * z, x * (1 - x) * z, (1 - 2 * x) * z + x * (1 - x) * slope

    def lines(self, bidders: Bidders) -> Guess:
        """Return straight lines, with a highest bid as of even values."""
        share = 1 - 1 / bidders.number.sum()
        top = np.array(share * float(bidders.width.min()))
        return Guess(np.zeros((len(bidders.number), self.degree)), top, np.inf)

    def solved(self, bidders: Bidders, guess: Guess) -> Guess:
        """Return where Newton's steps lead, each halved until it lowers the error."""
        guess = guess._replace(error=self._error(bidders, guess))
        for _ in range(STEPS):
            step = self._step(bidders, guess)
            better = self._halved(bidders, guess, step) if np.isfinite(step).all() else guess
            if better.error >= guess.error * (1 - 1e-4):
                return min(better, guess, key=lambda one: one.error)
            guess = better
        return guess

    def _halved(self, bidders: Bidders, guess: Guess, step: Floats) -> Guess:
        shape = guess.coefficients.shape
        for size in 0.5 ** np.arange(12):
            z, top = guess.coefficients + size * step[:-1].reshape(shape), guess.top + size * step[-1]
            error = self._error(bidders, Guess(z, top, np.inf))
            if error < guess.error:
                return Guess(z, top, error)
        return guess

    def _error(self, bidders: Bidders, guess: Guess) -> float:
        """Return the root mean square of the equations; infinite where values leave theirs or lie below bids."""
        share, rise, _ = self._parts(bidders, guess)
        inside = self._margin(share, guess) > 0
        place = self.x * share / bidders.width[:, None]
        if not (inside.all() and _open(place).all() and guess.top > 0):
            return np.inf
        return float(np.sqrt(np.mean(self._values(bidders, guess, share, rise) ** 2)))

    def _parts(self, bidders: Bidders, guess: Guess) -> tuple[Floats, Floats, Floats]:
        """Return values less the start, by x, their slope, and that of bids, ``[G, M]``, ``[G, M]`` and ``[M]``."""
        flat, _, slope = self._shapes
        width = bidders.width[:, None]
        bid_slope = self.power * guess.top * self.x ** (self.power - 1)
        return width + guess.coefficients @ flat.T, width + guess.coefficients @ slope.T, bid_slope

    def _margin(self, share: Floats, guess: Guess) -> Floats:
        """Return values less bids, by x."""
        return share - guess.top * self.x ** (self.power - 1)

    def _values(self, bidders: Bidders, guess: Guess, share: Floats, rise: Floats) -> Floats:
        """Return left less right sides, ``[G, M]``."""
        pull = bidders.risk[:, None] / self._margin(share, guess)
        bid_slope = self.power * guess.top * self.x ** (self.power - 1)
        right = (bidders.number @ pull) / (bidders.number.sum() - 1) - pull
        return self.x * self._hazards(bidders, share)[0] * rise - bid_slope * right

    def _hazards(self, bidders: Bidders, share: Floats) -> tuple[Floats, Floats]:
        """Return derivatives of ln F by the value, and their own, by central differences inside the interval."""
        place = self.x * share / bidders.width[:, None]
        near = 1e-6 * np.minimum(place, 1 - place)
        each = zip(bidders.hazard, place, near, bidders.width, strict=True)
        both = [(h(p) / w, (h(p + d) - h(p - d)) / (2 * d * w**2)) for h, p, d, w in each]
        return np.array([first for first, _ in both]), np.array([second for _, second in both])

    def _step(self, bidders: Bidders, guess: Guess) -> Floats:
        """Return Newton's step, of all coefficients and the highest bid, in least squares."""
        share, rise, bid_slope = self._parts(bidders, guess)
        hazard, change = self._hazards(bidders, share)
        margin = self._margin(share, guess)
        flat, lifted, slope = self._shapes
        kinds, others = len(bidders.number), bidders.number.sum() - 1
        pull, steep = bidders.risk[:, None] / margin, bidders.risk[:, None] / margin**2
        jacobian = np.zeros((kinds, len(self.x), kinds * self.degree + 1))
        for i in range(kinds):
            for j in range(kinds):
                right = bid_slope * steep[j] * (bidders.number[j] / others - (i == j))
                block = right[:, None] * flat
                if i == j:
                    block += (self.x * hazard[i])[:, None] * slope + (self.x * change[i] * rise[i])[:, None] * lifted
                jacobian[i, :, j * self.degree : (j + 1) * self.degree] = block
            mean, second = ((bidders.number @ part) / others - part[i] for part in (pull, steep))
            bid = self.x ** (self.power - 1)
            jacobian[i, :, -1] = -self.power * bid * mean - bid_slope * bid * second
        values = self._values(bidders, guess, share, rise)
        step = np.linalg.lstsq(jacobian.reshape(-1, jacobian.shape[-1]), -values.ravel(), rcond=1e-14)[0]
        return np.asarray(step, dtype=np.float64)


def _open(place: Floats) -> Bools:
    return (place > 0) & (place < 1)
