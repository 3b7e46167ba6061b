r"""Forward and spot market: the subgame-perfect equilibrium, and what a firm gains by other forwards and quantities.

Equilibrium
-----------
Given forwards f, firm i produces :math:`q_i = f_i + (p - c_i)/b` at the price :math:`p = (a - b F + \sum c)/(N + 1)`.
Foreseeing this, its best forward against the others' has :math:`f_i = (N - 1)(p - c_i)/b`, so
:math:`p = (a + N \sum c)/(N^2 + 1)` [1]_, if all firms produce at it.

Gaps
----
What a firm earns by forward :math:`f_i` and its best quantity after it is, against rivals of known reaction, a
piecewise quadratic of :math:`f_i`: the price of the spot equilibrium is the least of lines in :math:`f_i`, rivals'
quantities are linear between its kinks, and so is the own best quantity between its limits. Each piece has its own
peak, so the best deviation is exact.

``concept="subgame perfect"``: the best forward with the spot equilibrium after it and, apart from that, the best
quantity at the forwards as played; of any policy, at the steps of play. ``concept="nash"``: the best of both if the
others do what they really do; of `ForwardPlan`, `Constant` and the scripted rule exactly, of other policies a lower
bound, which was found in play.

References
----------
[1] B. Allaz, J.-L. Vila, Cournot competition, forward markets and efficiency, Journal of Economic Theory 59, 1993.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.core.checks import require_each
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Constant, Policy, Scripted, pure
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.forward_spot_market import ForwardSpotMarket
from walras.equilibria.audit import Audit, Ends, certificate, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.search import returns

Reaction: TypeAlias = Callable[[Floats], Floats]
"""From forwards ``[M, N]`` to what firms produce, ``[M, N]``, linear between kinks of the spot equilibrium's price."""
GRID = 65
"""Forwards that are tried against policies whose reaction is not known."""


@final
@dataclass(frozen=True, eq=False)
class ForwardPlan:
    """Forwards, and then the spot equilibrium, whatever was sold forward."""

    game: ForwardSpotMarket
    forward: Floats  # [N] MWh

    @property
    def independent(self) -> bool:
        """Nobody draws."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return forwards or quantities, ``[B, N, 1]``."""
        quantity = self.game.spot_quantity(_forwards(observation))
        return np.where(observation[:, :, 0] > 0.5, quantity, self.forward)[:, :, None]

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


@final
@dataclass(frozen=True, eq=False)
class Fixed:
    """Forwards and quantities, whatever happens."""

    forward: Floats  # [N] MWh
    quantity: Floats  # [N] MWh

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return forwards or quantities, ``[B, N, 1]``."""
        return np.where(observation[:, :, 0] > 0.5, self.quantity, self.forward)[:, :, None]


@dataclass(frozen=True, kw_only=True)
class ForwardSpotEquilibrium(Solution):
    """The subgame-perfect equilibrium, and what happens in it."""

    forward: Floats  # [N] MWh
    quantity: Floats  # [N] MWh
    price: float  # EUR/MWh


def solve_forward_spot(game: ForwardSpotMarket) -> ForwardSpotEquilibrium:
    """Return the subgame-perfect equilibrium.

    Raises
    ------
    ValueError
        If a firm would produce nothing at its price.
    """
    firms = len(game.c)
    price = (game.intercept + firms * game.c.sum()) / (firms**2 + 1)
    rule = f"lie below the equilibrium price {price:g}, for all firms to produce"
    require_each(game.c < price, "cost", rule, game.c)
    forward = (firms - 1) * (price - game.c) / game.slope
    quantity = firms * (price - game.c) / game.slope
    return ForwardSpotEquilibrium(
        policy=ForwardPlan(game, forward),
        value=game.horizon // 2 * (price - game.c) * quantity,
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        concept=Concept.SUBGAME_PERFECT,
        forward=forward,
        quantity=quantity,
        price=float(price),
    )


def forward_spot_stake(game: ForwardSpotMarket) -> Floats:
    """Return each firm's profit where none sells forward, EUR an episode: an idle firm earns none."""
    quantity = game.spot_quantity(np.zeros(len(game.c)))
    return game.horizon // 2 * (game.price(quantity) - game.c) * quantity


