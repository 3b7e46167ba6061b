"""What bidders learn: MAPPO, independent PPO and exponential weights, judged by the certified gap.

Run: ``OMP_NUM_THREADS=1 python benchmarks/auction_learners.py``. A line a game and learner: both ends of the certified
gap as shares of the game's stake, the larger of the bidders', and the distance of mean bids from the known equilibrium
(root mean square over types, as a share of the highest bid there), means over 5 seeds with 95 % intervals by Student's
law. Exponential weights draw nothing, so that seeds do not differ. Seconds are of processor time a seed.
"""

import time
from typing import Any

import numpy as np
from scipy.stats import t

from walras.agents import IPPO, MAPPO, ExponentialWeights
from walras.core import AbstractGame, Learner, train
from walras.core.policy import Policy
from walras.core.typing import Floats
from walras.envs import DoubleAuction, LLGAuction, SealedBidAuction
from walras.equilibria import gap, solve
from walras.equilibria.auctions.bid_functions import seen
from walras.markets.auctions import AllPay

SEEDS = range(100, 105)
GAMES: dict[str, AbstractGame[Any]] = {
    "first price, 2 bidders": SealedBidAuction(),
    "local-local-global, nearest VCG": LLGAuction("nearest_vcg"),
    "double auction, k = 0.5": DoubleAuction(),
    "all-pay, 2": SealedBidAuction(AllPay()),
    "first price, 10": SealedBidAuction(players=10),
}
LEARNERS: dict[str, Learner] = {
    "exponential weights, 65 bids": ExponentialWeights(),
    "exponential weights, 257 bids": ExponentialWeights(types=256, bids=257),
    "MAPPO": MAPPO(steps=40_000),
    "MAPPO, long": MAPPO(
        steps=400_000, num_envs=64, rollout_steps=128, minibatches=4, epochs=4, log_std=-2.0
    ),  # large batches, and little noise while learning
    "independent PPO": IPPO(steps=40_000),
}
TYPES = 256


def main() -> None:
    """Print the table."""
    print("| game | learner | gap at least, % | at most, % | distance, % | s |\n|---|---|---|---|---|---|")
    for name, game in GAMES.items():
        for title, learner in LEARNERS.items():
            try:
                learner.check(game)
            except TypeError:
                continue
            seeds = SEEDS[:1] if isinstance(learner, ExponentialWeights) else SEEDS
            rows = np.array([judged(learner, game, seed) for seed in seeds])
            print(f"| {name} | {title} | {' | '.join(told(column) for column in rows.T)} |", flush=True)


def judged(learner: Learner, game: AbstractGame[Any], seed: int) -> tuple[float, float, float, float]:
    """Return both ends of the largest gap and the distance, in per cent, and seconds."""
    began = time.process_time()
    learned = train(learner, game, seed)
    took = time.process_time() - began
    relative = gap(game, learned).relative
    return 100 * float(relative.lower.max()), 100 * float(relative.upper.max()), 100 * distance(game, learned), took


def distance(game: Any, learned: Policy) -> float:  # noqa: ANN401 - any auction
    """Return the distance from equilibrium bids of all who bid."""
    even = (np.arange(TYPES) + 0.5) / TYPES
    shown = seen(game, [even] * len(game.agents))
    known = solve(game).policy.act(shown, np.random.default_rng(0))
    mine = mean_bids(learned, shown)
    who = slice(2) if isinstance(game, LLGAuction) else slice(None)
    return float(np.sqrt(((mine - known)[:, who] ** 2).mean()) / known[:, who].max())


def mean_bids(policy: Any, shown: Floats) -> Floats:  # noqa: ANN401 - may declare a mixture
    """Return the mean bids ``[B, N, 1]``."""
    law = getattr(policy, "declared", policy)
    if not hasattr(law, "mixture"):
        return policy.act(shown, np.random.default_rng(0))
    weight, bids = law.mixture(shown)
    return np.einsum("bnj,bnja->bna", weight, bids)


def told(values: Floats) -> str:
    """Return a mean with its interval."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.2f} ± {half:.2f}"


if __name__ == "__main__":
    main()
