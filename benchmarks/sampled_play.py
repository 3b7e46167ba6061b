"""Inverse games from sampled play: coverage of sets and intervals, rates of estimates, and time against size.

Run: ``OMP_NUM_THREADS=1 python benchmarks/sampled_play.py``; ``--quick`` takes a tenth of the draws, and ``coverage``,
``rates`` or ``sizes`` one table. Sets and intervals are those of ``fit(.., Sample())`` at 95 %. Chance is, by game:

- *Cournot*: the costs of each period, normal with deviation 1.5 about the planted ones; firms know all costs.
- *Bertrand*, *supply functions*: prices are read with normal errors, of deviation .05 and .5.
- *Fisher*: quantities are read with errors of 5 %, log-normal with mean one.
- *day ahead*: loads are drawn, which sellers do not know, and offers from an equilibrium in mixed strategies.
- *finite game*, *Markov game*: actions are drawn from mixed equilibria; *first price*: values are drawn.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.equilibria import (
    BertrandPlay,
    BidPlay,
    CournotPlay,
    DayAheadPlay,
    FisherPlay,
    InverseBertrand,
    InverseCournot,
    InverseDayAhead,
    InverseFirstPrice,
    InverseFisher,
    InverseMarkov,
    InverseMatrix,
    InverseSupply,
    MarkovPlay,
    MatrixPlay,
    SupplyPlay,
    markov_perfect,
    nash,
)
from walras.equilibria.allocation.inverse_fisher import demands
from walras.equilibria.electricity.supply_function import solve_supply_function
from walras.equilibria.inverse import AbstractFamily, Sample, fit
from walras.equilibria.inverse.family import Sampled
from walras.equilibria.inverse.moments import estimates
from walras.markets.allocation.fisher import equilibrium
from walras.markets.electricity.clearing import merit_order
from walras.markets.matrix import MarkovGame, MatrixGame
from walras.markets.matrix.logit_demand import LogitDemand

torch.set_num_threads(1)
QUICK = "--quick" in sys.argv
DRAWS = 100 if QUICK else 1000
REPEATS = 5 if QUICK else 20
WIDTHS = 40
"""Draws of which widths are told, where sets have a closed form."""
RESAMPLES = 60
"""Of the bootstrap."""
CAP, STEP = 180.0, 10.0
"""Largest offer and step of offers, EUR/MWh."""


class Case(NamedTuple):
    """A game, what was planted in it, and how play of some length is drawn."""

    name: str
    length: int
    """Periods, rounds or visits of the first table."""
    planted: Floats  # [P]
    family: AbstractFamily[Any]
    draw: Callable[[np.random.Generator, int], Any]
    rates: tuple[int, ...] = (16, 64, 256, 1024)
    """Counts of the second table; none where no parameter is identified."""


def main() -> None:
    """Print the tables."""
    if asked("coverage"):
        print(
            f"| game | sample | draws | planted in the set | each in its interval | median width | s |\n{'|---' * 7}|"
        )
        for case in cases():
            coverage(case)
    if asked("rates"):
        print(f"\n| game | counts | mean error at the last | slope of log error |\n{'|---' * 4}|", flush=True)
        for case in cases():
            if case.rates:
                rate(case)
    if asked("sizes"):
        print(f"\n| family | parameters | ms |\n{'|---' * 3}|", flush=True)
        sizes()


def asked(table: str) -> bool:
    """Return whether a table is asked for."""
    return not {"coverage", "rates", "sizes"} & set(sys.argv) or table in sys.argv


def coverage(case: Case) -> None:
    """Print a row of the first table; of families with sets in closed form, widths are those of the first draws."""
    rng, began = np.random.default_rng(4), time.process_time()
    joint, alone, width = 0, list[float](), list[float]()
    for draw in range(DRAWS):
        play = case.draw(rng, case.length)
        if isinstance(case.family, Sampled) and draw >= WIDTHS:
            joint += case.family.confidence_set(play, 0.95).contains(case.planted, 1e-9)
            continue
        found = fit(case.family, play, Sample(resamples=RESAMPLES), seed=draw)
        joint += found.set is not None and found.set.contains(case.planted, 1e-9)
        low, high = found.interval.T
        alone.append(float(np.mean((low - 1e-9 <= case.planted) & (case.planted <= high + 1e-9))))
        width.append(float(np.median(high - low)))
    told = f"{joint / DRAWS:.3f} | {np.mean(alone):.3f} | {np.nanmedian(width):.2g}"
    took = time.process_time() - began
    print(f"| {case.name} | {case.length} | {DRAWS} | {told} | {took:.0f} |", flush=True)


def rate(case: Case) -> None:
    """Print a row of the second table."""
    rng = np.random.default_rng(5)
    errors = [np.mean([_missed(case, rng, count) for _ in range(REPEATS)]) for count in case.rates]
    slope = np.polyfit(np.log(case.rates), np.log(errors), 1)[0]
    print(f"| {case.name} | {case.rates[0]} .. {case.rates[-1]} | {errors[-1]:.2g} | {slope:.2f} |", flush=True)


def _missed(case: Case, rng: np.random.Generator, count: int) -> float:
    """Return the mean error of an estimate."""
    family, play = case.family, case.draw(rng, count)
    if isinstance(family, Sampled):
        theta = family.estimate(play, family.confidence_set(play, 0.95))
    else:
        theta = estimates(family.moments(play), np.zeros(len(family.names)), np.arange(count)[None])[0]
    return float(np.abs(theta - case.planted).mean())


# Games


def cases() -> Iterator[Case]:
    """Yield the games."""
    yield from finite()
    yield from markov()
    levels = (0.3, 0.4, 0.5, 0.6, 0.7)

    def bids(rng: np.random.Generator, count: int) -> BidPlay:
        return BidPlay(rng.uniform(0, 1, (count, 2)) / 2)

    counts = (128, 512, 2048, 8192)
    yield Case("first price, uniform values", 100, np.array(levels), InverseFirstPrice(levels=levels), bids, counts)
    cost = np.array([6.0, 11.0])

    def cournot(rng: np.random.Generator, count: int) -> CournotPlay:
        own = cost + rng.normal(0, 1.5, (count, 2))
        return CournotPlay((100 - 2 * own + own[:, ::-1]) / 3)

    yield Case("Cournot", 40, cost, InverseCournot(2), cournot)
    price, share = _logit()

    def bertrand(rng: np.random.Generator, count: int) -> BertrandPlay:
        market = rng.integers(len(price), size=count)
        return BertrandPlay(price[market] + rng.normal(0, 0.05, (count, 2)), share[market])

    yield Case("Bertrand, logit", 40, np.array([1.0, 1.2]), InverseBertrand(2), bertrand)
    market = SupplyFunctionMarket()
    family = InverseSupply(3, market.demand_slope, market.demand)
    exact = family.of_curves(solve_supply_function(market).action[None])

    def supply(rng: np.random.Generator, count: int) -> SupplyPlay:
        heard = exact.price + rng.normal(0, 0.5, (count, exact.price.shape[1]))
        return SupplyPlay(heard, *(np.repeat(part, count, axis=0) for part in (exact.quantity, exact.residual)))

    yield Case("supply functions", 40, np.ravel((market.cost, market.cost_slope)), family, supply)
    yield from fisher()
    yield day_ahead()


def fisher() -> Iterator[Case]:
    """Yield the market of the authors' notebook, and others with these buyers, who are offered what they ask for."""
    budget, value = np.array([1 / 6, 1 / 3, 1 / 2]), np.array([[0.45, 0.55], [0.7, 0.3], [0.4, 0.6]])
    paid = budget @ value

    for utility, name in {
        "cobb-douglas": "Cobb-Douglas",
        "ces": "CES",
        "leontief": "Leontief",
        "linear": "linear",
    }.items():
        asked = demands(utility, paid[None], budget, value, 0.5)[0]

        def draw(rng: np.random.Generator, count: int, asked: Floats = asked) -> FisherPlay:
            bundle = asked * np.exp(rng.normal(-(0.05**2) / 2, 0.05, (count, 3, 2)))
            return FisherPlay(np.repeat(paid[None], count, axis=0), bundle)

        rates = (16, 64, 256, 1024) if utility != "linear" else ()
        yield Case(f"Fisher, {name}", 40, np.append(budget, value), InverseFisher(utility), draw, rates)


