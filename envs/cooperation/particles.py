r"""Soft particles in the plane: thrust, damping, and contact with each other and with rectangular walls.

A particle is a disc of mass :math:`m` and radius :math:`r`. Each step of length :math:`\Delta` its velocity loses the
share :math:`\kappa` (the damping) and gains :math:`F \Delta / m`, where F adds its thrust and the forces of contact.
Two things whose surfaces are the distance g apart (negative: they overlap) push each other apart with

.. math:: c \, k \log(1 + e^{-g / k}),

:math:`c` being the contact force and :math:`k` the contact margin [1]_: about :math:`c` times the overlap. The force
that acts in a step is that of the positions at its start.

**Walls** are rectangles that do not move. Outside one, a particle touches its nearest point: g is the distance to it
less the radius, and the push points away from it. A particle whose centre is inside, as soft contact permits, is
pushed out through the face towards which it lies: the side faces if :math:`|x| / w > |y| / h` from the wall's centre,
w and h being its width and height, else those above and below; g is minus the depth below that face, less the radius.
So a wall never pushes a particle towards its own middle. mpe2 has no walls; these are those of the code of [2]_.

Contact is soft and time is in steps, so a fast particle ends a step inside a wall before it is pushed out. Under
`VelocityFirst` the wall of the task stops every agent that flies straight at it, at any speed that its thrust gives.
Under `PositionFirst` contact acts a step later, and all of them pass through: choose that order without walls, as mpe2.

Two orders of integration are in use, and change when a thrust is felt: `VelocityFirst`, that of the code of [2]_, and
`PositionFirst`, that of mpe2 [3]_.

References
----------
[1] R. Lowe, Y. Wu, A. Tamar, J. Harb, P. Abbeel, I. Mordatch, Multi-agent actor-critic for mixed
cooperative-competitive environments, NeurIPS 2017.
[2] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
personalized expert guidance for efficient multi-agent reinforcement learning, arXiv 2403.08936.
[3] mpe2 1.1, Farama Foundation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol, TypeAlias, final

import numpy as np

from walras.core.checks import require, require_numbers
from walras.core.typing import Bools, Floats, Ints

DIRECTION = np.array([[0.0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])
"""Direction of each of the five thrusts: none, left, right, down, up."""


class Wall(NamedTuple):
    """A rectangle that does not move."""

    x: float  # of its centre
    y: float
    width: float
    height: float


Walls: TypeAlias = Sequence[Wall]


class Motion(Protocol):
    """The order in which position and velocity are advanced."""

    def advance(self, position: Floats, velocity: Floats, force: Floats, physics: "Physics") -> tuple[Floats, Floats]:
        """Return position and velocity ``[B, N, 2]`` after one step under `force`."""
        ...

    def glide(self, physics: "Physics") -> float:
        """Return how far a particle of velocity 1 glides without force until it rests."""
        ...


@final
@dataclass(frozen=True)
class VelocityFirst:
    """A thrust moves the particle in the same step."""

    def advance(self, position: Floats, velocity: Floats, force: Floats, physics: "Physics") -> tuple[Floats, Floats]:
        """Return position and velocity ``[B, N, 2]`` after one step under `force`."""
        velocity = velocity * (1 - physics.damping) + force * (physics.dt / physics.mass)
        return position + velocity * physics.dt, velocity

    def glide(self, physics: "Physics") -> float:
        """Return how far a particle of velocity 1 glides without force until it rests."""
        return physics.dt * (1 - physics.damping) / physics.damping


@final
@dataclass(frozen=True)
class PositionFirst:
    """A thrust moves the particle in the next step."""

    def advance(self, position: Floats, velocity: Floats, force: Floats, physics: "Physics") -> tuple[Floats, Floats]:
        """Return position and velocity ``[B, N, 2]`` after one step under `force`."""
        moved = position + velocity * physics.dt
        return moved, velocity * (1 - physics.damping) + force * (physics.dt / physics.mass)

    def glide(self, physics: "Physics") -> float:
        """Return how far a particle of velocity 1 glides without force until it rests."""
        return physics.dt / physics.damping


@final
@dataclass(frozen=True)
class Physics:
    """The constants of the particles; the defaults are those of the multi-particle task.

    Raises
    ------
    ValueError
        If a constant is not positive and finite, or the damping exceeds 1.
    """

    dt: float = 0.1  # time of a step
    damping: float = 0.25  # share of the velocity that a step takes
    mass: float = 1.0
    radius: float = 0.15
    thrust: float = 5.0  # force of an action
    contact_force: float = 100.0  # force per unit of overlap
    contact_margin: float = 1e-3  # distance over which the force sets in
    motion: Motion = VelocityFirst()

    def __post_init__(self) -> None:
        require_numbers(self)
        for name in (f.name for f in fields(self) if f.name != "motion"):
            value = getattr(self, name)
            require(0 < value < np.inf, name, "be positive and finite", value)
        require(self.damping <= 1, "damping", "not exceed 1", self.damping)

    @property
    def quantum(self) -> float:
        """How far one step of thrust moves the place where a particle will rest."""
        return self.thrust * self.dt**2 / (self.mass * self.damping)

    def push(self, apart: Floats) -> Floats:
        """Return the contact force between surfaces that are `apart`."""
        k = self.contact_margin
        return self.contact_force * k * np.logaddexp(0.0, -apart / k)

    def move(self, position: Floats, velocity: Floats, action: Ints, walls: Walls) -> tuple[Floats, Floats]:
        """Return position and velocity ``[B, N, 2]`` after one step of the thrusts ``action [B, N]``."""
        force = self.thrust * DIRECTION[action] + contact_forces(position, walls, self)
        return self.motion.advance(position, velocity, force, self)


def contact_forces(position: Floats, walls: Walls, physics: Physics) -> Floats:
    """Return the force of all contacts on each particle, ``[B, N, 2]``."""
    force = particle_forces(position, physics)
    for wall in walls:
        force = force + wall_forces(position, wall, physics)
    return force


def particle_forces(position: Floats, physics: Physics) -> Floats:
    """Return the force of the other particles on each, ``[B, N, 2]``; centres in one point do not push."""
    force = np.zeros_like(position)
    for i in range(position.shape[1]):
        for j in range(i + 1, position.shape[1]):
            pushed = _push_away(position[:, i] - position[:, j], 2 * physics.radius, physics)
            force[:, i] += pushed
            force[:, j] -= pushed
    return force


def wall_forces(position: Floats, wall: Wall, physics: Physics) -> Floats:
    """Return the force of `wall` on each particle, ``[B, N, 2]``."""
    offset = position - np.array(wall[:2])
    half = np.array(wall[2:]) / 2
    beyond = np.maximum(np.abs(offset) - half, 0.0)
    outside = (beyond[..., 0] > 0) | (beyond[..., 1] > 0)
    from_outside = _push_away(np.copysign(beyond, offset), physics.radius, physics)
    return np.where(outside[..., None], from_outside, _push_out(offset, half, physics))


def distances(position: Floats, landmark: Floats) -> Floats:
    """Return the distance of each particle ``[B, N, 2]`` to each landmark ``[B, L, 2]``: ``[B, N, L]``."""
    return _length(position[:, :, None] - landmark[:, None])


def touching(position: Floats, physics: Physics) -> Bools:
    """Return which particles overlap, ``[B, N, N]``; each overlaps itself."""
    return distances(position, position) < 2 * physics.radius


def _push_away(offset: Floats, reach: float, physics: Physics) -> Floats:
    """Return the push along ``offset [..., 2]`` of contact that begins at the distance `reach`."""
    distance = _length(offset)
    return offset * (physics.push(distance - reach) / np.where(distance > 0, distance, 1.0))[..., None]


def _push_out(offset: Floats, half: Floats, physics: Physics) -> Floats:
    """Return the push on centres inside a wall, through the face towards which they lie."""
    share = np.abs(offset) / half
    sideways = share[..., 0] > share[..., 1]
    through = np.stack((sideways, ~sideways), axis=-1)
    return np.where(through, np.copysign(physics.push(np.abs(offset) - half - physics.radius), offset), 0.0)


def _length(offset: Floats) -> Floats:
    return np.sqrt(offset[..., 0] * offset[..., 0] + offset[..., 1] * offset[..., 1])
