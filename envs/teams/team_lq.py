"""What the games of teams share: parameters, their checks, and arithmetic that rows of a batch do not feel."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike

from walras.core.checks import (
    as_definite,
    as_floats,
    as_shaped,
    as_symmetric,
    require,
    require_episode,
    require_numbers,
)
from walras.core.game import AbstractGame, End, State
from walras.core.typing import Floats

S = TypeVar("S", bound=State)


class Matrices(NamedTuple):
    """The parameters as arrays; P = N p controls side by side."""

    A: Floats  # [n, n]
    A_mean: Floats  # [n, n]
    B: Floats  # [n, P]
    B_mean: Floats  # [n, P]
    Q: Floats  # [N, n, n]
    Q_mean: Floats  # [N, n, n]
    Q_end: Floats  # [N, n, n]
    Q_mean_end: Floats  # [N, n, n]
    R: Floats  # [N, P, P] block diagonal: what each team pays for all controls
    R_mean: Floats  # [N, P, P]


class Spread(NamedTuple):
    """Square roots of the covariances, ``[n, n]`` each."""

    noise: Floats
    common_noise: Floats
    start: Floats
    common_start: Floats


@dataclass(frozen=True, eq=False)
class AbstractTeamLQ(AbstractGame[S]):
    """Linear dynamics and quadratic costs of N teams; see `walras.envs.teams.team_mean_field_lq` for the parameters.

    Raises
    ------
    ValueError
        If shapes disagree, a cost is not symmetric, or an eigenvalue of a control's cost or of a covariance has the
        wrong sign; the eigenvalue is told.
    """

    A: ArrayLike = ((0.9, 0.0), (0.0, 0.95))
    A_mean: ArrayLike = ((0.05, 0.02), (0.02, 0.03))
    B: ArrayLike = (((0.5,), (0.1,)), ((0.1,), (0.5,)))
    B_mean: ArrayLike = (((0.1,), (0.0,)), ((0.0,), (0.1,)))
    Q: ArrayLike = (((1.0, -0.2), (-0.2, 0.2)), ((0.2, -0.2), (-0.2, 1.0)))
    Q_mean: ArrayLike = (((0.8, -0.4), (-0.4, 0.4)), ((0.4, -0.4), (-0.4, 0.8)))
    Q_end: ArrayLike | None = None
    Q_mean_end: ArrayLike | None = None
    R: ArrayLike = (((1.0,),), ((1.0,),))
    R_mean: ArrayLike = (((1.0,),), ((1.0,),))
    noise_covariance: ArrayLike = ((0.1, 0.0), (0.0, 0.1))
    common_noise: ArrayLike = ((0.05, 0.0), (0.0, 0.05))
    start: ArrayLike = ((1.0, 0.0), (0.0, 1.0))
    common_start: ArrayLike = ((1.0, 0.0), (0.0, 1.0))
    horizon: int = 5
    limit: float = 10.0
    discount: float = 0.99

    def __post_init__(self) -> None:
        require_numbers(self)
        require(0 < self.limit < np.inf, "limit", "be positive and finite", self.limit)
        require_episode(self.horizon, self.discount)
        lock(self)
        for checked in ("matrices", "spread"):
            getattr(self, checked)

    @cached_property
    def teams(self) -> int:
        """Number of teams N."""
        return len(as_floats("B", self.B, 3))

    @cached_property
    def controls(self) -> int:
        """Numbers in a control, p."""
        return as_floats("B", self.B, 3).shape[2]

    @cached_property
    def covariances(self) -> Spread:
        """The covariances themselves, ``[n, n]`` each."""
        n = len(self.matrices.A)
        given = (self.noise_covariance, self.common_noise, self.start, self.common_start)
        names = ("noise_covariance", "common_noise", "start", "common_start")
        return Spread(*(as_definite(name, c, (n, n), singular=True) for name, c in zip(names, given, strict=True)))

    @cached_property
    def spread(self) -> Spread:
        """Their square roots."""
        return Spread(*(root(covariance) for covariance in self.covariances))

    @cached_property
    def matrices(self) -> Matrices:
        """The parameters, checked."""
        n, count, p = len(as_floats("A", self.A, 2)), self.teams, self.controls
        require(min(count, n, p) >= 1, "B", "hold at least one team, one state and one control", (count, n, p))
        drifts = [as_shaped(name, getattr(self, name), (n, n)) for name in ("A", "A_mean")]
        inputs = [as_shaped(name, getattr(self, name), (count, n, p)) for name in ("B", "B_mean")]
        ends = ("Q_end" if self.Q_end is not None else "Q", "Q_mean_end" if self.Q_mean_end is not None else "Q_mean")
        return Matrices(
            *drifts,
            *(np.concatenate(list(b), axis=1) for b in inputs),
            *(as_symmetric(name, getattr(self, name), (count, n, n)) for name in ("Q", "Q_mean", *ends)),
            *(_weights(name, getattr(self, name), count, p) for name in ("R", "R_mean")),
        )

    @cached_property
    def _costs(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """The weights of a step and, last, those of the end, as compiled functions take them."""
        from walras.markets.compiled import plain  # numba: only where it is used

        m = self.matrices
        steps = plain(m.Q), plain(m.Q_mean), plain(m.R), plain(m.R_mean)
        return *steps, plain(m.Q_end), plain(m.Q_mean_end)

    @property
    def ends(self) -> End:
        """The horizon is a rule."""
        return "rule"

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        high = np.append(np.full(2 * len(self.matrices.A), np.inf), 1.0)
        return Box(np.append(-high[:-1], 0.0), high, dtype=np.float64)


def lock(game: AbstractGame[Any]) -> None:
    """Replace the matrices among the fields of `game` by copies that cannot be written."""
    for name in (f.name for f in fields(game)):  # type: ignore[arg-type] - every game is a dataclass
        value = getattr(game, name)
        if np.ndim(value) > 0:
            copy = np.array(value, dtype=np.float64)
            copy.flags.writeable = False
            object.__setattr__(game, name, copy)


def components(x: Floats) -> Floats:
    """Return ``x [..., n]`` with the components first, ``[n, ...]``: long loops run over rows and agents."""
    return np.ascontiguousarray(x.transpose(x.ndim - 1, *range(x.ndim - 1)))


def applied(matrix: Floats, x: Floats) -> Floats:
    """Return ``matrix [k, n]`` times ``x [n, ...]``, ``[k, ...]``, term by term: rows do not feel the batch."""
    columns = matrix.reshape(*matrix.shape, *(1,) * (x.ndim - 1)).swapaxes(0, 1)
    total = columns[0] * x[0]
    for column, component in zip(columns[1:], x[1:], strict=True):
        total += column * component
    return total


def average(x: Floats) -> Floats:
    """Return the mean of ``x [..., M]`` over the processes, ``[..., 1]``."""
    return np.add.reduce(x, axis=-1, keepdims=True) / x.shape[-1]


def root(covariance: Floats) -> Floats:
    """Return the symmetric square root of a covariance ``[n, n]``."""
    values, vectors = np.linalg.eigh(covariance)
    return np.ascontiguousarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _weights(name: str, value: ArrayLike, teams: int, p: int) -> Floats:
    """Return what each team pays for all controls, ``[N, P, P]``, from its own weights or from all."""
    given = np.asarray(value, dtype=np.float64)
    if given.ndim != 4:
        own = as_shaped(name, given, (teams, p, p))
        given = np.zeros((teams, teams, p, p))
        given[np.arange(teams), np.arange(teams)] = own
    given = as_symmetric(name, given, (teams, teams, p, p))
    as_definite(name, given[np.arange(teams), np.arange(teams)], (teams, p, p), singular=False)
    found = np.zeros((teams, teams * p, teams * p))
    for k in range(teams):
        found[:, k * p : (k + 1) * p, k * p : (k + 1) * p] = given[:, k]
    return found
