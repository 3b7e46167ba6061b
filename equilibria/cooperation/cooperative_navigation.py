r"""The joint optimum of cooperative navigation with `Covering` rewards, between bounds that do not meet.

All agents are paid alike, so the joint optimum is the largest expected return of an episode, undiscounted, and each
agent's value is all of it.

**Below**: a policy, and what it attains. Each agent is given a landmark and a pilot
(`walras.envs.cooperation.steering`). Then, in every state, the agents in turn try each thrust and keep the best, as
judged by a few steps that all fly on by their pilots: the rollout algorithm, one agent at a time [1]_. Who flies where,
how near to walls and how far to look ahead are found by trying.

**Above**: `upper_bound`, from four facts, axis by axis.

1. Positions are linear in the forces that acted. Without contact an agent is never farther from its start, along an
   axis, than by full thrust in every step.
2. A wall pushes no particle towards its own middle, so no wall helps an agent to the middle of one. Beyond it the bound
   lets the agent be anywhere on this axis from the next step on.
3. Other agents push with no more than the force of coinciding centres, in the step after one that ended with an
   overlap, and hardly at all after others. If n steps end with overlaps, no agent is farther by any step than if these
   were the first n, each with all others and in its favour; and each costs at least 2.
4. An agent that cannot be within the threshold of a landmark earns nothing, else at most the threshold as its own
   share, and of the landmarks' what one place can have from all of them.

The bound is the largest over n. It is not enough to let each agent fly alone and without contact: a soft wall throws
out what has entered it within a step, so contact can save thrusts. The bounds stay apart because the upper one grants
every agent the best push at no loss to the others, and a place exactly on its landmark.

References
----------
[1] D. Bertsekas, Multiagent reinforcement learning: rollout and policy iteration, IEEE/CAA Journal of Automatica Sinica
8, 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, permutations, product
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.game import take_rows
from walras.core.rollout import rollout
from walras.core.solution import Solution, Status
from walras.core.typing import Floats, Ints
from walras.envs.cooperation.cooperative_navigation import CooperativeNavigation, NavigationState
from walras.envs.cooperation.navigation_rewards import Covering
from walras.envs.cooperation.particles import DIRECTION, Physics, distances, particle_forces
from walras.envs.cooperation.steering import Pilot

ASSIGNMENTS = 6
"""Ways to give landmarks to agents that are tried, those with the shortest flights."""
CLEARANCES, DEPTHS = (0.01, -0.05, -0.1), (4, 8)
"""How near to walls the pilots fly, beyond a radius, and how many steps are looked ahead."""


@final
@dataclass(frozen=True, kw_only=True)
class NavigationPlan(Solution):
    """A policy and its return of an episode, `value`; the joint optimum may be higher, by at most `residual`."""

    upper: float  # what no policy exceeds, on average over the same episodes


@final
@dataclass(frozen=True)
class Lookahead:
    """Pilots to given landmarks, each of whose thrusts is the best of five when all fly on by their pilots."""

    game: CooperativeNavigation
    targets: tuple[int, ...]  # [N] each agent's landmark
    clearance: float = CLEARANCES[0]  # of the pilots
    depth: int = DEPTHS[0]  # steps that are looked ahead

    def act(self, observation: Floats, rng: np.random.Generator) -> Ints:
        """Return the thrusts, ``[B, N]``; rows that see the same are looked ahead from once."""
        _, first, back = np.unique(
            observation.reshape(len(observation), -1), axis=0, return_index=True, return_inverse=True
        )
        return self._looked_ahead(self.game.recall(observation[first]))[back.reshape(-1)]

    def _looked_ahead(self, state: NavigationState) -> Ints:
        onward = self._pilot.ways_on(state.landmark[:, list(self.targets)])
        action = self._fly(state, onward)
        for agent in range(action.shape[1]):
            action[:, agent] = self._best_thrust(state, onward, action, agent)
        return action

    def _best_thrust(self, state: NavigationState, onward: Floats, action: Ints, agent: int) -> Ints:
        """Return what `agent` does best while the others do `action`; a tie leaves it as it is."""
        thrusts, rows = len(DIRECTION), len(action)
        tried = np.repeat(action[None], thrusts, axis=0)
        tried[:, :, agent] = np.arange(thrusts)[:, None]
        copies = np.tile(np.arange(rows), thrusts)
        earned = self._earned(take_rows(state, copies), onward[copies], tried.reshape(-1, action.shape[1]))
        earned, kept = earned.reshape(thrusts, rows), (action[:, agent], np.arange(rows))
        return np.where(earned[kept] >= earned.max(axis=0), action[:, agent], earned.argmax(axis=0))

    def _earned(self, state: NavigationState, onward: Floats, action: Ints) -> Floats:
        """Return what all earn together by `action` and the steps that follow, ``[B]``."""
        total, unused = np.zeros(len(action)), np.empty(0)
        for remaining in range(self.depth, 0, -1):
            state, reward, _ = self.game.step(state, action, unused)
            total += reward.sum(axis=1)
            if remaining > 1:
                action = self._fly(state, onward)
        return total

    def _fly(self, state: NavigationState, onward: Floats) -> Ints:
        """Return the pilots' thrusts; `onward` is what ways remain from corners to their landmarks."""
        return self._pilot.act(state.position, state.velocity, state.landmark[:, list(self.targets)], onward)

    @cached_property
    def _pilot(self) -> Pilot:
        return Pilot(self.game.physics, self.game.walls, self.clearance)


