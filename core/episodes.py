"""Episodes: the only mutable object of the suite. B rows of one game, each with its own luck and clock."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, final

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from walras.core.checks import require, require_each
from walras.core.game import AbstractGame, Actions, Noise, S, put_rows
from walras.core.typing import Bools, Floats, Ints

Seed: TypeAlias = int | np.random.SeedSequence | None

BLOCK = 256
"""Steps of noise drawn at once: what a row draws does not depend on it."""
ALL = slice(None)


class Outcome(NamedTuple):
    """What B rows return after one step; rows that ended are not yet reset."""

    observation: Floats  # [B, N, O]
    reward: Floats  # [B, N]
    terminated: Bools  # [B] ended by the game's rules
    truncated: Bools  # [B] ended by the horizon


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
class Episodes(Generic[S]):
    """B concurrent episodes of `game`.

    Attributes
    ----------
    state : S
        The current state, ``[B, ...]``.
    clock : Ints
        Steps taken in the current episode, ``[B]``.
    """

    def __init__(self, game: AbstractGame[S], rows: int) -> None:
        require(rows >= 1, "rows", "be at least 1", rows)
        self.game = game
        self.rows = rows
        self.clock: Ints = np.zeros(rows, dtype=np.int64)
        self.state: S
        self._row: Ints = np.arange(rows)
        self._act = ActionRule(game.action_space, rows, len(game.agents))
        self._rngs: list[np.random.Generator] = []

    @property
    def started(self) -> bool:
        """Whether the rows have been reset at least once."""
        return bool(self._rngs)

    def seed(self, seeds: Sequence[Seed]) -> None:
        """Give each row a new generator; the rows then need a reset.

        Raises
        ------
        ValueError
            If there is not one seed a row.
        """
        require(len(seeds) == self.rows, "seeds", f"have one entry for each of {self.rows} rows", len(seeds))
        self._rngs = [np.random.default_rng(seed) for seed in seeds]
        self._noise: Noise = np.stack([self.game.noise(rng, BLOCK) for rng in self._rngs])
        self._drawn: Ints = np.zeros(self.rows, dtype=np.int64)  # from each row's block
        self._left = BLOCK  # draws until a block can be empty

    def reset(self, rows: Ints | None = None) -> None:
        """Start new episodes in `rows`, or in all."""
        if rows is None:
            self.state = self.game.reset(self._draw(ALL))
            self.clock = np.zeros(self.rows, dtype=np.int64)
        else:
            self.state = put_rows(self.state, rows, self.game.reset(self._draw(rows)))
            self.clock[rows] = 0

    def step(self, action: Any) -> Outcome:  # noqa: ANN401 - whatever a caller passes
        """Advance every row by one step.

        Raises
        ------
        ValueError
            If `action` is not ``[B, N, A]`` inside the action space.
        """
        self.state, reward, terminated = self.game.step(self.state, self._act(action), self._draw(ALL))
        self.clock += 1
        truncated = (self.clock >= self.game.horizon) & ~terminated
        return Outcome(self.game.observe(self.state), reward, terminated, truncated)

    def _draw(self, rows: slice | Ints) -> Noise:
        """Return the next noise of each of `rows`, ``[len(rows), ...]``."""
        if self._left == 0:
            self._refill()
        self._left -= 1
        noise = self._noise[self._row[rows], self._drawn[rows]]
        self._drawn[rows] += 1
        return noise

    def _refill(self) -> None:
        """Draw new blocks for the rows that used theirs up."""
        for row in np.flatnonzero(self._drawn == BLOCK):
            self._noise[row] = self.game.noise(self._rngs[row], BLOCK)
            self._drawn[row] = 0
        self._left = BLOCK - int(self._drawn.max())
