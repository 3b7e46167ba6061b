"""Inverse games: parameters that were planted, found again, by the paper's methods and by exact conditions.

Run: ``OMP_NUM_THREADS=1 python benchmarks/inverse.py``; ``--quick`` takes a tenth of the markets. Games, draws and step
sizes are those of the authors' notebooks: correlated draws c = U(2, 20), slope = -U(.01, 10), intercept = U(10, 100)
with one uniform number a market; Fisher markets of 3 buyers and 2 goods, valuations U(0, 10) normalised, budgets
U(0, 10). The error is the sum over blocks of parameters of the norm of relative errors. A market is recovered if it is
below .1, or .01.
"""

import sys
import time

import numpy as np
import torch

from walras.core.typing import Floats
from walras.envs import SupplyFunctionMarket
from walras.equilibria import (
    BertrandPlay,
    BidPlay,
    CournotPlay,
    ExchangePlay,
    FisherPlay,
    InverseBertrand,
    InverseCournot,
    InverseExchange,
    InverseFisher,
    InverseMarkov,
    InverseMatrix,
    InverseSecondPrice,
    InverseSupply,
    InverseUndercutting,
    MarkovPlay,
    UndercuttingPlay,
    markov_perfect,
    nash,
)
from walras.equilibria.allocation.inverse_fisher import FisherObjective, demands
from walras.equilibria.electricity.inverse_cournot import CournotObjective
from walras.equilibria.electricity.supply_function import solve_supply_function
from walras.equilibria.inverse import (
    Extragradient,
    GradientDescentAscent,
    InverseSolution,
    MaxOracle,
    fit,
)
from walras.equilibria.inverse.descent import AbstractDescent, Objective, Stepper
from walras.equilibria.matrix.inverse_bertrand import UndercuttingObjective
from walras.markets.allocation.fisher import equilibrium
from walras.markets.matrix import MarkovGame, MatrixGame
from walras.markets.matrix.logit_demand import LogitDemand

torch.set_num_threads(1)
QUICK = "--quick" in sys.argv
MARKETS = 50 if QUICK else 500


