"""`solve` and `gap`: the two questions that every game of the suite answers.

Both dispatch on the game's type. A game of your own joins by `solve.register` and `deviation.register`.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from numpy.typing import NDArray

from walras.core.game import AbstractGame, Actions, map_state
from walras.core.policy import Policy
from walras.core.rollout import rollout
from walras.core.solution import Solution
from walras.envs import (
    CooperativeNavigation,
    CournotMarket,
    DayAheadMarket,
    GridWorld,
    MeanFieldLimitLQ,
    ResourceAllocation,
    RobustTeamLQ,
    SupplyFunctionMarket,
    TeamMeanFieldLQ,
    TradingNetworkGame,
)
from walras.envs.resource_allocation import AllocationState
from walras.equilibria.cooperative_navigation import cooperative_navigation_gap, solve_cooperative_navigation
from walras.equilibria.cournot import cournot_deviation, solve_cournot
from walras.equilibria.day_ahead import day_ahead_deviation, solve_day_ahead
from walras.equilibria.gap import Deviation, Gap, StageGap
from walras.equilibria.grid_world import grid_world_gap, solve_grid_world
from walras.equilibria.supply_function import solve_supply_function, supply_function_deviation
from walras.equilibria.team_mean_field import TeamGame, solve_team_mean_field, team_mean_field_gap
from walras.equilibria.trading_network_game import solve_trading_network, trading_network_gap


@singledispatch
def solve(game: AbstractGame[Any], **options: Any) -> Solution:  # noqa: ANN401 - the solvers' own options
    """Return the known equilibrium of `game`.

    Parameters
    ----------
    game : AbstractGame
        One of the suite's games.
    **options
        Passed to the game's solver; ``throw=False`` returns an answer that did not converge.

    Raises
    ------
    TypeError
        If no solver is registered for the game's type.
    """
    raise TypeError(f"`game` must have a registered solver ({_known(solve)}); got {type(game).__name__}.")


@singledispatch
def deviation(game: AbstractGame[Any], state: Any, action: Actions) -> Deviation:  # noqa: ANN401
    """Return each agent's best deviation in M stage games, given ``state [M, ...]`` and ``action [M, N, A]``.

    Raises
    ------
    TypeError
        If none is registered for the game's type.
    """
    raise TypeError(f"`game` must have a registered deviation ({_known(deviation)}); got {type(game).__name__}.")


solve.register(CooperativeNavigation, solve_cooperative_navigation)
solve.register(CournotMarket, solve_cournot)
solve.register(SupplyFunctionMarket, solve_supply_function)
solve.register(DayAheadMarket, solve_day_ahead)
solve.register(GridWorld, solve_grid_world)
solve.register(TeamMeanFieldLQ, solve_team_mean_field)
solve.register(MeanFieldLimitLQ, solve_team_mean_field)
solve.register(RobustTeamLQ, solve_team_mean_field)
solve.register(TradingNetworkGame, solve_trading_network)
deviation.register(CournotMarket, cournot_deviation)
deviation.register(SupplyFunctionMarket, supply_function_deviation)
deviation.register(DayAheadMarket, day_ahead_deviation)


# Imported when they are called: the other games need no torch.


@solve.register
def _solve_allocation(game: ResourceAllocation, **options: Any) -> Solution:  # noqa: ANN401
    from walras.equilibria.resource_allocation import solve_resource_allocation

    return solve_resource_allocation(game, **options)


@deviation.register
def _allocation_deviation(game: ResourceAllocation, state: AllocationState, action: Actions) -> Deviation:
    from walras.equilibria.resource_allocation import resource_allocation_deviation

    return resource_allocation_deviation(game, state, action)


@singledispatch
def gap(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int] = (0,)) -> Gap:
    """Return what each agent would gain by its best deviation.

    Where actions move rewards alone, that is the best deviation of one step, on average over the policy's play. Games
    with dynamics register a gap of their own, of the best response over a whole episode.

    Parameters
    ----------
    game : AbstractGame
        One of the suite's games.
    policy : Policy
        Acts for all agents.
    seeds : sequence of int
        One episode each. A constant policy of a static game needs one; a gap that is exact needs none.

    Raises
    ------
    TypeError
        If no deviation is registered for the game's type.
    ValueError
        If `seeds` is empty.
    """
    trajectory = rollout(game, policy, seeds)
    steps, rows, agents = trajectory.reward.shape
    alive = trajectory.alive[..., None]
    before = map_state(_before_each_step, trajectory.state)
    action = trajectory.action.reshape(steps * rows, *trajectory.action.shape[2:])
    found = deviation(game, before, action)
    gain = found.gain.reshape(steps, rows, agents) * alive
    reward = found.reward.reshape(steps, rows, agents) * alive
    return StageGap(
        per_agent=gain.sum(axis=(0, 1)) / alive.sum(),
        reward=reward.sum(axis=(0, 1)) / alive.sum(),
        gain=gain,
        deviation=found.action.reshape(trajectory.action.shape),
    )


gap.register(CooperativeNavigation, cooperative_navigation_gap)
gap.register(GridWorld, grid_world_gap)
gap.register(TradingNetworkGame, trading_network_gap)


@gap.register(TeamMeanFieldLQ)
@gap.register(MeanFieldLimitLQ)
@gap.register(RobustTeamLQ)
def _team_gap(game: TeamGame, policy: Policy, seeds: Sequence[int] = (0,)) -> Gap:
    return team_mean_field_gap(game, policy)


def _before_each_step(values: NDArray[Any]) -> NDArray[Any]:
    """Return ``values [T + 1, B, ...]`` without the last, as ``[T * B, ...]``."""
    return values[:-1].reshape(-1, *values.shape[2:])


def _known(function: Any) -> str:  # noqa: ANN401 - a single-dispatch function
    return ", ".join(sorted(kind.__name__ for kind in function.registry if kind is not object))
