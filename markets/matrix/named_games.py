"""Games in normal form that have names, and market games on grids of quantities, prices or bids."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_floats, require, require_each, require_known, require_whole
from walras.core.typing import Floats
from walras.markets.normal_form import MatrixGame


def prisoners_dilemma(temptation: float = 5, reward: float = 3, punishment: float = 1, sucker: float = 0) -> MatrixGame:
    """Return the dilemma: to defect is dominant, and worse for both.

    Raises
    ------
    ValueError
        Unless ``temptation > reward > punishment > sucker``.
    """
    order = (temptation, reward, punishment, sucker)
    require(temptation > reward > punishment > sucker, "temptation", "exceed reward, punishment and sucker", order)
    return symmetric([[reward, sucker], [temptation, punishment]], ("cooperate", "defect"))


def stag_hunt() -> MatrixGame:
    """Return the stag hunt: two pure equilibria, of which one pays more and the other risks less."""
    return symmetric([[4, 1], [3, 2]], ("stag", "hare"))


def chicken() -> MatrixGame:
    """Return chicken: each would rather that the other swerves."""
    return symmetric([[6, 2], [7, 0]], ("swerve", "dare"))


def battle_of_sexes() -> MatrixGame:
    """Return the battle of the sexes: both want to meet, at different places."""
    return MatrixGame([[[2, 0], [0, 1]], [[1, 0], [0, 2]]], actions=(("opera", "match"),) * 2)  # type: ignore[arg-type]


def matching_pennies() -> MatrixGame:
    """Return matching pennies: the first player wants to match, the second not to."""
    return against([[1, -1], [-1, 1]], ("heads", "tails"))


def rock_paper_scissors() -> MatrixGame:
    """Return rock, paper, scissors."""
    return against([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], ("rock", "paper", "scissors"))


def shapley() -> MatrixGame:
    """Return Shapley's game, in which fictitious play cycles [1]_.

    References
    ----------
    [1] L. S. Shapley, Some topics in two-person games, Advances in Game Theory, 1964.
    """
    return MatrixGame(np.stack([np.eye(3), np.roll(np.eye(3), 1, axis=1)]))


def coordination(size: int) -> MatrixGame:
    """Return the game in which both earn 1 if they choose the same of `size` actions: 2^size - 1 equilibria."""
    require_whole(size, "size")
    return MatrixGame(np.stack([np.eye(size)] * 2))


def travellers_dilemma(low: int = 2, high: int = 100, bonus: float = 2) -> MatrixGame:
    """Return the traveller's dilemma: the lower claim is paid to both, with a bonus from the higher to the lower [1]_.

    References
    ----------
    [1] K. Basu, The traveler's dilemma, American Economic Review 84, 1994.
    """
    require(high > low, "high", f"exceed `low` = {low}", high)
    claim = np.arange(low, high + 1)
    own, other = np.meshgrid(claim, claim, indexing="ij")
    return symmetric(np.minimum(own, other) + bonus * np.sign(other - own), tuple(map(str, claim)))


def public_goods(players: int = 3, levels: int = 2, factor: float = 1.5) -> MatrixGame:
    """Return the linear public goods game: what all give, from 0 to 1 in `levels` steps, is multiplied and shared."""
    require_whole(players, "players")
    require(levels >= 2, "levels", "be at least 2", levels)
    gift = np.stack(np.meshgrid(*[np.linspace(0, 1, levels)] * players, indexing="ij"))
    return MatrixGame(factor / players * gift.sum(axis=0) - gift)


def minimum_effort(players: int = 2, levels: int = 7, benefit: float = 2, cost: float = 1) -> MatrixGame:
    """Return the minimum-effort game: all earn by the least effort and pay for their own."""
    require(benefit > cost > 0, "benefit", f"exceed `cost` = {cost} > 0", benefit)
    effort = np.stack(np.meshgrid(*[np.arange(1, levels + 1)] * players, indexing="ij"))
    return MatrixGame(benefit * effort.min(axis=0) - cost * effort)


def colonel_blotto(soldiers: int = 5, fields: int = 3) -> MatrixGame:
    """Return Colonel Blotto: each field goes to who sends more; the payoff is fields won less fields lost."""
    require_whole(soldiers, "soldiers")
    require_whole(fields, "fields")
    bars = combinations(range(soldiers + fields - 1), fields - 1)
    sent = np.array([np.diff([-1, *bar, soldiers + fields - 1]) - 1 for bar in bars])
    won = np.sign(sent[:, None] - sent[None]).sum(axis=2)
    return against(won, tuple("-".join(map(str, row)) for row in sent.tolist()))


def cournot(
    quantities: Sequence[float], intercept: float = 100, slope: float = 1, cost: ArrayLike = (10, 10)
) -> MatrixGame:
    """Return a Cournot game on a grid: the price is ``intercept - slope * total``, marginal costs are constant."""
    costs = as_floats("cost", cost, 1)
    sold = np.stack(np.meshgrid(*[as_floats("quantities", quantities, 1)] * len(costs), indexing="ij"))
    price = intercept - slope * sold.sum(axis=0)
    return MatrixGame(sold * (price - costs.reshape(-1, *(1,) * len(costs))))


def bertrand(prices: Sequence[float], cost: float = 0.0) -> MatrixGame:
    """Return a Bertrand game on a grid: the lower price sells the demand 1 - p, equal prices share it."""
    own, other = np.meshgrid(*[as_floats("prices", prices, 1)] * 2, indexing="ij")
    share = np.where(own < other, 1.0, np.where(own == other, 0.5, 0.0))
    return symmetric((own - cost) * np.maximum(1 - own, 0) * share, tuple(map(str, np.asarray(prices).tolist())))


def bertrand_edgeworth(prices: Sequence[float], capacity: float = 0.5, demand: str = "linear") -> MatrixGame:
    """Return price competition of two firms with capacities, without costs and with efficient rationing.

    Parameters
    ----------
    prices : sequence of float
        The grid.
    capacity : float
        Of each firm.
    demand : {"linear", "inelastic"}
        1 - p, or 1 up to the price 1.
    """
    require_known(demand, "demand", ("linear", "inelastic"))
    own, other = np.meshgrid(*[as_floats("prices", prices, 1)] * 2, indexing="ij")
    wanted = np.maximum(1 - own, 0) if demand == "linear" else (own <= 1).astype(np.float64)
    left = np.where(own < other, wanted, np.where(own == other, wanted / 2, wanted - capacity))
    return symmetric(own * np.clip(left, 0, capacity), tuple(map(str, np.asarray(prices).tolist())))


def long_lived_offers(
    prices: Sequence[float], loads: Sequence[float] = (0.3, 0.6, 0.9, 1.2, 1.5, 1.8), capacity: float = 1.0
) -> MatrixGame:
    """Return an auction of two sellers at one price whose offers serve each of several loads alike, without costs.

    The last accepted offer makes the price of a load; equal offers share it. Payoffs are means over the loads.

    Parameters
    ----------
    prices : sequence of float
        The grid.
    loads : sequence of float
        Loads of equal chances, below what both can serve.
    capacity : float
        Of each seller.

    Raises
    ------
    ValueError
        If a load is negative, or both sellers cannot serve it.
    """
    load = as_floats("loads", loads, 1)
    rule = f"lie between 0 and {2 * capacity:g}, what both can serve"
    require_each((load >= 0) & (load <= 2 * capacity), "loads", rule, load)
    own, other = np.meshgrid(*[as_floats("prices", prices, 1)] * 2, indexing="ij")
    first, rest = np.minimum(load, capacity), np.maximum(load - capacity, 0)
    parts = [load / 2, np.where(load <= capacity, first, 0), np.where(load > capacity, first, 0), rest]
    even, alone, below, above = (float(part.mean()) for part in parts)  # sold at a tie, when cheaper, when dearer
    cheaper, dearer = own * alone + other * below, own * above
    table = np.where(own < other, cheaper, np.where(own == other, own * even, dearer))
    return symmetric(table, tuple(map(str, np.asarray(prices).tolist())))


def first_price(values: Sequence[float], bids: Sequence[float]) -> MatrixGame:
    """Return a first-price auction with known values: the highest bid wins and is paid, equal ones at equal chances."""
    worth = as_floats("values", values, 1)
    bid = np.stack(np.meshgrid(*[as_floats("bids", bids, 1)] * len(worth), indexing="ij"))
    wins = bid == bid.max(axis=0)
    return MatrixGame(wins / wins.sum(axis=0) * (worth.reshape(-1, *(1,) * len(worth)) - bid))


def preference(chances: ArrayLike) -> MatrixGame:
    """Return the game of two players who earn the chance that their action is preferred to the other's.

    Raises
    ------
    ValueError
        If ``chances [A, A]`` and their transpose do not sum to one.
    """
    table = as_floats("chances", chances, 2)
    require_each(np.abs(table + table.T - 1) <= 1e-12, "chances", "sum to one with their transpose", table)
    return symmetric(table)


def symmetric(own: ArrayLike, names: Sequence[str] = ()) -> MatrixGame:
    """Return the game of two players who earn ``own [A, A]`` by their own action and the other's."""
    table = np.asarray(own)
    return MatrixGame(np.stack([table, table.T]), actions=(tuple(names),) * 2 if names else ())


def against(row: ArrayLike, names: Sequence[str] = ()) -> MatrixGame:
    """Return the game of two players with opposite payoffs, ``row [m, n]`` of the first."""
    table: Floats = np.asarray(row)
    return MatrixGame(np.stack([table, -table]), actions=(tuple(names),) * 2 if names else ())
