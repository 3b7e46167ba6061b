r"""Storages: open-loop equilibrium, price takers, and the gap of any policy by the best schedule against those played.

The best schedule of one storage against what the others sold is `walras.markets.electricity.storage_programme`'s, with
a profit that is attained in the game and one that no schedule exceeds, proved by weak duality. It is a best deviation
if the others do not react: `Schedule`, `Constant`, `Random` and the scripted rule follow hours and what is held by
themselves, which nothing that another does can move.

| the others | lower | upper |
|---|---|---|
| do not react, and draw nothing | the best schedule | its proved bound: both ends meet, but for rounding |
| do not react, and draw | the best schedule against their mean, in fresh episodes | the best against their draws |
| may react | the best schedule against their mean, played on | what no play of the others allows more than |

For the last, the others never sell where i sells, and never buy where it buys: all buy with full power at the one
price, and sell with full power at the other.

Against fixed offers the best schedule is `walras.markets.electricity.storage_stack`'s: its profit is a supremum, and
what lies above is the bound of the mixed-integer programme. Prices of price takers are those that support them, which
at an edge of the offers may lie between two steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Constant, Policy, Profile, Random, Scripted, pure
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.storage_market import StorageMarket
from walras.equilibria.audit import Audit, Ends, certificate, declared, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.search import returns
from walras.markets.electricity.storage_programme import BestSchedule, best_schedule, dual_bound
from walras.markets.electricity.storage_stack import best_on_stack

Answer: TypeAlias = Callable[[int, Floats], BestSchedule]
"""From an agent and a row of numbers by the hour to its best schedule."""
MEET = 1e-9
"""Share of the money that moves up to which both ends of a gap are one."""


@final
@dataclass(frozen=True, eq=False)
class Schedule:
    """What each storage sells, hour by hour, whatever happens."""

    game: StorageMarket
    sold: Floats  # [T, N] MW

    @property
    def independent(self) -> bool:
        """Nobody draws."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the schedule at the hour that is seen, ``[B, N, 1]``."""
        return self.game.scheduled(self.sold, observation)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


@dataclass(frozen=True, kw_only=True)
class StorageEquilibrium(Solution):
    """Schedules of storages, and the prices that they make."""

    sold: Floats  # [T, N] MW, discharging positive
    price: Floats  # [T] EUR/MWh
    held: Floats  # [T, N] MWh after each hour


def solve_storage(game: StorageMarket) -> StorageEquilibrium:
    """Return the open-loop Nash equilibrium; where storages would charge and discharge at once, it is none.

    Against fixed offers none is computed: the price takers are returned, and judged.
    """
    return _solution(game, 1.0, Concept.NASH)


def solve_storage_competitive(game: StorageMarket) -> StorageEquilibrium:
    """Return the schedules of price takers."""
    return _solution(game, 0.0, Concept.COMPETITIVE)


def _solution(game: StorageMarket, theta: float, concept: Concept) -> StorageEquilibrium:
    sold = game.schedules(theta)
    price = game.supporting(sold.sum(axis=1))
    return StorageEquilibrium(
        policy=Schedule(game, sold),
        value=price @ sold,
        residual=np.inf,
        iterations=1,
        status=Status.UNCERTIFIED,
        concept=concept,
        tol=1e-6,
        sold=sold,
        price=price,
        held=np.stack([device.held(own) for device, own in zip(game.devices, sold.T, strict=True)], axis=1),
    )


def storage_stake(game: StorageMarket) -> Floats:
    """Return what each storage earns by the schedules of the equilibrium, EUR: an idle one earns nothing."""
    sold = game.schedules(1.0)
    return np.maximum(game.prices(np.arange(game.horizon), sold.sum(axis=1)) @ sold, 0.0)


def best_response(game: StorageMarket, agent: int, others: Floats) -> BestSchedule:
    """Return a storage's best schedule if the others together sell ``others [T]`` MW."""
    if game.supply == "stack":
        return best_on_stack(game.stack, game.drawn - others, game.devices[agent])
    return best_schedule(game.a - game.b * others, game.b, game.devices[agent])


