r"""Finite games with unknown payoffs: the payoffs at which observed joint play has no swap regret.

Payoffs are :math:`u_i(a; \theta) = u_i^0(a) + \sum_k \theta_k \phi_{ik}(a)`; by default every entry is a parameter of
its own, in [0, 1]. Play is rationalised if no player gains by a rule from the action it took to another one,

.. math:: \sum_t w_t \, 1[a_i^t = a] \, \bigl(u_i(a', a_{-i}^t; \theta) - u_i(a, a_{-i}^t; \theta)\bigr) \le 0
    \quad \text{for all } i, a, a',

linear inequalities: the feasible payoff set of the correlated equilibria that the play may be, and of Nash equilibria
where players draw independently. Constant payoffs meet them always, so that payoffs without structure are never
identified as a point; the set says what they are not.

Of T draws, each mean above of those :math:`n_a` with :math:`a_i^t = a` differs from its expectation by more than
:math:`R \sqrt{\log(K / \delta) / (2 n_a)}` with probability at most :math:`\delta / K` (Hoeffding [1]_), with R the
range of the difference of payoffs within the bounds and K the number of inequalities. Relaxed by that, the set holds
the true payoffs with probability :math:`1 - \delta`.

References
----------
[1] W. Hoeffding, Probability inequalities for sums of bounded random variables, Journal of the American Statistical
    Association 58, 1963.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.rollout import Trajectory
from walras.core.typing import Floats, Ints
from walras.envs.matrix.repeated_matrix_game import RepeatedMatrixGame
from walras.equilibria.inverse.family import Regrets
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.tables import as_table, by_period
from walras.equilibria.matrix.matrix_objective import MatrixObjective
from walras.equilibria.matrix.unknown_payoffs import AbstractUnknownPayoffs

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True, eq=False)
class MatrixPlay:
    """Observed joint actions."""

    action: Ints  # [T, N]
    weight: Floats | None = None  # [T] where rows do not count alike, such as cells of a mixed profile


@final
@dataclass(frozen=True, eq=False)
class InverseMatrix(AbstractUnknownPayoffs[MatrixPlay]):
    """A finite game whose payoffs are unknown, wholly or in K parameters.

    Raises
    ------
    ValueError
        If shapes disagree, or a bound lies above its partner.
    """

    unit: ClassVar[str] = "1"
    word: ClassVar[str] = "payoff"

    sizes: tuple[int, ...] = (2, 2)  # A_1 .. A_N
    base: Floats | None = None  # [N, A_1, .., A_N] known part of payoffs; zero by default
    basis: Floats | None = None  # [K, N, A_1, .., A_N] what each parameter adds; by default one for each entry
    low: ArrayLike = 0.0  # [K] or one number for all
    high: ArrayLike = 1.0  # [K] or one number for all

    def __post_init__(self) -> None:
        require(min(self.sizes, default=0) >= 1, "sizes", "be at least 1 a player", self.sizes)
        super().__post_init__()

    @property
    def shape(self) -> tuple[int, ...]:
        """``[N, A_1, .., A_N]``."""
        return (len(self.sizes), *self.sizes)

    def payoff(self, theta: Floats) -> Floats:
        """Return the payoffs ``[N, A_1, .., A_N]`` at parameters ``[P]``."""
        return self.known + self.added @ theta

    @staticmethod
    def mixed(strategies: Sequence[ArrayLike]) -> MatrixPlay:
        """Return independent mixed strategies, N arrays ``[A_i]``, as play: each cell with its probability."""
        x = [np.asarray(own, dtype=np.float64) for own in strategies]
        cells = np.array(list(product(*(range(len(own)) for own in x))))
        weight = np.prod([own[cells[:, i]] for i, own in enumerate(x)], axis=0)
        there = weight > 0
        return MatrixPlay(cells[there], weight[there])

    def read(self, table: "pd.DataFrame") -> MatrixPlay:
        """Read columns `period`, `agent` and `action`, numbers from 0.

        Raises
        ------
        ValueError
            If the table does not fit; see `walras.equilibria.inverse.tables.by_period`.
        """
        action = by_period(table, ["action"], self.agents)["action"]
        require_each(action == np.round(action), "action", "be whole numbers from 0", action)
        return MatrixPlay(action.astype(np.int64))

    def check(self, observed: MatrixPlay) -> None:
        """Refuse actions that there are not.

        Raises
        ------
        ValueError
            If there are any, or weights are negative or sum to nothing.
        """
        a = observed.action
        players = len(self.sizes)
        require(a.ndim == 2 and a.shape[1] == players, "action", f"have shape [T, {players}]", a.shape)
        legal = (a >= 0) & (a < np.array(self.sizes))
        require_each(legal, "action", f"be numbers from 0 below {self.sizes}", a.astype(np.float64))
        if observed.weight is not None:
            w = observed.weight
            require(w.shape == (len(a),), "weight", "have one entry a row", w.shape)
            require(bool(np.all(w >= 0) and w.sum() > 0), "weight", "not be negative, and sum to something", w)

    def weights(self, observed: MatrixPlay) -> Floats:
        """Return the weight of each row, of sum one."""
        w = np.ones(len(observed.action)) if observed.weight is None else observed.weight
        return w / w.sum()

    def _swaps(self, observed: MatrixPlay, player: int) -> tuple[Floats, Floats]:
        """Return what other actions would add, ``[T, A_i, P]`` a parameter, and ``[T, A_i]`` of the known payoffs."""
        a = observed.action
        tried = np.repeat(a[:, None], self.sizes[player], axis=1)
        tried[:, :, player] = np.arange(self.sizes[player])
        cells, played = tuple(np.moveaxis(tried, 2, 0)), tuple(a.T)
        own, known = self.added[player], self.known[player]
        return own[cells] - own[played][:, None], known[cells] - known[played][:, None]

    def conditions(self, observed: MatrixPlay) -> ParameterSet:
        """Return the payoffs at which no player has swap regret."""
        return self._set(observed, None)

    def confidence_set(self, observed: MatrixPlay, confidence: float) -> ParameterSet:
        """Return payoffs that hold the true ones with at least this probability, if rows are independent draws.

        Raises
        ------
        ValueError
            If rows are weighted: then they are no draws.
        """
        require(observed.weight is None, "observations", "be draws without weights, for a confidence set", "weights")
        return self._set(observed, confidence)

    def estimate(self, observed: MatrixPlay, allowed: ParameterSet) -> Floats:
        """Return the middle of the payoffs at which the sample is an equilibrium, or nearest to one."""
        found = self.conditions(observed).centre
        return found if allowed.contains(found, 1e-9) else allowed.centre

    def objective(self, observed: MatrixPlay) -> MatrixObjective:
        """Return the cumulative regret for first-order methods."""
        each = [self._swaps(observed, i) for i in range(len(self.sizes))]
        more = tuple(np.concatenate([add, known[..., None]], axis=2) for add, known in each)
        return MatrixObjective(observed.action, self.weights(observed), more, self.bounds)

    def _set(self, observed: MatrixPlay, confidence: float | None) -> ParameterSet:
        w, (low, high) = self.weights(observed), self.bounds
        count = sum(size * (size - 1) for size in self.sizes)
        matrix, bound = list[Floats](), list[float]()
        for i, size in enumerate(self.sizes):
            add, known = self._swaps(observed, i)
            most = (np.maximum(add * low, add * high).sum(axis=2) + known).max(axis=0)
            least = (np.minimum(add * low, add * high).sum(axis=2) + known).min(axis=0)
            for played in range(size):
                rows = observed.action[:, i] == played
                for other in set(range(size)) - {played} if rows.any() else ():
                    matrix.append(w[rows] @ add[rows, other])
                    slack = 0.0
                    if confidence is not None:
                        spread = most[other] - least[other]
                        deviation = np.sqrt(np.log(count / (1 - confidence)) / (2 * rows.sum()))
                        slack = spread * deviation * float(w[rows].sum())
                    bound.append(slack - float(w[rows] @ known[rows, other]))
        size = len(self.names)
        rows, ends = np.array(matrix).reshape(-1, size), np.array(bound)
        return ParameterSet(self.names, low, high, rows, ends)

    def regrets(self, observed: MatrixPlay, theta: Floats) -> Regrets:
        """Return what the best rule from action to action gains; its mean is the swap regret."""
        w, shape = self.weights(observed), observed.action.shape
        gain, slope = np.zeros(shape), np.zeros((*shape, len(self.names)))
        now = self.payoff(theta)
        played = tuple(observed.action.T)
        payoff = np.stack([now[i][played] for i in range(shape[1])], axis=1)
        for i, size in enumerate(self.sizes):
            add, known = self._swaps(observed, i)
            worth = add @ theta + known
            for own in range(size):
                rows = np.flatnonzero(observed.action[:, i] == own)
                if len(rows):
                    best = int(np.argmax(w[rows] @ worth[rows]))
                    gain[rows, i], slope[rows, i] = worth[rows, best], add[rows, best]
        return Regrets(gain, payoff, slope)


def observed_matrix(game: RepeatedMatrixGame) -> tuple[InverseMatrix, Floats]:
    """Return the family of a stage game whose payoffs are unknown, within its smallest and largest, and its payoffs."""
    payoff = game.game.payoff
    low, high = float(payoff.min()), float(payoff.max())
    return InverseMatrix(payoff.shape[1:], low=low, high=high), payoff.ravel()


def matrix_table(game: RepeatedMatrixGame, trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return play as a table of `period`, `agent` and `action`."""
    action = trajectory.action.reshape(-1, len(game.agents))
    names = [f"player_{i}" for i in range(len(game.agents))]
    return as_table(names, action=np.minimum(action, np.array(game.game.sizes) - 1))
