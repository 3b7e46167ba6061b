"""Gaps of games in which agents are paid alike: what one agent gains alone, and what all together could gain.

`Concept.NASH` asks for the first: the exact best reply of one agent where the map is small and the others declare their
chances, else the best deviation that a search finds, below what all together can attain. `Concept.JOINT_OPTIMUM` asks
for the second: the optimum less the value of the policy. Where nobody moves the first may be zero, and the second all.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from walras.core.policy import Constant, Policy, Scripted
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Floats
from walras.envs.cooperation.cooperative_navigation import CooperativeNavigation
from walras.envs.cooperation.grid_map import STAY
from walras.envs.cooperation.grid_world import GridWorld
from walras.envs.cooperation.navigation_rewards import Covering
from walras.equilibria.audit import Audit, Ends, certificate, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.cooperation import best_reply
from walras.equilibria.cooperation.grid_world import exact_return
from walras.equilibria.intervals import interval
from walras.equilibria.search import returns, search, searched_gap
from walras.equilibria.solve import found_once

Paid: TypeAlias = GridWorld | CooperativeNavigation


def grid_gap(game: GridWorld, policy: Policy, audit: Audit) -> Gap:
    """Return what each agent gains alone, an episode."""
    judged = judged_policy(game, policy, audit.device)
    chances = best_reply.chances_of(game, declared(judged))
    if chances is not None and best_reply.check_chances(game, judged, chances, audit.seeds) is None:
        found = best_reply.unilateral_gaps(game, chances)
        assert found is not None
        gain, value, replies = found
        values = np.full(len(game.agents), value)
        method = "best reply to the declared chances"
        return certificate(game, judged, audit, exactly(gain), values, Kind.EXACT, method, deviation=replies)
    return _searched(game, judged, audit)


def navigation_gap(game: CooperativeNavigation, policy: Policy, audit: Audit) -> Gap:
    """Return what each agent gains alone, an episode; nothing bounds it where the joint optimum has no bound."""
    judged = judged_policy(game, policy, audit.device)
    if isinstance(game.reward, Covering):
        return _searched(game, judged, audit)
    return searched_gap(game, judged, audit, {"scripted": Scripted(game)})


def grid_suboptimality(game: GridWorld, policy: Policy, audit: Audit) -> Gap:
    """Return what the policy lacks of the joint optimum, an episode; exactly where its chances are declared."""
    judged = judged_policy(game, policy, audit.device)
    chances, least, most = best_reply.chances_of(game, declared(judged)), *_optimum(game)
    if chances is None or best_reply.check_chances(game, judged, chances, audit.seeds) is not None:
        return _lacking(game, judged, audit, least, most)
    value = np.full(len(game.agents), exact_return(game, chances))
    met = np.allclose(least, most)
    ends = exactly(most - value) if met else Ends(least - value, most - value, least - value)
    return certificate(game, judged, audit, ends, value, Kind.EXACT if met else Kind.BOUNDS, "declared chances")


def navigation_suboptimality(game: CooperativeNavigation, policy: Policy, audit: Audit) -> Gap:
    """Return what the policy lacks of the joint optimum, an episode, between the plan found and the bound."""
    return _lacking(game, judged_policy(game, policy, audit.device), audit, *_optimum(game))


def stake(game: Paid) -> Floats:
    """Return what is at stake for each agent: the reference plan's value less that if it alone stays."""
    small = best_reply.stakes(game) if isinstance(game, GridWorld) else None
    if small is not None:
        return small
    plan, agents, seeds = _plan(game), len(game.agents), list(range(64))
    idle = Constant(np.full(agents, STAY if isinstance(game, GridWorld) else 0))
    value = returns(game, plan, seeds, (), None).mean(axis=0)
    each = [returns(game, plan, seeds, (i,), idle)[:, i].mean() for i in range(agents)]
    return np.maximum(value - np.array(each), 0.0)


def _plan(game: Paid) -> Policy:
    """Return the joint plan that is known, or the scripted rule where none is."""
    if isinstance(game, CooperativeNavigation) and not isinstance(game.reward, Covering):
        return Scripted(game)
    return found_once(game).policy


def _optimum(game: Paid) -> tuple[Floats, Floats]:
    """Return what is known to be attained, and what nothing exceeds, ``[N]`` each."""
    found: Any = found_once(game)
    agents = len(game.agents)
    if isinstance(game, GridWorld):
        return np.full(agents, found.attained), np.full(agents, found.optimum)
    return found.value, np.full(agents, found.upper)


def _lacking(game: Paid, policy: Policy, audit: Audit, least: Floats, most: Floats) -> Gap:
    total = interval(_play(game, policy, audit), audit.confidence)
    ends = Ends(least - total.high, most - total.low, least - total.mean)
    method = "optimum less what is earned in play" if np.allclose(least, most) else "between plan and bound, in play"
    return certificate(game, policy, audit, ends, total.mean, Kind.STATISTICAL, method)


def _searched(game: Paid, policy: Policy, audit: Audit) -> Gap:
    players = [(i,) for i in range(len(game.agents))]
    found = search(game, policy, audit, players, _known(game))
    below, total = interval(found.gains, audit.confidence), interval(_play(game, policy, audit), audit.confidence)
    return certificate(
        game,
        policy,
        audit,
        Ends(below.low, _optimum(game)[1] - total.low, below.mean),
        total.mean,
        Kind.STATISTICAL,
        found.method,
        deviation=found.deviation,
        growing=found.growing,
    )


def _known(game: Paid) -> Mapping[str, Policy]:
    return {"the joint plan's own column": found_once(game).policy, "scripted": Scripted(game)}


def _play(game: Paid, policy: Policy, audit: Audit) -> Floats:
    played: Trajectory[Any] = rollout(game, policy, audit.seeds)  # type: ignore[arg-type] - a game of either kind
    return played.total
