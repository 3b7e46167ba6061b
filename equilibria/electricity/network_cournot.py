r"""Network Cournot: the equilibrium by conjecture, its gap, and what a deviation gains if the network is cleared again.

Conjecture
----------
An owner that conjectures that differences of prices stay solves, against the prices p that came out and its own outputs
x of total X,

.. math:: \max_{0 \le y \le K} \sum_k (p_{n(k)} - c_k) y_k - \tfrac12 d_k y_k^2 - B Y (Y - X), \qquad Y = \sum_k y_k .

That is a market of its own: units of cost :math:`c_k - p_{n(k)}` and slope :math:`d_k` meet the demand
:math:`B X - 2 B Y`. The gap at ``concept="price differences"`` is what this gains, step by step as played.

Clearing again
--------------
At ``concept="nash"`` rivals' outputs stay and the network is cleared for each deviation. Along the output of one unit
all prices are piecewise linear; `walras.markets.electricity.elastic_network_compiled.path` finds their knots, so profit
is quadratic between known places, and the best output of an owner of one unit is exact, also against a law of the
others' outputs. An owner of several units is searched, unit by unit from several starts. What stands above is then what
it can add to the surplus of all on a network without limits: the surplus V is concave in outputs and its gradient are
the prices, so :math:`x_i p_i \le V(x_i, x_{-i}) - V(0, x_{-i})`.
"""

from dataclasses import dataclass

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.game import Actions
from walras.core.policy import Constant, Policy
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats
from walras.envs.electricity.network_cournot_market import NetworkCournotMarket
from walras.equilibria.audit import Audit, Ends, certificate, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.stage_games import Stage
from walras.markets.electricity import elastic_network_compiled
from walras.markets.electricity.oligopoly import meet_demand

ROUNDS = 20
"""Rounds of best outputs, unit by unit, of an owner of several."""


@dataclass(frozen=True, kw_only=True)
class NetworkCournotEquilibrium(Solution):
    """An equilibrium if owners conjecture that price differences stay, and what the operator makes of it."""

    action: Floats  # [N, A] MW
    nodal_price: Floats  # [n] EUR/MWh
    demand: Floats  # [n] MW
    flow: Floats  # [L] MW
    line_price: Floats  # [L] EUR/MWh


def solve_network_cournot(game: NetworkCournotMarket) -> NetworkCournotEquilibrium:
    """Return the equilibrium of owners who conjecture that price differences stay, unique in prices.

    Raises
    ------
    ValueError
        If consumers of a bus would sell there, so that the level of prices does not answer as is conjectured.
    """
    action = game.conjectured(1.0)
    after = game.cleared(action[None])
    demand = game.network.demand(after.price[0])
    for consumer in game.consumers:
        bought = float(demand[game.network.buses.index(consumer.bus)])
        require(bought > 0, "intercept", f"leave consumption at bus {consumer.bus!r}, at equilibrium", bought)
    return NetworkCournotEquilibrium(
        policy=Constant(action),
        value=game.horizon * game.profit(after.output, after.price)[0],
        concept=Concept.PRICE_DIFFERENCES,
        residual=0.0,
        iterations=1,
        status=Status.CONVERGED,
        tol=1e-8,
        action=action,
        nodal_price=after.price[0],
        demand=demand,
        flow=game.network.flow(game.bus, game.by_unit(after.output), after.price)[0],
        line_price=after.line_price[0],
    )


def network_cournot_stake(game: NetworkCournotMarket) -> Floats:
    """Return each owner's profit at the conjectural equilibrium in an episode, EUR: an idle owner earns none."""
    after = game.cleared(game.conjectured(1.0)[None])
    return game.horizon * game.profit(after.output, after.price)[0]


