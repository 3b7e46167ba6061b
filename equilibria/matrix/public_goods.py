r"""Sequential public goods: the subgame-perfect equilibrium by backward induction on continuous contributions.

Let :math:`F_{i+1}(x)` be what the group has given in the end if x has been given after agent i's move. Agent i, who
finds S, chooses :math:`x = S + c` to maximise

.. math:: -\kappa(x - S) + \gamma b_i (x - S) S + W_i(x), \qquad
          W_i(x) = \frac{\rho}{n} F_{i+1}(x) - P \, \mathbf 1\{F_{i+1}(x) < B\} .

:math:`F_{n+1}(x) = x`. If :math:`F_{i+1}` is piecewise linear, so is :math:`W_i`: on each piece the best x is an end or
one interior point, each linear in S, and the value is quadratic in S. So the best choice changes at the roots of
differences of quadratics, :math:`F_i(S) = F_{i+1}(x(S))` is again piecewise linear, and the induction is exact up to
rounding. Where choices are equally good the higher contribution is made; so maxima are attained where F jumps.

Trap: on a grid of contributions leaders exploit the followers' rounding, and the answer is several grid steps away.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Constant, pure
from walras.core.solution import Solution, Status
from walras.core.typing import Floats, Ints
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods

TIE = 1e-12
"""Difference of payoffs, as a share of the largest, up to which choices are equally good."""

APART = 1e-4
"""Distance of choices, as a share of the largest total, below which they are one choice and no tie."""


class Total(NamedTuple):
    """What the group gives in the end, as a piecewise linear function of what has been given: J pieces."""

    ends: Floats  # [J + 1]
    intercept: Floats  # [J]
    slope: Floats  # [J]


class _Choices(NamedTuple):
    """Candidates for what has been given after a move: C of them at M states, of which some are not allowed."""

    after: Floats  # [M, C]
    total: Floats  # [M, C] in the end
    value: Floats  # [M, C] to the mover, less what does not depend on the choice; -inf where not allowed


@final
@dataclass(frozen=True, eq=False)
class BackwardInduction:
    """Each agent's best move after whatever was given, those after it moving likewise."""

    game: SequentialPublicGoods

    @cached_property
    def totals(self) -> tuple[Total, ...]:
        """What follows after each agent's move, ``[N]``."""
        total = _shifted(self.game, self.game.n - 1, 0.0)
        totals = [total]
        for i in range(self.game.n - 1, 0, -1):
            total = _total_before(self.game, i, total)
            totals.insert(0, total)
        return tuple(totals)

    @property
    def independent(self) -> bool:
        """Nobody draws."""
        return True

    def move(self, agent: int, before: Floats) -> Floats:
        """Return the agent's contributions ``[M]`` after ``before [M]`` was given."""
        return best_move(self.game, agent, self.totals[agent], before)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return each agent's move at what it sees, ``[B, N, 1]``."""
        before = self.game.before(observation)
        return np.stack([self.move(i, before[:, i]) for i in range(self.game.n)], axis=1)[:, :, None]

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


@dataclass(frozen=True, kw_only=True)
class PublicGoodsEquilibrium(Solution):
    """An equilibrium of sequential public goods, and what is given on its path."""

    contribution: Floats  # [N]
    welfare: float  # the sum of payoffs


def solve_subgame_perfect(game: SequentialPublicGoods) -> PublicGoodsEquilibrium:
    """Return the subgame-perfect equilibrium; without observation, see `solve_public_goods`.

    Raises
    ------
    ValueError
        If agents see the last contribution alone: what they do then rests on beliefs.
    """
    require(
        game.observation in ("full", "sum"), "observation", "be full or sum, for subgames to begin", game.observation
    )
    policy = BackwardInduction(game)
    given = np.zeros(game.n)
    for i in range(game.n):
        given[i] = policy.move(i, np.array([given[:i].sum()]))[0]
    return _equilibrium(game, policy, given, Concept.SUBGAME_PERFECT)


def solve_public_goods(game: SequentialPublicGoods) -> PublicGoodsEquilibrium:
    """Return a Nash equilibrium: the subgame-perfect one, or, without observation, that of the simultaneous game.

    Without observation a contribution moves no other, so each is the best one after those before it; where a penalty
    binds this may fail, which the gap then says.

    Raises
    ------
    ValueError
        If agents see the last contribution alone.
    """
    if game.observation != "none":
        return replace(solve_subgame_perfect(game), concept=Concept.NASH)
    given = np.zeros(game.n)
    for i in range(game.n):
        given[i] = best_move(game, i, _shifted(game, i, 0.0), np.array([given[:i].sum()]))[0]
    for _ in range(100):
        before = given.copy()
        for i in range(game.n):
            rest = _shifted(game, i, float(given[i + 1 :].sum()))
            given[i] = best_move(game, i, rest, np.array([given[:i].sum()]))[0]
        if np.array_equal(before, given):
            break
    return _equilibrium(game, Constant(given[:, None]), given, Concept.NASH)


