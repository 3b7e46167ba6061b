r"""A portfolio of searches for an agent's best report: what counts is the best that any of them attains.

The problem is not concave, and its best points lie at kinks, where demands and budgets begin to bind. Each search
fails on some instances that another one solves:

| search | what it tries |
|---|---|
| scatter | the truth, all value on one resource, random reports |
| climbs | normalised gradient steps through the mechanism, from the best of the scatter |
| vertices | all value on one resource or on two, equal values, reversed values; true and largest demands |
| values alone | where demands may be misreported too: the best report of values found with the true demands |
| evolution | from the three best so far, in each generation 48 children of the 12 best, ever nearer to their parents |
| refinement | random reports ever nearer to the best so far |

All rows and all reports of a step are one batch. `Search` says how long they search. Twice the search must not find
much more: `walras.mechanisms.exploitability.settled_misreport` tests this.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, final

import torch
from torch import Tensor

from walras.core.checks import require
from walras.mechanisms.payments import AnyMechanism
from walras.mechanisms.reports import SPAN, Game, earned, own_values, placed, raised, repeated, truth, within

TRIES = 8  # reports of the scatter for each climb
BATCH = 1024  # rows: a network's layers of so many stay in a processor's cache
STRIDE = 0.5  # first step of a climb in the logarithm of the values; in demands, as a share of the range
FOUNDERS, PARENTS, CHILDREN = 3, 12, 48
WIDE, NARROW = 2.0, 0.03  # children's distance from their parents in the first generation, and in the last
NEAR = (1.0, 0.3, 0.1, 0.03, 0.01)  # widths of the refinement
TRIALS = 16  # of each width


@final
@dataclass(frozen=True)
class Search:
    """How long the best report is searched.

    Parameters
    ----------
    starts : int
        Climbs; the scatter has eight reports for each.
    steps : int
        Gradient steps of a climb.
    generations : int
        Of the evolution, which starts from climbs, vertices and the best report of values alone; without generations
        there is scatter, climbs and refinement.
    seeds : tuple of int
        All is searched once for each; the best counts.
    batch : int
        Rows that the mechanism is asked at a time, at least those of one report. It decides speed, and the last digits
        of what a network says.

    Raises
    ------
    ValueError
        If a number is out of range, or `seeds` is empty.
    """

    starts: int = 16
    steps: int = 64
    generations: int = 60
    seeds: tuple[int, ...] = (0, 1, 2)
    batch: int = BATCH

    def __post_init__(self) -> None:
        require(self.starts >= 1, "starts", "be at least 1", self.starts)
        require(self.steps >= 0, "steps", "not be negative", self.steps)
        require(self.generations >= 0, "generations", "not be negative", self.generations)
        require(self.batch >= 1, "batch", "be at least 1", self.batch)
        require(len(self.seeds) >= 1, "seeds", "hold at least one", self.seeds)

    @classmethod
    def quick(cls, seed: int = 0) -> "Search":
        """Return a search of 4 climbs of 16 steps. It is for training: what it finds is too little for a table."""
        return cls(4, 16, 0, (seed,), batch=1)

    def doubled(self) -> "Search":
        """Return the search of twice the budget: twice the scatter and the climbs, twice the generations."""
        return replace(self, starts=2 * self.starts, generations=2 * self.generations)


class Reports(NamedTuple):
    """C reports for each of R rows, and what they earn."""

    values: Tensor  # [C, R, M] logarithms
    demands: Tensor  # [C, R, M]
    score: Tensor  # [C, R]


def best_report(mechanism: AnyMechanism, game: Game, search: Search) -> Reports:
    """Return the best report found for each row, ``C = 1``."""
    return best(joined(*(_portfolio(mechanism, game, search, seed) for seed in search.seeds)))


def _portfolio(mechanism: AnyMechanism, game: Game, search: Search, seed: int) -> Reports:
    draw, batch = torch.Generator().manual_seed(seed), search.batch
    tries = scored(mechanism, game, *scattered(game, TRIES * search.starts, draw), batch)
    found = climbed(mechanism, game, few(tries, search.starts), search.steps, batch)
    if search.generations > 0:
        found = joined(found, scored(mechanism, game, *vertices(game), batch))
        if bool((game.low < game.high).any()):
            found = joined(found, _portfolio(mechanism, with_true_demands(game), search, seed))
        found = evolved(mechanism, game, few(found, FOUNDERS), search.generations, draw, batch)
    return refined(mechanism, game, best(found), draw, batch)


def scored(mechanism: AnyMechanism, game: Game, values: Tensor, demands: Tensor, batch: int = BATCH) -> Reports:
    """Return reports ``[C, R, M]`` with what the mechanism gives for them."""
    with torch.no_grad():
        scores = [earned(mechanism, *some) for some in _groups(game, values, demands, batch)]
    return Reports(values, demands, torch.cat(scores).reshape(values.shape[:2]))


def _groups(game: Game, values: Tensor, demands: Tensor, batch: int) -> Iterator[tuple[Game, Tensor, Tensor]]:
    """Return the reports of all rows, as many at a time as fit into `batch` rows and at least one."""
    count = max(1, batch // len(game.agent))
    for some, asked in zip(values.split(count), demands.split(count), strict=True):
        yield repeated(game, len(some)), some.flatten(0, 1), asked.flatten(0, 1)


def joined(*parts: Reports) -> Reports:
    """Return all reports of the parts."""
    return Reports(*(torch.cat(each) for each in zip(*parts, strict=True)))


def best(reports: Reports) -> Reports:
    """Return each row's best report, the first of equals, ``C = 1``."""
    return chosen(reports, reports.score.argmax(dim=0, keepdim=True))


