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
from typing import final

import numpy as np

from walras.core.typing import Bools, Floats, Ints
from walras.envs.cooperation.particles import Physics, Walls

BLOCKED = 1e2
"""How many times longer a way is where it is too near to a wall: only a start or target there makes it worth it."""
LEG = 1e-3
"""What each corner adds: of ways equally long, that with the fewest is taken."""


@final
@dataclass(frozen=True)
class Pilot:
    """The rule that flies each agent to its target."""

    physics: Physics
    walls: Walls
    clearance: float = 0.01  # from walls, beyond a particle's radius

    def act(self, position: Floats, velocity: Floats, target: Floats, onward: Floats | None = None) -> Ints:
        """Return the thrust, ``[B, N]``, of agents on their way to ``target [B, N, 2]``.

        Where they ask again and again, `onward` is what `ways_on` said of the targets.
        """
        rest = position + self.physics.motion.glide(self.physics) * velocity
        corner, turn = self._next(rest, target, self.ways_on(target) if onward is None else onward)
        to_turn, onward = turn - rest, corner - rest
        missing = np.where(self._far(to_turn).any(axis=-1, keepdims=True), to_turn, onward)
        axis = np.argmax(np.abs(missing), axis=-1)
        along = np.take_along_axis(missing, axis[..., None], axis=-1)[..., 0]
        return np.where(self._far(along), 1 + 2 * axis + (along > 0), 0)

    def _far(self, missing: Floats) -> Bools:
        return np.abs(missing) > self.physics.quantum / 2

    def ways_on(self, target: Floats) -> Floats:
        """Return the lengths of the shortest ways from the C corners to ``target [B, N, 2]``, ``[B, N, C]``."""
        from walras.envs.cooperation.steering_compiled import ways_on  # numba: only where it is used

        flat = np.ascontiguousarray(target, dtype=np.float64).reshape(-1, 2)
        onward = ways_on(flat, self.corners, self._between, self._boxes, BLOCKED, LEG)
        return onward.reshape(*target.shape[:-1], len(self.corners))

    def _next(self, start: Floats, target: Floats, onward: Floats) -> tuple[Floats, Floats]:
        """Return the first corner on the shortest way, or the target, and the turn before it, ``[B, N, 2]`` each."""
        from walras.envs.cooperation.steering_compiled import first_turns  # numba: only where it is used

        start, target = (np.ascontiguousarray(part, dtype=np.float64) for part in np.broadcast_arrays(start, target))
        flat, ways = start.reshape(-1, 2), np.broadcast_to(onward, (*start.shape[:-1], len(self.corners)))
        ways = np.ascontiguousarray(ways).reshape(len(flat), len(self.corners))
        corner, turn = first_turns(flat, target.reshape(-1, 2), self.corners, ways, self._boxes, BLOCKED, LEG)
        return corner.reshape(start.shape), turn.reshape(start.shape)

    @cached_property
    def corners(self) -> Floats:
        """The points around the walls, ``[4 W, 2]``."""
        off = self.physics.radius + self.clearance + self.physics.quantum / 2 + LEG
        signs = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
        around = [np.array(wall[:2]) + signs * (np.array(wall[2:]) / 2 + off) for wall in self.walls]
        return np.array(around).reshape(-1, 2)

    @cached_property
    def _boxes(self) -> Floats:
        """The walls with what is kept off them, ``[W, 4]``: least x and y, largest x and y."""
        walls = np.array(self.walls, dtype=np.float64).reshape(-1, 4)
        half = walls[:, 2:] / 2 + self.physics.radius + self.clearance
        return np.concatenate((walls[:, :2] - half, walls[:, :2] + half), axis=1)

    @cached_property
    def _between(self) -> Floats:
        from walras.envs.cooperation.steering_compiled import way  # numba: only where it is used

        each = [[way(a, b, self._boxes, BLOCKED, LEG)[0] for b in self.corners] for a in self.corners]
        return np.array(each, dtype=np.float64).reshape(len(self.corners), len(self.corners))
