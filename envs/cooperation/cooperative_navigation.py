r"""Cooperative navigation: agents spread over landmarks in the plane, without running into each other.

Description
-----------
N agents fly among L landmarks. They are soft particles under thrust, damping and contact, with each other and with
walls that stand in the way (`walras.envs.cooperation.particles`); landmarks do not collide. Every landmark should be
near an agent, but who flies to which must be agreed upon, and around the wall the ways are shared.

`with_wall`, the default, is the task of [1]_: starts and landmarks are fixed on a line and a wall stands between them.
Without `start_spread` nothing in it is random. `simple_spread` is that of mpe2 [2]_, step by step: random starts and
landmarks, no wall.

Agents
------
``agent_0`` .. ``agent_{N-1}``.

State
-----
Position and velocity of each agent ``[B, N, 2]``, positions of the landmarks ``[B, L, 2]``.

Action
------
``[B, N]``, five integers: 0 no thrust, 1 left (-x), 2 right (+x), 3 down (-y), 4 up (+y), as in mpe2; in the code of
[1]_ each axis is counted the other way round.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0, 1 | own velocity | lengths per time | -inf | inf |
| 2, 3 | own position | lengths | -inf | inf |
| 4 .. 3 + 2 L | landmarks, from here | lengths | -inf | inf |
| then 2 (N - 1) | the other agents, from here | lengths | -inf | inf |
| then 2 (N - 1) | what the others say: always 0 | - | -inf | inf |

The first 4 + 2 L numbers, `own`, are the agent's own local state. As in [1]_ and [2]_ no entry tells the steps taken:
a critic that sees observations alone takes states at different times for one, and averages their values.

Reward
------
See `walras.envs.cooperation.navigation_rewards`: `Covering` in `with_wall`, `Spreading` in `simple_spread`, `Reaching`
alone.

Starting state
--------------
At rest, drawn evenly around `starts`, `start_spread` to either side of each coordinate; landmarks likewise. In
`with_wall` the third agent starts inside the wall, which throws it out to the left, as in [1]_.

Episode end
-----------
On a map with walls, such as `with_wall`, terminated after `horizon` steps: the joint optimum is that of a finite
episode. Without walls, such as `simple_spread`, truncated after `horizon` steps, as in mpe2.

Parameters
----------
starts, landmarks : the middle of where each agent starts, and of where each landmark lies.
start_spread, landmark_spread : how far from there they are drawn.
walls : rectangles, as (x, y, width, height) of their centres and sides.
targets : the landmark that is each agent's own when it flies alone, by number.
reward : the reward.
physics : the constants of the particles, and the order of integration.
demonstration_spread, demonstration_steps : start_spread and horizon of the games `alone`.
horizon : steps an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
The joint optimum is bracketed: `walras.equilibria.solve` returns the plan that it found and an upper bound of every
policy's return, for `Covering` rewards. The scripted rule flies each agent to its own landmark, around the walls, as if
it were alone.

References
----------
[1] P. Yu, M. Mishra, A. Koppel, C. Busart, P. Narayan, D. Manocha, A. S. Bedi, P. Tokekar, Beyond joint demonstrations:
personalized expert guidance for efficient multi-agent reinforcement learning, arXiv 2403.08936, and its public code.
[2] mpe2 1.1, Farama Foundation: simple_spread_v3.

Version history
---------------
v1: the horizon terminates an episode on a map with walls; it truncated one. States and rewards are those of v0.

v0: first version.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.checks import as_floats, require, require_each, require_episode, require_numbers, require_whole
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Floats, Image, Ints
from walras.envs.cooperation.navigation_rewards import Covering, Reaching, Reward, Spreading
from walras.envs.cooperation.particles import DIRECTION, Physics, PositionFirst, Wall, distances, touching
from walras.envs.cooperation.steering import Pilot

Point: TypeAlias = tuple[float, float]

STARTS: tuple[Point, ...] = ((-0.9, 0.45), (-0.55, 0.275), (-0.2, 0.1))
LANDMARKS: tuple[Point, ...] = ((0.9, -0.45), (0.55, -0.275), (0.2, -0.1))
WALL = Wall(-0.1, 0.2, 0.3, 0.8)


@dataclass(frozen=True)
class NavigationState(State):
    """Where everything is."""

    position: Floats  # [B, N, 2]
    velocity: Floats  # [B, N, 2] per time; a step lasts `physics.dt`
    landmark: Floats  # [B, L, 2]


@final
@dataclass(frozen=True)
class CooperativeNavigation(AbstractGame[NavigationState]):
    """Soft particles that spread over landmarks, with walls between.

    Raises
    ------
    ValueError
        If there is no agent or landmark, a coordinate is not finite, a spread is negative, a wall has no width or
        height, or `targets` is not one landmark an agent.
    """

    starts: tuple[Point, ...] = STARTS[:2]  # [N]
    landmarks: tuple[Point, ...] = LANDMARKS[:2]  # [L]
    start_spread: float = 0.0
    landmark_spread: float = 0.0
    walls: tuple[Wall, ...] = (WALL,)
    targets: tuple[int, ...] = (1, 0)  # [N]
    reward: Reward = Covering()  # noqa: RUF009 - frozen
    physics: Physics = Physics()  # noqa: RUF009 - frozen
    demonstration_spread: float = 0.2
    demonstration_steps: int = 25
    horizon: int = 50
    discount: float = 0.99

    @classmethod
    def with_wall(cls, agents: int = 2, start_spread: float = 0.0) -> "CooperativeNavigation":
        """Return the task of [1]_: two or three agents, as many landmarks, and a wall between.

        Raises
        ------
        ValueError
            If `agents` is not 2 or 3.
        """
        require(agents in (2, 3), "agents", "be 2 or 3", agents)
        targets = tuple(reversed(range(agents)))
        return cls(STARTS[:agents], LANDMARKS[:agents], start_spread, targets=targets)

    @classmethod
    def simple_spread(cls, agents: int = 3, local_ratio: float = 0.5) -> "CooperativeNavigation":
        """Return the task of mpe2: agents and as many landmarks anywhere in a square, no wall.

        Raises
        ------
        ValueError
            If `agents` is below 1, or `local_ratio` is outside [0, 1].
        """
        require_whole(agents, "agents")
        middle = ((0.0, 0.0),) * agents
        return cls(
            starts=middle,
            landmarks=middle,
            start_spread=1.0,
            landmark_spread=1.0,
            walls=(),
            targets=tuple(range(agents)),
            reward=Spreading(local_ratio),
            physics=Physics(motion=PositionFirst()),
            horizon=25,
        )

    def __post_init__(self) -> None:
        require_numbers(self)
        for name in ("starts", "landmarks"):
            points = as_floats(name, getattr(self, name), 2)
            require(
                points.shape[1] == 2 and len(points) > 0, name, "hold at least one point (x, y)", getattr(self, name)
            )
            require_each(np.isfinite(points), name, "be finite", points)
            object.__setattr__(self, name, tuple((x, y) for x, y in points.tolist()))
        for name in ("start_spread", "landmark_spread", "demonstration_spread"):
            value = getattr(self, name)
            require(0 <= value < np.inf, name, "be finite and not negative", value)
        require_whole(self.demonstration_steps, "demonstration_steps")
        require_episode(self.horizon, self.discount)
        for wall in self.walls:
            sound = len(wall) == 4 and bool(np.isfinite(wall).all()) and min(wall[2:]) > 0
            require(sound, "walls", "be (x, y, width, height) with positive sides", wall)
        object.__setattr__(self, "walls", tuple(Wall(*wall) for wall in self.walls))
        object.__setattr__(self, "targets", tuple(self.targets))
        known = len(self.targets) == len(self.starts) and set(self.targets) <= set(range(len(self.landmarks)))
        require(known, "targets", f"be one of {len(self.landmarks)} landmarks for each agent", self.targets)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``agent_0`` .. ``agent_{N-1}``."""
        return tuple(f"agent_{i}" for i in range(len(self.starts)))

    @property
    def own(self) -> int:
        """How many leading entries of an observation are the agent's own local state."""
        return 4 + 2 * len(self.landmarks)

    @property
    def ends(self) -> End:
        """On a map with walls the horizon is a rule; without, as in mpe2, it cuts."""
        return "rule" if self.walls else "cut"

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        return Box(-np.inf, np.inf, (self.own + 4 * (len(self.agents) - 1),), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        """No thrust, left, right, down, up."""
        return Discrete(len(DIRECTION))

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Numbers from -1 to 1, ``[steps, N + L, 2]``; only a reset uses them."""
        return rng.uniform(-1.0, 1.0, (steps, len(self.starts) + len(self.landmarks), 2))

    def reset(self, noise: Floats) -> NavigationState:
        """Place agents and landmarks, at rest."""
        starts, landmarks = np.array(self.starts), np.array(self.landmarks)
        position = starts + self.start_spread * noise[:, : len(starts)]
        landmark = landmarks + self.landmark_spread * noise[:, len(starts) :]
        return NavigationState(position, np.zeros_like(position), landmark)

    def step(self, state: NavigationState, action: Ints, noise: Floats) -> Step[NavigationState]:
        """Move the particles and reward where they are then."""
        position, velocity = self.physics.move(state.position, state.velocity, action, self.walls)
        reward = self.reward(distances(position, state.landmark), touching(position, self.physics), self.targets)
        state = NavigationState(position, velocity, state.landmark)
        return Step(state, reward, np.zeros(len(position), dtype=np.bool_))

    def observe(self, state: NavigationState) -> Floats:
        """Show each agent itself, and the landmarks and the others from where it is."""
        rows, count, _ = state.position.shape
        here = state.position[:, :, None]
        others = state.position[:, self._others]
        observation = np.zeros((rows, count, *self.observation_space.shape))
        observation[:, :, :2], observation[:, :, 2:4] = state.velocity, state.position
        observation[:, :, 4 : self.own] = (state.landmark[:, None] - here).reshape(rows, count, -1)
        end = self.own + 2 * (count - 1)
        observation[:, :, self.own : end] = (others - here).reshape(rows, count, end - self.own)
        return observation

    def recall(self, observation: Floats) -> NavigationState:
        """Return the state that agents see in ``observation [B, N, O]``, up to rounding."""
        velocity, position = observation[:, :, :2], observation[:, :, 2:4]
        seen = observation[:, 0, 4 : self.own].reshape(len(observation), -1, 2)
        return NavigationState(position, velocity, position[:, :1] + seen)

    def scripted(self, observation: Floats) -> Ints:
        """Fly to one's own landmark, around the walls and heedless of others."""
        agents = np.arange(len(self.targets))
        position = observation[:, :, 2:4]
        landmarks = observation[:, :, 4 : self.own].reshape(*position.shape[:2], -1, 2)
        target = position + landmarks[:, agents, list(self.targets)]
        return self._pilot.act(position, observation[:, :, :2], target)

    def alone(self, agent: int) -> "CooperativeNavigation":
        """Return the game of `agent` by itself: same landmarks and walls, paid for nearing its own landmark.

        Raises
        ------
        ValueError
            If there is no such agent.
        """
        require(0 <= agent < len(self.starts), "agent", f"be a number below {len(self.starts)}", agent)
        return replace(
            self,
            starts=(self.starts[agent],),
            targets=(self.targets[agent],),
            start_spread=max(self.start_spread, self.demonstration_spread),
            reward=Reaching(),
            horizon=self.demonstration_steps,
        )

    @cached_property
    def _others(self) -> Ints:
        """The others of each agent in order, ``[N, N - 1]``."""
        count = len(self.starts)
        return np.array([[j for j in range(count) if j != i] for i in range(count)], dtype=np.int64).reshape(count, -1)

    @cached_property
    def _pilot(self) -> Pilot:
        return Pilot(self.physics, self.walls)

    def text(self, state: NavigationState) -> str:
        """List the agents' places, speeds and distances to the landmarks."""
        from walras.envs.cooperation.arena import arena_text

        return arena_text(self.agents, state.position[0], state.velocity[0], state.landmark[0])

    def image(self, state: NavigationState) -> Image:
        """Draw walls, landmarks and agents."""
        from walras.envs.cooperation.arena import draw_arena

        return draw_arena(self.walls, state.landmark[0], state.position[0], self.physics.radius)
