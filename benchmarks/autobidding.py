"""Budgets of channels: the two truths, what SGD-UCB loses to the better one as it learns longer, and rules.

Run: ``OMP_NUM_THREADS=1 python benchmarks/autobidding.py``. Two channels of ten auctions a period, values even on
[0, 1] and [0, 0.6], prices on [0, 1], budget 1.2, target 3. `regret` is what a period of learning stays below the best
budgets, `short` by how much its value stays below the target: means of seeds with standard errors. The exponent is the
slope of the regret that is charged for what is short, by T, on logarithms, with the standard error that follows from
those of the rows. With a grid of the cube root of T arms, -1/3 is what one would hope for.
"""

import numpy as np

from walras.agents.auctions.sgd_ucb import train
from walras.core.typing import Floats
from walras.envs import AutobiddingMarket
from walras.equilibria import best_levers, fluid_optimum

PERIODS = (250, 500, 1000, 2000, 4000, 8000)
SEEDS = 8
PLANS = 8


def main() -> None:
    """Print the truths, and a line for each number of periods."""
    game = AutobiddingMarket()
    fluid = fluid_optimum(game)
    plans = [best_levers(game, seed=seed)[1] for seed in range(PLANS)]
    value = np.array([plan.value for plan in plans])
    budgets = np.mean([plan.spend for plan in plans], axis=0)
    best, multiplier = float(value.mean()), float(np.mean([plan.target_multiplier for plan in plans]))
    print(f"fluid: {fluid.value:.6f} at {fluid.spend.round(6).tolist()}")
    error = value.std(ddof=1) / np.sqrt(PLANS)
    print(f"best budgets: {best:.4f} (standard error {error:.4f}) at {budgets.round(4).tolist()}")
    print("\n| periods | value | spend | regret | short | regret with what is short |\n|---|---|---|---|---|---|")
    losses, errors = list[float](), list[float]()
    for periods in PERIODS:
        runs = [train(game, seed, steps=periods) for seed in range(SEEDS)]
        value, spend = (
            np.array([part[0] for part in (getattr(r, name) for r in runs)]) / periods for name in ("value", "spend")
        )
        short = 3 * spend - value
        loss = best - value + multiplier * np.maximum(short, 0.0)
        losses.append(float(loss.mean()))
        errors.append(float(loss.std(ddof=1) / np.sqrt(SEEDS)))
        cells = " | ".join(_told(part) for part in (value, spend, best - value, short, loss))
        print(f"| {periods} | {cells} |", flush=True)
    print("\nexponent: {:.2f} (standard error {:.2f})".format(*exponent(np.array(losses), np.array(errors))))


def exponent(losses: Floats, errors: Floats) -> tuple[float, float]:
    """Return the slope of losses by periods, on logarithms, and its standard error."""
    x = np.log(PERIODS) - np.log(PERIODS).mean()
    slope = float(x @ np.log(losses) / (x @ x))
    return slope, float(np.sqrt(x**2 @ (errors / losses) ** 2) / (x @ x))


def _told(values: np.ndarray) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


if __name__ == "__main__":
    main()
