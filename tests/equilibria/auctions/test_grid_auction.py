from itertools import product

import numpy as np
import pytest

from walras.core.typing import Floats, Ints
from walras.envs import SealedBidAuction
from walras.equilibria import double_oracle
from walras.equilibria.auctions.grid_auction import GridAuction
from walras.equilibria.normal_form.double_oracle import MetaSolution
from walras.markets.auctions import AllPay, Power, SecondPrice, Uniform
from walras.markets.matrix.named_games import first_price


def by_enumeration(auction: GridAuction, strategy: Ints) -> Floats:
    """Expected payoffs ``[N]`` over all types, ties shared."""
    types, chances, bids = (np.asarray(part) for part in (auction.types, auction.chances, auction.bids))
    total = np.zeros(len(types))
    for drawn in product(range(types.shape[1]), repeat=len(types)):
        bidders = np.arange(len(types))
        bid = bids[strategy[bidders, list(drawn)]]
        wins = bid == bid.max()
        value = types[bidders, list(drawn)]
        earned = wins / wins.sum() * (value if auction.pays == "all" else value - bid)
        total += np.prod(chances[bidders, list(drawn)]) * (earned - bid * (auction.pays == "all"))
    return total


@pytest.mark.parametrize("pays", ["winner", "all"])
@pytest.mark.parametrize("players", [2, 3, 4])
def test_payoffs_and_replies_are_those_of_an_enumeration(pays: str, players: int) -> None:
    rng = np.random.default_rng(players)
    auction = GridAuction(rng.random((players, 3)), rng.dirichlet(np.ones(3), players), [0.0, 0.2, 0.5, 0.6], pays)
    actions, weights = rng.integers(0, 4, (5, players, 3)), rng.dirichlet(np.ones(5))
    np.testing.assert_allclose(auction.payoffs(actions), [by_enumeration(auction, a) for a in actions], atol=1e-12)
    found = auction.reply(1, actions, weights)
    worth = []
    for own in product(range(4), repeat=3):
        tried = actions.copy()
        tried[:, 1] = own
        worth.append(weights @ auction.payoffs(tried)[:, 1])
    assert found.most == pytest.approx(max(worth), abs=1e-12)
    tried = actions.copy()
    tried[:, 1] = found.action
    assert weights @ auction.payoffs(tried)[:, 1] == pytest.approx(found.most, abs=1e-12)


def test_known_values_are_the_matrix_game() -> None:
    bids = [0.0, 0.25, 0.5, 0.75]
    auction = GridAuction([[1.0], [0.8]], [[1.0], [1.0]], bids)
    game = first_price((1.0, 0.8), bids)
    every = np.array(list(np.ndindex(4, 4)))[:, :, None]
    np.testing.assert_allclose(auction.payoffs(every).T.reshape(2, 4, 4), game.payoff)


def test_two_types_draw_their_bid() -> None:
    # Types 0 and 1 at even chances: type 1 draws from F(b) = b / (1 - b) up to 1/2 and earns 1/2 at every bid.
    step = 1 / 40
    auction = GridAuction([[0.0, 1.0]] * 2, [[0.5, 0.5]] * 2, np.arange(0, 0.7, step))
    found = double_oracle(auction, np.zeros((2, 2), dtype=np.int64))
    assert found.ended == "converged"
    np.testing.assert_allclose(found.value, 1 / 4, atol=step)
    bid, chance = _law_of_the_highest_type(auction, found)
    for level in (0.1, 0.25, 0.4):
        assert level / (1 - level) == pytest.approx(chance[bid <= level + 1e-9].sum(), abs=2 * step / (1 - level) ** 2)
    assert 0.5 - 2 * step <= bid[chance > 1e-9].max() <= 0.5 + step


def _law_of_the_highest_type(auction: GridAuction, found: MetaSolution) -> tuple[Floats, Floats]:
    chance = np.zeros(np.size(auction.bids))
    np.add.at(chance, found.strategies[0][:, -1], found.mixture.sum(axis=1))
    return np.asarray(auction.bids), chance


def test_all_pay_with_a_known_value_is_worth_nothing() -> None:
    # Both draw evenly from 0 to 1; on a grid of steps of 1/20 what is earned is at most a step.
    auction = GridAuction([[1.0]] * 2, [[1.0]] * 2, np.linspace(0, 1, 21), "all")
    found = double_oracle(auction, np.zeros((2, 1), dtype=np.int64))
    assert found.ended == "converged"
    assert (np.abs(found.value) <= 1 / 20).all()
    bid, chance = _law_of_the_highest_type(auction, found)
    np.testing.assert_allclose(np.cumsum(chance), bid, atol=2 / 20)


def test_bids_of_a_discretised_auction_are_near_those_of_the_continuum() -> None:
    # Uniform values of two bidders: half the value.
    auction = GridAuction.of(SealedBidAuction(), 8, np.linspace(0, 0.6, 25))
    found = double_oracle(auction, np.zeros((2, 8), dtype=np.int64), max_iter=200)
    assert found.ended == "converged"
    share = found.mixture.sum(axis=1)
    mean = share @ np.asarray(auction.bids)[found.strategies[0]]
    np.testing.assert_allclose(mean, np.asarray(auction.types)[0] / 2, atol=0.05)
    assert found.value.mean() == pytest.approx(1 / 6, abs=0.02)


def test_cells_of_unequal_priors_have_their_means() -> None:
    auction = GridAuction.of(SealedBidAuction(AllPay(), prior=(Uniform(), Power(2.0))), 4, np.linspace(0, 1, 5))
    types = np.asarray(auction.types)
    assert auction.pays == "all"
    np.testing.assert_allclose(types[0], [0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(types[1].mean(), 2 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0, 1.0]], [[0.5, 0.5]], [0.0]), "`types` must be of at least 2 bidders"),
        (([[1.0]] * 2, [[0.5, 0.5]] * 2, [0.0]), "`chances` must be as many as types"),
        (([[1.0]] * 2, [[0.9]] * 2, [0.0]), "`chances` must sum to 1 for each bidder"),
        (([[1.0]] * 2, [[1.0]] * 2, [0.5, 0.1]), "`bids` must rise"),
        (([[1.0]] * 2, [[1.0]] * 2, [0.0, 0.5], "second"), "`pays` must be one of"),
        (([[np.nan]] * 2, [[1.0]] * 2, [0.0]), "`types`"),
    ],
)
def test_what_is_no_auction_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GridAuction(*arguments)  # type: ignore[arg-type]


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="`game` must be first price"):
        GridAuction.of(SealedBidAuction(SecondPrice()), 4, [0.0, 0.5])
    with pytest.raises(ValueError, match="`game` must have bidders without aversion to risk"):
        GridAuction.of(SealedBidAuction(risk=0.5), 4, [0.0, 0.5])
