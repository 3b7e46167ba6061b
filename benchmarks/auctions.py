"""Auctions with known equilibria: what bidders earn, what the seller does, and the certified gap of our solution.

Run: ``OMP_NUM_THREADS=1 python benchmarks/auctions.py``. For each setting `solve` finds the equilibrium and certifies
it. `distance` is the largest one from the formula that the literature has, over 999 types, as a share of the highest
type, where quadrature was used and there is a formula; below stands that of collocation. `at most, %` is the upper end
of the largest gap, as a share of what they have; the lower end is zero in all rows. Revenue and efficiency, the worth
of what was sold as a share of the most that could be had, are means over 200,000 played auctions, with an error of
about 0.001. Seconds are of processor time, the second call, when all is compiled.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from walras.core import AbstractGame, rollout
from walras.core.typing import Floats
from walras.envs import Contest, DoubleAuction, LLGAuction, MultiUnitAuction, SealedBidAuction
from walras.equilibria import AuctionSolution, solve
from walras.equilibria.auctions import collocation, formulas
from walras.markets.auctions import (
    Affiliated,
    AllPay,
    Discriminatory,
    FirstPrice,
    MineralRights,
    Power,
    SecondPrice,
    ThirdPrice,
    TruncatedNormal,
    Tullock,
    Uniform,
    UniformPrice,
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
FORMULAS: dict[str, Callable[[Floats], Floats]] = {
    "first price, 2 bidders": lambda v: v / 2,
    "first price, 3": lambda v: 2 * v / 3,
    "first price, 10": lambda v: 9 * v / 10,
    "first price, F = v^2, 3": lambda v: 4 * v / 5,
    "first price, reserve 0.5, 2": lambda v: (v**2 + 0.25) / (2 * v),
    "first price, entry fee 0.04, 2": lambda v: v - (0.04 + (v**2 - 0.04) / 2) / v,
    "first price, risk 0.5, 2": lambda v: 2 * v / 3,
    "third price, 3": lambda v: 2 * v,
    "all-pay, 2": lambda v: v**2 / 2,
    "war of attrition, 2": lambda v: -v - np.log1p(-v),
    "war of attrition, 3": lambda v: 2 * (np.arctanh(v) - v),
    "prizes 0.7 and 0.3, 3": lambda v: 0.7 * 2 / 3 * v**3 + 0.3 * (v**2 - 4 / 3 * v**3),
}
"""Bids of types, by setting; `LEAST` is the least type that bids there."""
LEAST = {"first price, reserve 0.5, 2": 0.5, "first price, entry fee 0.04, 2": 0.2}
BIDS = {
    "first price, 2 bidders": "v / 2",
    "first price, 3": "2 v / 3",
    "first price, 10": "9 v / 10",
    "first price, F = v^2, 3": "4 v / 5",
    "first price, truncated normal, 2": "integral",
    "first price, reserve 0.5, 2": "(v² + 1/4) / 2v",
    "first price, entry fee 0.04, 2": "v / 2 - 0.02 / v from 0.2",
    "first price, risk 0.5, 2": "2 v / 3",
    "first price, even on [0, 1] and [0, 2]": "v / (1 + √(1 ∓ 3v²/4))",
    "first price, F = v and v^2": "numeric, at most 37/64",
    "first price, normal about 0.4 and 0.6": "numeric, at most 0.4937",
    "first price, five of v, five of v^2": "numeric, at most 0.9302",
    "first price, [0, 0.5] and [0.6, 0.7]": "v/4 + 0.3 to 0.4, then v/2 + 0.2; v/2 + 0.1",
    "second price, 2": "v",
    "third price, 3": "2 v",
    "all-pay, 2": "v² / 2",
    "war of attrition, 2": "-v - ln(1 - v)",
    "war of attrition, 3": "2 (artanh v - v)",
    "prizes 0.7 and 0.3, 3": "0.3 v² + v³ / 15",
    "lottery contest, r = 1, 2": "1/4",
    "double auction, k = 0.5": "2v/3 + 1/12; 2c/3 + 1/4",
    "local-local-global, nearest zero": "max(0, 1 + ln v)",
    "local-local-global, nearest VCG": "max(0, v - 3 + √8)",
    "local-local-global, nearest bid": "ln 2 - ln(2 - v)",
    "the same, values alike by 0.5": "2 ln 4 - 2 ln(4 - v)",
    "local-local-global, first price, all bid": "numeric",
}
SEARCHED: dict[str, tuple[AbstractGame[Any], str]] = {
    "first price, affiliated, 2": (S(dependence=Affiliated()), "2 x / 3"),
    "second price, affiliated, 2": (S(SecondPrice(), dependence=Affiliated()), "x"),
    "second price, mineral rights, 3": (S(SecondPrice(), players=3, dependence=MineralRights()), "2 x / (2 + x)"),
    "uniform price, 2 units": (MultiUnitAuction(), "v1, 0"),
    "uniform price, 3 units": (MultiUnitAuction(UniformPrice(3)), "v1, v2²"),
    "discriminatory, 2 units of one value": (MultiUnitAuction(Discriminatory(2), constant=True), "v / 2 twice"),
}
"""Settings of which no upper end is proved, and bids."""
PLUM = (2.0, 4.0, 20.0)
"""Highest values of strong bidders against one of at most 1, solved by collocation, whose bids Plum told."""


def main() -> None:
    """Print the table."""
    print("| setting | bid | utility | revenue | efficiency, % | method | distance | at most, % | s |")
    print("|---|---|---|---|---|---|---|---|---|")
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
            BIDS[name],
            utility,
            f"{revenue:.3f}",
            f"{100 * efficiency:.1f}",
            found.method,
            distance(name, found),
            f"{100 * found.residual:.4f}",
            f"{took:.2f}",
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| setting | bid | utility | revenue | gap at least, % |\n|---|---|---|---|---|")
    for name, (game, bid) in SEARCHED.items():
        print(f"| {name} | {bid} | {' | '.join(searched(game))} |", flush=True)
    print("\n| collocation against Plum, [0, 1] and | distance | s |\n|---|---|---|")
    for high in PLUM:
        print(f"| [0, {high:g}] | {' | '.join(collocated(high))} |", flush=True)


def searched(game: AbstractGame[Any]) -> tuple[str, str, str]:
    """Return utility and revenue as played, and the largest gap that a search found."""
    found = solve(game, throw=False)
    trajectory = rollout(game, found.policy, range(EPISODES))
    utility = float(trajectory.total.mean() / game.horizon)
    revenue = float(trajectory.state.payment[1:].sum(axis=-1).mean())
    assert np.isinf(found.residual)
    return f"{utility:.4f}", f"{revenue:.3f}", f"{100 * found.residual_lower:.2f}"


def distance(name: str, found: AuctionSolution) -> str:
    """Return the distance from the formula, where there is one."""
    if name not in FORMULAS:
        return ""
    least = LEAST.get(name, 0.0)
    types = least + (1.0 - least) * np.arange(1, 1000) / 1000
    return f"{np.abs(found.strategies[0](types) - FORMULAS[name](types)).max():.0e}"


def collocated(high: float) -> tuple[str, str]:
    """Return the largest distance of both bidders, as a share of the highest type of each, and seconds."""
    priors = Uniform(), Uniform(0.0, high)
    began = time.process_time()
    bids = collocation.first_price(priors, 0.0, (1.0, 1.0)).bids
    took = time.process_time() - began
    share = np.arange(1, 1000) / 1000
    known = (formulas.two_uniform(1.0, high), formulas.two_uniform(high, 1.0))
    tops = (1.0, high)
    far = max(
        float(np.abs(bid(top * share) - exact(top * share)).max()) / top
        for bid, exact, top in zip(bids, known, tops, strict=True)
    )
    return f"{far:.0e}", f"{took:.2f}"


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