def solve_cooperative_navigation(
    game: CooperativeNavigation, *, tol: float = 1e-6, episodes: int = 16
) -> NavigationPlan:
    """Return the best policy found and how far from the joint optimum it can be.

    Parameters
    ----------
    game : CooperativeNavigation
        A game with a `Covering` reward.
    tol : float
        Largest distance between the bounds.
    episodes : int
        Policies are tried on the seeds from 0 to this, and the one that is kept is judged on as many that follow; one
        is enough where nothing is drawn.

    Raises
    ------
    ValueError
        If the reward is another, or `episodes` is below 1.
    """
    _covering(game)
    require(episodes >= 1, "episodes", "be at least 1", episodes)
    episodes = episodes if game.start_spread or game.landmark_spread else 1
    policy, tried = _best_policy(game, range(episodes))
    trajectory = rollout(game, policy, range(episodes, 2 * episodes))
    states = trajectory.state
    upper = upper_bound(game, NavigationState(states.position[0], states.velocity[0], states.landmark[0]))
    residual = float((upper[:, None] - trajectory.total).mean(axis=0).max())
    return NavigationPlan(
        policy=policy,
        value=trajectory.total.mean(axis=0),
        residual=residual,
        iterations=tried,
        status=Status.CONVERGED if residual <= tol else Status.BOUNDS_APART,
        concept=Concept.JOINT_OPTIMUM,
        upper=float(upper.mean()),
    )


def upper_bound(game: CooperativeNavigation, start: NavigationState) -> Floats:
    """Return what no policy exceeds in an episode that begins at rest in `start`, ``[B]``; see the module.

    Raises
    ------
    ValueError
        If the game's reward is not `Covering`, or an agent does not start at rest.
    """
    reward, agents = _covering(game), len(game.agents)
    require(not start.velocity.any(), "start", "be at rest", start.velocity)
    all_landmarks = reward.threshold * start.landmark.shape[1]
    one_place = _most_in_one_place(start.landmark, reward.threshold)[:, None]
    highest = game.horizon * agents * (agents * reward.threshold + all_landmarks)
    best = np.full(len(start.position), -np.inf)
    for overlaps in range(game.horizon + 1 if agents > 1 else 1):
        near = _arrivals(game, start, overlaps)[..., None] <= np.arange(1, game.horizon + 1)  # [B, N, T]
        count = near.sum(axis=1)
        earned = count * reward.threshold + np.minimum(count * one_place, all_landmarks)
        best = np.maximum(best, agents * earned.sum(axis=1) - 2 * overlaps)
        if (best >= highest - 2 * (overlaps + 1)).all():
            break
    return best - game.horizon * agents * reward.self_contact


