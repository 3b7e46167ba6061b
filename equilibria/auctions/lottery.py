r"""Lottery contests for a prize that all value alike: the exact gap of fixed efforts, between bids of a fine grid.

Against the others' efforts the utility of b is :math:`V b^r / (b^r + S) - b` with :math:`S = \sum_j b_j^r`. Its first
part rises, so that between two efforts of the grid no effort earns more than the prize of the upper and the cost of the
lower one.
"""

import numpy as np

from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs.auctions.contest import Contest
from walras.equilibria.auctions.bid_functions import Bidding, Rising, seen
from walras.equilibria.auctions.gap import auction_gap
from walras.equilibria.audit import Audit, Ends, certificate, judged_policy, memoryless
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.search import searched_gap
from walras.markets.auctions import Prior, Tullock

EFFORTS = 2**20
"""Efforts of the grid."""
LOOKS = 4096
"""Times that a policy is asked, to see whether it always does the same."""


def contest_gap(game: Contest, policy: Policy, audit: Audit) -> Gap:
    """Return the gap of a policy in a contest: the interim gap, and that of fixed efforts in a lottery."""
    if not isinstance(game.format, Tullock):
        return auction_gap(game, policy, audit)
    judged = judged_policy(game, policy, audit.device)
    known = not isinstance(game.prior, Prior) and memoryless(game, judged, audit.seeds)
    effort = _fixed(game, judged) if known else None
    if effort is None:
        return searched_gap(game, policy, audit, {})
    low, high, best = (
        np.array(part) for part in zip(*(_answer(game, effort, i) for i in range(game.players)), strict=True)
    )
    value = _utility(game, effort)
    ends = Ends(*(game.horizon * np.maximum(end - value, 0.0) for end in (low, high, low)))
    deviation = Bidding(tuple(Rising(lambda v, b=b: np.full(np.shape(v), b)) for b in best))
    how = f"answers to fixed efforts, {EFFORTS} tried"
    return certificate(game, policy, audit, ends, game.horizon * value, Kind.BOUNDS, how, deviation=deviation)


def _fixed(game: Contest, policy: Policy) -> Floats | None:
    """Return the efforts ``[N]`` of a policy that always does the same, or none."""
    value = np.full(LOOKS, game.observation_space.high[0])
    shown = seen(game, [value] * game.players)
    looks = [policy.act(shown, np.random.default_rng(seed))[:, :, 0] for seed in range(2)]
    every = np.concatenate(looks)
    return every[0] if np.ptp(every, axis=0).max() == 0 else None


def _answer(game: Contest, effort: Floats, who: int) -> tuple[float, float, float]:
    """Return what the best effort earns, at least and at most, and the best effort found."""
    others, value = np.delete(effort, who), game.observation_space.high[0]
    grid = np.linspace(0.0, float(game.action_space.high[0]), EFFORTS + 1)
    prize = value * _share(game, grid, others)
    earned = prize - grid
    return float(earned.max()), float((prize[1:] - grid[:-1]).max()), float(grid[earned.argmax()])


def _share(game: Contest, own: Floats, others: Floats) -> Floats:
    """Return the share of the prize; even where nobody spends."""
    assert isinstance(game.format, Tullock)
    power, rest = own**game.format.r, float((others**game.format.r).sum())
    total = power + rest
    return np.divide(power, total, out=np.full_like(power, 1 / game.players), where=total > 0)


def _utility(game: Contest, effort: Floats) -> Floats:
    """Return what each contestant earns, ``[N]``."""
    value = game.observation_space.high[0]
    shares = [_share(game, effort[i : i + 1], np.delete(effort, i))[0] for i in range(game.players)]
    return value * np.array(shares) - effort
