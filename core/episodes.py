"""Episodes: the only mutable object of the suite. B rows of one game, each with its own noise and clock."""

from collections.abc import Sequence
from math import isfinite
from typing import Any, Generic, NamedTuple, TypeAlias, final

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from walras.core.abilities import CutShort
from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions, Noise, S, check_game, put_rows, take_rows
from walras.core.typing import Bools, Floats, Ints

Seed: TypeAlias = int | np.random.SeedSequence | None

BLOCK = 256
"""Steps of noise drawn at once: what a row draws does not depend on it."""


class Outcome(NamedTuple):
    """What B rows return after one step; rows that ended are not yet reset."""

    observation: Floats  # [B, N, O]
    reward: Floats  # [B, N]
    terminated: Bools  # [B] ended by the game's rules, of which the horizon may be one
    truncated: Bools  # [B] cut off, though the game goes on; never where terminated


@final
class ActionRule:
    """Converts a caller's actions to the game's arrays ``[B, N, A]`` and refuses what lies outside the space.

    Raises
    ------
    ValueError
        If the shape is wrong, or an entry is NaN or outside the action space by more than single precision
        can explain; smaller excesses are clipped.
    """

    def __init__(self, space: Space[Any], rows: int, agents: int) -> None:
        match space:
            case Box(low=low, high=high, dtype=dtype):
                finite = np.nan_to_num(low), np.nan_to_num(high)  # so that an infinite action is refused
                self._low, self._high, self._dtype = *finite, np.dtype(dtype)
            case Discrete(n=n, start=start, dtype=dtype):
                self._low, self._high, self._dtype = np.asarray(start), np.asarray(start + n - 1), np.dtype(dtype)
            case _:
                raise TypeError(f"`action_space` must be a Box or a Discrete space; got {space!r}.")
        self._shape = (rows, agents, *self._low.shape)

    def __call__(self, action: Any) -> Actions:  # noqa: ANN401 - whatever a caller passes
        """Return `action` as an array inside the space."""
        array = np.array(action, dtype=self._dtype)  # a copy: a caller may use its own again
        if self._dtype.kind != "f":
            _require_whole(action, array)
        if array.shape != self._shape:
            raise ValueError(f"`action` must have shape {self._shape}; got {array.shape}.")
        inside = (array >= self._low) & (array <= self._high)
        return array if np.logical_and.reduce(inside, axis=None) else self._clipped(array)

    def _clipped(self, array: Actions) -> Actions:
        inside = np.clip(array, self._low, self._high)
        width = self._high / 2 - self._low / 2  # halves: the difference may overflow
        fits = np.abs(inside - array) <= 2e-6 * np.where(width < _UNBOUNDED, width, np.abs(inside))
        if fits.all():
            return inside
        row, agent, *_ = index = tuple(int(i) for i in np.argwhere(~fits)[0])
        raise ValueError(
            f"`action` must lie in the action space, {self._low.tolist()} to {self._high.tolist()}; "
            f"got {array[index].item()!r} from agent {agent} in row {row}."
        )


_UNBOUNDED = 1e30


def _require_whole(given: Any, array: Actions) -> None:  # noqa: ANN401 - whatever a caller passes
    """Refuse fractions where the action space holds integers."""
    given = np.asarray(given)
    if given.dtype.kind not in "iub":
        require_each(given == array, "action", "be whole numbers, as the action space is discrete", given)


@final
class NoiseStream:
    """The noise of B episodes that run side by side, handed out step by step.

    Row b has a random generator of its own, made from its seed. The n-th noise that row b gets is the n-th that its
    generator draws, however many rows there are and whenever the others are reset. So an episode can be repeated alone.

    For speed each row draws `BLOCK` noises at once and hands them out one by one. While no row is reset alone, all rows
    stand at the same place of their blocks. A reset takes one more noise for the rows that are reset; from then on they
    are ahead of the others.
    """

    def __init__(self, game: AbstractGame[Any], seeds: Sequence[Seed]) -> None:
        self._game = game
        self._rngs = [np.random.default_rng(seed) for seed in seeds]
        self._block: Noise = np.stack([game.noise(rng, BLOCK) for rng in self._rngs])  # [B, BLOCK, ...]
        self._shared = 0  # noises that every row has taken from its block
        self._ahead: Ints = np.zeros(len(seeds), dtype=np.int64)  # [B] noises that each row has taken beyond those
        self._even = True  # whether no row is ahead
        self._left = BLOCK  # noises that every row can still take before one may need a new block

    def draw(self) -> Noise:
        """Return the next noise of every row, ``[B, ...]``."""
        self._use()
        at, self._shared = self._shared, self._shared + 1
        if self._even:
            return self._block[:, at].copy()
        return self._block[np.arange(len(self._ahead)), at + self._ahead]

    def peek(self) -> Noise:
        """Return what `draw` would, which remains to be drawn."""
        noise = self.draw()
        self._shared, self._left = self._shared - 1, self._left + 1
        return noise

    def draw_for(self, rows: Ints) -> Noise:
        """Return the next noise of each of `rows`, ``[len(rows), ...]``."""
        self._use()
        noise = self._block[rows, self._shared + self._ahead[rows]]
        self._ahead[rows] += 1
        self._level(self._shared + self._ahead)
        return noise

    def _use(self) -> None:
        """Count a draw; give a new block to each row that has used its block up."""
        if self._left == 0:
            drawn = self._shared + self._ahead
            for row in np.flatnonzero(drawn == BLOCK):
                self._block[row] = self._game.noise(self._rngs[row], BLOCK)
                drawn[row] = 0
            self._level(drawn)
            self._left = BLOCK - int(drawn.max())
        self._left -= 1

    def _level(self, drawn: Ints) -> None:
        self._shared = int(drawn.min())
        self._ahead = drawn - self._shared
        self._even = not self._ahead.any()