def price_difference_gap(game: NetworkCournotMarket, policy: Policy, audit: Audit) -> Gap:
    """Return what each owner would gain, EUR an episode, if price differences stayed."""
    judged = judged_policy(game, policy, audit.device)
    trajectory = rollout(game, judged, audit.seeds)
    steps, rows = trajectory.reward.shape[:2]
    output, price = (
        part[1:].reshape(steps * rows, *part.shape[2:]) for part in (trajectory.state.output, trajectory.state.price)
    )
    _, first, again = np.unique(output.reshape(len(output), -1), axis=0, return_index=True, return_inverse=True)
    gains = np.array([conjectured_gains(game, output[row], price[row]) for row in first])[again.ravel()]
    ends = interval(gains.reshape(steps, rows, -1).sum(axis=0), audit.confidence)
    kind = Kind.EXACT if np.array_equal(ends.low, ends.high) else Kind.STATISTICAL
    value, how = trajectory.total.mean(axis=0), "best outputs if price differences stay"
    return certificate(game, judged, audit, Ends(ends.low, ends.high, ends.mean), value, kind, how)


def conjectured_gains(game: NetworkCournotMarket, output: Floats, price: Floats) -> Floats:
    """Return what each owner conjectures to gain, ``[N]`` EUR/h, at ``output [N, A]`` and ``price [n]``."""
    fall, at = game.network.level_slope, game.own_price(price[None])[0]
    gains = np.empty(len(output))
    for agent, (x, p, c, d, capacity) in enumerate(
        zip(output, at, game.cost, game.cost_slope, game.capacity, strict=True)
    ):
        total = float(x.sum())
        best = meet_demand(fall * total, 2 * fall, c - p, d, capacity)
        worth = [np.sum((p - c - d * y / 2) * y) - fall * y.sum() * (y.sum() - total) for y in (best, x)]
        gains[agent] = max(worth[0] - worth[1], 0.0)
    return gains


def network_cournot_stage(game: NetworkCournotMarket) -> Stage:
    """Return the stage game that clears the network again; exact where each owner has one unit."""
    single = game.units.shape[1] == 1
    return Stage(_rewards, _replies, _hindsight, fixed_by_two=single, proved=single, proved_alone=single)


def _rewards(game: NetworkCournotMarket, observation: Floats, action: Actions) -> Floats:
    after = game.cleared(np.minimum(action, game.capacity))
    return game.profit(after.output, after.price)


def _replies(
    game: NetworkCournotMarket, observation: Floats, agent: int, action: Actions, weight: Floats
) -> tuple[Floats, Actions]:
    """Return the value ``[M]`` and the outputs ``[M, A]`` of the best answers, of several units the best found."""
    others = np.minimum(action, game.capacity)
    others[:, :, agent] = 0.0
    laws = np.concatenate((others.reshape(len(others), -1), weight), axis=1)
    _, first, again = np.unique(laws, axis=0, return_index=True, return_inverse=True)
    found = [_reply(game, agent, *_law(others[row], weight[row])) for row in first]
    answers = np.array([value for value, _ in found]), np.stack([answer for _, answer in found])
    return answers[0][again.ravel()], answers[1][again.ravel()]