def price_taking_gap(game: StorageMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each storage would earn more by the best schedule at the prices that came out, EUR an episode.

    Where an hour's price is an interval, it is the point of it nearest to the competitive price.
    """
    judged = judged_policy(game, policy, audit.device)
    trajectory = rollout(game, judged, audit.seeds)
    sold = trajectory.state.sold[1:].transpose(1, 0, 2)  # [E, T, N]
    price = np.stack([game.supporting(row) for row in sold.sum(axis=2)])[:, :, None]
    played = price.repeat(len(game.agents), axis=2)
    found = _each(game, played, lambda i, row: best_schedule(row, 0.0 * row, game.devices[i]))
    earned = np.sum(price * sold, axis=1)
    how = "best schedule at the prices that came out"
    return _proved(game, judged, audit, found, earned, how, trajectory.total)


def storage_gap(game: StorageMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each storage gains by its best schedule; see the module for what the ends are worth."""
    judged = judged_policy(game, policy, audit.device)
    trajectory = rollout(game, judged, audit.seeds)
    sold = trajectory.state.sold[1:].transpose(1, 0, 2)  # [E, T, N]
    others = sold.sum(axis=2, keepdims=True) - sold
    if not blind(policy):
        return _reacting(game, judged, audit, others, trajectory.total)
    found = _each(game, others, lambda i, row: best_response(game, i, row))
    if not np.ptp(sold, axis=0).any():
        return _proved(game, judged, audit, found, trajectory.total, "best schedule against those played")
    return _drawing(game, judged, audit, found, trajectory.total)


def blind(policy: Policy) -> bool:
    """Return whether it is known that nobody's play depends on prices or on what others hold."""
    own = declared(policy)
    if isinstance(own, Profile):
        return all(blind(part) for part in own.policies.values())
    return isinstance(own, Schedule | Constant | Random | Scripted)


def _each(game: StorageMarket, rows: Floats, answer: Answer) -> list[list[BestSchedule]]:
    """Return the answers of each agent in each episode, to ``rows [E, T, N]``; alike rows are answered once."""
    found: list[list[BestSchedule]] = []
    for agent in range(len(game.agents)):
        _, first, again = np.unique(rows[:, :, agent], axis=0, return_index=True, return_inverse=True)
        known = [answer(agent, rows[row, :, agent]) for row in first]
        found.append([known[k] for k in again.ravel()])
    return found


def _ends(found: list[list[BestSchedule]], total: Floats) -> tuple[Floats, Floats]:
    """Return what best schedules attain and what is proved above them, less what was earned, ``[E, N]`` each."""
    low, high = (np.array([[getattr(each, name) for each in own] for own in found]).T for name in ("lower", "upper"))
    return np.maximum(low - total, 0.0), np.maximum(high - total, 0.0)


def _proved(
    game: StorageMarket,
    judged: Policy,
    audit: Audit,
    found: list[list[BestSchedule]],
    total: Floats,
    how: str,
    paid: Floats | None = None,
) -> Gap:
    """Return the gap of best schedules whose two ends are proved, above `total`; what was `paid` may be less."""
    below, above = _ends(found, total)
    money = float(game.horizon * max(map(abs, game.price_limits)) * game.most.max())
    if np.max(above - below) <= MEET * money:
        below = above
    low, high = interval(below, audit.confidence), interval(above, audit.confidence)
    proved = Kind.EXACT if np.array_equal(low.low, high.high) else Kind.BOUNDS
    kind = Kind.STATISTICAL if np.ptp(above, axis=0).any() or np.ptp(below, axis=0).any() else proved
    deviation = _deviation(game, [own[0].sold for own in found])
    ends, value = Ends(low.low, high.high, low.mean), (total if paid is None else paid).mean(axis=0)
    return certificate(game, judged, audit, ends, value, kind, how, deviation=deviation)


def _drawing(game: StorageMarket, judged: Policy, audit: Audit, found: list[list[BestSchedule]], total: Floats) -> Gap:
    """Return the gap where the others draw: a schedule that knows their law, and one that knows their draws."""
    _, above = _ends(found, total)
    answer = _answer_to_mean(game, judged, audit.fresh(1))
    below = interval(_replayed(game, judged, answer, audit.fresh(2)), audit.confidence)
    high = interval(above, audit.confidence).high
    ends = Ends(np.minimum(below.low, high), high, np.minimum(below.mean, high))
    how = "best schedule against the mean of the others, and against their draws"
    return certificate(game, judged, audit, ends, total.mean(axis=0), Kind.STATISTICAL, how, deviation=answer)


def _reacting(game: StorageMarket, judged: Policy, audit: Audit, others: Floats, total: Floats) -> Gap:
    """Return the gap where the others may react: what a schedule gains in play, below what nothing can exceed."""
    answer = _answer_to_mean(game, judged, audit.fresh(1))
    below = interval(_replayed(game, judged, answer, audit.fresh(2)), audit.confidence)
    most = np.array([_most(game, i) for i in range(len(game.agents))])
    high = np.maximum(most - interval(total, audit.confidence).low, 0.0)
    ends = Ends(np.minimum(below.low, high), high, np.minimum(below.mean, high))
    how = "best schedule against the mean of the others, who may react"
    return certificate(game, judged, audit, ends, total.mean(axis=0), Kind.LOWER, how, deviation=answer)


def _most(game: StorageMarket, agent: int) -> float:
    """Return what a storage earns at most, whatever the others do, EUR."""
    rivals, device = float(game.most.sum() - game.most[agent]), game.devices[agent]
    free, hours = best_response(game, agent, np.zeros(game.horizon)), np.arange(game.horizon)
    selling, buying = game.prices(hours, -rivals), game.prices(hours, rivals)
    slope = game.b if game.supply == "linear" else np.zeros(game.horizon)
    levels = np.linspace(float(game.a.min()), float(game.a.max()), 33)
    bounds = [dual_bound(selling, buying, slope, device, np.full(len(game.a), v)) for v in levels]
    return max(min(bounds), free.upper)


def _answer_to_mean(game: StorageMarket, judged: Policy, seeds: list[int]) -> Schedule:
    """Return each storage's best schedule against what the others sell on average."""
    sold = rollout(game, judged, seeds).state.sold[1:].mean(axis=1)
    others = sold.sum(axis=1, keepdims=True) - sold
    return _deviation(game, [best_response(game, i, others[:, i]).sold for i in range(len(game.agents))])


def _replayed(game: StorageMarket, judged: Policy, answer: Schedule, seeds: list[int]) -> Floats:
    """Return what each storage gains by its schedule while the others play on, ``[E, N]`` EUR."""
    plain = returns(game, judged, seeds, (), None)
    gains = [returns(game, judged, seeds, (i,), answer)[:, i] - plain[:, i] for i in range(len(game.agents))]
    return np.stack(gains, axis=1)


def _deviation(game: StorageMarket, each: list[Floats]) -> Schedule:
    return Schedule(game, np.stack(each, axis=1))
