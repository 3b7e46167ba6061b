"""`audit`: regret from tables is that of the policies, costs that rationalise play are sets, tables are checked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import walras
from walras.agents import ippo
from walras.core import AbstractGame, Constant, Policy, Random, Scripted, rollout
from walras.core.typing import Floats
from walras.envs import CournotMarket, DayAheadMarket, GridWorld, RepeatedMatrixGame, SupplyFunctionMarket
from walras.equilibria import (
    BidPlay,
    CournotPlay,
    DayAheadPlay,
    InverseCournot,
    InverseDayAhead,
    InverseFirstPrice,
    InverseMatrix,
    MatrixPlay,
    deviation,
    hindsight_regret,
    solve,
)
from walras.equilibria.inverse import audit, play_table
from walras.equilibria.inverse.least_regret import minimise
from walras.equilibria.inverse.registration import known_family
from walras.markets.electricity.generation import Conditions, Generator
from walras.markets.normal_form import MatrixGame

FLEET = (
    Generator("gas", (30.0, 45.0), (60.0, 60.0)),
    Generator("coal", (25.0, 50.0), (80.0, 40.0)),
    Generator("oil", (40.0, 70.0), (50.0, 50.0)),
)
SEEDS = range(3)


def small_market(outage_deviation: float = 0.02) -> DayAheadMarket:
    profile = np.array([150.0, 220.0, 280.0, 190.0])
    return DayAheadMarket(FLEET, Conditions(profile, 8.0, outage=0.05, outage_deviation=outage_deviation), horizon=4)


def markets() -> dict[str, tuple[AbstractGame[Any], Policy]]:
    small, cournot, supply = small_market(), CournotMarket(horizon=4), SupplyFunctionMarket(horizon=4)
    learned = ippo.train(small, 0, steps=256, num_envs=8, rollout_steps=16, epochs=2)
    return {
        "day ahead, truthful": (small, Scripted(small)),
        "day ahead, random": (small, Random(small)),
        "day ahead, nash": (seen := small_market(0.0), solve(seen, throw=False).policy),
        "day ahead, ppo": (small, learned),
        "cournot, nash": (cournot, solve(cournot).policy),
        "cournot, truthful": (cournot, Scripted(cournot)),
        "cournot, random": (cournot, Random(cournot)),
        "supply functions, nash": (supply, solve(supply).policy),
        "supply functions, random": (supply, Random(supply)),
    }


def test_regret_from_tables_is_hindsight_regret_of_the_policies() -> None:
    for name, (game, policy) in markets().items():
        table = play_table(game, rollout(game, policy, list(SEEDS)))
        found = audit(game, table, epsilon=1e9)
        known = hindsight_regret(game, policy, SEEDS)
        assert found.mean is not None
        scale = 1e-9 * (1 + np.abs(known.value).max())
        assert game.horizon * found.mean == pytest.approx(known.regret, abs=scale), name
        assert found.regret is not None
        assert found.regret.ravel() == pytest.approx(known.gain.reshape(-1, len(game.agents)).ravel(), abs=scale), name


def test_regret_of_offers_is_that_of_the_deviation_by_another_road() -> None:
    game = small_market()
    play = rollout(game, Random(game), [0])
    family, cost = known_family(game)
    assert isinstance(family, InverseDayAhead)
    found = family.regrets(family.read(play_table(game, play)), cost)
    state = walras.core.game.take_rows(play.state, slice(0, -1))
    flat = walras.core.game.map_state(lambda values: values.reshape(-1, *values.shape[2:]), state)
    known = deviation(game, flat, play.action.reshape(-1, *play.action.shape[2:]))
    assert found.gain == pytest.approx(known.gain, abs=1e-6)


@pytest.mark.parametrize("limit", [None, 60.0])
def test_outcomes_never_gain_more_than_the_best_offer_and_as_much_without_a_limit(limit: float | None) -> None:
    game = small_market()
    family, cost = known_family(game)
    assert isinstance(family, InverseDayAhead)
    family = replace(family, limit=limit)
    observed = family.read(play_table(game, rollout(game, Random(game), [0, 1])))
    exact = family.regrets(observed, cost).gain
    for i in range(3):
        low = game.cost[i] if limit else None
        rows = family.outcomes(observed, i, low)
        best = np.zeros(len(exact))
        np.maximum.at(best, rows.period, rows.gain - rows.dispatch @ game.cost[i])
        assert (best <= exact[:, i] + 1e-6).all()
        if limit is None:
            assert best == pytest.approx(exact[:, i], abs=1e-6)


def offers_in_equilibrium(family: InverseDayAhead, cost: Floats, available: Floats, load: Floats) -> DayAheadPlay:
    """Offers of each period in which nobody gains more than rounding in hindsight, where best replies find them."""
    count = len(load)
    offer = np.broadcast_to(cost, (count, *cost.shape)).copy()
    play = DayAheadPlay(offer, available, load)
    for _ in range(30):
        moved = np.zeros(count, dtype=np.bool_)
        for i in range(len(cost)):
            better = family.regrets(play, cost.ravel()).gain[:, i] > 1e-3
            offer[better, i] = family.best(play, i, cost[i])[1][better]
            play = DayAheadPlay(offer.copy(), available, load)
            moved |= better
        if not moved.any():
            break
    still = family.regrets(play, cost.ravel()).gain.max(axis=1) <= 1e-3
    return DayAheadPlay(play.offer[still], available[still], load[still])


@pytest.mark.parametrize("limit", [None, 60.0])
def test_planted_costs_of_sellers_are_in_their_sets(limit: float | None) -> None:
    rng, narrower = np.random.default_rng(0), 0
    names = ("a", "b", "c")
    family = InverseDayAhead(names, 2, 180.0, limit)
    for _ in range(6):
        cost = np.sort(rng.uniform(10, 60, (3, 2)), axis=1)
        available = np.broadcast_to(rng.uniform(50, 150, (3, 2)), (6, 3, 2)).copy()
        load = rng.uniform(0.3, 0.9, 6) * available[0].sum()
        play = offers_in_equilibrium(family, cost, available, load)
        if not len(play.load):
            continue
        found = audit(family, play, parameters=cost.ravel())
        assert found.rationalised == names
        assert (found.least == 0).all()
        for i, allowed in enumerate(found.sets):
            assert allowed is not None
            assert allowed.contains(cost[i], 1e-6)
            narrower += np.ptp(allowed.interval, axis=1).min() < 60
    assert narrower > 3


def test_the_gap_stands_beside_regret_in_hindsight() -> None:
    game = CournotMarket(horizon=1)
    policy = Constant(np.array([[30.0], [20.0], [20.0]]))
    found = audit(game, play_table(game, rollout(game, policy, [0])))
    assert found.mean == pytest.approx(walras.gap(game, policy, seeds=[0]).upper)


def test_epsilon_widens_the_set_of_costs_as_the_closed_form_says() -> None:
    # Regret of a quantity is the square of half of the missed margin over the slope: (c - c*)^2 / 4.
    family, play = InverseCournot(2), CournotPlay(np.array([[33.0, 28.0]]))
    found = audit(family, play, epsilon=[0.0, 1.0])
    first, second = found.sets
    assert first is not None
    assert second is not None
    assert first.interval == pytest.approx(np.array([[6.0, 6.0]]))
    assert second.interval == pytest.approx(np.array([[9.0, 13.0]]), abs=1e-3)
    assert found.regret is None
    assert list(found.frame()["parameter"]) == ["cost_0", "cost_1"]


def test_play_that_no_costs_rationalise_has_its_least_epsilon() -> None:
    # Two periods ask for costs 6 and 10: 8 leaves a mean regret of 1 to each.
    play = CournotPlay(np.array([[33.0, 28.0], [31.0, 28.0]]))
    costs = 100 - play.quantity.sum(axis=1, keepdims=True) - play.quantity
    found = audit(InverseCournot(2), play, parameters={"cost_0": 8.0, "cost_1": 12.0})
    assert found.sets == (None, None)
    assert found.least == pytest.approx(((costs - costs.mean(axis=0)) ** 2 / 4).mean(axis=0), rel=1e-6)
    wider = audit(InverseCournot(2), play, epsilon=2 * found.least)
    assert wider.rationalised == ("firm_0", "firm_1")
    for i, allowed in enumerate(wider.sets):
        assert allowed is not None
        assert allowed.contains(costs.mean(axis=0)[i : i + 1])


def test_finite_games_are_judged_by_swap_regret() -> None:
    game = RepeatedMatrixGame(MatrixGame([[[6, 2], [7, 0]], [[6, 7], [2, 0]]]))
    play = rollout(game, Random(game), [0])
    found = audit(game, play_table(game, play))
    cells, counts = np.unique(play.action.reshape(-1, 2), axis=0, return_counts=True)
    joint = np.zeros((2, 2))
    joint[tuple(cells.T)] = counts / counts.sum()
    assert found.mean == pytest.approx(game.game.gap(joint, "correlated"))
    assert found.rationalised == ("player_0", "player_1")


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_what_known_payoffs_alone_forbid_is_not_rational(scale: float) -> None:
    """Player 0 loses 1 by its first action, whatever its unknown payoff is; player 1 has nothing to lose."""
    basis = np.zeros((2, 2, 2, 2))
    base = scale * np.array([[[0.0, 0.0], [1.0, 0.0]], np.zeros((2, 2))])
    basis[0, 0, 0, 1] = basis[1, 1, 0, 0] = 1.0
    play = MatrixPlay(np.zeros((3, 2), dtype=np.int64))
    found = audit(InverseMatrix((2, 2), base, basis, 0.0, scale), play)
    assert found.rationalised == ("player_1",)
    assert found.least == pytest.approx([scale, 0])
    with pytest.raises(ValueError, match=r"`market_family` must hold parameters of each agent, for an audit; player_1"):
        audit(InverseMatrix((2, 2), base, basis[:1], 0.0, scale), play)


def test_first_price_bids_are_judged_against_the_bids_themselves() -> None:
    value = np.random.default_rng(0).uniform(0, 1, (60, 2))
    family = InverseFirstPrice(levels=(0.25, 0.5, 0.75))
    found = audit(family, BidPlay(value / 2), parameters=[0.25, 0.5, 0.75], epsilon=0.05)
    too_high = audit(family, BidPlay(0.9 * value), parameters=[0.25, 0.5, 0.75], epsilon=0.05)
    assert found.mean is not None
    assert too_high.mean is not None
    assert found.mean.max() < 0.01 < too_high.mean.min()
    assert all(allowed is not None and allowed.contains(np.array([0.25, 0.5, 0.75])) for allowed in found.sets)


def test_cutting_planes_end_with_bounds_that_meet() -> None:
    def oracle(theta: Floats) -> tuple[float, Floats]:
        worth = np.array([theta[0] + 2 * theta[1] - 1, -theta[0] + 0.5, -theta[1] + 0.3])
        best = int(worth.argmax())
        return float(worth[best]), np.array([[1.0, 2.0], [-1.0, 0.0], [0.0, -1.0]])[best]

    found = minimise(oracle, np.full(2, -5.0), np.full(2, 5.0), np.zeros(2))
    assert found.value == pytest.approx(0.025, abs=1e-9)  # the three are equal
    assert found.lower == pytest.approx(found.value, abs=1e-8)


# Tables


def offers() -> pd.DataFrame:
    game = small_market()
    return play_table(game, rollout(game, Scripted(game), [0]))


def changed(column: str, value: object, row: int = 0) -> pd.DataFrame:
    table = offers()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (offers().drop(columns="load"), r"`load` must be a column; it is missing"),
        (offers().rename(columns={"available": "avail"}), r"`available` must be a column; .* nearest column is 'avail"),
        (offers().drop(index=0), r"'offer' is missing for gas, block 0 in period 0"),
        (offers().query("period != 1"), r"`period` must be evenly spaced, without missing hours; .* after 0, before 2"),
        (pd.concat([offers(), offers().iloc[:1]]), r"must have one row for each period, agent, block; got two for"),
        (changed("agent", "wind"), r"`agent` must be one of gas, coal, oil; got \['wind'\]"),
        (changed("offer", "high"), r"`offer` must be a column of numbers; got 'high'"),
        (changed("offer", np.nan), r"`offer` must be finite everywhere; got nan in period 0"),
        (changed("load", 1.0), r"`load` must be the same in all rows of a period"),
        (changed("offer", 3000.0), r"`offer` must lie in \[0, 180.3\] EUR/MWh; got 3000.0"),
        (offers().assign(load=lambda t: t["load"] / 1000), r"`price` must be that of clearing the offers .* units"),
        (offers().assign(accepted=lambda t: t["accepted"] / 1000), r"`accepted` must be that of clearing the offers"),
        (offers().iloc[:0], r"must hold at least one row"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table: pd.DataFrame, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        audit(small_market(), table)


def test_times_are_periods_and_a_missing_hour_is_named() -> None:
    hours = pd.date_range("2018-01-01", periods=4, freq="h")
    table = pd.DataFrame({"period": hours.repeat(2), "agent": ["firm_0", "firm_1"] * 4, "quantity": 30.0})
    assert audit(InverseCournot(2), table, parameters=[10.0, 10.0]).regret is not None
    with pytest.raises(ValueError, match="without missing hours; one is missing after 2018-01-01T00:00"):
        audit(InverseCournot(2), table[table["period"] != hours[1]])


def test_a_table_is_read_from_a_file(tmp_path: object) -> None:
    path = f"{tmp_path}/play.csv"
    pd.DataFrame({"period": [0, 0], "agent": ["firm_0", "firm_1"], "quantity": [33.0, 28.0]}).to_csv(path, index=False)
    assert audit(InverseCournot(2), path).rationalised == ("firm_0", "firm_1")


def test_wrong_arguments_are_refused() -> None:
    play = CournotPlay(np.array([[33.0, 28.0]]))
    with pytest.raises(ValueError, match=r"`epsilon` must not be negative"):
        audit(InverseCournot(2), play, epsilon=-1.0)
    with pytest.raises(ValueError, match=r"missing \['cost_1'\], unknown \['cost'\]"):
        audit(InverseCournot(2), play, parameters={"cost_0": 1.0, "cost": 2.0})
    with pytest.raises(ValueError, match=r"`parameters` must hold 2 numbers"):
        audit(InverseCournot(2), play, parameters=[1.0])
    with pytest.raises(ValueError, match=r"`market_family` must know demand, which all firms share"):
        audit(InverseCournot(2, None), play)
    with pytest.raises(TypeError, match=r"must be a family, or a game of electricity.cournot_market"):
        audit(GridWorld(), play)
    with pytest.raises(ValueError, match=r"`settlement` must be 'uniform'"):
        audit(replace(small_market(), settlement="pay_as_bid"), offers())
    limited = InverseDayAhead(("a",), 1, 180.0, 10.0)
    wide = DayAheadPlay(np.array([[[5.0]], [[50.0]]]), np.full((2, 1, 1), 10.0), np.full(2, 5.0))
    with pytest.raises(ValueError, match=r"`offer` must differ by at most `limit`, 10.0 EUR/MWh, for one block"):
        audit(limited, wide)
