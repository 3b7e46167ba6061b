r"""Linear-quadratic games: the feedback Nash equilibrium of N players by coupled Riccati equations.

The game
--------
N players move one linear process, and each pays a quadratic cost,

.. math:: x_{t+1} = A_t x_t + \sum_i B^i_t u^i_t, \qquad
          J^i = \sum_{t<T} \big( x_t^\top Q^i_t x_t + u^{i\top}_t R^i_t u^i_t \big) + x_T^\top Q^i_T x_T .

Noise that does not depend on the state adds a constant to every cost and moves no gain. A player may also pay for the
others' controls, or be paid, as in a zero-sum game.

The equilibrium
---------------
Backwards from :math:`P^i_T = Q^i_T`: at stage t player i's cost-to-go is quadratic, and convex in :math:`u^i` where
:math:`R^i + B^{i\top} P^i B^i \succ 0`. All players' first-order conditions together are one linear system for the
stacked gains of :math:`u = -K x`,

.. math:: \Phi_t K_t = b_t, \qquad [\Phi_t]_{ik} = B^{i\top}_t P^i_{t+1} B^k_t + 1_{i=k} R^i_t, \qquad
          [b_t]_i = B^{i\top}_t P^i_{t+1} A_t,

after which :math:`P^i_t = Q^i_t + K^{i\top}_t R^i_t K^i_t + F_t^\top P^i_{t+1} F_t` with
:math:`F_t = A_t - \sum_k B^k_t K^k_t`. The equilibrium in feedback strategies exists and is unique if every
:math:`\Phi_t` is invertible [1]_. One player alone is the linear-quadratic regulator, which is unique wherever no cost
is negative.

Payoffs have no common unit, and neither have controls: rows and columns of :math:`\Phi_t` are scaled to entries of one
size [2]_ before the system is solved and its condition is taken.

The answer with its certificate: `walras.equilibria.teams.finite_lq`. A horizon without an end:
`walras.equilibria.teams.stationary_lq`.

References
----------
[1] T. Basar, G. J. Olsder, Dynamic noncooperative game theory, SIAM, 1999, section 6.2.
[2] D. Ruiz, A scaling algorithm to equilibrate both rows and columns norms in matrices, RAL-TR-2001-034, 2001.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_definite, as_floats, as_shaped, as_symmetric, require
from walras.core.typing import Bools, Floats, Ints

SINGULAR = 1e12  # condition of a stage's system from which its solution is not told from others
ROUNDS = 8  # of scaling rows and columns; each takes the square root of what is left
NEGATIVE = 1e-12  # share of a cost's largest eigenvalue below which a negative one is rounding


@final
@dataclass(frozen=True, eq=False)
class LinearQuadratic:
    """N players on one linear process over T stages; player i owns `sizes[i]` of the P columns of B."""

    A: Floats  # [T, n, n]
    B: Floats  # [T, n, P]
    Q: Floats  # [T + 1, N, n, n]; the last is the terminal cost
    R: Floats  # [T, N, P, P] what each player pays for all controls; block diagonal
    sizes: tuple[int, ...]  # N numbers of controls

    @classmethod
    def constant(
        cls,
        A: ArrayLike,
        B: Sequence[ArrayLike],
        Q: Sequence[ArrayLike],
        R: Sequence[ArrayLike],
        horizon: int,
        terminal: Sequence[ArrayLike] | None = None,
    ) -> Self:
        """Return the game whose matrices do not change with time.

        Parameters
        ----------
        A : array_like
            ``[n, n]``.
        B, Q, R : sequence of array_like
            One a player: ``[n, p_i]``; ``[n, n]``, symmetric; ``[p_i, p_i]``, positive definite.
        horizon : int
            Stages T.
        terminal : sequence of array_like, optional
            Cost of the last state, ``[n, n]`` a player; as `Q` by default.

        Raises
        ------
        ValueError
            If shapes disagree, an entry is not finite, a cost is not symmetric, or the cost of a control is not
            positive definite; the eigenvalue is told.
        """
        require(horizon >= 1, "horizon", "be at least 1", horizon)
        a, inputs = as_floats("A", A, 2), [as_floats(f"B[{i}]", b, 2) for i, b in enumerate(B)]
        n, sizes = len(a), tuple(b.shape[1] for b in inputs)
        require(len(sizes) >= 1, "B", "hold one matrix a player", B)
        for name, given in (("Q", Q), ("R", R), ("terminal", terminal)):
            rule = f"hold {len(sizes)} matrices, one a player"
            require(given is None or len(given) == len(sizes), name, rule, given)
        columns = [as_shaped(f"B[{i}]", b, (n, p)) for i, (b, p) in enumerate(zip(inputs, sizes, strict=True))]
        weights = [as_definite(f"R[{i}]", R[i], (p, p), singular=False) for i, p in enumerate(sizes)]
        costs = np.stack([as_symmetric(f"Q[{i}]", q, (n, n)) for i, q in enumerate(Q)])
        ends = [as_symmetric(f"terminal[{i}]", q, (n, n)) for i, q in enumerate(terminal or ())]
        return cls(
            _repeated(as_shaped("A", a, (n, n)), horizon),
            _repeated(np.concatenate(columns, axis=1), horizon),
            np.concatenate([_repeated(costs, horizon), np.stack(ends)[None] if ends else costs[None]]),
            _repeated(_own_blocks(weights), horizon),
            sizes,
        )

    @property
    def horizon(self) -> int:
        """Stages T."""
        return len(self.A)

    @cached_property
    def owner(self) -> Ints:
        """The player of each control, ``[P]``."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def owned(self) -> tuple[slice, ...]:
        """Each player's controls among the P."""
        ends = np.cumsum(self.sizes).tolist()
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))

    @cached_property
    def weights(self) -> Floats:
        """What each control's own player pays for it, ``[T, P, P]``."""
        return self.R[:, self.owner, np.arange(len(self.owner))]

    @cached_property
    def positive(self) -> Bools:
        """Which players' costs are never negative, ``[N]``: their problems are convex whatever the others do."""
        least = np.full(len(self.sizes), True)
        for cost in (self.Q, self.R):
            values = np.linalg.eigvalsh(cost)
            least &= (values[..., 0] >= -NEGATIVE * np.abs(values).max(axis=-1)).all(axis=0)
        return least

    @property
    def regulator(self) -> bool:
        """Whether one player alone pays costs that are never negative: its best control is unique."""
        return len(self.sizes) == 1 and bool(self.positive.all())

    @cached_property
    def places(self) -> tuple[Ints, Bools]:
        """Each player's controls, ``[N, p]`` with the largest p, and which of them exist; the rest repeat the last."""
        sizes = np.array(self.sizes)
        place = np.arange(sizes.max())
        return (np.cumsum(sizes) - sizes)[:, None] + np.minimum(place, sizes[:, None] - 1), place < sizes[:, None]

    def own_blocks(self, matrix: Floats) -> Floats:
        """Return the players' own blocks of ``matrix [..., P, P]``, ``[..., N, p, p]``; as the identity beyond p_i."""
        place, exists = self.places
        both = exists[:, :, None] & exists[:, None, :]
        return np.where(both, matrix[..., place[:, :, None], place[:, None, :]], np.eye(place.shape[1]))

    def own_inputs(self) -> Floats:
        """Return each player's columns of B, ``[T, N, n, p]`` with the largest p; zero beyond p_i."""
        place, exists = self.places
        return np.swapaxes(np.where(exists, self.B[..., place], 0.0), 1, 2)


