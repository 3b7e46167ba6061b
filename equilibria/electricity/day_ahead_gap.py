"""The gap of offers in the day-ahead market: each seller's exact best offer against distributions of residual demand.

Net load and price are public; the others' outages are hidden, and so is what they draw. So a seller answers scenarios
in which the others have outages of other episodes at the same hour of the episode, and offer as the policy does there.
What stands above reveals the outages, never the draws; `walras.equilibria.stage_games` has both roads, and
`walras.equilibria.electricity.best_offer` the answer, `walras.equilibria.electricity.pay_as_bid` that to offers that
are paid as bid. Stakes are profits in competitive equilibrium: who sells nothing earns nothing. Paid as bid, offers at
marginal cost earn nothing either; there a seller's stake is what it surely earns, its best offer's profit against
offers at marginal cost, below which its profit lies in no equilibrium.

Two sellers that are paid as bid and declare a law of many offers are judged against all of it: a seller's profit
depends on its own offer and the other's, so the J offers of each are enumerated, not the pairs.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.game import Actions, take_rows
from walras.core.policy import Mixed, Policy, Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.audit import Audit, Ends, certificate, declared, judged_policy, memoryless, visits
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.electricity import pay_as_bid
from walras.equilibria.electricity.best_offer import Scenarios, best_offers
from walras.equilibria.intervals import interval
from walras.equilibria.scale import SEEDS
from walras.equilibria.stage_games import Stage, stage_gap
from walras.markets.electricity.clearing import merit_order

LOAD, AVAILABLE = 2, 4
"""Where an observation shows the net load and, after the costs, the own blocks."""
STEPS = 24
"""Hours of an episode that are judged, at most."""
SAMPLES = 64
"""Scenarios of an answer, at most: more move the ends by less than the episodes differ."""


def day_ahead_stage(game: DayAheadMarket) -> Stage:
    """Return the auction of one hour; outages are hidden where they vary."""
    hidden, public = game.conditions.outage_deviation > 0, (0, 1, LOAD, 3)
    return Stage(_rewards, _replies, _hindsight, public, hidden=hidden, steps=STEPS, samples=SAMPLES, atoms=SAMPLES)


def day_ahead_stake(game: DayAheadMarket) -> Floats:
    """Return each seller's profit in competitive equilibrium, EUR an episode; paid as bid, what it surely earns."""
    trajectory = rollout(game, Scripted(game), SEEDS)
    if game.settlement == "uniform":
        return trajectory.total.mean(axis=0)
    after = take_rows(trajectory.state, slice(1, None))
    steps, rows, agents, blocks = after.offer.shape
    offered, load = after.offered.reshape(-1, agents, blocks), after.cleared.ravel()
    offer = np.broadcast_to(game.cost, offered.shape)
    each = [_answered(game, i, offer[:, None], offered[:, None], load[:, None])[0] for i in range(agents)]
    return np.stack(each, axis=1).reshape(steps, rows, agents).sum(axis=0).mean(axis=0)


