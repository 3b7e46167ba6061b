"""The moves of `walras.equilibria.trading.best_response_dynamic`, compiled for families whose demand is a short loop.

The loop is that of `settle` there, draw for draw, so both end at the same offers after the same moves. What a compiled
agent knows of its slots (`Slots`) is their worth, a value or less a cost, or the cost of its pairs; it takes what gains
at least `least`: zero if ties are broken to the maximal bundle, the smallest positive number if to the minimal one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from walras.core.typing import Bools, Floats, Ints
from walras.markets.compiled import compiled
from walras.markets.trading.trading_network import Additive, Intermediary, Valuation

SINGLE, EACH, PAIRS = range(3)  # kinds: one trade at most; every trade that gains; pairs of a trade in and one out
TINY = 5e-324

Slots: TypeAlias = Any  # of best_response_dynamic, which imports this module; only compiled code reads them


class Terms(NamedTuple):
    """The agents of a market."""

    kind: Ints  # [N]
    worth: Floats  # [2T] money, by slots
    cost: Floats  # [N] money, of a pair
    least: float  # money, the gain from which a trade or a pair is taken


def terms(agents: Sequence[Valuation], *, maximal: bool) -> Terms:
    """Return the terms of agents of the compiled families."""
    kinds: dict[type[Valuation], int] = {Additive: EACH, Intermediary: PAIRS}
    return Terms(
        kind=np.array([kinds.get(type(agent), SINGLE) for agent in agents]),
        worth=np.concatenate([_worth(agent) for agent in agents]),
        cost=np.array([agent.cost if isinstance(agent, Intermediary) else 0.0 for agent in agents], dtype=np.float64),
        least=0.0 if maximal else TINY,
    )


def _worth(agent: Valuation) -> Floats:
    return np.zeros(agent.degree) if isinstance(agent, Intermediary) else agent.sides * agent.numbers


@compiled
def _take_single(worth: Floats, faced: Floats, taken: Bools, least: float) -> None:
    best, place = -np.inf, -1
    for k in range(len(faced)):
        taken[k] = False
        gain = worth[k] - faced[k]
        if gain > best:
            best, place = gain, k
    if best >= least:
        taken[place] = True


@compiled
def _take_each(worth: Floats, faced: Floats, taken: Bools, least: float) -> None:
    for k in range(len(faced)):
        taken[k] = worth[k] - faced[k] >= least


@compiled
def _take_pairs(side: Ints, faced: Floats, taken: Bools, cost: float, least: float) -> None:
    """Pair the next cheapest input with the next dearest output while a pair gains."""
    taken[:] = False
    order = np.argsort(faced, kind="mergesort")
    inputs, outputs = order[side[order] > 0], order[side[order] < 0]
    for k in range(min(len(inputs), len(outputs))):
        if -faced[inputs[k]] - faced[outputs[k]] - cost < least:
            break
        taken[inputs[k]] = taken[outputs[k]] = True


@compiled
def _demand(slots: Slots, agents: Terms, i: int, faced: Floats, taken: Bools) -> None:
    """Set `taken` in the slots of agent i to its best bundle."""
    low, high = slots.first[i], slots.first[i + 1]
    worth, own, bundle = agents.worth[low:high], faced[low:high], taken[low:high]
    if agents.kind[i] == SINGLE:
        _take_single(worth, own, bundle, agents.least)
    elif agents.kind[i] == EACH:
        _take_each(worth, own, bundle, agents.least)
    else:
        _take_pairs(slots.side[low:high], own, bundle, agents.cost[i], agents.least)


@compiled
def settle(
    slots: Slots, agents: Terms, offered: Floats, tick: float, rng: np.random.Generator, max_steps: int
) -> tuple[int, bool]:
    """Play one market; `offered` is modified in place."""
    faced, taken = -offered[slots.counter], np.empty(len(offered), np.bool_)
    waiting, waits = np.arange(len(agents.kind)), np.ones(len(agents.kind), np.bool_)
    count, steps = len(waiting), 0
    while count > 0 and steps < max_steps:
        place = int(rng.random() * count)
        i = waiting[place]
        count -= 1
        waiting[place] = waiting[count]
        waits[i] = False
        _demand(slots, agents, i, faced, taken)
        for k in range(slots.first[i], slots.first[i + 1]):
            offer = faced[k] if taken[k] else faced[k] - tick
            if offer != offered[k]:
                offered[k] = offer
                faced[slots.counter[k]] = -offer
                other = slots.other[k]
                if not waits[other]:
                    waits[other] = True
                    waiting[count] = other
                    count += 1
        steps += 1
    return steps, count == 0