def constant_totals(game: SequentialPublicGoods, given: Floats) -> tuple[Total, ...]:
    """Return what follows each agent's move where those after it give ``given [N]``, whatever was before."""
    return tuple(_shifted(game, i, float(given[i + 1 :].sum())) for i in range(game.n))


def best_move(game: SequentialPublicGoods, agent: int, after: Total, before: Floats) -> Floats:
    """Return the agent's best contributions ``[M]`` after ``before [M]``, if `after` tells what its move leads to."""
    found = _choices(game, agent, after, before)
    return np.clip(found.after[np.arange(len(before)), _best(game, found)] - before, game.low, game.high)


def best_value(game: SequentialPublicGoods, agent: int, after: Total, before: Floats) -> Floats:
    """Return what the best contributions are worth to the agent, ``[M]``."""
    return _choices(game, agent, after, before).value.max(axis=1)


def _equilibrium(
    game: SequentialPublicGoods, policy: BackwardInduction | Constant, given: Floats, concept: Concept
) -> PublicGoodsEquilibrium:
    value = game.payoff(given)
    return PublicGoodsEquilibrium(
        policy=policy,
        value=value,
        concept=concept,
        residual=0.0,
        iterations=game.n,
        status=Status.CONVERGED,
        contribution=given,
        welfare=float(value.sum()),
    )


def _tie(game: SequentialPublicGoods) -> float:
    most = game.n * game.high
    return TIE * (game.k * max(most, most**2) + game.gamma * most**2 + game.rho * most + game.penalty)


def _shifted(game: SequentialPublicGoods, agent: int, more: float) -> Total:
    """Return what is given in the end if those after an agent give `more`, whatever it does."""
    ends = np.array([(agent + 1) * game.low, (agent + 1) * game.high])
    return _split(game, Total(ends, np.array([more]), np.ones(1)))


def _split(game: SequentialPublicGoods, total: Total) -> Total:
    """Return the same function with pieces that do not cross the threshold."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (game.threshold - total.intercept) / total.slope
    inside = np.isfinite(at) & (at > total.ends[:-1]) & (at < total.ends[1:])
    ends = np.sort(np.concatenate([total.ends, at[inside]]))
    piece = np.clip(np.searchsorted(total.ends, (ends[:-1] + ends[1:]) / 2) - 1, 0, len(total.slope) - 1)
    return Total(ends, total.intercept[piece], total.slope[piece])


def _choices(game: SequentialPublicGoods, agent: int, after: Total, before: Floats) -> _Choices:
    """Return the candidates: of each piece within reach both ends and, with a quadratic cost, the best point inside."""
    s = before[:, None]
    low, high = np.maximum(after.ends[:-1], s + game.low), np.minimum(after.ends[1:], s + game.high)
    allowed, candidates = low <= high, [low, high]
    if game.cost == "quadratic":
        pull = game.gamma * game.weights[agent] * s + game.rho / game.n * after.slope
        candidates.append(np.clip(s + pull / game.k, low, np.maximum(low, high)))
    x = np.concatenate(candidates, axis=1)
    times = len(candidates)
    total = np.tile(after.intercept, times) + np.tile(after.slope, times) * x
    missed = np.tile(_missed(game, after), times)
    c = x - s
    cost = game.k * (c if game.cost == "linear" else c**2 / 2)
    value = -cost + game.gamma * game.weights[agent] * c * s + game.rho / game.n * total - game.penalty * missed
    return _Choices(x, total, np.where(np.tile(allowed, (1, times)), value, -np.inf))


def _missed(game: SequentialPublicGoods, after: Total) -> Floats:
    """Return on which pieces the group misses the threshold, ``[J]``; a point of a piece that rises to it does not."""
    middle = (after.ends[:-1] + after.ends[1:]) / 2
    return (after.intercept + after.slope * middle < game.threshold).astype(np.float64)


def _total_before(game: SequentialPublicGoods, agent: int, after: Total) -> Total:
    """Return what is given in the end as a function of what `agent` finds."""
    reach = np.array([agent * game.low, agent * game.high])
    ends = _roots(game, agent, after, _regimes(game, agent, after, reach))
    middle = (ends[:-1] + ends[1:]) / 2
    near = np.stack([middle - (ends[1:] - ends[:-1]) / 4, middle + (ends[1:] - ends[:-1]) / 4])
    end = np.stack([_ended(game, agent, after, part) for part in near])
    slope = (end[1] - end[0]) / (near[1] - near[0])
    return _split(game, _merged(Total(ends, end[0] - slope * near[0], slope)))


def _ended(game: SequentialPublicGoods, agent: int, after: Total, before: Floats) -> Floats:
    """Return what is given in the end after the agent's best move, ``[M]``."""
    found = _choices(game, agent, after, before)
    return found.total[np.arange(len(before)), _best(game, found)]


