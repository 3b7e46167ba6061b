"""Registration of every game with Gymnasium and PettingZoo: one line each, of strings; a game is imported when made."""

from typing import Any

import gymnasium
import pettingzoo
from numpy.typing import DTypeLike
from pettingzoo.utils.conversions import parallel_to_aec
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from walras.core.abilities import Turned
from walras.core.game import AbstractGame
from walras.core.lazy import load
from walras.core.policy import Policy
from walras.core.shells import Parallel, SingleAgent
from walras.core.turns import Turns

GAMES = {
    "allocation.resource_allocation-v0": "ResourceAllocation",
    "auctions.autobidding_market-v0": "AutobiddingMarket",
    "auctions.contest-v0": "Contest",
    "auctions.double_auction-v0": "DoubleAuction",
    "auctions.llg_auction-v0": "LLGAuction",
    "auctions.multi_unit_auction-v0": "MultiUnitAuction",
    "auctions.sealed_bid_auction-v0": "SealedBidAuction",
    "cooperation.cooperative_navigation-v1": "CooperativeNavigation",
    "cooperation.grid_world-v1": "GridWorld",
    "electricity.cournot_market-v0": "CournotMarket",
    "electricity.day_ahead_market-v0": "DayAheadMarket",
    "electricity.forward_spot_market-v0": "ForwardSpotMarket",
    "electricity.network_cournot_market-v0": "NetworkCournotMarket",
    "electricity.storage_market-v0": "StorageMarket",
    "electricity.supply_function_market-v0": "SupplyFunctionMarket",
    "matrix.repeated_matrix_game-v0": "RepeatedMatrixGame",
    "matrix.repeated_pricing-v0": "RepeatedPricing",
    "matrix.sequential_public_goods-v0": "SequentialPublicGoods",
    "matrix.tabular_markov_game-v0": "TabularMarkovGame",
    "teams.mean_field_limit_lq-v1": "MeanFieldLimitLQ",
    "teams.robust_team_lq-v1": "RobustTeamLQ",
    "teams.team_mean_field_lq-v1": "TeamMeanFieldLQ",
    "trading.trading_network_game-v0": "TradingNetworkGame",
}
"""Family, module and version of each game, and its class."""


def place(key: str) -> str:
    """Return where in `walras.envs` a game is: ``"electricity.cournot_market:CournotMarket"``."""
    return f"{key.rpartition('-v')[0]}:{GAMES[key]}"


def pettingzoo_id(key: str) -> str:
    """Return the id of a game with PettingZoo: ``"walras/cournot_market-v0"``."""
    return f"walras/{key.partition('.')[2]}"


def gymnasium_id(key: str) -> str:
    """Return the id of a game with Gymnasium: ``"walras/CournotMarket-v0"``."""
    return f"walras/{GAMES[key]}-v{key.rpartition('-v')[2]}"


def make_game(key: str, **parameters: Any) -> AbstractGame[Any]:  # noqa: ANN401 - the game's own parameters
    """Return a registered game."""
    return load(f"walras.envs.{place(key)}")(**parameters)


def parallel_env(
    key: str,
    max_cycles: int | None = None,
    render_mode: str | None = None,
    dtype: DTypeLike | None = None,
    **parameters: Any,  # noqa: ANN401 - the game's own parameters
) -> Parallel[Any]:
    """Return PettingZoo's parallel environment of a game; `max_cycles` is its horizon, `dtype` as in `Parallel`."""
    if max_cycles is not None:
        parameters |= {"horizon": max_cycles}
    return Parallel(make_game(key, **parameters), render_mode, dtype)


def aec_env(key: str, **parameters: Any) -> Any:  # noqa: ANN401 - PettingZoo's own type is not exported
    """Return PettingZoo's AEC environment of a game, which refuses calls in the wrong order.

    Where agents move in turn, only the mover is asked (`walras.core.Turns`).
    """
    env = parallel_env(key, **parameters)
    if isinstance(env.game, Turned):
        return OrderEnforcingWrapper(Turns(env.game, env.render_mode, parameters.get("dtype")))
    return OrderEnforcingWrapper(parallel_to_aec(env))


def single_agent_env(
    key: str,
    agent: str | None = None,
    others: Policy | None = None,
    render_mode: str | None = None,
    dtype: DTypeLike | None = None,
    **parameters: Any,  # noqa: ANN401 - the game's own parameters
) -> SingleAgent[Any]:
    """Return the Gymnasium environment of one agent against `others`."""
    return SingleAgent(make_game(key, **parameters), agent, others, render_mode, dtype)


def register_all() -> None:
    """Register every game; registering twice changes nothing."""
    here = __name__
    for key in GAMES:
        if gymnasium_id(key) not in gymnasium.registry:
            gymnasium.register(gymnasium_id(key), entry_point=f"{here}:single_agent_env", kwargs={"key": key})
        if pettingzoo_id(key) not in pettingzoo.parallel_registry:
            pettingzoo.register("parallel", pettingzoo_id(key), f"{here}:parallel_env", kwargs={"key": key})
            pettingzoo.register("aec", pettingzoo_id(key), f"{here}:aec_env", kwargs={"key": key})