def _arrivals(game: CooperativeNavigation, start: NavigationState, overlaps: int) -> Ints:
    """Return the first step at which each agent may be near a landmark, ``[B, N]``, if `overlaps` steps end so."""
    reach = _reach(game, start, overlaps)  # [B, N, 2, T + 1]
    offset = start.landmark[:, None] - start.position[:, :, None]  # [B, N, L, 2]
    forward = np.where(offset < 0, -1.0, 1.0)
    first = _first(reach, np.abs(offset) - _covering(game).threshold)
    for wall in game.walls:
        ahead = forward * (np.array(wall[:2]) - start.position)[:, :, None]
        first = np.minimum(first, np.where(ahead <= 0, 0, _first(reach, ahead)) + 1)
    return first.max(axis=3).min(axis=2)


def _first(reach: Floats, distance: Floats) -> Ints:
    """Return the first step at which ``reach [B, N, 2, T + 1]`` is ``distance [B, N, L, 2]``, or T + 1."""
    return (reach[:, :, None] < distance[..., None]).sum(axis=4)


def _reach(game: CooperativeNavigation, start: NavigationState, overlaps: int) -> Floats:
    """Return how far thrust and other agents take each agent along each axis by each step, ``[B, N, 2, T + 1]``."""
    physics, others = game.physics, len(game.agents) - 1
    once = _response(physics, game.horizon)  # to a force of 1 in the first step
    always = np.cumsum(once)
    after = np.append(0.0, always[:-1])  # to forces in all steps but the first
    late = np.append(np.zeros(min(overlaps, game.horizon) + 1), always)[: game.horizon + 1]  # but the first n + 1
    pushes = physics.push(np.array([0.0, -2 * physics.radius]))  # of surfaces that meet, of centres that coincide
    at_start = np.abs(particle_forces(start.position, physics))[..., None] * once
    return at_start + (physics.thrust + others * pushes[0]) * always + others * pushes[1] * (after - late)


def _response(physics: Physics, steps: int) -> Floats:
    """Return how far a force of 1 in the first step takes a particle by each step, ``[T + 1]``."""
    places, velocity, force = [np.zeros(1)], np.zeros(1), np.ones(1)
    for _ in range(steps):
        place, velocity = physics.motion.advance(places[-1], velocity, force, physics)
        places, force = [*places, place], np.zeros(1)
    return np.concatenate(places)


def _most_in_one_place(landmark: Floats, threshold: float) -> Floats:
    """Return a bound of what one agent has from all of ``landmark [B, L, 2]``, ``[B]``.

    Distances to two landmarks add up to at least the distance between them. Summed over the pairs of m landmarks, the
    distances to them add up to at least the sum over pairs divided by m - 1.
    """
    between = distances(landmark, landmark)
    best = np.full(len(landmark), threshold)
    for m in range(2, landmark.shape[1] + 1):
        for chosen in combinations(range(landmark.shape[1]), m):
            apart = sum(between[:, i, j] for i, j in combinations(chosen, 2))
            best = np.maximum(best, m * threshold - apart / (m - 1))
    return best


def _best_policy(game: CooperativeNavigation, seeds: Sequence[int]) -> tuple[Lookahead, int]:
    """Return the policy that attains most on `seeds`, and how many were tried."""
    first = {policy: _attained(policy, seeds) for policy in _assignments(game)}
    best = max(first, key=first.__getitem__)
    others = [replace(best, clearance=c, depth=d) for c, d in product(CLEARANCES, DEPTHS)]
    tried = first | {policy: _attained(policy, seeds) for policy in others if policy not in first}
    return max(tried, key=tried.__getitem__), len(tried)


def _assignments(game: CooperativeNavigation) -> list[Lookahead]:
    """Return policies for the ways to give landmarks to agents, the shortest flights first."""
    starts, landmarks = np.array(game.starts), np.array(game.landmarks)
    length = np.abs(starts[:, None] - landmarks).sum(axis=2)
    shared = list(range(len(landmarks))) * -(-len(starts) // len(landmarks))
    ways = sorted(set(permutations(shared, len(starts))), key=lambda way: float(length[range(len(way)), way].max()))
    return [Lookahead(game, way) for way in ways[:ASSIGNMENTS]]


def _attained(policy: Lookahead, seeds: Sequence[int]) -> float:
    return float(rollout(policy.game, policy, seeds).total.mean())


def _covering(game: CooperativeNavigation) -> Covering:
    if not isinstance(game.reward, Covering):
        raise ValueError(f"`game.reward` must be Covering for its optimum to be bounded; got {game.reward!r}.")
    return game.reward
