"""The gap of offers in the day-ahead market: each seller's exact best offer against distributions of residual demand.

Net load and price are public; the others' outages are hidden, and so is what they draw. So a seller answers scenarios
in which the others have outages of other episodes at the same hour of the episode, and offer as the policy does there.
What stands above reveals the outages, never the draws; `walras.equilibria.stage_games` has both roads, and
`walras.equilibria.electricity.best_offer` the answer. Stakes are profits in competitive equilibrium: who sells nothing
earns nothing.
"""

import numpy as np

from walras.core.game import Actions
from walras.core.policy import Scripted
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.electricity.day_ahead_market import DayAheadMarket
from walras.equilibria.electricity.best_offer import Scenarios, best_offers
from walras.equilibria.scale import SEEDS
from walras.equilibria.stage_games import Stage
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
    return Stage(
        _rewards, _replies, _hindsight, public, hidden=hidden, steps=STEPS, samples=SAMPLES, atoms=SAMPLES, unit="EUR"
    )


def day_ahead_stake(game: DayAheadMarket) -> Floats:
    """Return each seller's profit in competitive equilibrium, EUR an episode."""
    return rollout(game, Scripted(game), SEEDS).total.mean(axis=0)


def _rewards(game: DayAheadMarket, observation: Floats, action: Actions) -> Floats:
    offer = np.minimum(game.cost + action, game.cap)
    clearing = merit_order(offer, _available(game, observation), observation[:, 0, LOAD], game.cap, 0.0)
    margin = (clearing.price[:, None, None] - game.cost) * game.conditions.step_hours
    return np.sum(margin * clearing.dispatch, axis=2)


def _replies(
    game: DayAheadMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    rows, samples = weight.shape
    others = np.arange(len(game.agents)) != agent
    offer = np.minimum(game.cost + action, game.cap)[:, :, others]
    available = _available(game, observation)
    cost = np.broadcast_to(game.cost[agent], (rows, game.cost.shape[1]))
    found = best_offers(
        cost,
        available[:, 0, agent],
        np.minimum(cost + game.markup_limit, game.cap),
        Scenarios(
            offer.reshape(rows, samples, -1),
            available[:, :, others].reshape(rows, samples, -1),
            observation[:, :, 0, LOAD],
            weight,
        ),
        game.cap,
    )
    return found.value * game.conditions.step_hours, np.clip(found.offer - cost, 0.0, game.markup_limit)


def _hindsight(game: DayAheadMarket, observation: Floats, action: Actions) -> Floats:
    one = np.ones((len(action), 1))
    best = [_replies(game, observation[:, None], i, action[:, None], one)[0] for i in range(len(game.agents))]
    return np.maximum(np.stack(best, axis=1) - _rewards(game, observation, action), 0.0)


def _available(game: DayAheadMarket, observation: Floats) -> Floats:
    return observation[..., AVAILABLE + game.cost.shape[1] :]