def _law(output: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the different scenarios of ``output [S, N, A]`` and their weights."""
    _, first, again = np.unique(output.reshape(len(output), -1), axis=0, return_index=True, return_inverse=True)
    return output[first], np.bincount(again.ravel(), weight).astype(np.float64)


def _hindsight(game: NetworkCournotMarket, observation: Floats, action: Actions) -> Floats:
    """Return what no answer gains more than, ``[M, N]``."""
    own, one = _rewards(game, observation, action), np.ones((len(action), 1))
    best = np.empty_like(own)
    for agent in range(own.shape[1]):
        if game.units.shape[1] == 1:
            best[:, agent] = _replies(game, observation[:, None], agent, action[:, None], one)[0]
        else:
            best[:, agent] = [_most(game, agent, row) for row in np.minimum(action, game.capacity)]
    return np.maximum(best - own, 0.0)


def _most(game: NetworkCournotMarket, agent: int, output: Floats) -> float:
    """Return what no answer to ``output [N, A]`` earns more than: all that it adds to surplus, lines without limits."""
    network, cost = game.network, (game.cost[agent], game.cost_slope[agent], game.capacity[agent])
    without = output[None].copy()
    without[0, agent] = 0.0
    alone, rest = game.cleared(without), float(without.sum())
    level = float((network.weight @ network.intercept - rest) * network.level_slope)
    added = meet_demand(level, network.level_slope, *cost)
    price = level - network.level_slope * added.sum()
    most = network.surplus(np.full(len(network.buses), price)) - np.sum((cost[0] + cost[1] * added / 2) * added)
    return float(most - network.surplus(alone.price[0]))


def _reply(game: NetworkCournotMarket, agent: int, output: Floats, chance: Floats) -> tuple[float, Floats]:
    """Return the best answer ``[A]`` to ``output [S, N, A]``: unit by unit until nothing gains, from two starts."""
    capacity = game.capacity[agent]
    places = [int(place) for place in np.flatnonzero(capacity > 0)]
    best, answer = -np.inf, np.zeros(len(capacity))
    for start in (np.zeros_like(capacity), capacity) if len(places) > 1 else (np.zeros_like(capacity),):
        own, value = start.copy(), -np.inf
        for _ in range(ROUNDS if len(places) > 1 else 1):
            before = value
            for place in places:
                value, own[place] = _best_output(game, agent, place, own, output, chance)
            if value <= before + 1e-12 * max(abs(value), 1.0):
                break
        if value > best:
            best, answer = value, own
    return (best, answer) if places else (0.0, answer)


def _best_output(
    game: NetworkCournotMarket, agent: int, place: int, own: Floats, output: Floats, chance: Floats
) -> tuple[float, float]:
    """Return the largest expected profit over one unit's output, the other own outputs being given, and that output."""
    changed = output.copy()
    changed[:, agent] = own
    unit, most = int(game.units[agent, place]), float(game.capacity[agent, place])
    at, price = _expected_path(game, agent, game.by_unit(changed), unit, most, chance)
    x = np.repeat(own[None], len(at), axis=0)
    x[:, place] = at
    # Between two knots prices are p + (q - p) t; profit is a quadratic of t, whose peak may lie inside.
    p, q = price[:-1], price[1:]
    width = np.diff(at)[:, None] * (np.arange(len(own)) == place)
    square = np.sum((q - p) * width - game.cost_slope[agent] * width**2 / 2, axis=1)
    margin = p - game.cost[agent] - game.cost_slope[agent] * x[:-1]
    linear = np.sum(margin * width + (q - p) * x[:-1], axis=1)
    peak = np.clip(-linear / np.where(square < 0, 2 * square, -1.0), 0.0, 1.0)
    share = np.where(square < 0, peak, (square + linear > 0).astype(np.float64))
    fixed = np.sum((p - game.cost[agent] - game.cost_slope[agent] * x[:-1] / 2) * x[:-1], axis=1)
    value = fixed + (linear + square * share) * share
    top = int(value.argmax())
    return float(value[top]), float(at[top] + share[top] * (at[top + 1] - at[top]))


def _expected_path(
    game: NetworkCournotMarket, agent: int, output: Floats, unit: int, most: float, chance: Floats
) -> tuple[Floats, Floats]:
    """Return knots ``[G]`` of a unit's output and the expected prices at the owner's buses there, ``[G, A]``."""
    buses = game.bus[game.units[agent]]
    paths = [elastic_network_compiled.path(row, game.bus, unit, most, *game.network.programme) for row in output]
    at = np.unique(np.concatenate([path[0] for path in paths]))
    price = np.zeros((len(at), len(buses)))
    for (knots, prices), weight in zip(paths, chance, strict=True):
        for column, bus in enumerate(buses):
            price[:, column] += weight * np.interp(at, knots, prices[:, bus])
    return at, price
