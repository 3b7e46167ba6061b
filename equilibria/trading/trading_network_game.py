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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.policy import Constant, Policy
from walras.core.rollout import Trajectory, rollout
from walras.core.solution import Solution
from walras.core.typing import Bools, Floats
from walras.envs.trading.trading_network_game import TradingNetworkGame, TradingState
from walras.equilibria.gap import Gap
from walras.equilibria.trading.competitive import competitive_equilibrium, regret, welfare_gap


@final
@dataclass(frozen=True, kw_only=True)
class TradingSolution(Solution):
    """A competitive equilibrium, and the policy that posts it; `value` are the utilities of an episode, money."""

    prices: Floats  # [T] money
    trades: Bools  # [T]
    welfare: float  # money, the largest of all trades: the gains from trade


@final
@dataclass(frozen=True, eq=False)
class TradingGap(Gap):
    """The agents' regrets at the prices at which episodes end, money an episode; `gain` is zero before the end."""

    gains_from_trade: float  # money, the largest welfare
    lost: float  # money of them that is not realised, on average over episodes

    @property
    def scale(self) -> Floats:
        """The gains from trade, for each agent, ``[N]``."""
        return np.full_like(self.reward, self.gains_from_trade)


def solve_trading_network(game: TradingNetworkGame, *, throw: bool = True) -> TradingSolution:
    """Return the competitive equilibrium of the game's network.

    Prices are rounded to ticks where they are posted.

    Parameters
    ----------
    game : TradingNetworkGame
        The game.
    throw : bool
        Raise instead of returning an answer that is no equilibrium.

    Raises
    ------
    ValueError
        If an agent without a flow has more than 16 trades.
    SolverError
        If no equilibrium exists and `throw` is true.
    """
    found = competitive_equilibrium(game.network, throw=throw)
    away = np.where(found.trades, 0.0, game.tick)
    at = np.clip(game.tick * np.rint(np.nan_to_num(found.prices) / game.tick), *game.bounds)
    return TradingSolution(
        policy=Constant(np.clip(game.by_agent(at - away, at + away), *game.bounds)),
        value=found.value,
        residual=found.residual,
        iterations=found.iterations,
        status=found.status,
        prices=found.prices,
        trades=found.trades,
        welfare=found.welfare,
    )


def trading_network_gap(game: TradingNetworkGame, policy: Policy, seeds: Sequence[int] = (0,)) -> TradingGap:
    """Return the agents' regrets at the ends of episodes, one a seed.

    Raises
    ------
    ValueError
        If `seeds` is empty, or an agent without a flow has more than 16 trades.
    """
    return closing_gap(game, rollout(game, policy, seeds))


def closing_gap(game: TradingNetworkGame, trajectory: Trajectory[TradingState]) -> TradingGap:
    """Return the agents' regrets at the ends of episodes that were played."""
    trades, prices = game.outcome(trajectory.state.offer[-1])
    regrets, lost = regret(game.network, trades, prices), welfare_gap(game.network, trades)
    gain = np.zeros_like(trajectory.reward)
    gain[-1] = regrets
    return TradingGap(
        per_agent=regrets.mean(axis=0),
        reward=game.network.utilities(trades, prices).mean(axis=0),
        gain=gain,
        gains_from_trade=float((game.network.welfare(trades) + lost)[0]),
        lost=float(lost.mean()),
    )
