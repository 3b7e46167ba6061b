"""Scenarios of auctions, as a user runs them, at small sizes; and what they measure, where it is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import walras
from walras.core import Scripted, rollout
from walras.envs import DoubleAuction as DoubleGame
from walras.envs import LLGAuction, SealedBidAuction
from walras.equilibria import solve
from walras.scenarios.auctions import measures
from walras.scenarios.auctions.double_auction import DoubleAuction
from walras.scenarios.auctions.first_price import FirstPrice
from walras.scenarios.auctions.llg import LLG

QUICK: dict[str, Any] = {"steps": 512, "checkpoints": 1, "seeds": 1}


SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in (FirstPrice(**QUICK, rounds=50), LLG(**QUICK))]


@pytest.mark.parametrize("scenario", [DoubleAuction(**QUICK, rounds=50), *SLOW], ids=lambda s: type(s).__name__)
def test_a_run_has_certified_gaps_and_four_charts(scenario: FirstPrice | LLG | DoubleAuction, tmp_path: Path) -> None:
    results = walras.run(scenario, root=tmp_path, workers=1, progress=False)
    table = results.summary.pivot(index="method", columns="measure", values="mean")
    assert table.loc["equilibrium", "relative_gap_upper"] <= 1e-3
    assert table.loc["learned", "relative_gap"] > 0
    if not isinstance(scenario, LLG):
        assert 0 < table.loc["weights", "relative_gap"] < table.loc["truthful", "relative_gap"]
    assert table.loc["equilibrium", "distance"] == pytest.approx(0.0, abs=1e-9)
    figures = {title: chart(results) for title, chart in scenario.charts().items()}
    assert len(figures) == 4
    bids = next(iter(figures.values()))
    lines = [trace for trace in bids.data if trace.name.endswith("equilibrium")]
    assert len(lines) == 2
    below = [trace for trace in bids.data if trace.yaxis == "y2"]
    assert len(below) == 2
    assert all((np.asarray(trace.y) >= 0).all() for trace in below)
    assert max(np.max(trace.y) for trace in below) > 0


def test_levels_are_drawn_where_they_hold() -> None:
    # Equal values of the locals leave the truthful auction 1/2, and not 7/12.
    rng = np.random.default_rng(0)
    rival = 2 * rng.random(400_000)
    for same, revenue in ((False, 7 / 12), (True, 1 / 2)):
        first, second = rng.random((2, rival.size))
        second = first if same else second
        won = first + second > rival
        paid = np.maximum(rival - first, 0) + np.maximum(rival - second, 0)
        assert np.where(won, paid, first + second).mean() == pytest.approx(revenue, abs=3e-3)
    assert {name: level() for name, level in LLG().levels()["revenue"].items()} == {
        "Vickrey-Clarke-Groves in equilibrium": 7 / 12
    }
    assert LLG(correlation=0.5).levels()["revenue"] == {}
    assert list(FirstPrice().levels()["revenue"]) == ["most of any auction in equilibrium (Myerson)"]
    assert FirstPrice(highest=(1.0, 2.0)).levels()["revenue"] == {}


def test_measures_of_known_play() -> None:
    first = SealedBidAuction(horizon=2048)
    played = rollout(first, solve(first).policy, (0, 1))
    assert measures.revenue(first, played) == pytest.approx(1 / 3, abs=0.01)
    assert measures.efficiency(first, played) == pytest.approx(1.0)
    assert measures.sold(first, played) == 1.0
    double = DoubleGame(horizon=2048)
    played = rollout(double, solve(double).policy, range(4))
    assert measures.efficiency(double, played) == pytest.approx(27 / 32, abs=0.02)
    assert measures.sold(double, played) == pytest.approx(9 / 32, abs=0.02)
    np.testing.assert_allclose(measures.bid_distance(double, played), 0.0, atol=1e-12)
    truth = rollout(double, Scripted(double), range(4))
    assert measures.efficiency(double, truth) == pytest.approx(1.0)
    # A buyer that tells the truth bids v / 3 - 1/12 more than in equilibrium, the seller asks likewise less.
    away = np.abs(np.linspace(0, 1, 100_001) / 3 - 1 / 12)[25_000:].sum() / 100_001
    assert measures.bid_distance(double, truth)[0] == pytest.approx(away, abs=0.01)
    packages = LLGAuction(horizon=2048)
    assert measures.efficiency(packages, rollout(packages, Scripted(packages), (0, 1))) == pytest.approx(1.0)