def stage_system(game: LinearQuadratic, t: int, cost: Floats) -> tuple[Floats, Floats]:
    """Return the stage's system, ``[P, P]`` and ``[P, n]``, given the costs-to-go ``cost [N, n, n]`` at t + 1."""
    b = game.B[t]
    pressed = np.matmul(b.T[:, None], cost[game.owner])[:, 0]  # row of control c: b_c' P of its owner
    return pressed @ b + game.weights[t], pressed @ game.A[t]


def stage_cost(game: LinearQuadratic, t: int, gain: Floats, cost: Floats) -> Floats:
    """Return the costs-to-go ``[N, n, n]`` at t of ``gain [P, n]``, given those at t + 1."""
    return evaluated(game.A[t] - game.B[t] @ gain, game.Q[t], game.R[t], gain, cost)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is told
def feedback_nash(game: LinearQuadratic) -> tuple[Floats, Floats, float]:
    """Return gains ``[T, P, n]``, costs-to-go ``[T + 1, N, n, n]``, and the largest condition of a stage's system.

    The condition is that after scaling, infinite where a system is singular, a player's own cost is not convex, or
    numbers overflow; gains are then those of least norm, and no equilibrium. A regulator's is unique at any condition.
    """
    (stages, _, n), controls = game.A.shape, game.B.shape[2]
    gains, cost, worst = np.zeros((stages, controls, n)), np.full(game.Q.shape, np.nan), 1.0
    cost[-1] = game.Q[-1]
    for t in range(stages - 1, -1, -1):
        phi, target = stage_system(game, t, cost[t + 1])
        if not (np.isfinite(phi).all() and np.isfinite(target).all()):
            return gains, cost, np.inf
        scaled, rows, columns = equilibrated(phi)
        condition = float(np.linalg.cond(scaled)) if convex(game, phi) else np.inf
        worst = max(worst, condition)
        solve = linear_solution if condition < SINGULAR or game.regulator else _least_squares
        gains[t] = columns[:, None] * solve(scaled, rows[:, None] * target)
        cost[t] = stage_cost(game, t, gains[t], cost[t + 1])
    return gains, cost, worst


