"""Forwards: the equilibrium of Allaz and Vila, best deviations by grids in the game, and what a gap is worth."""

from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, Status, rollout
from walras.core.game import Actions
from walras.core.typing import Floats
from walras.envs import ForwardSpotMarket
from walras.equilibria import Kind, gap, replay, solve
from walras.equilibria.electricity.forward_spot import Fixed, ForwardPlan, best_forward


@pytest.mark.parametrize(("cost", "price", "quantity", "forward"), [
    ((10.0, 10.0), 28.0, [36.0, 36.0], [18.0, 18.0]),
    ((10.0, 20.0), 32.0, [44.0, 24.0], [22.0, 12.0]),
])  # fmt: skip
def test_two_firms_sell_ahead(
    cost: tuple[float, ...], price: float, quantity: list[float], forward: list[float]
) -> None:
    # Allaz and Vila 1993, with a = 100, b = 1
    game = ForwardSpotMarket(cost=cost)
    found: Any = solve(game)
    assert (found.price, found.quantity.tolist(), found.forward.tolist()) == (price, quantity, forward)
    assert found.status is Status.CONVERGED
    for concept in ("nash", "subgame perfect"):
        judged = gap(game, found.policy, concept=concept)
        assert judged.kind is Kind.EXACT
        assert judged.upper.max() == 0.0
    played = rollout(game, found.policy, [0])
    np.testing.assert_allclose(played.total[0], found.value)


def profit(game: ForwardSpotMarket, agent: int, forward: Floats, quantity: Floats) -> float:
    """A firm's profit of a delivery, by the game's own steps."""
    return float(rollout(game, Fixed(forward, quantity), [0]).total[0, agent])


@pytest.mark.parametrize("seed", range(5))
def test_no_forward_and_quantity_of_a_grid_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    firms = int(rng.integers(1, 4))
    game = ForwardSpotMarket(cost=tuple(rng.uniform(0, 90, firms)), slope=float(rng.uniform(0.5, 2)))
    plan = ForwardPlan(game, rng.uniform(0, game.most, firms) * rng.integers(0, 2, firms))
    judged = gap(game, plan)
    for agent in range(firms):
        own, after = np.meshgrid(*[np.linspace(0, game.most, 201)] * 2, indexing="ij")
        forward = np.repeat(plan.forward[None], own.size, axis=0)
        forward[:, agent] = own.ravel()
        quantity = game.spot_quantity(forward)
        quantity[:, agent] = after.ravel()
        worth = game.spot_price(forward) * own.ravel() + game.price(quantity) * (after - own).ravel()
        most = float((worth - game.c[agent] * after.ravel()).max())
        best, f, q = best_forward(game, agent, plan.forward, game.spot_quantity)
        assert most <= best + 1e-9
        assert best - most < 0.02 * (abs(best) + 100)
        changed = plan.forward.copy()
        changed[agent] = f
        answered = game.spot_quantity(changed)
        answered[agent] = q
        assert abs(profit(game, agent, changed, answered) - best) < 1e-7
    np.testing.assert_allclose(replay(game, plan, judged, [0])[0], judged.lower, atol=1e-6)


def test_without_forwards_each_gains_by_selling_ahead() -> None:
    game = ForwardSpotMarket()
    for concept in ("nash", "subgame perfect"):
        judged = gap(game, Scripted(game), concept=concept)
        np.testing.assert_allclose(judged.lower, 112.5)  # the leader's profit 1,012.5 less Cournot's 900
    twice = ForwardSpotMarket(horizon=4)
    np.testing.assert_allclose(gap(twice, Scripted(twice)).lower, 225.0)


def test_fixed_quantities_are_an_empty_threat_that_two_concepts_tell_apart() -> None:
    game = ForwardSpotMarket()
    cournot = Constant(np.array([[30.0], [30.0]]))  # sold ahead as well: forwards at 100 - 60 = 40 less what follows
    nash, perfect = (gap(game, cournot, concept=concept) for concept in ("nash", "subgame perfect"))
    assert nash.kind is Kind.EXACT
    assert np.all(nash.lower > 0)
    assert np.all(perfect.lower > 0)
    assert not np.allclose(nash.lower, perfect.lower)


class Reacting:
    """Produces less where others have sold ahead, and draws nothing."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        seen = observation[:, :, 2:3]
        return np.where(observation[:, :, :1] > 0.5, np.clip(36.0 - 0.5 * (seen - 18.0), 0.0, 100.0), 18.0)


def test_of_unknown_reactions_the_gap_is_a_lower_bound() -> None:
    game = ForwardSpotMarket()
    for policy in (Reacting(), Random(game)):
        judged = gap(game, policy, seeds=range(32))
        assert judged.kind is Kind.LOWER
        assert judged.certifies == ""
        assert np.all(judged.lower <= judged.upper)
        assert np.all(judged.lower > 0)


def test_what_is_found_in_play_is_near_the_best_against_a_reaction_worked_by_hand() -> None:
    game, f = ForwardSpotMarket(), np.linspace(0, 100, 100_001)
    other = 36 - 0.5 * (f - 18)  # produced by the other, who sold 18 ahead
    own = (90 - other + f) / 2
    worth = (120 - 18 - f) / 3 * f + (100 - own - other) * (own - f) - 10 * own
    gain = worth.max() - worth[f == 18.0][0]
    found = gap(game, Reacting(), seeds=range(32)).estimate
    played = rollout(game, Reacting(), [0]).total[0, 0]
    assert abs(worth[f == 18.0][0] - played) < 1e-9
    assert np.all(found <= gain + 1e-9)
    assert np.all(found > 0.9 * gain)


def test_a_firm_that_would_not_produce_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"`cost` must lie below the equilibrium price 44, .*; got 60\.0 at index \[1\]"
    ):
        solve(ForwardSpotMarket(cost=(0.0, 60.0)))
