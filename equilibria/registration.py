"""What answers for each game, one line each, and the names of `walras.equilibria`: strings; nothing is imported yet."""

from collections.abc import Callable, Mapping
from typing import Any

from walras.core.game import check_game
from walras.core.lazy import load
from walras.envs.registration import GAMES

SOLVERS = {
    "allocation.resource_allocation": "allocation.resource_allocation:solve_resource_allocation",
    "cooperation.cooperative_navigation": "cooperation.cooperative_navigation:solve_cooperative_navigation",
    "cooperation.grid_world": "cooperation.grid_world:solve_grid_world",
    "electricity.cournot_market": "electricity.cournot:solve_cournot",
    "electricity.day_ahead_market": "electricity.day_ahead:solve_day_ahead",
    "electricity.supply_function_market": "electricity.supply_function:solve_supply_function",
    "teams.mean_field_limit_lq": "teams.team_mean_field:solve_team_mean_field",
    "teams.robust_team_lq": "teams.team_mean_field:solve_team_mean_field",
    "teams.team_mean_field_lq": "teams.team_mean_field:solve_team_mean_field",
    "trading.trading_network_game": "trading.trading_network_game:solve_trading_network",
}
"""From the module of a game in `walras.envs` to its solver in `walras.equilibria`."""

DEVIATIONS = {
    "allocation.resource_allocation": "allocation.resource_allocation:resource_allocation_deviation",
    "electricity.cournot_market": "electricity.cournot:cournot_deviation",
    "electricity.day_ahead_market": "electricity.day_ahead:day_ahead_deviation",
    "electricity.supply_function_market": "electricity.supply_function:supply_function_deviation",
}
"""Likewise to its best deviation of one step."""

GAPS = {
    "cooperation.cooperative_navigation": "cooperation.cooperative_navigation:cooperative_navigation_gap",
    "cooperation.grid_world": "cooperation.grid_world:grid_world_gap",
    "teams.mean_field_limit_lq": "teams.team_mean_field:team_mean_field_gap",
    "teams.robust_team_lq": "teams.team_mean_field:team_mean_field_gap",
    "teams.team_mean_field_lq": "teams.team_mean_field:team_mean_field_gap",
    "trading.trading_network_game": "trading.trading_network_game:trading_network_gap",
}
"""Likewise to its gap, where the best deviation is one of a whole episode."""


def answer(entries: Mapping[str, str], game: object) -> Callable[..., Any] | None:
    """Return what answers for a game, by the first of its classes that has an entry, or none."""
    modules = (kind.__module__.removeprefix("walras.envs.") for kind in type(game).__mro__)
    return next((load(f"walras.equilibria.{entries[module]}") for module in modules if module in entries), None)


def unanswered(entries: Mapping[str, str], function: Any, game: object) -> TypeError:  # noqa: ANN401 - single dispatch
    """Return the error that says for which games `function` has an answer, or that it is given no game."""
    check_game(game)
    ours = {name for key, name in GAMES.items() if key.rpartition("-v")[0] in entries}
    own = {kind.__name__ for kind in function.registry if kind is not object}
    known = ", ".join(sorted(ours | own))
    what = "solver" if function.__name__ == "solve" else function.__name__
    return TypeError(f"`game` must have a registered {what} ({known}); got {type(game).__name__}.")


STAKES = {
    "electricity.cournot_market": "electricity.cournot:cournot_stake",
    "electricity.supply_function_market": "electricity.supply_function:supply_function_stake",
}
"""Likewise to what each agent has at stake."""

NAMES = {
    "BlockingSet": "trading.stability",
    "CompetitiveEquilibrium": "electricity.day_ahead",
    "Deviation": "gap",
    "DynamicResult": "trading.best_response_dynamic",
    "Gap": "gap",
    "JointOptimum": "cooperation.grid_world",
    "LQEquilibrium": "teams.linear_quadratic",
    "LinearQuadratic": "teams.linear_quadratic",
    "OligopolyEquilibrium": "electricity.cournot",
    "Quote": "trading.best_response_dynamic",
    "Shortfall": "gap",
    "StageGap": "gap",
    "StationaryLQ": "teams.stationary_lq",
    "TradingEquilibrium": "trading.competitive",
    "best_response_dynamic": "trading.best_response_dynamic",
    "blocking_set": "trading.stability",
    "classify": "trading.best_response_dynamic",
    "competitive_equilibrium": "trading.competitive",
    "exact_tick": "trading.best_response_dynamic",
    "is_stable": "trading.stability",
    "lq_nash": "teams.linear_quadratic",
    "lyapunov_descent": "trading.lyapunov",
    "price_lattice": "trading.competitive",
    "regret": "trading.competitive",
    "stationary_nash": "teams.stationary_lq",
    "welfare_gap": "trading.competitive",
}
"""What `walras.equilibria` offers, and its module."""