def day_ahead() -> Case:
    """Return a market of two sellers who mix offers in steps of 10 EUR/MWh, in equilibrium over 64 loads."""
    cost, available, load = np.array([20.0, 30.0]), np.array([[60.0], [60.0]]), np.linspace(20, 110, 64)
    grid = np.arange(0.0, CAP + 1, STEP)
    both = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2, 1)
    asked, each = np.repeat(both, len(load), axis=0), np.broadcast_to(available, (len(both) * len(load), 2, 1)).copy()
    found = merit_order(asked, each, np.tile(load, len(both)), CAP, 0.0)
    earned = (found.price[:, None] - cost) * found.dispatch[:, :, 0]
    payoff = np.moveaxis(earned.reshape(len(grid), len(grid), len(load), 2).mean(axis=2), 2, 0)
    mixed = [np.maximum(own, 0) / np.maximum(own, 0).sum() for own in nash(MatrixGame(payoff)).mixed]

    def draw(rng: np.random.Generator, count: int) -> DayAheadPlay:
        offer = np.stack([rng.choice(grid, count, p=own) for own in mixed], axis=1)[..., None]
        there = np.broadcast_to(available, (count, 2, 1)).copy()
        return DayAheadPlay(offer, there, load[rng.integers(len(load), size=count)])

    family = InverseDayAhead(("a", "b"), 1, CAP, tick=STEP)
    return Case("day ahead, loads unknown to sellers", 400, cost, family, draw, ())


