r"""Sets of parameters: polyhedra :math:`\{\theta : A \theta \le b, E \theta = e, l \le \theta \le u\}`.

What is asked of a set: whether parameters lie in it, how far each parameter ranges over it, its centre, its vertices,
and whether it is empty, with the least amount by which all conditions together must be relaxed for it not to be.

Equations are solved once, by a singular value decomposition after each is scaled to length one:
:math:`\theta = \theta_0 + Z y`. Linear programmes (HiGHS) in y answer the rest. Where the equations leave no y, no
programme is solved. Equations that repeat each other up to rounding are one; those that contradict each other by more
than `tol` leave the set empty. Programmes are solved in parts of the `size` of the conditions, since a solver's
tolerances are absolute.

The centre is that of the largest ball in y inside the inequalities (Chebyshev's centre); where no ball fits, since the
inequalities leave no interior, it is the mean of the points at which each parameter is smallest and largest.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.display import Shown
from walras.core.sizes import largest
from walras.core.typing import Floats
from walras.equilibria.inverse.programmes import Programmes, programme

RANK = 1e-9
"""Singular value, of rows of length one, below which equations are taken to repeat each other."""
ZERO = 1e-12
"""Share of the size of the box below which what the conditions ask is rounding."""
LARGEST = 1e6
"""Radius of a ball, at most."""


@final
@dataclass(frozen=True, eq=False)
class ParameterSet(Shown):
    """A polyhedron of parameters.

    Raises
    ------
    ValueError
        If shapes disagree, a number is NaN, or a bound lies above its partner.
    """

    names: tuple[str, ...]
    low: Floats  # [P]
    high: Floats  # [P]
    matrix: Floats = field(repr=False, default_factory=lambda: np.empty((0, 0)))  # [H, P]
    bound: Floats = field(repr=False, default_factory=lambda: np.empty(0))  # [H]
    equal: Floats = field(repr=False, default_factory=lambda: np.empty((0, 0)))  # [E, P]
    level: Floats = field(repr=False, default_factory=lambda: np.empty(0))  # [E]
    tol: float = 1e-9
    """By how much a condition, scaled to coefficients of length one, may be missed: of `size + |parameter|`."""

    def __post_init__(self) -> None:
        size = len(self.names)
        for rows, ends in (("matrix", "bound"), ("equal", "level")):
            left = np.asarray(getattr(self, rows), dtype=np.float64).reshape(-1, size)
            right = np.asarray(getattr(self, ends), dtype=np.float64).reshape(-1)
            require(len(left) == len(right), ends, f"have one entry a row of `{rows}`, {len(left)}", right.shape)
            require(not np.isnan(left).any() and not np.isnan(right).any(), rows, "hold no NaN", left.shape)
            length = np.linalg.norm(left, axis=1)
            scale = np.where(length > 0, length, 1.0)
            object.__setattr__(self, rows, left / scale[:, None])
            object.__setattr__(self, ends, right / scale)
        for name in ("low", "high"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        require(self.low.shape == self.high.shape == (size,), "low", f"have {size} entries, as `high`", self.low.shape)
        require(bool(np.all(self.low <= self.high)), "low", "nowhere exceed `high`", (self.low, self.high))

    @cached_property
    def size(self) -> float:
        """The size of what the conditions ask, at most one; that of the box where they ask for nothing but rounding."""
        asked = largest(self.bound[np.isfinite(self.bound)], self.level)
        box = largest(*(end[np.isfinite(end)] for end in (self.low, self.high)))
        return min(1.0, (asked if asked > ZERO * box else box) or 1.0)

    def contains(self, theta: Floats, tol: float | None = None) -> bool:
        """Return whether parameters ``[P]`` lie in the set, up to `tol`, which is that of the set by default."""
        theta = np.asarray(theta, dtype=np.float64)
        require(theta.shape == self.low.shape, "theta", f"have {len(self.names)} entries", theta.shape)
        slack = (self.tol if tol is None else tol) * (self.size + float(np.abs(theta).max()))
        missed = [
            self.matrix @ theta - self.bound,
            np.abs(self.equal @ theta - self.level),
            self.low - theta,
            theta - self.high,
        ]
        return bool(np.max(np.concatenate(missed), initial=0.0) <= slack)

    @cached_property
    def violation(self) -> float:
        """The least amount by which all conditions must be relaxed for the set not to be empty; zero if it is not."""
        point, basis, missed = self._solved
        if basis.shape[1] == 0 and missed <= self._slack(point):
            worst = np.max(self.matrix @ point - self.bound, initial=0.0)
            outside = float(np.max(np.concatenate([self.low - point, point - self.high])))
            return max(float(worst), outside, 0.0)
        return self._nearest[1]

    @property
    def empty(self) -> bool:
        """Whether no parameters meet all conditions."""
        return self.violation > self._slack(self._nearest[0] if self._solved[1].shape[1] else self._solved[0])

    @cached_property
    def interval(self) -> Floats:
        """Smallest and largest value of each parameter over the set, ``[P, 2]``; NaN where it is empty."""
        if self.empty:
            return np.full((len(self.names), 2), np.nan)
        point, basis, _ = self._solved
        if basis.shape[1] == 0:
            return np.stack([point, point], axis=1)
        return np.clip(self._extremes[1], self.low[:, None], self.high[:, None])

    @property
    def centre(self) -> Floats:
        """A point in the middle, ``[P]``; where the set is empty, one that misses its conditions least."""
        point, basis, _ = self._solved
        if self.empty:
            return np.clip(self._nearest[0], self.low, self.high)
        if basis.shape[1] == 0:
            return np.clip(point, self.low, self.high)
        found = self._ball
        return np.clip(self._extremes[0].mean(axis=0) if found is None else found, self.low, self.high)

    def unidentified(self, tol: float = 1e-6) -> tuple[str, ...]:
        """Return the names of parameters that range over more than `tol` of ``size + |parameter|``."""
        if self.empty:
            return ()
        low, high = self.interval.T
        wide = high - low > tol * (self.size + np.abs(high))
        return tuple(name for name, free in zip(self.names, wide, strict=True) if free)

    def vertices(self) -> Floats:
        """Return the vertices, ``[V, P]``; of a set without interior, in the space that its equations leave.

        Raises
        ------
        ValueError
            If the set is empty, unbounded, or the inequalities leave no interior.
        """
        from scipy.spatial import HalfspaceIntersection

        point, basis, _ = self._solved
        inside = self._ball
        require(not self.empty and inside is not None, "set", "have an interior, for vertices to be listed", self)
        if basis.shape[1] == 0:
            return point[None]
        rows, ends = self._rows()
        left, right = rows @ basis, ends - rows @ point
        assert inside is not None
        middle = basis.T @ (inside - point)
        if basis.shape[1] == 1:
            ratio = right / left[:, 0]
            return point + np.array([[ratio[left[:, 0] < 0].max()], [ratio[left[:, 0] > 0].min()]]) @ basis.T
        found = HalfspaceIntersection(np.column_stack([left, -right]), middle)
        require(bool(np.isfinite(found.intersections).all()), "set", "be bounded, for vertices to be listed", self)
        return point + self.size * np.unique((found.intersections / self.size).round(12), axis=0) @ basis.T

    def support(self, direction: Floats) -> Floats:
        """Return a point of the set that goes furthest in a direction, ``[P]``.

        Raises
        ------
        ValueError
            If the set is empty, or unbounded in this direction.
        """
        point, basis, _ = self._solved
        require(not self.empty, "set", "not be empty", self.names)
        return point if basis.shape[1] == 0 else self._furthest(np.asarray(direction, dtype=np.float64))

    def within(self, other: "ParameterSet") -> "ParameterSet":
        """Return the intersection with a set of the same parameters."""
        return ParameterSet(
            self.names,
            np.maximum(self.low, other.low),
            np.maximum(np.minimum(self.high, other.high), np.maximum(self.low, other.low)),
            np.concatenate([self.matrix, other.matrix]),
            np.concatenate([self.bound, other.bound]),
            np.concatenate([self.equal, other.equal]),
            np.concatenate([self.level, other.level]),
            tol=max(self.tol, other.tol),
        )

    def _slack(self, theta: Floats) -> float:
        return self.tol * (self.size + largest(theta))

    @cached_property
    def _solved(self) -> tuple[Floats, Floats, float]:
        """A solution of the equations ``[P]``, a basis of what they leave ``[P, D]``, and how far they are missed."""
        size = len(self.names)
        fixed = self.low == self.high
        rows = np.concatenate([self.equal, np.eye(size)[fixed]])
        level = np.concatenate([self.level, self.low[fixed]])
        if not len(rows):
            return np.clip(np.zeros(size), self.low, self.high), np.eye(size), 0.0
        left, values, right = np.linalg.svd(rows)
        rank = int(np.sum(values > RANK * max(values[0], 1.0)))
        point = right[:rank].T @ ((left[:, :rank].T @ level) / values[:rank])
        return point, right[rank:].T, float(np.abs(rows @ point - level).max())

    def _rows(self) -> tuple[Floats, Floats]:
        """Return all inequalities, bounds among them."""
        size = len(self.names)
        rows = np.concatenate([self.matrix, np.eye(size), -np.eye(size)])
        ends = np.concatenate([self.bound, self.high, -self.low])
        there = np.isfinite(ends)
        return rows[there], ends[there]

    @cached_property
    def _nearest(self) -> tuple[Floats, float]:
        """Parameters that miss the conditions least, and by how much."""
        rows, ends = self._rows()
        left = np.concatenate([rows, self.equal, -self.equal])
        right = np.concatenate([ends, self.level, -self.level])
        size = len(self.names)
        cost = np.append(np.zeros(size), 1.0)
        matrix = np.column_stack([np.append(left, np.zeros((1, size)), axis=0), -np.ones(len(left) + 1)])
        found = programme(cost, matrix, np.append(right, 0.0), 2 * size, self.size)
        if found is None:
            return np.clip(self._solved[0], self.low, self.high), np.inf
        return found[:-1], max(float(found[-1]), 0.0)

    @cached_property
    def _extremes(self) -> tuple[Floats, Floats]:
        """Points at which each parameter is smallest and largest, ``[2P, P]``, and its values there, ``[P, 2]``."""
        (point, basis, _), size = self._solved, len(self.names)
        values, points, programmes = np.empty((size, 2)), list[Floats](), self._programmes()
        for i in range(size):
            for side, sign in enumerate((-1.0, 1.0)):
                found = programmes.least(-sign * basis[i])
                if found is not None:
                    points.append(point + basis @ found)
                values[i, side] = sign * np.inf if found is None else points[-1][i]
        return np.array(points) if points else point[None], values

    def _furthest(self, direction: Floats) -> Floats:
        point, basis, _ = self._solved
        found = self._programmes().least(-(direction @ basis))
        if found is None:
            raise ValueError(f"`set` must be bounded in the direction that is asked for; got {direction!r}.")
        return point + basis @ found

    def _programmes(self) -> Programmes:
        """Return the programmes over the set, which is widened by what rounding may have taken."""
        point, basis, _ = self._solved
        rows, ends = self._rows()
        ends = ends + 2 * self.violation + 1e-10 * (self.size + np.abs(ends))
        return Programmes(rows @ basis, ends - rows @ point, 2 * len(self.names), self.size)

    @cached_property
    def _ball(self) -> Floats | None:
        """The centre of the largest ball inside the inequalities, or none where no ball fits."""
        point, basis, _ = self._solved
        rows, ends = self._rows()
        left, right = rows @ basis, ends - rows @ point
        length = np.linalg.norm(left, axis=1)
        real = length > 1e-12
        size = basis.shape[1]
        if size == 0:
            return point
        matrix = np.column_stack([left[real], length[real]])
        matrix, right = np.append(matrix, np.eye(size + 1)[-1:], axis=0), np.append(right[real], LARGEST * self.size)
        found = programme(np.append(np.zeros(size), -1.0), matrix, right, 2 * len(self.names) + 1, self.size)
        if found is None or found[-1] <= 1e-9 * (self.size + largest(point)):
            return None
        return point + basis @ found[:-1]