def determined(game: LinearQuadratic, condition: float) -> bool:
    """Return whether stages whose largest condition is `condition` have one solution each."""
    return condition < SINGULAR or game.regulator


def equilibrated(matrix: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ``diag(rows) matrix diag(columns)`` with entries of one size, and the two scales, powers of two."""
    rows, columns, scaled = np.ones(len(matrix)), np.ones(matrix.shape[1]), matrix
    for _ in range(ROUNDS):
        rows, columns = rows * _towards_one(scaled, 1), columns * _towards_one(scaled, 0)
        scaled = rows[:, None] * matrix * columns
    return scaled, rows, columns


def linear_solution(matrix: Floats, target: Floats) -> Floats:
    """Return the solution of ``matrix [..., k, k]``, or that of least norm if a matrix is singular to the last bit."""
    try:
        return np.asarray(np.linalg.solve(matrix, target), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrix) @ target, dtype=np.float64)


def cost_matrices(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the costs-to-go ``[T + 1, N, n, n]`` of ``gains [T, P, n]``: player i pays x' P x from state x."""
    cost = np.empty_like(game.Q)
    cost[-1] = game.Q[-1]
    for t in range(game.horizon - 1, -1, -1):
        cost[t] = stage_cost(game, t, gains[t], cost[t + 1])
    return cost


def alone(game: LinearQuadratic, gains: Floats, player: int) -> LinearQuadratic:
    """Return the regulator problem of one player against the frozen ``gains [T, P, n]`` of the others."""
    mine = game.owned[player]
    others = np.array(gains)
    others[:, mine] = 0.0
    moved, paid = game.A - game.B @ others, np.swapaxes(others, 1, 2) @ game.R[:, player] @ others
    cost = game.Q[:, [player]].copy()
    cost[:-1, 0] += paid
    own = game.R[:, [player], mine, mine]
    return LinearQuadratic(moved, game.B[:, :, mine], cost, own, (game.sizes[player],))


def best_response(game: LinearQuadratic, gains: Floats, player: int) -> tuple[Floats, Floats]:
    """Return the gains ``[T, p_i, n]`` of a player's best response to the others' and their costs ``[T + 1, n, n]``."""
    found, cost, _ = feedback_nash(alone(game, gains, player))
    return found, cost[:, 0]


class OwnProblems(NamedTuple):
    """Each player's regulator problem against the others' frozen gains; p is the largest number of controls."""

    A: Floats  # [T, N, n, n]
    B: Floats  # [T, N, n, p]; zero beyond p_i
    Q: Floats  # [T, N, n, n]
    R: Floats  # [T, N, p, p]


def own_problems(game: LinearQuadratic, gains: Floats) -> OwnProblems:
    """Return the problems of all players, of `gains` ``[T, P, n]``; `alone` of one, with as many controls as it has."""
    foreign = game.owner != np.arange(len(game.sizes))[:, None]
    others = np.where(foreign[:, :, None], gains[:, None], 0.0)  # [T, N, P, n]
    moved, paid = game.A[:, None] - game.B[:, None] @ others, np.swapaxes(others, 2, 3) @ game.R @ others
    return OwnProblems(moved, game.own_inputs(), game.Q[:-1] + paid, game.own_blocks(game.weights))


def best_costs(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the costs-to-go ``[T + 1, N, n, n]`` of each player's best response to the others' ``gains [T, P, n]``.

    They are minus infinity for a player whose cost has no lower bound.
    """
    own, cost, bounded = own_problems(game, gains), np.empty_like(game.Q), np.full(len(game.sizes), True)
    cost[-1] = game.Q[-1]
    for t in range(game.horizon - 1, -1, -1):
        a, b, q, r = (matrices[t] for matrices in own)
        pressed = np.swapaxes(b, 1, 2) @ cost[t + 1]
        bend = pressed @ b + r
        bounded &= game.positive | (np.linalg.eigvalsh(bend)[:, 0] > 0)
        found = linear_solution(np.where(bounded[:, None, None], bend, np.eye(bend.shape[1])), pressed @ a)
        gain = np.where(bounded[:, None, None], found, 0.0)
        cost[t] = evaluated(a - b @ gain, q, r, gain, cost[t + 1])
    cost[:-1, ~bounded] = -np.inf
    return cost


def deviation_gain(game: LinearQuadratic, gains: Floats) -> Floats:
    """Return the matrices ``[T + 1, N, n, n]`` of what each player gains by its best response, x' G x from state x.

    They are infinite for a player whose cost has no lower bound.
    """
    return cost_matrices(game, gains) - best_costs(game, gains)


def expected_cost(cost: Floats, start: Floats, noise: Floats) -> Floats:
    """Return each player's expected cost, ``[N]``.

    Parameters
    ----------
    cost : array
        Costs-to-go ``[T + 1, N, n, n]``.
    start, noise : array
        Second moments ``[n, n]`` of the first state, and of the noise that each step adds.
    """
    return np.einsum("inm,nm->i", cost[0], start) + np.einsum("tinm,nm->i", cost[1:], noise)


def convex(game: LinearQuadratic, phi: Floats) -> bool:
    """Return whether each player's own block of a stage's system is positive definite."""
    return bool((game.positive | (np.linalg.eigvalsh(game.own_blocks(phi))[:, 0] > 0)).all())


def evaluated(closed: Floats, cost: Floats, weights: Floats, gain: Floats, after: Floats) -> Floats:
    """Return ``cost + gain' weights gain + closed' after closed``, symmetric to the last bit."""
    found = cost + np.swapaxes(gain, -1, -2) @ weights @ gain + np.swapaxes(closed, -1, -2) @ after @ closed
    return 0.5 * (found + np.swapaxes(found, -1, -2))


def block_diagonal(first: Floats, second: Floats) -> Floats:
    """Return block diagonal matrices ``[..., k + l, m + n]``."""
    rows, columns = first.shape[-2:]
    found = np.zeros((*first.shape[:-2], rows + second.shape[-2], columns + second.shape[-1]))
    found[..., :rows, :columns], found[..., rows:, columns:] = first, second
    return found


def _least_squares(phi: Floats, target: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(phi, target, rcond=1 / SINGULAR)[0], dtype=np.float64)


def _towards_one(matrix: Floats, axis: int) -> Floats:
    """Return the power of two next to one over the square root of each row's or column's largest entry."""
    largest = np.abs(matrix).max(axis=axis)
    return np.exp2(-np.rint(0.5 * np.log2(np.where(largest > 0, largest, 1.0))))


def _repeated(matrix: Floats, stages: int) -> Floats:
    """Return the matrix at each stage, ``[T, ...]``."""
    return np.broadcast_to(matrix, (stages, *matrix.shape))


def _own_blocks(blocks: Sequence[Floats]) -> Floats:
    """Return each player's weights of all controls, ``[N, P, P]``, zero but for its own."""
    ends = np.cumsum([len(block) for block in blocks])
    found = np.zeros((len(blocks), ends[-1], ends[-1]))
    for player, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        mine = slice(end - len(block), end)
        found[player, mine, mine] = block
    return found