@cache
def _logit() -> tuple[Floats, Floats]:
    """Return prices and shares of four markets."""
    cost = np.array([1.0, 1.2])
    demand = [LogitDemand(np.array([quality, 2.2]), cost, 0.0, 0.25) for quality in (1.8, 2.0, 2.2, 2.5)]
    price = np.array([each.nash_price() for each in demand])
    return price, np.array([each.sold(p) for each, p in zip(demand, price, strict=True)])


def drawn(rng: np.random.Generator, mixed: list[Floats], count: int) -> MatrixPlay:
    """Return rounds of a mixed profile."""
    return MatrixPlay(np.stack([rng.choice(len(own), count, p=own) for own in mixed], axis=1))


def finite() -> Iterator[Case]:
    """Yield games of which everything is unknown, and one of which a number is."""
    for sizes in ((2, 2), (3, 3)):
        payoff = np.random.default_rng(7).random((2, *sizes))
        mixed = [np.maximum(own, 0) / np.maximum(own, 0).sum() for own in nash(MatrixGame(payoff)).mixed]
        name = f"finite game, {sizes[0]} x {sizes[1]}, all payoffs"
        yield Case(name, 200, payoff.ravel(), InverseMatrix(sizes), lambda rng, n, m=mixed: drawn(rng, m, n), ())
    base, basis = np.array([[[0.0, -1], [-1, 1]], [[-1, 1], [1, -1]]]), np.zeros((1, 2, 2, 2))
    basis[0, 0, 0, 0] = 1.0
    pennies = [np.array([0.5, 0.5]), np.array([1 / 3, 2 / 3])]  # heads pay the first player 3
    family = InverseMatrix((2, 2), base, basis, 0.0, 10.0)
    yield Case("matching pennies, one reward", 1000, np.array([3.0]), family, lambda rng, n: drawn(rng, pennies, n))