def few(reports: Reports, count: int) -> Reports:
    """Return each row's `count` best reports, or all if there are fewer."""
    return chosen(reports, reports.score.topk(min(count, len(reports.score)), dim=0).indices)


def chosen(reports: Reports, index: Tensor) -> Reports:
    """Return the reports of ``index [C, R]``."""
    rows = torch.arange(index.shape[1])
    return Reports(*(part[index, rows] for part in reports))


def scattered(game: Game, count: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return `count` reports for each row, ``[count, R, M]``: log-values and demands.

    The truth comes first, then all value on each resource in turn; the rest is random, half of it near the truth.
    """
    shape = (count, *game.value.shape)
    own = own_values(game)
    values = 1.5 * torch.randn(shape, generator=draw, dtype=own.dtype)
    near = slice(1 + shape[2], None, 2)
    moves = values[near] / 3
    values = raised(game, values)
    values[near] = own + moves
    share = 1.2 * torch.rand(shape, generator=draw, dtype=own.dtype)
    demands = game.low + share.clamp(max=1) * (game.high - game.low)
    demands[near] = game.demand
    values[0], demands[0] = own, game.demand
    for k in range(min(shape[2], count - 1)):
        alone = torch.full_like(own, -SPAN / 2)
        alone[:, k] = 0.0
        values[1 + k], demands[1 + k] = raised(game, alone), game.high
    return placed(game, values), within(game, demands)


def vertices(game: Game) -> tuple[Tensor, Tensor]:
    """Return reports at the ends of what may be reported, ``[C, R, M]``: log-values and demands.

    All value on one resource or evenly on two, even values, reversed values; each with the true demands and with the
    largest.
    """
    resources = range(game.value.shape[1])
    wanted = [*combinations(resources, 1), *combinations(resources, 2), tuple(resources)]
    low = torch.full_like(game.value, -SPAN / 2)
    shown = [low.index_fill(1, torch.tensor(goods), 0.0) for goods in wanted]
    values = torch.stack([raised(game, logs) for logs in (*shown, -own_values(game))])
    demands = torch.stack([truth(game)[1], game.high])
    return values.repeat(2, 1, 1), demands.repeat_interleave(len(values), dim=0)


def with_true_demands(game: Game) -> Game:
    """Return the game in which values alone may be misreported."""
    demand = within(game, game.demand)
    return game._replace(low=demand, high=demand)


def climbed(mechanism: AnyMechanism, game: Game, starts: Reports, steps: int, batch: int = BATCH) -> Reports:
    """Return the best report on the way of a climb from each of the starts."""
    climbs = [climb(mechanism, *some, steps) for some in _groups(game, starts.values, starts.demands, batch)]
    values, demands, score = (torch.cat(parts) for parts in zip(*climbs, strict=True))
    return Reports(values.reshape_as(starts.values), demands.reshape_as(starts.demands), score.reshape_as(starts.score))


def climb(
    mechanism: AnyMechanism,
    game: Game,
    values: Tensor,
    demands: Tensor,
    steps: int,
    stride: float = STRIDE,
) -> tuple[Tensor, Tensor, Tensor]:
    """Climb `steps` normalised gradient steps; return the best report on the way and what it earns.

    Steps shrink as one over the square root of their number; values move in their logarithms.
    """
    most = [values.clone(), demands.clone(), torch.full_like(values[:, 0], -math.inf)]
    for step in range(steps + 1):
        values, demands = values.detach().requires_grad_(), demands.detach().requires_grad_()
        with torch.enable_grad():
            score = earned(mechanism, game, values, demands)
        better = score.detach() > most[2]
        for kept, new in zip(most, (values, demands, score), strict=True):
            kept[better] = new.detach()[better]
        if step == steps or not score.requires_grad:
            break
        slopes = torch.autograd.grad(score.sum(), (values, demands), allow_unused=True)
        length = stride / math.sqrt(1 + step)
        values = placed(game, values.detach() + length * _normalised(slopes[0], values))
        moved = demands.detach() + length / 2 * (game.high - game.low) * _normalised(slopes[1], demands)
        demands = within(game, moved)
    return most[0], most[1], most[2]


def evolved(
    mechanism: AnyMechanism,
    game: Game,
    parents: Reports,
    generations: int,
    draw: torch.Generator,
    batch: int = BATCH,
) -> Reports:
    """Return the best reports after so many generations.

    A child is a normal move away from a parent drawn at random, at a distance that shrinks over the generations and is
    log-normal among siblings. Parents compete with their children.
    """
    for generation in range(generations):
        family = torch.randint(len(parents.score), (CHILDREN, len(game.agent)), generator=draw)
        width = WIDE * (NARROW / WIDE) ** (generation / generations)
        spread = width * torch.randn((*family.shape, 1), generator=draw, dtype=game.value.dtype).exp()
        children = moved(game, chosen(parents, family), spread, draw)
        parents = few(joined(parents, scored(mechanism, game, *children, batch)), PARENTS)
    return parents


def refined(mechanism: AnyMechanism, game: Game, found: Reports, draw: torch.Generator, batch: int = BATCH) -> Reports:
    """Return the best of random reports ever nearer to the best so far, ``C = 1``: a climb may end at a kink."""
    for width in NEAR:
        again = Reports(*(part.repeat(TRIALS, *(1,) * (part.ndim - 1)) for part in found))
        values, demands = moved(game, again, width, draw)
        values[0], demands[0] = found.values[0], found.demands[0]
        found = best(scored(mechanism, game, values, demands, batch))
    return found


def moved(game: Game, reports: Reports, width: Tensor | float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the reports after normal moves of deviation `width`, in demands of half the range, ``[C, R, M]`` each."""
    moves = torch.randn((2, *reports.values.shape), generator=draw, dtype=reports.values.dtype)
    asked = reports.demands + width / 2 * (game.high - game.low) * moves[1]
    return placed(game, reports.values + width * moves[0]), within(game, asked)


def _normalised(slope: Tensor | None, like: Tensor) -> Tensor:
    if slope is None:
        return torch.zeros_like(like)
    return slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-12)