def day_ahead_gap(game: DayAheadMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each seller gains by its best offer, EUR an episode, in expectation over what it does not see."""
    judged, stage = judged_policy(game, policy, audit.device), day_ahead_stage(game)
    told = declared(judged)
    two = game.settlement == "pay_as_bid" and len(game.agents) == 2 and not stage.hidden
    if two and isinstance(told, Mixed) and memoryless(game, judged, audit.seeds):
        return _gap_of_two(game, judged, told, audit)
    return stage_gap(game, policy, audit, stage)


def _gap_of_two(game: DayAheadMarket, judged: Policy, told: Mixed, audit: Audit) -> Gap:
    """Return the gap of the declared law of two sellers that are paid as bid."""
    observation, _ = visits(rollout(game, judged, audit.seeds))
    alike, first, again = np.unique(
        observation[:, :, [LOAD, *range(AVAILABLE + game.cost.shape[1], observation.shape[2])]].reshape(
            len(observation), -1
        ),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    value, best = np.empty((len(alike), 2)), np.empty((len(alike), 2))
    for row, at in enumerate(first):
        value[row], best[row] = _worth_of_two(game, told, observation[at : at + 1])
    shape = (-1, len(audit.seeds), 2)
    worth, most = (part[again.ravel()].reshape(shape).sum(axis=0) for part in (value, best))
    ends = interval(np.maximum(most - worth, 0.0), audit.confidence)
    kind = Kind.EXACT if np.array_equal(ends.low, ends.high) else Kind.STATISTICAL
    how, deviation = "best offer to the declared law", AgainstLaw(game, told)
    ends = Ends(ends.low, ends.high, ends.mean)
    return certificate(game, judged, audit, ends, worth.mean(axis=0), kind, how, deviation=deviation)


def _worth_of_two(game: DayAheadMarket, told: Mixed, observation: Floats) -> tuple[Floats, Floats]:
    """Return what two sellers earn, and earn by their best offers, ``[2]`` EUR each, at ``observation [1, 2, O]``."""
    value, best = np.empty(2), np.empty(2)
    for agent in range(2):
        weight, offer, *own, reach, scenarios = _law_of_other(game, told, observation, agent)
        best[agent] = pay_as_bid.best_offers(own[0], own[1], reach, scenarios).value[0]
        cost, capacity = (np.broadcast_to(part, offer.shape) for part in own)
        value[agent] = weight @ pay_as_bid.expected_profits(cost, capacity, offer, scenarios)
    return value * game.conditions.step_hours, best * game.conditions.step_hours


def _law_of_other(
    game: DayAheadMarket, told: Mixed, observation: Floats, agent: int
) -> tuple[Floats, Floats, Floats, Floats, Floats, Scenarios]:
    """Return an agent's weights ``[J]`` and offers ``[J, K]``, costs, capacities, reaches, and what it meets."""
    weight, markup = told.mixture(observation)
    offer = np.minimum(game.cost[:, None] + np.clip(markup[0], 0.0, game.markup_limit), game.cap)
    available, other = _available(game, observation)[0], 1 - agent
    sold = np.broadcast_to(available[other], (1, *offer[other].shape))
    load = np.full((1, offer.shape[1]), observation[0, 0, LOAD])
    cost = game.cost[agent : agent + 1]
    reach = np.minimum(cost + game.markup_limit, game.cap)
    scenarios = Scenarios(offer[other][None], sold, load, weight[0, other][None])
    return weight[0, agent], offer[agent], cost, available[agent][None], reach, scenarios


@final
@dataclass(frozen=True, eq=False)
class AgainstLaw:
    """Each of two sellers' best offer to the other's declared law."""

    game: DayAheadMarket
    told: Mixed

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return mark-ups ``[B, 2, K]``."""
        markup = np.empty((len(observation), *self.game.cost.shape))
        for row in range(len(observation)):
            for agent in range(2):
                own = _law_of_other(self.game, self.told, observation[row : row + 1], agent)[2:]
                markup[row, agent] = pay_as_bid.best_offers(*own).offer[0] - self.game.cost[agent]
        return np.clip(markup, 0.0, self.game.markup_limit)


def _rewards(game: DayAheadMarket, observation: Floats, action: Actions) -> Floats:
    offer = np.minimum(game.cost + action, game.cap)
    clearing = merit_order(offer, _available(game, observation), observation[:, 0, LOAD], game.cap, 0.0)
    margin = (game.payment(clearing.price, offer) - game.cost) * game.conditions.step_hours
    return np.sum(margin * clearing.dispatch, axis=2)


def _replies(
    game: DayAheadMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    offer = np.minimum(game.cost + action, game.cap)
    value, best = _answered(game, agent, offer, _available(game, observation), observation[:, :, 0, LOAD], weight)
    return value, np.clip(best - game.cost[agent], 0.0, game.markup_limit)


def _answered(
    game: DayAheadMarket, agent: int, offer: Floats, available: Floats, load: Floats, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the value ``[M]`` EUR and the offers ``[M, K]`` of an agent's best answers.

    They answer ``offer [M, S, N, K]`` of what is ``available``, at ``load [M, S]`` and of ``weight [M, S]``, or all of
    one scenario each.
    """
    (rows, samples), others = load.shape, np.arange(len(game.agents)) != agent
    weight = np.ones(load.shape) if weight is None else weight
    cost = np.broadcast_to(game.cost[agent], (rows, game.cost.shape[1]))
    reach = np.minimum(cost + game.markup_limit, game.cap)
    asked, sold = (part[:, :, others].reshape(rows, samples, -1) for part in (offer, available))
    own = cost, available[:, 0, agent], reach, Scenarios(asked, sold, load, weight)
    found = best_offers(*own, game.cap) if game.settlement == "uniform" else pay_as_bid.best_offers(*own)
    return found.value * game.conditions.step_hours, found.offer


def _hindsight(game: DayAheadMarket, observation: Floats, action: Actions) -> Floats:
    one = np.ones((len(action), 1))
    best = [_replies(game, observation[:, None], i, action[:, None], one)[0] for i in range(len(game.agents))]
    return np.maximum(np.stack(best, axis=1) - _rewards(game, observation, action), 0.0)


def _available(game: DayAheadMarket, observation: Floats) -> Floats:
    return observation[..., AVAILABLE + game.cost.shape[1] :]
