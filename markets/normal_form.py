r"""Finite games in normal form: N players, finitely many actions each, a payoff for each of them in each cell.

.. math:: u_i(x) = \sum_a u_i(a) \prod_j x_j(a_j), \qquad
    \mathrm{gain}_i(x) = \max_{a_i} u_i(a_i, x_{-i}) - u_i(x), \qquad \mathrm{NashConv}(x) = \sum_i \mathrm{gain}_i(x) .

A distribution p over cells is a correlated equilibrium if no player gains by a rule from the action that it is told to
another one, and a coarse correlated equilibrium if none gains by an action of its own instead of any that it is told.

`MatrixGame` is one game, `MatrixGames` B games of one shape. Mixed strategies are N arrays, ``[A_i]`` or ``[B, A_i]``.
Payoffs are float64; those given as integers or fractions are kept as such for exact solvers (`MatrixGame.exact`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.core.checks import require, require_each, require_known
from walras.core.concept import Concept
from walras.core.typing import Bools, Floats, Ints

MOST_CELLS = 2**26
"""Cells of a game, at most."""
LARGEST = 1e300
"""Largest payoff."""
TIES = 1e-12
"""Share of the spread of payoffs within which two are equal, in questions of structure."""

Number = TypeVar("Number", bound=np.generic)
Mixed: TypeAlias = tuple[Floats, ...]
"""N mixed strategies, ``[A_i]`` or ``[B, A_i]``."""


@final
@dataclass(frozen=True, eq=False)
class MatrixGames:
    """B games of one shape.

    Raises
    ------
    ValueError
        If `payoff` has another rank than its number of players asks for, an entry is not finite, a player has no
        action, or there are more than `MOST_CELLS` cells.
    """

    payoff: Floats  # [B, N, A_1, .., A_N]

    def __post_init__(self) -> None:
        object.__setattr__(self, "payoff", _checked(_as_array(self.payoff), batch=1))

    def __len__(self) -> int:
        """B."""
        return len(self.payoff)

    def __getitem__(self, row: int) -> "MatrixGame":
        """Return one of the games."""
        return MatrixGame(self.payoff[row])

    @property
    def players(self) -> int:
        """N."""
        return self.payoff.shape[1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """A_1 .. A_N."""
        return self.payoff.shape[2:]

    @cached_property
    def spread(self) -> Floats:
        """Largest less smallest payoff of a player, the largest over players, ``[B]``; 1 where payoffs are constant."""
        flat = self.payoff.reshape(*self.payoff.shape[:2], -1)
        widest = (flat.max(axis=2) - flat.min(axis=2)).max(axis=1)
        return np.where(widest > 0, widest, 1.0)

    @cached_property
    def normalised(self) -> "MatrixGames":
        """The same games with each player's payoffs moved and scaled to lie between 0 and 1; 0 where constant."""
        cells = tuple(range(2, self.payoff.ndim))
        low = self.payoff.min(axis=cells, keepdims=True)
        wide = self.payoff.max(axis=cells, keepdims=True) - low
        return MatrixGames((self.payoff - low) / np.where(wide > 0, wide, 1.0))

    @property
    def is_zero_sum(self) -> Bools:
        """Whether the players' payoffs sum to the same number in all cells, ``[B]``."""
        total = self.payoff.sum(axis=1).reshape(len(self), -1)
        return np.ptp(total, axis=1) <= TIES * self.spread

    def utilities(self, mixed: Sequence[ArrayLike]) -> Mixed:
        """Return what each action earns against the others' mixed strategies, N arrays ``[B, A_i]``."""
        x = _strategies(mixed, self.sizes, len(self))
        return tuple(_against(self.payoff[:, i], x, i) for i in range(self.players))

    def values(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return the players' expected payoffs, ``[B, N]``."""
        x = _strategies(mixed, self.sizes, len(self))
        return np.stack([np.einsum("ba,ba->b", u, own) for u, own in zip(self.utilities(x), x, strict=True)], axis=1)

    def gains(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return what each player gains by its best action, ``[B, N]``."""
        x = _strategies(mixed, self.sizes, len(self))
        short = [u.max(axis=1, keepdims=True) - u for u in self.utilities(x)]
        return np.stack([np.einsum("ba,ba->b", below, own) for below, own in zip(short, x, strict=True)], axis=1)

    def nash_conv(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return the sum of gains over players, ``[B]``: zero at Nash equilibria alone."""
        return self.gains(mixed).sum(axis=1)

    def regret(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return the largest gain of a player, as a share of the spread of its own payoffs, ``[B]``."""
        return self.normalised.gains(mixed).max(axis=1)

    def gap(self, joint: ArrayLike, concept: Concept | str = Concept.COARSE_CORRELATED) -> Floats:
        """Return what each player gains by leaving a device that draws a cell, ``[B, N]``.

        Parameters
        ----------
        joint : array_like
            ``[B, A_1, .., A_N]``, probabilities of cells.
        concept : {"coarse correlated", "correlated"}
            Whether a player leaves before it is told its action, or by a rule from what it is told.

        Raises
        ------
        ValueError
            If `joint` is no distribution over cells, or the concept is another.
        """
        require_known(str(concept), "concept", (Concept.COARSE_CORRELATED, Concept.CORRELATED))
        drawn = _distribution("joint", joint, (len(self), *self.sizes), axes=self.players)
        each = [_left(self.payoff[:, i], drawn, i, Concept(concept)) for i in range(self.players)]
        return np.stack(each, axis=1)


@final
@dataclass(frozen=True, eq=False)
class MatrixGame:
    """A game in normal form.

    Parameters
    ----------
    payoff : array_like
        ``[N, A_1, .., A_N]``: floats, integers or fractions.
    actions : sequence of sequences of str, optional
        Names of each player's actions; their numbers by default.
    agents : sequence of str, optional
        Names of the players; ``player_0`` .. by default.

    Raises
    ------
    ValueError
        If `payoff` has another rank than its number of players asks for, an entry is not finite, a player has no
        action, there are more than `MOST_CELLS` cells, or names do not fit or repeat.

    Examples
    --------
    >>> from walras.markets.matrix import MatrixGame
    >>> pennies = MatrixGame([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    >>> pennies.sizes, pennies.is_zero_sum
    ((2, 2), True)
    >>> pennies.gains(([0.5, 0.5], [0.75, 0.25])).tolist()
    [0.5, 0.0]
    """

    payoff: Floats  # [N, A_1, .., A_N]
    actions: tuple[tuple[str, ...], ...] = ()
    agents: tuple[str, ...] = ()
    fractions: NDArray[Any] | None = field(default=None, init=False, repr=False)  # where floats would round

    def __post_init__(self) -> None:
        given = _as_array(self.payoff)
        payoff = _checked(given, batch=0)
        object.__setattr__(self, "payoff", payoff)
        if given.dtype.kind not in "fb" and not _float_holds(given, payoff):
            object.__setattr__(self, "fractions", _as_fractions(given))
        agents = tuple(self.agents) or tuple(f"player_{i}" for i in range(self.players))
        actions = tuple(map(tuple, self.actions)) or tuple(tuple(map(str, range(n))) for n in self.sizes)
        _check_names("agents", agents, self.players)
        require(len(actions) == self.players, "actions", f"hold the names of {self.players} players", actions)
        for names, size in zip(actions, self.sizes, strict=True):
            _check_names("actions", names, size)
        object.__setattr__(self, "agents", agents)
        object.__setattr__(self, "actions", actions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MatrixGame) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[object, ...]:
        exact = None if self.fractions is None else tuple(self.fractions.flat)
        return self.payoff.shape, self.payoff.tobytes(), exact, self.actions, self.agents

    @property
    def players(self) -> int:
        """N."""
        return len(self.payoff)

    @property
    def sizes(self) -> tuple[int, ...]:
        """A_1 .. A_N."""
        return self.payoff.shape[1:]

    @cached_property
    def exact(self) -> NDArray[Any]:
        """The payoffs as fractions, ``[N, A_1, .., A_N]`` of `fractions.Fraction`; floats are exact too."""
        return _as_fractions(self.payoff) if self.fractions is None else self.fractions

    @cached_property
    def batch(self) -> MatrixGames:
        """The game as a batch of one."""
        return MatrixGames(self.payoff[None])

    @property
    def spread(self) -> float:
        """Largest less smallest payoff of a player, the largest over players; 1 if payoffs are constant."""
        return float(self.batch.spread[0])

    @cached_property
    def normalised(self) -> "MatrixGame":
        """The same game with each player's payoffs moved and scaled to lie between 0 and 1; 0 where constant."""
        return self.batch.normalised[0]

    def utilities(self, mixed: Sequence[ArrayLike]) -> Mixed:
        """Return what each action earns against the others' mixed strategies, N arrays ``[A_i]``."""
        return tuple(each[0] for each in self.batch.utilities(_each_once(mixed)))

    def values(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return the players' expected payoffs, ``[N]``."""
        return self.batch.values(_each_once(mixed))[0]

    def gains(self, mixed: Sequence[ArrayLike]) -> Floats:
        """Return what each player gains by its best action, ``[N]``."""
        return self.batch.gains(_each_once(mixed))[0]

    def nash_conv(self, mixed: Sequence[ArrayLike]) -> float:
        """Return the sum of gains over players: zero at Nash equilibria alone."""
        return float(self.batch.nash_conv(_each_once(mixed))[0])

    def regret(self, mixed: Sequence[ArrayLike]) -> float:
        """Return the largest gain of a player, as a share of the spread of its own payoffs."""
        return float(self.batch.regret(_each_once(mixed))[0])

    def gap(self, joint: ArrayLike, concept: Concept | str = Concept.COARSE_CORRELATED) -> Floats:
        """Return what each player gains by leaving a device, ``[N]``; see `MatrixGames.gap`."""
        return self.batch.gap(np.asarray(joint)[None], concept)[0]

    @property
    def is_zero_sum(self) -> bool:
        """Whether payoffs sum to the same number in all cells."""
        return bool(self.batch.is_zero_sum[0])

    @property
    def is_symmetric(self) -> bool:
        """Whether exchanging two players and their actions changes nothing."""
        if len(set(self.sizes)) > 1:
            return False
        return all(self._exchanged(i) for i in range(self.players - 1))

    def _exchanged(self, i: int) -> bool:
        """Return whether players i and i + 1 can be exchanged; these exchanges make all others."""
        order = np.arange(self.players)
        order[[i, i + 1]] = i + 1, i
        other = np.swapaxes(self.payoff[order], i + 1, i + 2)
        return bool(np.abs(other - self.payoff).max() <= TIES * self.spread)

    def potential(self) -> Floats | None:
        """Return the exact potential ``[A_1, .., A_N]``, zero in the first cell, or none if there is none [1]_.

        It changes with each player's action as that player's payoff does. It exists if payoffs sum to zero along every
        cycle of four cells; so the sum along a path does not depend on the path.

        References
        ----------
        [1] D. Monderer, L. S. Shapley, Potential games, Games and Economic Behavior 14, 1996, Theorem 2.8.
        """
        total = np.zeros(self.sizes)
        for i, own in enumerate(self.payoff):
            first = own[(slice(None),) * (i + 1) + (0,) * (self.players - 1 - i)]  # players after i play 0
            total += (first - first[..., :1]).reshape(*first.shape, *(1,) * (self.players - 1 - i))
        apart = [np.ptp(own - total, axis=i).max() for i, own in enumerate(self.payoff)]
        return total if max(apart) <= TIES * self.players * self.spread else None


def rows_of(payoff: NDArray[Number], player: int) -> NDArray[Number]:
    """Return a player's payoffs ``[A_1, .., A_N]`` as a matrix, own actions by joint actions of the others."""
    return np.moveaxis(payoff, player, 0).reshape(payoff.shape[player], -1)


def as_chances(weights: Floats) -> Floats:
    """Return weights as probabilities: what rounding has made negative is zero, and the sum one."""
    weights = np.maximum(weights, 0.0)
    return weights / weights.sum()


def pure_profile(sizes: Sequence[int], cell: Sequence[int] | Ints) -> Mixed:
    """Return the pure strategies of a cell, N arrays ``[A_i]``."""
    return tuple(np.eye(size)[int(action)] for size, action in zip(sizes, cell, strict=True))


def _against(own: Floats, mixed: Mixed, player: int) -> Floats:
    """Return ``[B, A_i]``: payoffs ``own [B, A_1, .., A_N]``, the others' actions drawn from their strategies.

    Stacked products of a matrix and a vector treat each row alone, so a row does not depend on the batch.
    """
    rows = len(own)
    table = np.moveaxis(own, player + 1, 1)
    others = [mixed[j] for j in range(len(mixed)) if j != player]
    for x in reversed(others):
        vector = x.reshape(rows, *(1,) * (table.ndim - 3), x.shape[1], 1)
        table = (table @ vector)[..., 0] if table.ndim > 2 else table
    return table


def _left(own: Floats, joint: Floats, player: int, concept: Concept) -> Floats:
    """Return what a player gains by leaving a device, ``[B]``; `worth` is what each action earns when told another."""
    rows, size = len(own), own.shape[player + 1]
    table, drawn = (np.moveaxis(part, player + 1, 1).reshape(rows, size, -1) for part in (own, joint))
    worth = drawn @ table.swapaxes(1, 2)
    obeyed = np.diagonal(worth, axis1=1, axis2=2)
    if concept is Concept.CORRELATED:
        return (worth - obeyed[:, :, None]).max(axis=2).sum(axis=1)
    return worth.sum(axis=1).max(axis=1) - obeyed.sum(axis=1)


def _strategies(mixed: Sequence[ArrayLike], sizes: tuple[int, ...], rows: int) -> Mixed:
    """Return N checked distributions ``[B, A_i]``."""
    require(len(mixed) == len(sizes), "mixed", f"hold {len(sizes)} strategies", len(mixed))
    return tuple(
        _distribution(f"mixed[{i}]", own, (rows, size), axes=1)
        for i, (own, size) in enumerate(zip(mixed, sizes, strict=True))
    )


def _distribution(name: str, value: ArrayLike, shape: tuple[int, ...], axes: int) -> Floats:
    """Return a checked array of probabilities that sum to one over its last axes."""
    array = np.asarray(value, dtype=np.float64)
    require(array.shape == shape, name, f"have the shape {shape}", array.shape)
    require_each(array >= -1e-12, name, "hold probabilities", array)
    total = array.sum(axis=tuple(range(-axes, 0)))
    require_each(np.abs(total - 1) <= 1e-9, name, "sum to one", total)
    return array


def _each_once(mixed: Sequence[ArrayLike]) -> list[Floats]:
    return [np.asarray(own, dtype=np.float64)[None] for own in mixed]


def check_matrix_game(game: object) -> None:
    """Refuse what is no `MatrixGame`.

    Raises
    ------
    TypeError
        If it is such.
    """
    if not isinstance(game, MatrixGame):
        raise TypeError(f"`game` must be a MatrixGame; got {type(game).__name__}.")


def _as_array(payoff: object) -> NDArray[Any]:
    """Return payoffs as an array; what is ragged or holds no numbers is refused."""
    try:
        array = np.asarray(payoff)
    except ValueError:
        raise ValueError("`payoff` must be a full array [N, A_1, .., A_N]; got lists of unequal lengths.") from None
    known = array.dtype.kind in "fiub" or (
        array.dtype.kind == "O" and all(isinstance(entry, int | float | Fraction) for entry in array.flat)
    )
    require(known, "payoff", "hold floats, integers or fractions", array.dtype)
    return array


def _checked(given: NDArray[Any], batch: int) -> Floats:
    """Return a read-only copy of payoffs after the checks of `MatrixGame`."""
    _check_shape(given, batch)
    try:
        payoff = np.array(given, dtype=np.float64, order="C")
    except OverflowError:
        raise ValueError("`payoff` must hold numbers that float64 can hold; got a larger integer.") from None
    require_each(np.isfinite(payoff), "payoff", "be finite", payoff)
    most = float(np.abs(payoff).max(initial=0.0))
    require(most <= LARGEST, "payoff", f"be at most {LARGEST:g} in size, so that differences are finite", most)
    payoff.flags.writeable = False
    return payoff


def _check_shape(payoff: NDArray[Any], batch: int) -> None:
    require(payoff.ndim > batch, "payoff", "have an axis of players", payoff.shape)
    players, sizes = payoff.shape[batch], payoff.shape[batch + 1 :]
    rule = f"have one axis of actions a player, [{'B, ' * batch}N, A_1, .., A_N]"
    require(players >= 1 and len(sizes) == players, "payoff", rule, payoff.shape)
    require(min(sizes) >= 1, "payoff", "give each player an action", payoff.shape)
    cells = int(np.prod(sizes, dtype=object))
    rule = f"have at most {MOST_CELLS} cells; give `double_oracle` an oracle instead"
    require(cells <= MOST_CELLS, "payoff", rule, cells)


def _check_names(argument: str, names: tuple[str, ...], count: int) -> None:
    require(len(names) == count, argument, f"hold {count} names", names)
    require(len(set(names)) == count, argument, "not repeat a name", names)


def _as_fractions(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array of fractions, read-only."""
    exact = np.empty(values.shape, dtype=object)
    exact.ravel()[:] = [Fraction(value) for value in values.ravel().tolist()]
    exact.flags.writeable = False
    return exact


def _float_holds(given: NDArray[Any], payoff: Floats) -> bool:
    """Return whether floats hold the payoffs without rounding."""
    pairs = zip(given.ravel().tolist(), payoff.ravel().tolist(), strict=True)
    return all(Fraction(value) == Fraction(rounded) for value, rounded in pairs)
