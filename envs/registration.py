"""Registration of every game with Gymnasium and PettingZoo, by strings: nothing is imported before it is made."""

import gymnasium
import pettingzoo

GAMES = {
    "cooperative_navigation": "CooperativeNavigation",
    "cournot_market": "CournotMarket",
    "day_ahead_market": "DayAheadMarket",
    "grid_world": "GridWorld",
    "mean_field_limit_lq": "MeanFieldLimitLQ",
    "resource_allocation": "ResourceAllocation",
    "robust_team_lq": "RobustTeamLQ",
    "supply_function_market": "SupplyFunctionMarket",
    "team_mean_field_lq": "TeamMeanFieldLQ",
    "trading_network_game": "TradingNetworkGame",
}
"""Module of each game in `walras.envs` and its class."""


def register_all() -> None:
    """Register version 0 of every game; registering twice changes nothing."""
    for module, name in GAMES.items():
        target, id = f"walras.envs.{module}_v0", f"walras/{module}-v0"
        if f"walras/{name}-v0" not in gymnasium.registry:
            gymnasium.register(f"walras/{name}-v0", entry_point=f"{target}:single_agent_env")
        if id not in pettingzoo.parallel_registry:
            pettingzoo.register("parallel", id, entry_point=f"{target}:parallel_env")
            pettingzoo.register("aec", id, entry_point=f"{target}:env")
