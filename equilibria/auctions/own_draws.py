r"""Whether a policy of unknown law draws each bid by the bidder's own type alone, and row by row, as far as tests tell.

What is asked, in this order:

1. A fresh copy answers as the policy does while it plays (`walras.equilibria.audit.memoryless`).
2. With the same generator a bid does not move when other bidders' types or other rows are replaced. A policy that draws
   more or fewer numbers where types differ fails here: nothing is known of it then.
3. Rows of small batches and rows of large ones, at each place, bid alike: in each of `BLOCKS` blocks of the own type
   counts below some bids differ by no more than `DOUBT` standard errors.
4. Rows do not draw together: products of these counts, of two rows of a batch, add to nothing up to `SHARED` of them.

Bidders of one row may draw together; then no bidder knows the draw before it deviates, as everywhere.
"""

from typing import Any, NamedTuple

import numpy as np

from walras.core.game import AbstractGame
from walras.core.policy import Policy
from walras.core.typing import Bools, Floats, Ints
from walras.equilibria.audit import Audit, copied, memoryless

BIDDERS = 64
"""Bidders up to which a policy is asked."""
LARGE, SMALL = (64, 1024), (2048, 4)
"""Batches, and rows of each, in which it is asked."""
PLACES = 8
"""Groups of neighbouring rows of a large batch that are told apart."""
BLOCKS, LEVELS = 8, (0.1, 0.3, 0.5, 0.7, 0.9)
"""Blocks of types of equal mass, and the shares of bids below the bids at which they are counted."""
DOUBT, SHARED = 6.0, 8.0
"""Standard errors by which counts, and products of counts, may differ from what is expected."""
SAME = 1e-6
"""Share of a bidder's largest bid up to which two bids are the same: networks round in single precision."""


class Asked(NamedTuple):
    """What one bidder was asked in C batches of R rows."""

    types: Floats  # [C, R]
    bids: Floats  # [C, R] money


class Counts(NamedTuple):
    """Whether bids lie below Q levels, less the share that is expected at their types."""

    block: Ints  # [C, R] of the type
    excess: Floats  # [C, R, Q]
    variance: Floats  # [C, R, Q]


def strays(game: AbstractGame[Any], policy: Policy, audit: Audit) -> str:
    """Return why bids are no draws by the own type alone, row by row; nothing where no test tells."""
    if len(game.agents) > BIDDERS:
        return f"more than {BIDDERS} bidders draw"
    if not memoryless(game, policy, audit.seeds):
        return "the policy remembers, or counts steps"
    if not _own_alone(game, policy, audit.rng(40)):
        return "bids move with what others see, or in other rows"
    large, small = (_asked(game, policy, audit.rng(41, *shape), *shape) for shape in (LARGE, SMALL))
    for of_large, of_small in zip(large, small, strict=True):
        counts = counted(of_large, (of_large, of_small))
        if not all(map(_alike, (_in_places(counts[0]), counts[1]))):
            return "bids depend on the size of a batch, or on the row"
        if not all(map(_apart, counts)):
            return "rows draw together"
    return ""


def _own_alone(game: AbstractGame[Any], policy: Policy, rng: np.random.Generator) -> bool:
    """Return whether bids stay when others' types, or other rows, are replaced, with the same generator."""
    rows, bidders = LARGE[1], len(game.agents)
    first, second = (game.observe(game.reset(game.noise(rng, rows))) for _ in range(2))
    each = [(np.arange(bidders) >> bit) % 2 == 1 for bit in range((bidders - 1).bit_length())]  # any two differ in one
    kept = [np.broadcast_to(half, (rows, bidders)) for half in each]
    kept += [np.broadcast_to((np.arange(rows) % 2 == 1)[:, None], (rows, bidders))]
    every = [part for half in kept for part in (half, ~half)]
    return all(_stay(policy, first, np.where(own[:, :, None], first, second), own) for own in every)


def _stay(policy: Policy, first: Floats, second: Floats, own: Bools) -> bool:
    """Return whether bids at ``own [R, N]`` are the same at two observations."""
    bids, again = (copied(policy).act(seen.copy(), np.random.default_rng(0))[:, :, 0] for seen in (first, second))
    return bool((np.abs(bids - again) <= SAME * np.abs(bids).max(axis=0))[own].all())


def _asked(game: AbstractGame[Any], policy: Policy, rng: np.random.Generator, calls: int, rows: int) -> list[Asked]:
    """Return what each bidder does in `calls` batches."""
    shown = game.observe(game.reset(game.noise(rng, calls * rows)))
    bids = np.concatenate([policy.act(part, rng) for part in np.split(shown, calls)])
    types, bids = (part[:, :, 0].reshape(calls, rows, -1) for part in (shown, bids))
    return [Asked(types[:, :, i], bids[:, :, i]) for i in range(types.shape[2])]


def counted(by: Asked, samples: tuple[Asked, ...]) -> list[Counts]:
    """Return the counts of samples, by levels and shares of one of them."""
    edges = np.quantile(by.types, np.arange(1, BLOCKS) / BLOCKS)
    block = np.searchsorted(edges, by.types, side="right")
    level = np.array([np.quantile(by.bids[block == k], LEVELS) for k in range(BLOCKS)])  # [K, Q]
    share = np.array([(by.bids[block == k][:, None] <= level[k]).mean(axis=0) for k in range(BLOCKS)])
    found = list[Counts]()
    for sample in samples:
        at = np.searchsorted(edges, sample.types, side="right")
        below = sample.bids[:, :, None] <= level[at]
        found.append(Counts(at, below - share[at], (share * (1 - share))[at]))
    return found


def _in_places(counts: Counts) -> Counts:
    """Return counts of large batches with neighbouring rows as batches of their own."""
    calls, rows = counts.block.shape

    def moved(values: Any) -> Any:  # noqa: ANN401 - an array of any type
        parts = values.reshape(calls, PLACES, rows // PLACES, *values.shape[2:])
        return parts.swapaxes(1, 2).reshape(-1, PLACES, *values.shape[2:])

    return Counts(*map(moved, counts))


def _alike(counts: Counts) -> bool:
    """Return whether rows bid as expected at each place, in each block of types."""
    inside = counts.block[:, :, None] == np.arange(BLOCKS)
    excess, variance = (np.einsum("crk,crq->rkq", inside, part) for part in counts[1:])
    doubled = 2 * variance  # what is expected was counted as well
    return bool((np.abs(excess) <= DOUBT * np.sqrt(doubled) + DOUBT**2 / 3).all())


def _apart(counts: Counts) -> bool:
    """Return whether rows of a batch do not draw together."""
    together = (counts.excess.sum(axis=1) ** 2 - (counts.excess**2).sum(axis=1)).sum(axis=0)
    pairs = (counts.variance.sum(axis=1) ** 2 - (counts.variance**2).sum(axis=1)).sum(axis=0)
    return bool((together <= SHARED * np.sqrt(2 * pairs) + SHARED**2 / 3).all())
