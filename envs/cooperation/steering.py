r"""Steering of particles around walls, without regard to each other: the scripted rule of one agent alone.

A particle that glides rests at p + g v, g being its glide (`walras.envs.cooperation.particles`). A thrust along an axis
moves that resting point by one quantum along this axis, whatever the velocity. So flying is a walk of the resting point
along the axes, and the shortest way has the fewest thrusts. The rule thrusts in every step until the resting point is
within half a quantum of the target, on both axes.

A way to a point goes along one axis first, then along the other. It is clear where it stays one radius and a clearance
off the walls. Around walls the resting point walks from corner to corner; a corner lies half a quantum farther out, so
that the way on is clear once the resting point is there as nearly as it can be.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.particles import Physics, Walls

BLOCKED = 1e2
"""How many times longer a way is where it is too near to a wall: only a start or target there makes it worth it."""
LEG = 1e-3
"""What each corner adds: of ways equally long, that with the fewest is taken."""


class Way(NamedTuple):
    """Ways between points, each by its turn."""

    turn: Floats  # [..., 2]
    length: Floats  # [...]


@final
@dataclass(frozen=True)
class Pilot:
    """The rule that flies each agent to its target."""

    physics: Physics
    walls: Walls
    clearance: float = 0.01  # from walls, beyond a particle's radius

    def act(self, position: Floats, velocity: Floats, target: Floats) -> Ints:
        """Return the thrust, ``[B, N]``, of agents on their way to ``target [B, N, 2]``."""
        rest = position + self.physics.motion.glide(self.physics) * velocity
        corner, turn = self._next(rest, target)
        to_turn, onward = turn - rest, corner - rest
        missing = np.where(self._far(to_turn).any(axis=-1, keepdims=True), to_turn, onward)
        axis = np.argmax(np.abs(missing), axis=-1)
        along = np.take_along_axis(missing, axis[..., None], axis=-1)[..., 0]
        return np.where(self._far(along), 1 + 2 * axis + (along > 0), 0)

    def _far(self, missing: Floats) -> Bools:
        return np.abs(missing) > self.physics.quantum / 2

    def _next(self, start: Floats, target: Floats) -> tuple[Floats, Floats]:
        """Return the first corner on the shortest way, or the target, and the turn before it, ``[B, N, 2]`` each."""
        target = target[..., None, :]
        corners = np.broadcast_to(self.corners, (*start.shape[:-1], *self.corners.shape))
        onward = self._way(corners, target).length  # from each corner, ``[B, N, 4 W]``
        for _ in self.corners:
            onward = np.minimum(onward, np.min(self._between + onward[..., None, :], axis=-1, initial=np.inf))
        points = np.concatenate((target, corners), axis=-2)
        way = self._way(start[..., None, :], points)
        onward = np.concatenate((np.zeros((*start.shape[:-1], 1)), onward), axis=-1)
        first = np.argmin(way.length + onward, axis=-1)[..., None, None]
        corner, turn = (np.take_along_axis(found, first, axis=-2)[..., 0, :] for found in (points, way.turn))
        return corner, turn

    @cached_property
    def corners(self) -> Floats:
        """The points around the walls, ``[4 W, 2]``."""
        off = self.physics.radius + self.clearance + self.physics.quantum / 2 + LEG
        signs = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
        around = [np.array(wall[:2]) + signs * (np.array(wall[2:]) / 2 + off) for wall in self.walls]
        return np.array(around).reshape(-1, 2)

    @cached_property
    def _between(self) -> Floats:
        return self._way(self.corners[:, None], self.corners[None]).length

    def _way(self, start: Floats, end: Floats) -> Way:
        """Return the shorter of the two ways between points ``[..., 2]``."""
        start, end = np.broadcast_arrays(start, end)
        level = np.stack((end[..., 0], start[..., 1]), axis=-1)
        upright = np.stack((start[..., 0], end[..., 1]), axis=-1)
        lengths = [self._length(start, turn) + self._length(turn, end) + LEG for turn in (level, upright)]
        return Way(np.where((lengths[0] <= lengths[1])[..., None], level, upright), np.minimum(*lengths))

    def _length(self, start: Floats, end: Floats) -> Floats:
        """Return the length of ways along one axis, ``[...]``, with what walls add."""
        step = end - start
        size = np.abs(step[..., 0]) + np.abs(step[..., 1])
        step = np.where(np.abs(step) < 1e-12, 1e-12, step)
        share = np.zeros_like(size)
        for wall in self.walls:
            half = np.array(wall[2:]) / 2 + self.physics.radius + self.clearance
            near, far = ((np.array(wall[:2]) + side * half - start) / step for side in (-1, 1))
            enter, leave = np.minimum(near, far), np.maximum(near, far)
            enter = np.maximum(np.maximum(enter[..., 0], enter[..., 1]), 0.0)
            share += np.maximum(np.minimum(np.minimum(leave[..., 0], leave[..., 1]), 1.0) - enter, 0.0)
        return size * (1.0 + BLOCKED * share)
