r"""Sequential public goods: what maximises the sum of payoffs, and by how much a policy misses it.

The sum of payoffs is quadratic in contributions, less the penalties where their total misses the threshold:

.. math:: W(c) = \sum_i \rho c_i - \kappa(c_i) + \gamma b_i c_i S_{i-1} - n P \, \mathbf 1\{S_n < B\} .

With the bonus of products W is symmetric, and concave among contributions of one total: all give the same, and W is
piecewise quadratic in the total, with a jump at the threshold. With the bonus of means it need not be concave; a
maximum is then stationary on a face of the box, or on its cut with the threshold, and all faces are tried.
"""

from itertools import product

import numpy as np

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.policy import Constant, Policy
from walras.core.rollout import rollout
from walras.core.solution import Status
from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods
from walras.equilibria.audit import Audit, Ends, certificate, declared, exactly, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.matrix.public_goods import PublicGoodsEquilibrium
from walras.equilibria.matrix.public_goods_play import pure_play

MOST_AGENTS = 8
"""Agents up to which all faces are tried: of n agents there are 3^n."""
AGAIN = 5
"""Agents up to which the certificate of an optimum tries them too, where the optimum came without."""
FEASIBLE = 1e-12
"""Share of the range by which a point may lie outside a face that it is stationary on; it is cut to it."""


def solve_joint_optimum(game: SequentialPublicGoods) -> PublicGoodsEquilibrium:
    """Return contributions that maximise the sum of payoffs; nobody need want to make them.

    Raises
    ------
    ValueError
        As `joint_optimum`.
    """
    given = joint_optimum(game)
    value = game.payoff(given)
    return PublicGoodsEquilibrium(
        policy=Constant(given[:, None]),
        value=value,
        concept=Concept.JOINT_OPTIMUM,
        residual=0.0,
        iterations=1,
        status=Status.CONVERGED,
        contribution=given,
        welfare=float(value.sum()),
    )


def social_optimum(game: SequentialPublicGoods) -> tuple[float, float]:
    """Return the contribution of each that maximises the sum of payoffs, and that sum.

    Raises
    ------
    ValueError
        If the bonus is no product: agents then give different amounts, see `joint_optimum`.
    """
    rule = "be product, for all to give the same in the optimum; else use `solve` with the joint optimum"
    require(game.bonus == "product", "bonus", rule, game.bonus)
    given = joint_optimum(game)
    return float(given[0]), float(game.payoff(given).sum())


def joint_optimum(game: SequentialPublicGoods) -> Floats:
    """Return the contributions ``[N]`` that maximise the sum of payoffs.

    Raises
    ------
    ValueError
        If the bonus is of means and there are more than `MOST_AGENTS` agents.
    """
    if game.bonus == "product":
        found = np.repeat(_of_equal_ones(game)[:, None], game.n, axis=1)
    else:
        rule = f"be at most {MOST_AGENTS} where the bonus is of means, whose faces are tried one by one"
        require(game.n <= MOST_AGENTS, "n", rule, game.n)
        found = _on_faces(game)
    welfare = game.payoff(found).sum(axis=1)
    return found[int(welfare.argmax())]


def joint_optimum_gap(game: SequentialPublicGoods, policy: Policy, audit: Audit) -> Gap:
    """Return what the sum of payoffs lacks of the largest, an equal part of it for each agent.

    It is exact where nothing is drawn, and the mean over the audit's episodes elsewhere.
    """
    judged = judged_policy(game, policy, audit.device)
    most = _largest_sum(game)
    known = pure_play(game, declared(judged))
    if known is not None:
        value = game.payoff(known.path())
        gain = np.full(game.n, max(most - float(value.sum()), 0.0) / game.n)
        return certificate(game, judged, audit, exactly(gain), value, Kind.EXACT, "largest sum less that of the path")
    total = rollout(game, judged, audit.seeds).total
    lacking = interval(np.repeat(most - total.sum(axis=1, keepdims=True), game.n, axis=1) / game.n, audit.confidence)
    ends, method = Ends(lacking.low, lacking.high, lacking.mean), "largest sum less that of play"
    return certificate(game, judged, audit, ends, total.mean(axis=0), Kind.STATISTICAL, method)


def _largest_sum(game: SequentialPublicGoods) -> float:
    """Return the largest sum of payoffs; of few agents, by all faces as well, whatever their bonus."""
    found = joint_optimum(game)[None]
    if game.n <= AGAIN:
        found = np.concatenate([found, _on_faces(game)])
    return float(game.payoff(found).sum(axis=1).max())


def _of_equal_ones(game: SequentialPublicGoods) -> Floats:
    """Return candidates for what each gives: the limits, the threshold's share, and where the slope is zero."""
    at = [game.low, game.high, game.threshold / game.n]
    steep = (game.k if game.cost == "quadratic" else 0.0) - game.gamma * (game.n - 1)
    if steep > 0:
        at.append((game.rho - (0.0 if game.cost == "quadratic" else game.k)) / steep)
    return np.clip(at, game.low, game.high)


def _on_faces(game: SequentialPublicGoods) -> Floats:
    """Return the stationary points of the sum of payoffs on all faces of the box, and on their cuts with the threshold.

    ``[M, N]``; each lies in the box, and one of them is a maximum.
    """
    curve, slope = _quadratic(game)
    found = list[Floats]()
    for limits in product((game.low, game.high, np.nan), repeat=game.n):
        corner = np.array(limits)
        free = np.isnan(corner)
        fixed = np.where(free, 0.0, corner)
        own = slope[free] + curve[np.ix_(free, ~free)] @ fixed[~free]
        for cut in (False, True):
            inside = _stationary(curve[np.ix_(free, free)], own, game.threshold - fixed.sum() if cut else None)
            if inside is not None:
                point = fixed.copy()
                point[free] = inside
                found.append(point)
    points = np.array(found)
    slack = FEASIBLE * (1 + game.high)
    within = np.all((points >= game.low - slack) & (points <= game.high + slack), axis=1)
    return np.clip(points[within], game.low, game.high)


def _quadratic(game: SequentialPublicGoods) -> tuple[Floats, Floats]:
    """Return the second derivatives ``[N, N]`` of the sum of payoffs, without penalties, and its slopes at zero."""
    joined = game.gamma * np.tril(np.repeat(game.weights[:, None], game.n, axis=1), k=-1)
    own = game.k if game.cost == "quadratic" else 0.0
    slope = game.rho - (0.0 if game.cost == "quadratic" else game.k)
    return joined + joined.T - own * np.eye(game.n), np.full(game.n, slope)


def _stationary(curve: Floats, slope: Floats, total: float | None) -> Floats | None:
    """Return where ``curve x + slope`` is zero, or, of points of one total, the same in all coordinates; or none."""
    size = len(slope)
    if size == 0:
        return np.empty(0) if total is None else None
    system, right = curve, -slope
    if total is not None:
        system = np.block([[curve, np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
        right = np.append(right, total)
    try:
        return np.asarray(np.linalg.solve(system, right)[:size], dtype=np.float64)
    except np.linalg.LinAlgError:  # flat: a face of this one has a point that is as good
        return None