def main() -> None:
    """Print the tables."""
    print(f"## First-order methods, {MARKETS} markets a row\n")
    print("| game | learned | method | < .1 | < .01 | median error | s |\n|---|---|---|---|---|---|---|", flush=True)
    cournot()
    undercutting()
    fisher()
    print(f"\n## Exact conditions, {MARKETS} markets a row\n")
    print("| game | unknown | identified | within 1 % | largest error | planted in the set | residual | ms |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    exact()


# First-order methods


def row(game: str, learned: str, method: str, error: Floats, began: float) -> None:
    """Print a row of the first table."""
    shares = [f"{np.mean(error < limit):.3f}" for limit in (0.1, 0.01)]
    took = time.process_time() - began
    print(f"| {game} | {learned} | {method} | {' | '.join(shares)} | {np.median(error):.1e} | {took:.0f} |", flush=True)


def last(method: AbstractDescent, objective: Objective) -> Floats:
    """Return the last iterates ``[B, P]``."""
    return method.run(objective, np.random.default_rng(42)).last


def draws(rng: np.random.Generator, correlated: bool) -> tuple[Floats, Floats, Floats]:
    """Return costs, slopes and intercepts, as in the notebooks, or independent with a > c."""
    u = rng.random((1, MARKETS)).repeat(3, axis=0) if correlated else rng.random((3, MARKETS))
    # The slope is U(-10, -.01): negative, from the same uniform number.
    cost, slope, intercept = 2 + 18 * u[0], -10 + 9.99 * u[1], 10 + 90 * u[2]
    if not correlated:
        while (low := intercept <= cost).any():
            intercept[low] = 10 + 90 * rng.random(int(low.sum()))
    return cost, -slope, intercept


def cournot() -> None:
    """Judge two firms of one cost; both are descended, and the first is judged."""
    for correlated, told in ((True, "Cournot, the notebooks' draws"), (False, "Cournot, independent draws")):
        cost, slope, intercept = draws(np.random.default_rng(0), correlated)
        q = (intercept - cost) / (3 * slope)
        objective = CournotObjective(
            np.repeat(q[:, None, None], 2, axis=2), intercept[:, None], slope, np.zeros((MARKETS, 2)),
            np.full(2, np.inf), lowest=2.0,
        )  # fmt: skip
        for name, method in {
            "descent-ascent, Adam 1e-2 / 5e-3": GradientDescentAscent(10_000, 1e-2, 5e-3),
            "closed-form best response, Adam 1e-2": MaxOracle(10_000, 1e-2),
        }.items():
            began = time.process_time()
            error = np.abs(last(method, objective)[:, 0] - cost) / cost
            row(told, "c", name, error, began)
        began = time.process_time()
        scaled = Extragradient(10_000, 0.5, 0.5)
        units = CournotObjective(
            objective.quantity * slope[:, None, None] ** 0.5, objective.intercept / slope[:, None] ** 0.5,
            np.ones(MARKETS), np.zeros((MARKETS, 2)), np.full(2, np.inf), lowest=0.0, largest=1e4,
        )  # fmt: skip
        found = last(scaled, units)[:, 0] * slope**0.5
        row(told, "c", "extragradient, units in which the slope is one", np.abs(found - cost) / cost, began)


def undercutting() -> None:
    """Judge two firms of which the lowest price takes all; both ask their cost."""
    rng = np.random.default_rng(0)
    cost, slope, intercept = draws(rng, True)
    began = time.process_time()
    error = np.abs(last(MaxOracle(250, 0.3), UndercuttingObjective(cost, intercept, slope))[:, 0] - cost) / cost
    row("Bertrand, the notebooks' draws", "c", "best response, Adam .3, 250 steps", error, began)
    kept: list[tuple[float, float, float]] = []
    while len(kept) < MARKETS:
        cost, slope, intercept = draws(rng, False)
        served = intercept - slope * cost > 1
        kept += list(zip(cost[served], slope[served], intercept[served], strict=True))
    cost, slope, intercept = np.array(kept[:MARKETS]).T
    began = time.process_time()
    error = np.abs(last(MaxOracle(3000, 0.05), UndercuttingObjective(cost, intercept, slope))[:, 0] - cost) / cost
    row("Bertrand, D(c) > 1", "c", "best response, Adam .05, 3000 steps", error, began)


def fisher_markets(utility: str, rng: np.random.Generator, rho: float = 0.5) -> tuple[Floats, Floats, Floats, Floats]:
    """Return budgets, valuations, prices and allocations in equilibrium."""
    value = rng.uniform(0, 10, (MARKETS, 3, 2))
    value /= value.sum(axis=2, keepdims=True)
    budget = rng.uniform(0, 10, (MARKETS, 3))
    if utility == "linear":
        found = equilibrium(torch.tensor(value), torch.ones(MARKETS, 2), torch.tensor(budget))
        return budget, value, found.prices.numpy(), found.allocation.numpy()
    if utility == "cobb-douglas":
        price = np.einsum("bn,bnm->bm", budget, value)
        return budget, value, price, demands(utility, price, budget, value, rho)
    price = clearing_prices(utility, budget, value, rho)
    bundle = demands(utility, price, budget, value, rho)
    return budget, value, price, bundle


def clearing_prices(utility: str, budget: Floats, value: Floats, rho: float) -> Floats:
    """Return prices of two goods at which all is sold, by bisection on the first one's share of the money."""
    money = budget.sum(axis=1)
    low, high = np.full(len(money), 1e-12), np.full(len(money), 1 - 1e-12)
    for _ in range(200):
        share = (low + high) / 2
        price = money[:, None] * np.stack([share, 1 - share], axis=1)
        short = demands(utility, price, budget, value, rho)[:, :, 0].sum(axis=1) > 1
        low, high = np.where(short, share, low), np.where(short, high, share)
    return money[:, None] * np.stack([low, 1 - low], axis=1)


def fisher() -> None:
    """Judge markets of three buyers and two goods."""
    for utility in ("linear", "cobb-douglas", "leontief", "ces"):
        budget, value, price, bundle = fisher_markets(utility, np.random.default_rng(1))
        for learned in ("b", "v", "both"):
            objective = FisherObjective(
                utility, price, bundle, None if learned != "v" else budget, None if learned != "b" else value
            )
            began = time.process_time()
            found = last(MaxOracle(5000, 1e-2), objective)
            error = np.zeros(MARKETS)
            if learned != "v":
                error += np.linalg.norm(found[:, :3] / budget - 1, axis=1)
            if learned != "b":
                error += np.linalg.norm((found[:, -6:] / value.reshape(-1, 6)) - 1, axis=1)
            row(f"Fisher, {utility}", learned, "best response, Adam 1e-2, 5000 steps", error, began)
    leontief()


def leontief() -> None:
    """Judge Leontief valuations by other slopes and steps, where both goods have a price and where one is free."""
    budget, value, price, bundle = fisher_markets("leontief", np.random.default_rng(1))
    priced = price.min(axis=1) > 1e-6 * price.mean(axis=1)
    objective = FisherObjective("leontief", price, bundle, budget)

    def of_regret(theta: Floats) -> Floats:
        return objective.psi(theta, objective.answer(theta)).theta

    def of_notebooks(theta: Floats) -> Floats:
        now, asked = theta.reshape(bundle.shape), objective.answer(theta).reshape(bundle.shape)
        return (budget[..., None] * (tied(asked, now) - tied(bundle, now))).reshape(theta.shape)

    print(f"\n| Leontief valuations, {MARKETS} markets | both priced, {priced.mean():.3f} | one free |\n|---|---|---|")
    for told, slope in {"of the regret": of_regret, "of the notebooks": of_notebooks}.items():
        for falling in (False, True):
            theta, down = objective.start(np.random.default_rng(42))[0], Stepper("adam", 1e-2)
            for count in range(5000):
                scale = (1 + count) ** -0.5 if falling else 1.0
                theta = objective.project(theta - down.step(slope(theta), scale))
            found = np.linalg.norm(theta / value.reshape(-1, 6) - 1, axis=1) < 0.1
            shares = " | ".join(f"{found[part].mean():.3f}" for part in (priced, ~priced))
            print(f"| slope {told}, {'falling' if falling else 'equal'} steps | {shares} |", flush=True)


def tied(bundle: Floats, value: Floats) -> Floats:
    """Return the slope of ``log min_j x_j / v_j`` in values, shared by the goods that are least, up to rounding."""
    ratio = bundle / value
    least = ratio <= ratio.min(axis=-1, keepdims=True) * (1 + 1e-9)
    return -(least / least.sum(axis=-1, keepdims=True) / value)


# Exact conditions


def told(game: str, unknown: str, found: list[tuple[InverseSolution, Floats]], began: float) -> None:
    """Print a row of the second table."""
    took = 1000 * (time.process_time() - began) / len(found)
    known = [np.array([name not in s.unidentified for name in s.names]) for s, _ in found]
    errors = np.concatenate([(np.abs(s.parameters / theta - 1))[k] for (s, theta), k in zip(found, known, strict=True)])
    share = np.concatenate(known).mean()
    inside = np.mean([s.set is not None and s.set.contains(theta, 1e-6) for s, theta in found])
    within = f"{np.mean(errors <= 0.01):.3f} | {errors.max():.0e}" if len(errors) else "- | -"
    residual = max(s.residual for s, _ in found)
    print(f"| {game} | {unknown} | {share:.3f} | {within} | {inside:.3f} | {residual:.0e} | {took:.1f} |", flush=True)


def exact() -> None:
    """Fit every family, with everything that it can have unknown."""
    rng = np.random.default_rng(2)
    for unknown in ("costs", "costs, intercept, slope", "costs, slope, from prices"):
        began, found = time.process_time(), []
        for cost, slope, intercept in zip(*draws(np.random.default_rng(0), True), strict=True):
            q = np.full((1, 2), (intercept - cost) / (3 * slope))
            theta = np.array([cost, cost])
            if unknown == "costs":
                family, play = InverseCournot(2, intercept, slope), CournotPlay(q)
            elif unknown == "costs, intercept, slope":
                family, play = InverseCournot(2, None, None), CournotPlay(q)
                theta = np.append(theta, [intercept, slope])
            else:
                shift = np.array([0.0, 0.1 * (intercept - cost)])
                q = np.repeat((intercept + shift - cost)[:, None] / (3 * slope), 2, axis=1)
                price = intercept + shift - slope * q.sum(axis=1)
                family, play = InverseCournot(2, None, None), CournotPlay(q, shift, price)
                theta = np.append(theta, [intercept, slope])
            found.append((fit(family, play), theta))
        told("Cournot", unknown, found, began)
    for utility in ("linear", "cobb-douglas", "leontief", "ces"):
        budget, value, price, bundle = fisher_markets(utility, np.random.default_rng(1))
        began = time.process_time()
        found = [
            (fit(InverseFisher(utility), FisherPlay(p[None], x[None])), np.append(b, v))
            for b, v, p, x in zip(budget, value, price, bundle, strict=True)
        ]
        told(f"Fisher, {utility}", "budgets, valuations", found, began)
    began, found = time.process_time(), []
    while len(found) < MARKETS:
        cost, slope, intercept = (part[0] for part in draws(rng, False))
        if intercept - slope * cost > 1:
            play = UndercuttingPlay(np.full((1, 2), cost))
            found.append((fit(InverseUndercutting(intercept, slope), play), np.array([cost])))
    told("Bertrand, one good, D(c) > 1", "cost", found, began)
    for mu in (0.25, None):
        began, found = time.process_time(), []
        for _ in range(MARKETS):
            cost, quality, shift = rng.uniform(0.5, 2, 3), rng.uniform(2, 3, 3), rng.uniform(0.3, 1, 3)
            demand = [LogitDemand(quality + k * shift, cost, 0.0, 0.25) for k in range(2)]
            price = np.array([each.nash_price() for each in demand])
            share = np.array([each.sold(p) for each, p in zip(demand, price, strict=True)])
            theta = cost if mu else np.append(cost, 0.25)
            found.append((fit(InverseBertrand(3, mu), BertrandPlay(price, share)), theta))
        told("Bertrand, logit, two periods", "costs" if mu else "costs, differentiation", found, began)
    began, found = time.process_time(), []
    for _ in range(MARKETS):
        cost, steep, g = rng.uniform(5, 15, 3), rng.uniform(0.3, 1.5, 3), rng.uniform(0.3, 2)
        market = SupplyFunctionMarket(demand_slope=g, cost=tuple(cost), cost_slope=tuple(steep))
        family = InverseSupply(3, g, market.demand)
        curve = solve_supply_function(market).action[None]
        found.append((fit(family, family.of_curves(curve)), np.append(cost, steep)))
    told("supply functions", "costs and their slopes", found, began)
    began, found = time.process_time(), []
    for _ in range(MARKETS):
        value = rng.uniform(0, 10, 3)
        found.append((fit(InverseSecondPrice(3), BidPlay(value[None])), value))
    told("second price, values known to all", "values", found, began)
    for sizes in ((2, 2), (3, 3)):
        began, found = time.process_time(), []
        for _ in range(MARKETS):
            payoff = rng.random((2, *sizes))
            mixed = nash(MatrixGame(payoff)).mixed
            found.append((fit(InverseMatrix(sizes), InverseMatrix.mixed(mixed)), payoff.ravel()))
        told(f"finite game, {sizes}", "payoffs", found, began)
    exchange(rng)
    markov(np.random.default_rng(3))


def exchange(rng: np.random.Generator) -> None:
    """Judge Cobb-Douglas economies of three consumers and two goods; prices are the vector of Perron."""
    for unknown in ("valuations", "endowments", "both"):
        began, found = time.process_time(), []
        for _ in range(MARKETS):
            value, owned = rng.dirichlet(np.ones(2), 3), rng.uniform(0.5, 2, (3, 2))
            flow = value.T @ owned / owned.sum(axis=0)[:, None]
            price = np.linalg.svd(flow - np.eye(2))[2][-1]
            play = ExchangePlay(price[None] / price.sum(), (value * (owned @ price)[:, None] / price)[None])
            known = [None if unknown in (name, "both") else tuple(map(tuple, part.tolist())) for name, part in (
                ("endowments", owned), ("valuations", value),
            )]  # fmt: skip
            theta = {"valuations": value.ravel(), "endowments": owned.ravel(), "both": np.append(owned, value)}
            found.append((fit(InverseExchange("cobb-douglas", 3, 2, *known, largest=10.0), play), theta[unknown]))
        told("exchange, cobb-douglas", unknown, found, began)


def markov(rng: np.random.Generator) -> None:
    """Judge a tenth as many games of two players, three states and two actions; most of the time finds equilibria."""
    began, found = time.process_time(), []
    while len(found) < MARKETS // 10:
        chances = rng.dirichlet(np.ones(3), (3, 2, 2))
        game = MarkovGame(rng.random((2, 3, 2, 2)), chances, np.ones(3) / 3, discount=0.7)
        solved = markov_perfect(game, throw=False)
        if solved.converged:
            found.append((fit(InverseMarkov(game), MarkovPlay.of(solved.policies)), game.reward.ravel()))
    told("Markov game, three states, a tenth", "rewards", found, began)


if __name__ == "__main__":
    main()