@final
class Episodes(Generic[S]):
    """B concurrent episodes of `game`.

    Attributes
    ----------
    state : S
        The current state, ``[B, ...]``.

    Raises
    ------
    TypeError
        If `game` is no game, or its action space is neither a Box nor a Discrete space.
    ValueError
        If `num_envs`, B, is less than 1.
    """

    def __init__(self, game: AbstractGame[S], num_envs: int) -> None:
        check_game(game)
        require(num_envs >= 1, "num_envs", "be at least 1", num_envs)
        self.game = game
        self.num_envs = num_envs
        self.state: S
        self._act = ActionRule(game.action_space, num_envs, len(game.agents))
        self._cut = game.cut if isinstance(game, CutShort) else None
        self._noise: NoiseStream | None = None
        self._seeds: tuple[Seed, ...] = ()
        self._time = 0  # steps taken
        self._begun: Ints = np.zeros(num_envs, dtype=np.int64)  # when each row's episode began
        self._deadline = game.horizon  # when the first of them reaches the horizon

    @property
    def started(self) -> bool:
        """Whether the rows have been given seeds."""
        return self._noise is not None

    @property
    def clock(self) -> Ints:
        """Steps taken in each row's current episode, ``[B]``."""
        return self._time - self._begun

    def seed(self, seeds: Sequence[Seed]) -> None:
        """Give each row a new generator; the rows then need a reset.

        Raises
        ------
        ValueError
            If there is not one seed a row.
        """
        require(len(seeds) == self.num_envs, "seeds", f"have one entry for each of {self.num_envs} rows", len(seeds))
        self._noise = NoiseStream(self.game, seeds)
        self._seeds = tuple(seeds)

    def reset(self, rows: Ints | None = None) -> None:
        """Start new episodes in `rows`, or in all."""
        assert self._noise is not None
        if rows is None:
            self.state = self.game.reset(self._noise.draw())
            self._begun = np.full(self.num_envs, self._time)
        else:
            self.state = put_rows(self.state, rows, self.game.reset(self._noise.draw_for(rows)))
            self._begun[rows] = self._time
        self._deadline = int(self._begun.min()) + self.game.horizon

    def step(self, action: Any) -> Outcome:  # noqa: ANN401 - whatever a caller passes
        """Advance every row by one step.

        Raises
        ------
        ValueError
            If `action` is not ``[B, N, A]`` inside the action space.
        FloatingPointError
            If the game returns a reward that is not finite; the step, the agent and the row's seed are told.
        """
        assert self._noise is not None
        self.state, reward, terminated = self.game.step(self.state, self._act(action), self._noise.draw())
        self._time += 1
        if not isfinite(np.add.reduce(reward, axis=None)):
            self._check_finite(reward)
        return Outcome(self.game.observe(self.state), reward, *self._flags(terminated))

    def alternatives(self, actions: Any) -> Floats:  # noqa: ANN401 - whatever a caller passes
        """Return what agents would earn in the next step by K joint actions, under the noise that it will have.

        Nothing moves: `step` goes on from here.

        Parameters
        ----------
        actions : array_like
            ``[K, B, N, A]``.

        Returns
        -------
        array
            Rewards, ``[K, B, N]``.

        Raises
        ------
        ValueError
            As `step`.
        """
        assert self._noise is not None
        joint = np.stack([self._act(action) for action in actions])
        rows = np.tile(np.arange(self.num_envs), len(joint))
        flat = joint.reshape(len(rows), *joint.shape[2:])
        return self.game.step(take_rows(self.state, rows), flat, self._noise.peek()[rows]).reward.reshape(
            joint.shape[:3]
        )

    def _check_finite(self, reward: Floats) -> None:
        wrong = np.argwhere(~np.isfinite(reward))
        if len(wrong):  # else a sum of finite rewards
            row, agent = (int(i) for i in wrong[0])
            when = f"step {int(self.clock[row])} of an episode, step {self._time} of those by seed {self._seeds[row]!r}"
            told = f"got {reward[row, agent]} for {self.game.agents[agent]} at {when}."
            raise FloatingPointError(f"`game.step` must return finite rewards; {told}")

    def _flags(self, terminated: Bools) -> tuple[Bools, Bools]:
        """Return which rows terminated and which were truncated; at the horizon they do as the game declares."""
        truncated = np.zeros(self.num_envs, dtype=np.bool_) if self._cut is None else self._cut(self.state)
        if self._time >= self._deadline:
            last = self.clock >= self.game.horizon
            if self.game.ends == "rule":
                terminated = terminated | last
            else:
                truncated = truncated | last
        return terminated, truncated & ~terminated