def _best(game: SequentialPublicGoods, found: _Choices) -> Ints:
    """Return which candidates are best, ``[M]``; of those that are equally good and elsewhere, the highest."""
    rows, first = np.arange(len(found.value)), found.value.argmax(axis=1)
    equal = found.value >= found.value[rows, first][:, None] - _tie(game)
    elsewhere = np.abs(found.after - found.after[rows, first][:, None]) > APART * game.n * game.high
    highest = np.where(equal & elsewhere, found.after, -np.inf).argmax(axis=1)
    higher = (equal & elsewhere)[rows, highest] & (found.after[rows, highest] > found.after[rows, first])
    return np.where(higher, highest, first)


def _regimes(game: SequentialPublicGoods, agent: int, after: Total, reach: Floats) -> Floats:
    """Return where a candidate of some piece begins or ends to be allowed or inside, within `reach`."""
    at = [after.ends - game.low, after.ends - game.high]
    if game.cost == "quadratic":
        bend, pull = game.gamma * game.weights[agent] / game.k, game.rho / game.n * after.slope / game.k
        with np.errstate(divide="ignore", invalid="ignore"):
            at += [(edge - pull) / (1 + bend) for edge in (after.ends[:-1], after.ends[1:])]
            at += [(limit - pull) / bend for limit in (game.low, game.high)]
    every = np.concatenate([reach, *at])
    every = every[np.isfinite(every) & (every >= reach[0]) & (every <= reach[1])]
    return _apart(every)


def _roots(game: SequentialPublicGoods, agent: int, after: Total, ends: Floats) -> Floats:
    """Return the regimes' ends and, between them, where two candidates are equally good."""
    width = ends[1:] - ends[:-1]
    at = [ends[:-1] + share * width for share in (0.25, 0.5, 0.75)]
    low, mid, high = (_choices(game, agent, after, part).value for part in at)
    first, second = np.triu_indices(low.shape[1], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        d0, d1, d2 = (part[:, first] - part[:, second] for part in (low, mid, high))
        a, b = 8 * (d2 - 2 * d1 + d0), 2 * (d2 - d0)  # d1 + b t + a t^2, for t of the width from the middle
        a = np.where(np.abs(a) <= 1e-11 * (np.abs(d0) + np.abs(d2)), 0.0, a)
        q = -(b + np.where(b >= 0, 1, -1) * np.sqrt(b**2 - 4 * a * d1)) / 2
        t = np.stack([q / a, d1 / q])
        end = np.sign(t) / 2
        touching = (np.abs(t) > 0.499) & (np.abs(d1 + b * end + a * end**2) <= _tie(game))
    t = np.concatenate(np.where(np.isfinite(t) & (np.abs(t) < 0.5) & ~touching, t, np.nan), axis=1)
    found = ((ends[:-1] + ends[1:]) / 2)[:, None] + t * width[:, None]
    return _apart(np.concatenate([ends, found[np.isfinite(found)]]))


def _apart(at: Floats) -> Floats:
    """Return sorted numbers of which no two are the same up to rounding; both ends are kept."""
    every = np.unique(at)
    kept = every[np.concatenate([[True], np.diff(every) > 1e-13 * (1 + np.abs(every[1:]))])]
    kept[-1] = every[-1]
    return kept


def _merged(total: Total) -> Total:
    """Return the same function without ends at which nothing changes."""
    same = np.isclose(total.slope[1:], total.slope[:-1], rtol=1e-9, atol=1e-10)
    same &= np.isclose(total.intercept[1:], total.intercept[:-1], rtol=1e-9, atol=1e-10)
    first = np.concatenate([[True], ~same])
    return Total(np.append(total.ends[:-1][first], total.ends[-1]), total.intercept[first], total.slope[first])
