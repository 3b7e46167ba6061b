r"""Trading networks as games: the competitive equilibrium, and how far an outcome is from it.

The solution is `walras.equilibria.competitive_equilibrium` of the network, with a policy that posts it: on trades of
the equilibrium both sides offer its price, on the others buyers bid one tick less and sellers ask one tick more. Once
every agent has had its turn the market closes with the equilibrium's trades at its prices.

The gap of a policy is that of the outcomes at which its episodes end, trades :math:`\Psi` and prices p: each agent's
regret at these prices, :math:`V_i(p) - U_i(\Psi; p)`. All are zero at a competitive equilibrium and nowhere else. They
add up to the welfare that is lost, plus what agents would want at p beyond the best trades:

.. math:: \sum_i V_i(p) - U_i(\Psi; p) = \Bigl(W^* - W(\Psi)\Bigr) + \Bigl(\sum_i V_i(p) - W^*\Bigr),

and neither part is negative. A trade that is not struck has the price midway between its bid and its ask.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from walras.core.concept import Concept
from walras.core.policy import Constant, Policy
from walras.core.rollout import Trajectory, rollout
from walras.core.solution import Solution
from walras.core.typing import Bools, Floats
from walras.envs.trading.trading_network_game import TradingNetworkGame, TradingState
from walras.equilibria.audit import Audit, Ends, certificate, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.trading.competitive import competitive_equilibrium, regret, welfare_gap


@final
@dataclass(frozen=True, kw_only=True)
class TradingSolution(Solution):
    """A competitive equilibrium, and the policy that posts it; `value` are the utilities of an episode, money."""

    prices: Floats  # [T] money
    trades: Bools  # [T]
    welfare: float  # money, the largest of all trades: the gains from trade


class Closing(NamedTuple):
    """Outcomes at which B episodes end, against the prices there."""

    regret: Floats  # [B, N] money
    value: Floats  # [B, N] money, utilities
    lost: Floats  # [B] money, the gains from trade that are not realised
    gains_from_trade: float  # money, the largest welfare


def solve_trading_network(game: TradingNetworkGame) -> TradingSolution:
    """Return the competitive equilibrium of the game's network.

    Prices are rounded to ticks where they are posted.

    Raises
    ------
    ValueError
        If an agent without a flow has more than 16 trades.
    """
    found = competitive_equilibrium(game.network, throw=False)
    away = np.where(found.trades, 0.0, game.tick)
    at = np.clip(game.tick * np.rint(np.nan_to_num(found.prices) / game.tick), *game.bounds)
    return TradingSolution(
        policy=Constant(np.clip(game.by_agent(at - away, at + away), *game.bounds)),
        value=found.value,
        residual=found.residual,
        iterations=found.iterations,
        status=found.status,
        concept=Concept.COMPETITIVE,
        prices=found.prices,
        trades=found.trades,
        welfare=found.welfare,
    )


def solve_posted(game: TradingNetworkGame) -> TradingSolution:
    """Return the same policy as a Nash equilibrium of offers: posted prices at which nobody wants another bundle."""
    return replace(solve_trading_network(game), concept=Concept.NASH)


def closing_regret(game: TradingNetworkGame, policy: Policy, audit: Audit) -> Gap:
    """Return the agents' regrets at the ends of episodes, in money: the distance from competitive equilibrium."""
    judged = judged_policy(game, policy, audit.device)
    closed = closing(game, rollout(game, judged, audit.seeds))
    ends, same = interval(closed.regret, audit.confidence), not np.ptp(closed.regret, axis=0).any()
    kind = Kind.EXACT if same else Kind.STATISTICAL
    value, how = closed.value.mean(axis=0), "best bundle at the closing prices"
    return certificate(game, judged, audit, Ends(ends.low, ends.high, ends.mean), value, kind, how)


def closing(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> Closing:
    """Judge the ends of episodes that were played."""
    trades, prices = game.outcome(trajectory.state.offer[-1])
    regrets, lost = regret(game.network, trades, prices), welfare_gap(game.network, trades)
    gains = float((game.network.welfare(trades) + lost)[0])
    return Closing(regrets, game.network.utilities(trades, prices), lost, gains)


def gains_from_trade(game: TradingNetworkGame) -> Floats:
    """Return what is at stake for each agent, ``[N]`` money: the gains from trade, since money moves between agents."""
    return np.full(len(game.agents), competitive_equilibrium(game.network, throw=False).welfare)