def visited(rng: np.random.Generator, policies: Floats, count: int) -> MarkovPlay:
    """Return shares of `count` draws in each state."""
    exact = MarkovPlay.of(policies).policy
    share = np.stack([rng.multinomial(count, own) for own in exact]) / count
    return MarkovPlay(share, np.full(len(exact), count))


def markov() -> Iterator[Case]:
    """Yield a game of three states whose rewards are all unknown, and matching pennies in two that alternate."""
    rng = np.random.default_rng(8)
    while True:
        chances = rng.dirichlet(np.ones(3), (3, 2, 2))
        game = MarkovGame(rng.random((2, 3, 2, 2)), chances, np.ones(3) / 3, discount=0.7)
        found = markov_perfect(game, throw=False)
        if found.converged and ((found.policies > 0.1) & (found.policies < 0.9)).any():
            break
    policies = np.maximum(found.policies, 0) / np.maximum(found.policies, 0).sum(axis=-1, keepdims=True)
    name, planted = "Markov game, 3 states, all rewards", game.reward.ravel()
    yield Case(name, 500, planted, InverseMarkov(game), lambda rng, n: visited(rng, policies, n), ())
    base = np.repeat(np.array([[[0.0, -1], [-1, 1]], [[-1, 1], [1, -1]]])[:, None], 2, axis=1)
    base[0, 1, 0, 0] = 1.0
    basis, turn = np.zeros((1, 2, 2, 2, 2)), np.zeros((2, 2, 2, 2))
    basis[0, 0, 0, 0, 0] = turn[0, ..., 1] = turn[1, ..., 0] = 1.0
    mixed = np.full((2, 1, 2, 2), 0.5)
    mixed[1, 0, 0] = [1 / 3, 2 / 3]
    family = InverseMarkov(MarkovGame(base, turn, np.array([1.0, 0.0]), discount=0.5), base, basis, 0.0, 10.0)
    name = "Markov game, pennies, one reward"
    yield Case(name, 1000, np.array([3.0]), family, lambda rng, n: visited(rng, mixed, n))


# Sizes


def sizes() -> None:
    """Time fits of exact play, ranges of all parameters included."""
    rng = np.random.default_rng(5)
    for firms in (2, 10, 50):
        q = rng.uniform(1, 1.5, (1, firms))
        timed("Cournot, costs", firms, lambda q=q, n=firms: fit(InverseCournot(n), CournotPlay(q)))
    for buyers, goods in ((3, 2), (10, 5), (30, 10)):
        value, budget = rng.random((1, buyers, goods)), rng.uniform(1, 2, buyers)
        value /= value.sum(axis=2, keepdims=True)
        found = equilibrium(torch.tensor(value), torch.ones(1, goods), torch.tensor(budget))
        play = FisherPlay(found.prices.numpy(), found.allocation.numpy())
        family = InverseFisher("linear", buyers, goods)
        timed("Fisher, linear", buyers * (goods + 1), lambda f=family, p=play: fit(f, p))
    for size in (2, 4, 8, 12):
        play = InverseMatrix.mixed(nash(MatrixGame(rng.random((2, size, size)))).mixed)
        timed("finite game", 2 * size**2, lambda s=size, p=play: fit(InverseMatrix((s, s)), p))
    for states in (2, 5, 10):
        chances = rng.dirichlet(np.ones(states), (states, 2, 2))
        game = MarkovGame(rng.random((2, states, 2, 2)), chances, np.ones(states) / states, discount=0.7)
        play = MarkovPlay.of(markov_perfect(game, throw=False).policies)
        timed("Markov game", 8 * states, lambda g=game, p=play: fit(InverseMarkov(g), p))


def timed(family: str, parameters: int, make: Callable[[], object]) -> None:
    """Print a row of the last table."""
    make()  # what is compiled or loaded once is not counted
    began = time.process_time()
    make()
    print(f"| {family} | {parameters} | {1000 * (time.process_time() - began):.0f} |", flush=True)


if __name__ == "__main__":
    main()
