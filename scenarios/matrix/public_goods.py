"""Public goods, one after another: who gives what in equilibrium, and what agents learn to give.

Agents contribute to a common good in turn and see what was given before them. In the subgame-perfect equilibrium who
moves early gives more than alone, since followers answer; the equilibrium of agents who do not see each other lies
below, the joint optimum far above. A profile of the former kind can be without a better contribution on its path and
still rest on answers that nobody would give: learned policies are judged by both gaps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import final

from walras import agents
from walras.core.policy import Constant, Scripted
from walras.core.solution import Solution
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods
from walras.equilibria.matrix.public_goods import solve_public_goods
from walras.equilibria.solve import solve
from walras.scenarios.engine.measure import Measure
from walras.scenarios.engine.scenario import AbstractScenario, Chart, Method, Objective, Runs
from walras.scenarios.matrix import public_goods_charts as charts
from walras.scenarios.matrix import public_goods_measures as measures
from walras.scenarios.report import curves


@final
@dataclass(frozen=True)
class PublicGoods(AbstractScenario):
    """Agents who contribute in turn, beside three solutions of their game."""

    n: int = 3
    """Agents, in the order in which they move."""
    k: float = 1.0
    """Slope of marginal cost."""
    gamma: float = 0.2
    """Bonus of an own unit for each unit before it."""
    rho: float = 1.5
    """Worth of a unit of the good, to all together."""
    penalty: float = 0.0
    """What each pays if the group misses the threshold."""
    threshold: float = 0.0
    """What the group must give."""
    high: float = 1.0
    """The largest contribution."""
    steps: int = 60_000
    """Environment steps of training, one a move."""
    checkpoints: int = 6
    """Times at which learners are judged."""
    seeds: int = 5
    """Independent repetitions."""

    def game(self) -> SequentialPublicGoods:
        """Show each agent the sum that was given before it."""
        return SequentialPublicGoods(
            self.n, self.k, self.gamma, self.rho, self.penalty, self.threshold, high=self.high, observation="sum"
        )

    def equilibrium(self) -> Solution:
        """Find the subgame-perfect equilibrium."""
        return solve(self.game(), "subgame perfect", throw=False)

    def objective(self) -> Objective:
        """Play for the payoff of an episode."""
        return Objective("payoff", "", of="episode")

    def methods(self) -> Mapping[str, Method | Runs]:
        """Compare learners with the equilibrium, the one of unseen contributions, the optimum, and own shares alone."""
        game, learner = self.game(), agents.IPPO(steps=self.steps, checkpoints=self.checkpoints)
        unseen = solve_public_goods(replace(game, observation="none")).contribution
        return {
            charts.LEARNED: Method(learner, "PPO"),
            "subgame_perfect": Method(self.solution.policy, "subgame-perfect equilibrium", "reference"),
            "simultaneous": Method(Constant(unseen[:, None]), "equilibrium of unseen contributions"),
            "optimum": Method(solve(game, "joint optimum", throw=False).policy, "joint optimum"),
            "alone": Method(Scripted(game), "own share alone"),
        }

    def agent_measures(self) -> Mapping[str, Measure]:
        """Measure what each gives."""
        return {"contribution": measures.contribution}

    def market_measures(self) -> Mapping[str, Measure]:
        """Measure what all give and what it is worth to them."""
        return {"given": measures.given, "welfare": measures.welfare}

    def policy_measures(self) -> Mapping[str, Measure]:
        """Measure what deviations gain after any past."""
        return {"subgame_gain": measures.subgame_gain}

    def charts(self) -> Mapping[str, Chart]:
        """Show the three solutions as parameters change, what is given after what, and learning."""
        return {
            "What is given, as the game changes": partial(charts.given_chart, self.game()),
            "What it is worth, as the game changes": partial(charts.welfare_chart, self.game()),
            "Answers to what was given": charts.answers_chart,
            "Gain from another contribution while learning": curves.gap_curve,
        }
