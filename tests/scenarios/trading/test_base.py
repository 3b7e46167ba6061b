"""The scenarios of trading networks, run small; their charts and measures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from walras.core import Scripted, rollout
from walras.envs import TradingNetworkGame
from walras.equilibria import competitive_equilibrium, solve
from walras.markets.trading.trading_network import CapacityIntermediary, Dealer
from walras.scenarios import Source
from walras.scenarios.engine.results import Results, load_results
from walras.scenarios.engine.runner import run
from walras.scenarios.trading import discovery_charts
from walras.scenarios.trading.charts import gap_chart, market_chart, price_chart, recorded_offers
from walras.scenarios.trading.otc_market import OtcMarket
from walras.scenarios.trading.price_discovery import PriceDiscovery
from walras.scenarios.trading.supply_chain import SupplyChain
from walras.scenarios.trading.used_cars import UsedCars

SMALL: dict[str, Any] = {
    "seeds": 2,
    "dealers": 2,
    "clients": 4,
    "links": 1,
    "horizon": 250,
    "practice": 8,
    "checkpoints": 2,
}
FLOWS = "exporter,importer,value\nNO,SE,5\nNO,DK,2\nSE,DK,1\nDK,FI,3\n"


@pytest.fixture(scope="module")
def otc(tmp_path_factory: pytest.TempPathFactory) -> Results:
    source = Source("otc_market", SMALL | {"steps": 2048})
    return load_results(run(source, tmp_path_factory.mktemp("runs"), workers=1, progress=False))


def game() -> TradingNetworkGame:
    return OtcMarket(**SMALL).evaluation()


class TestRun:
    def test_all_are_compared_with_the_equilibrium(self, otc: Results) -> None:
        market = {name: part["market"] for name, part in otc.record["methods"].items()}
        assert list(market) == ["equilibrium", "best_response_dynamic", "zero_intelligence", "random", "shared_ppo"]
        assert market["equilibrium"]["realised"]["mean"] == 1
        assert market["equilibrium"]["price_distance"]["mean"] == market["equilibrium"]["regret"]["mean"] == 0
        assert market["best_response_dynamic"]["realised"]["mean"] == 1
        assert market["best_response_dynamic"]["regret"]["mean"] < 0.1
        assert market["random"]["regret"]["mean"] > market["zero_intelligence"]["regret"]["mean"] > 0.1
        assert market["random"]["realised"]["mean"] < 1

    def test_regrets_of_agents_add_up_to_that_of_the_market(self, otc: Results) -> None:
        for part in otc.record["methods"].values():
            shares = [each["seeds"] for each in part["agents"]["relative_gap"].values()]
            assert np.isfinite(shares).all()
            assert part["certificate"]["concept"] == "competitive"
        optimum = otc.record["methods"]["equilibrium"]
        assert np.sum([each["seeds"] for each in optimum["agents"]["gap"].values()]) == 0
        assert optimum["market"]["regret"]["seeds"] == [0] * otc.record["seeds"]

    def test_the_learner_is_judged_at_each_checkpoint(self, otc: Results) -> None:
        curve = otc.record["methods"]["shared_ppo"]["curve"]
        assert [point["steps"] for point in curve] == [0, 1024, 2048]

    def test_recorded_offers_are_those_of_the_evaluation(self, otc: Results) -> None:
        market = game()
        played = rollout(market, Scripted(market), [1])
        recorded = recorded_offers(market, otc, "best_response_dynamic", 1)
        np.testing.assert_array_equal(recorded, played.state.offer[1:, 0])


class TestCharts:
    def test_the_market_shows_what_is_struck_at_which_price(self, otc: Results) -> None:
        market = game()
        figure: Any = market_chart(market, otc)
        solution: Any = solve(market)
        _, inside, outside, prices = figure.data[3:7]
        assert len(inside.x) == 3 * solution.trades.sum()
        assert len(outside.x) == 0
        assert sorted(map(float, prices.text)) == sorted(solution.prices[solution.trades].tolist())
        assert [trace.visible for trace in figure.data[:8]] == [True] * 7 + [False]
        buttons = figure.layout.updatemenus[0].buttons
        assert [button.label for button in buttons][:2] == ["competitive equilibrium", "best response dynamic"]
        for k, button in enumerate(buttons):
            shown = np.flatnonzero(button.args[0]["visible"]).tolist()
            assert shown == [0, 1, 2, *range(3 + 4 * k, 7 + 4 * k)]

    def test_prices_are_drawn_inside_their_interval(self, otc: Results) -> None:
        market = game()
        figure: Any = price_chart(market, otc)
        low, high, bid, ask = figure.data[:4]
        offers = market.quotes(recorded_offers(market, otc, "best_response_dynamic", 0))
        trade = int(figure.layout.updatemenus[0].buttons[0].label.split("(trade ")[1][:-1])
        for drawn, side in ((bid, offers[0]), (ask, offers[1])):  # a step line holds the steps at which it moves
            place = np.searchsorted(drawn.x, np.arange(len(side)), side="right") - 1
            assert np.array(drawn.y)[place].tolist() == side[:, trade].tolist()
        assert low.y[0] <= competitive_equilibrium(market.network).prices[trade] <= high.y[0]

    def test_the_gap_ends_where_the_summary_says(self, otc: Results) -> None:
        figure: Any = gap_chart(game(), otc)
        for line in figure.data[2::3]:
            (method,) = [each for each in otc.record["methods"].values() if each["title"] == line.name]
            seeds = method["market"]["regret"]["seeds"]
            assert line.y[-1] == pytest.approx(100 * np.mean(seeds), abs=1e-3)

    def test_every_chart_has_a_caption(self, otc: Results) -> None:
        charts = OtcMarket(**SMALL).charts()
        assert list(charts) == ["Trades and prices", "Bids and asks", "Distance from equilibrium", "Learning"]
        assert all(chart(otc).layout.meta["caption"] for chart in charts.values())

    @pytest.mark.parametrize("name", ["size_chart", "sparsity_chart", "tick_chart"])
    def test_moves_of_the_dynamic_grow_with_the_market(
        self, name: str, otc: Results, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(discovery_charts, "SIDES", (3, 9))
        monkeypatch.setattr(discovery_charts, "DENSITIES", (0.2, 1.0))
        monkeypatch.setattr(discovery_charts, "TICKS", (0.5, 4.0))
        figure: Any = getattr(discovery_charts, name)(4, otc)
        for line in figure.data:
            assert (line.y[1] > line.y[0]) == (name != "tick_chart")
        assert "were lost" in figure.layout.meta["caption"]


class TestScenarios:
    def test_used_cars_have_dealers_with_inventory(self) -> None:
        network = UsedCars(dealers=3, stock=4, draw=0).evaluation().network
        dealers = [agent for agent in network.agents if isinstance(agent, Dealer)]
        assert len(dealers) == 3
        assert max(dealer.stock for dealer in dealers) > 0

    def test_a_chain_has_layers(self) -> None:
        network = SupplyChain(layers=(2, 3, 2)).evaluation().network
        assert len(network.agents) == 7
        assert sum(isinstance(agent, CapacityIntermediary) for agent in network.agents) == 3

    def test_agents_are_called_by_what_they_are(self) -> None:
        games = [OtcMarket(dealers=2, clients=3, links=1), UsedCars(owners=1, dealers=1, drivers=2)]
        games += [SupplyChain(layers=(1, 2, 1)), PriceDiscovery(sellers=1, buyers=2)]
        assert [game.evaluation().agents for game in games] == [
            ("dealer_0", "dealer_1", "client_0", "client_1", "client_2"),
            ("owner_0", "dealer_0", "driver_0", "driver_1"),
            ("seller_0", "firm_0_0", "firm_0_1", "buyer_0"),
            ("seller_0", "buyer_0", "buyer_1"),
        ]
        network = UsedCars(draw=0).evaluation().network
        dealers = [name for name, each in zip(network.names, network.agents, strict=True) if isinstance(each, Dealer)]
        assert dealers == ["dealer_0", "dealer_1"]

    def test_a_chain_follows_recorded_trade(self, tmp_path: Path) -> None:
        flows = tmp_path / "flows.csv"
        flows.write_text(FLOWS)
        market = SupplyChain(flows=flows, trades=11).evaluation()
        assert market.agents == ("DK", "FI", "NO", "SE")
        assert len(market.network.trades) == 11

    def test_public_flows_make_a_market(self, shared_data: Path) -> None:
        market = SupplyChain(flows=shared_data / "trade_networks" / "oil_trade_edges.csv").evaluation()
        assert len(market.network.trades) == 24
        assert solve(market).residual == 0

    def test_learners_train_in_the_market_in_which_they_are_judged(self) -> None:
        scenario = OtcMarket(movers=1, clients=17)
        game, market = scenario.game(), scenario.evaluation()
        assert game.network is market.network
        assert (game.movers, game.horizon, market.movers, market.horizon) == (20, 8, 1, 800)

    def test_nobody_learns_without_steps(self) -> None:
        assert "shared_ppo" not in PriceDiscovery(steps=0).methods()
        assert "Learning" not in PriceDiscovery(steps=0).charts()

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: OtcMarket(horizon=0), "`horizon` must be at least 1; got 0"),
            (lambda: OtcMarket(steps=-1), "`steps` must be at least 0; got -1"),
            (lambda: PriceDiscovery(runs=0), "`runs` must be at least 1; got 0"),
            (lambda: SupplyChain(flows=Path("nowhere.csv")), "`flows` must name a file; got 'nowhere.csv'"),
        ],
    )
    def test_bad_fields_are_refused(self, make: Any, message: str) -> None:  # noqa: ANN401
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            make()


def test_steps_of_one_trade_an_agent_are_read_back() -> None:
    market = PriceDiscovery(sellers=1, buyers=1).evaluation()
    table = pd.DataFrame(
        {
            "method": "random",
            "seed": 0,
            "step": [0, 0, 1, 1],
            "agent": list(market.agents) * 2,
            "offer": [1.0, 2, 3, 4],
        }
    )
    results = Results({}, {"methods": {"random": {}}}, Path("nowhere"))
    vars(results)["steps"] = table
    assert recorded_offers(market, results, "random", 0).tolist() == [[[1.0], [2.0]], [[3.0], [4.0]]]
