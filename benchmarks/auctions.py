"""Auctions with known equilibria: what bidders earn, what the seller does, and the certified gap of our solution.

Run: ``OMP_NUM_THREADS=1 python benchmarks/auctions.py``. For each setting `solve` finds the equilibrium and certifies
it. `at most, %` is the upper end of the largest gap, as a share of what they have; the lower end is zero in all rows.
Revenue and efficiency, the worth of what was sold as a share of the most that could be had, are means over 200,000
played auctions, with an error of about 0.001. Seconds are of processor time, the second call, when all is compiled.
"""

import time
from typing import Any

import numpy as np

from walras.core import AbstractGame, rollout
from walras.envs import Contest, DoubleAuction, LLGAuction, SealedBidAuction
from walras.equilibria import AuctionSolution, solve
from walras.markets.auctions import (
    AllPay,
    FirstPrice,
    Power,
    SecondPrice,
    ThirdPrice,
    TruncatedNormal,
    Tullock,
    Uniform,
    WarOfAttrition,
)

S = SealedBidAuction
SETTINGS: dict[str, AbstractGame[Any]] = {
    "first price, 2 bidders": S(),
    "first price, 3": S(players=3),
    "first price, 10": S(players=10),
    "first price, F = v^2, 3": S(prior=Power(2.0), players=3),
    "first price, truncated normal, 2": S(prior=TruncatedNormal()),
    "first price, reserve 0.5, 2": S(FirstPrice(reserve=0.5)),
    "first price, entry fee 0.04, 2": S(FirstPrice(entry_fee=0.04)),
    "first price, risk 0.5, 2": S(risk=0.5),
    "first price, even on [0, 1] and [0, 2]": S(prior=(Uniform(), Uniform(0.0, 2.0))),
    "first price, F = v and v^2": S(prior=(Power(1.0), Power(2.0))),
    "first price, normal about 0.4 and 0.6": S(prior=(TruncatedNormal(0.4), TruncatedNormal(0.6))),
    "first price, five of v, five of v^2": S(prior=(Power(1.0),) * 5 + (Power(2.0),) * 5),
    "first price, [0, 0.5] and [0.6, 0.7]": S(prior=(Uniform(0.0, 0.5), Uniform(0.6, 0.7))),
    "second price, 2": S(SecondPrice()),
    "third price, 3": S(ThirdPrice(), players=3),
    "all-pay, 2": S(AllPay()),
    "war of attrition, 2": S(WarOfAttrition()),
    "war of attrition, 3": S(WarOfAttrition(), players=3),
    "prizes 0.7 and 0.3, 3": Contest(),
    "lottery contest, r = 1, 2": Contest(Tullock(), 1.0, 2),
    "double auction, k = 0.5": DoubleAuction(),
    "local-local-global, nearest zero": LLGAuction("nearest_zero"),
    "local-local-global, nearest VCG": LLGAuction("nearest_vcg"),
    "local-local-global, nearest bid": LLGAuction("nearest_bid"),
    "the same, values alike by 0.5": LLGAuction("nearest_bid", 0.5),
    "local-local-global, first price, all bid": LLGAuction("first_price", global_bids=True),
}
EPISODES = 6250


def main() -> None:
    """Print the table."""
    print("| setting | utility | revenue | efficiency, % | method | at most, % | s |")
    print("|---|---|---|---|---|---|---|")
    for name, game in SETTINGS.items():
        solve(game, throw=False)
        began = time.process_time()
        found = solve(game, throw=False)
        took = time.process_time() - began
        assert isinstance(found, AuctionSolution)
        assert found.residual_lower == 0
        utility = ", ".join(f"{v:.6f}" for v in dict.fromkeys(np.round(found.value / game.horizon, 6).tolist()))
        revenue, efficiency = played(game, found)
        cells = (
            utility,
            f"{revenue:.3f}",
            f"{100 * efficiency:.1f}",
            found.method,
            f"{100 * found.residual:.4f}",
            f"{took:.2f}",
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def played(game: AbstractGame[Any], found: AuctionSolution) -> tuple[float, float]:
    """Return mean revenue of an auction, and its efficiency."""
    trajectory = rollout(game, found.policy, range(EPISODES))
    state = trajectory.state
    value, won, paid = state.value[:-1, ..., 0], state.won[1:, ..., 0], state.payment[1:]
    worth = np.maximum((value * won).sum(axis=-1), 0.0)
    return float(paid.sum(axis=-1).mean()), float(worth.sum() / best(game, value).sum())


def best(game: AbstractGame[Any], value: np.ndarray) -> np.ndarray:
    """Return the most that an auction's goods could be worth."""
    if isinstance(game, DoubleAuction):
        return np.maximum(value[..., 0] - value[..., 1], 0.0)
    if isinstance(game, LLGAuction):
        return np.maximum(value[..., 0] + value[..., 1], value[..., 2])
    if isinstance(game, Contest):
        prizes = np.pad(np.array(getattr(game.format, "prizes", (1.0,))), (0, game.players))[: game.players]
        return (-np.sort(-value, axis=-1) * prizes).sum(axis=-1)
    return value.max(axis=-1)


if __name__ == "__main__":
    main()
