"""An advertiser that does not bid itself: what budgets for its channels are worth, and what is learned of them.

One advertiser with a budget and a target of value for money reaches auctions through channels alone. Beside the best
budgets stand the budgets of the fluid optimum, which would be best if channels reacted to each auction, an even split,
and the advertiser's own target handed to each channel; SGD-UCB learns budgets from value and spend. A missed target or
budget is told beside the value, and the gap charges for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from walras import agents
from walras.core.policy import Constant, Scripted
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.equilibria.auctions.advertiser import fluid_optimum
from walras.markets.auctions.channels import DrawnAuctions
from walras.scenarios.auctions import channel_charts, channel_measures
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Design, Method, Objective, Runs
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class Autobidding(AbstractScenario):
    """One advertiser and its channels: best budgets, a fluid plan, an even split, targets, and SGD-UCB."""

    auctions: int = 10
    """Auctions of each channel a period."""
    scale: tuple[float, ...] = (1.0, 0.6)
    """By channel, what values even on [0, 1] are multiplied with."""
    budget: float = 1.2
    """Money a period, on average."""
    target: float = 3.0
    """Least value for a unit of money, on average."""
    horizon: int = 100
    """Periods by which methods are judged."""
    steps: int = 2_000
    """Periods in which SGD-UCB learns."""
    checkpoints: int = 5
    """Times at which it is judged."""
    seeds: int = 5
    """Independent repetitions."""

    def game(self) -> AutobiddingMarket:
        """Tell channels budgets."""
        law = DrawnAuctions(self.auctions, scale=self.scale)
        return AutobiddingMarket(law, budgets=self.budget, targets=self.target, horizon=self.horizon)

    def objective(self) -> Objective:
        """Play for value."""
        meaning = (
            "what the best budgets (targets, where channels are told targets) would add to the value, less a charge for"
            " a target or a budget that is missed: zero is the optimum"
        )
        return Objective("value", "a period", "regret", meaning, "the value of the fluid optimum")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare what is best, three rules, and what learns."""
        game = self.game()
        return {
            "equilibrium": Method(self.solution.policy, "best budgets", "reference"),
            "fluid": Method(Constant(fluid_optimum(game).spend[None]), "fluid plan"),
            "even": Method(Scripted(game), "even split"),
            "targets": Method(Design(partial(_told_targets, self)), "the target in each channel"),
            "sgd_ucb": Method(agents.SGDUCB(self.steps, self.checkpoints), "SGD-UCB"),
        }

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure what is spent, value for money, and by how much target and budget are missed."""
        return {
            "spend": channel_measures.spend,
            "ratio": channel_measures.ratio,
            "shortfall": channel_measures.shortfall,
            "overspend": channel_measures.overspend,
        }

    def charts(self) -> Mapping[str, Chart]:
        """Show value and spend, what each budget is worth, regret while learning, and constraints over time."""
        game = self.game()
        return {
            "Value and spend": partial(channel_charts.value_chart, game),
            "What a channel returns for its budget": partial(channel_charts.frontier_chart, game),
            "Regret": curves.gap_curve,
            "Value for money over the periods": partial(channel_charts.ratio_chart, game),
        }


def _told_targets(scenario: Autobidding, seed: int, folder: Path) -> AutobiddingMarket:
    """Return the market in which channels are told targets: by its script, the advertiser's own."""
    game = scenario.game()
    return AutobiddingMarket(
        game.auctions, budgets=game.budgets, targets=game.targets, levers="targets", horizon=game.horizon
    )