def subgame_gap(game: ForwardSpotMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each firm gains by other forwards with the spot equilibrium after them, and by other quantities.

    Both are counted at the steps of play; what the policy does after other forwards is not judged.
    """
    judged = judged_policy(game, policy, audit.device)
    trajectory = rollout(game, judged, audit.seeds)
    forward, quantity = _played(trajectory.action[:, :, :, 0])
    gains = np.zeros((len(audit.seeds), len(game.c)))
    for f, q in zip(forward, quantity, strict=True):
        for row in range(len(f)):
            for i in range(len(game.c)):
                value = _value(game, i, f[row], game.spot_quantity(f[row]))
                gains[row, i] += max(best_forward(game, i, f[row], game.spot_quantity)[0] - value, 0.0)
                best = _best_quantity(game, i, f[row : row + 1], q[row : row + 1])
                answered = q[row].copy()
                answered[i] = best[0]
                gains[row, i] += _value(game, i, f[row], answered) - _value(game, i, f[row], q[row])
    gains = _rounded(game, gains)
    ends = interval(gains, audit.confidence)
    kind = Kind.EXACT if np.array_equal(ends.low, ends.high) else Kind.STATISTICAL
    value, how = trajectory.total.mean(axis=0), "best forwards, then the spot equilibrium; best quantities"
    return certificate(game, judged, audit, Ends(ends.low, ends.high, ends.mean), value, kind, how)


def forward_spot_gap(game: ForwardSpotMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each firm gains by other forwards and quantities if the others do what their policies do."""
    judged = judged_policy(game, policy, audit.device)
    known = _known(game, declared(judged))
    if known is None:
        return _searched(game, judged, audit)
    forward, reaction = known
    value, best, plans = np.empty(len(game.c)), np.empty(len(game.c)), np.empty((2, len(game.c)))
    for i in range(len(game.c)):
        value[i] = _value(game, i, forward, reaction(forward[None])[0])
        best[i], plans[0, i], plans[1, i] = best_forward(game, i, forward, reaction)
    days, gain = game.horizon // 2, _rounded(game, best - value)
    how, deviation = "best forward and quantity to the declared reaction", Fixed(plans[0], plans[1])
    return certificate(game, judged, audit, exactly(days * gain), days * value, Kind.EXACT, how, deviation=deviation)


def _rounded(game: ForwardSpotMarket, gain: Floats) -> Floats:
    """Return gains of which those that are rounding are zero."""
    return np.where(gain > 1e-12 * game.intercept * game.most, gain, 0.0)


def _forwards(observation: Floats) -> Floats:
    return observation[:, :, 1]


def _played(action: Floats) -> tuple[Floats, Floats]:
    """Return forwards and quantities, ``[D, B, N]`` each, of ``action [T, B, N]``."""
    days = len(action) // 2
    return action[: 2 * days : 2], action[1 : 2 * days : 2]


def _known(game: ForwardSpotMarket, policy: Policy) -> tuple[Floats, Reaction] | None:
    """Return the forwards and the reaction of a policy, or none where it is not known."""
    if isinstance(policy, Scripted):
        policy = ForwardPlan(game, np.zeros(len(game.c)))
    if isinstance(policy, ForwardPlan) and policy.game == game:
        return np.clip(policy.forward, 0.0, game.most), game.spot_quantity
    if isinstance(policy, Constant | Fixed):
        actions = (policy.action[:, 0],) * 2 if isinstance(policy, Constant) else (policy.forward, policy.quantity)
        forward, quantity = (np.clip(part, 0.0, game.most) for part in actions)
        return forward, lambda f: np.broadcast_to(quantity, f.shape)
    return None


def _value(game: ForwardSpotMarket, agent: int, forward: Floats, quantity: Floats) -> float:
    """Return what a firm earns by ``forward [N]`` and ``quantity [N]``, EUR a delivery."""
    ahead = game.spot_price(forward) * forward[agent]
    rest = game.price(quantity) * (quantity[agent] - forward[agent])
    return float(ahead + rest - game.c[agent] * quantity[agent])


def _best_quantity(game: ForwardSpotMarket, agent: int, forward: Floats, quantity: Floats) -> Floats:
    """Return a firm's best quantities ``[M]`` given ``forward [M, N]`` and the others' ``quantity [M, N]``."""
    return np.clip(_free_quantity(game, agent, forward, quantity), 0.0, game.most)


def _free_quantity(game: ForwardSpotMarket, agent: int, forward: Floats, quantity: Floats) -> Floats:
    others = quantity.sum(axis=1) - quantity[:, agent]
    return ((game.intercept - game.c[agent]) / game.slope - others + forward[:, agent]) / 2


def best_forward(
    game: ForwardSpotMarket, agent: int, forward: Floats, reaction: Reaction
) -> tuple[float, float, float]:
    """Return what a firm earns at most, EUR a delivery, the forward and the quantity by which it does.

    Parameters
    ----------
    game : ForwardSpotMarket
        The game.
    agent : int
        Who deviates.
    forward : ndarray
        What all sell forward, ``[N]`` MWh; the agent's own does not count.
    reaction : callable
        What the others produce.
    """

    def at(own: Floats) -> tuple[Floats, Floats]:
        changed = np.repeat(forward[None], len(own), axis=0)
        changed[:, agent] = own
        return changed, np.asarray(reaction(changed))

    def worth(own: Floats) -> Floats:
        changed, quantity = at(own)
        answered = np.array(quantity)
        answered[:, agent] = _best_quantity(game, agent, changed, quantity)
        return np.array([_value(game, agent, f, q) for f, q in zip(changed, answered, strict=True)])

    knots = _price_kinks(game, agent, forward)
    free = _free_quantity(game, agent, *at(knots))
    knots = np.unique(np.concatenate([knots, *(_crossings(knots, free - edge) for edge in (0.0, game.most))]))
    left, width = knots[:-1], np.diff(knots)
    ends, middle = worth(knots), worth(left + width / 2)
    # Through the values at both ends and in the middle: v(t) = v0 + s t + r t^2 on [0, 1].
    square = 2 * (ends[1:] + ends[:-1] - 2 * middle)
    linear = ends[1:] - ends[:-1] - square
    peak = np.where(square < 0, np.clip(-linear / np.where(square < 0, 2 * square, -1.0), 0.0, 1.0), 0.0)
    tried = np.concatenate([knots, left + peak * width])
    values = worth(tried)
    top = int(values.argmax())
    best = _best_quantity(game, agent, *at(tried[top : top + 1]))
    return float(values[top]), float(tried[top]), float(best[0])


def _price_kinks(game: ForwardSpotMarket, agent: int, forward: Floats) -> Floats:
    """Return the own forwards at which the price of the spot equilibrium may have a kink, with both limits.

    The price is the least of lines in the own forward: of k rivals that produce, alone or with the firm itself. There
    rivals begin or cease to produce; they also do where they would produce all that is allowed.
    """
    b, firms = game.slope, len(game.c)
    rivals = np.arange(firms) != agent
    first = np.sort(game.c[rivals] - b * forward[rivals])
    count, total = np.arange(firms), game.intercept + np.concatenate([[0.0], np.cumsum(first)])
    level = np.concatenate([total / (count + 1), (total + game.c[agent]) / (count + 2)])
    slope = np.concatenate([np.zeros(firms), -b / (count + 2)])
    own = game.c[agent : agent + 1]
    pairs = [(level, slope, np.array([x]), np.array([s])) for x, s in zip(level, slope, strict=True)]
    full = game.c + b * (game.most - forward)  # prices at which a firm produces all that is allowed
    still = np.concatenate([game.c - b * forward, full])
    pairs += [(level, slope, np.array([x]), np.array([0.0])) for x in still]
    pairs += [(level, slope, own, np.array([-b])), (level, slope, own + b * game.most, np.array([-b]))]
    found = [_meeting(*pair) for pair in pairs]
    inside = np.concatenate([[0.0, game.most], *found])
    return np.unique(inside[(inside >= 0) & (inside <= game.most)])


def _meeting(level: Floats, slope: Floats, other: Floats, steep: Floats) -> Floats:
    """Return where lines meet another one."""
    apart = slope - steep
    return ((other - level) / np.where(apart == 0, 1.0, apart))[apart != 0]


def _crossings(knots: Floats, value: Floats) -> Floats:
    """Return where what is linear between `knots` is zero."""
    a, b = value[:-1], value[1:]
    share = a / np.where(a == b, 1.0, a - b)
    crosses = (a * b < 0) & (a != b)
    return (knots[:-1] + share * np.diff(knots))[crosses]


def _searched(game: ForwardSpotMarket, judged: Policy, audit: Audit) -> Gap:
    """Return what other forwards and quantities gain in play, from a grid, below what no play of the others allows."""
    firms, value = len(game.c), rollout(game, judged, audit.seeds).total
    forward, quantity = np.zeros(firms), np.zeros(firms)
    for i in range(firms):
        forward[i], quantity[i] = _best_in_play(game, judged, i, audit)
    plan, fresh = Fixed(forward, quantity), audit.fresh(2)
    plain = returns(game, judged, fresh, (), None)
    gains = np.stack([returns(game, judged, fresh, (i,), plan)[:, i] - plain[:, i] for i in range(firms)], axis=1)
    low = interval(gains, audit.confidence)
    high = np.maximum(_most(game) - interval(value, audit.confidence).low, 0.0)
    ends = Ends(np.minimum(low.low, high), high, np.minimum(low.mean, high))
    how = "best forward of a grid, and the best quantity after it, in play"
    return certificate(game, judged, audit, ends, value.mean(axis=0), Kind.LOWER, how, deviation=plan)


def _best_in_play(game: ForwardSpotMarket, judged: Policy, agent: int, audit: Audit) -> tuple[float, float]:
    """Return the forward of a grid, and the quantity, that earn a firm most on average while the others play on."""
    rows, rng = len(audit.seeds), audit.rng(3)
    start = game.reset(np.empty((rows, 0)))
    sold = judged.act(game.observe(start), rng)[:, :, 0]
    best, answer = -np.inf, (0.0, 0.0)
    for own in np.linspace(0.0, game.most, GRID):
        forward = sold.copy()
        forward[:, agent] = own
        after = game.step(start, forward[:, :, None], np.empty((rows, 0))).state
        quantity = judged.act(game.observe(after), rng)[:, :, 0]
        mean = _best_quantity(game, agent, forward, quantity).mean()
        quantity[:, agent] = np.clip(mean, 0.0, game.most)
        worth = float(np.mean([_value(game, agent, f, q) for f, q in zip(forward, quantity, strict=True)]))
        if worth > best:
            best, answer = worth, (float(own), float(quantity[0, agent]))
    return answer


def _most(game: ForwardSpotMarket) -> Floats:
    """Return what no firm earns more than in an episode, ``[N]`` EUR, whatever the others do.

    Forwards fetch at most the monopoly price after them; on the spot market the best is a monopoly, or to buy back all
    forwards at the lowest price that all can make.
    """
    ahead = (game.intercept + game.c) ** 2 / (8 * game.slope)
    lowest = (len(game.c) - 1) * game.intercept * game.most
    spot = np.maximum((game.intercept - game.c) ** 2 / (4 * game.slope), lowest)
    return game.horizon // 2 * (ahead + spot)
