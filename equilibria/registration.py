"""What answers for each game, one line each, and the names of `walras.equilibria`: strings; nothing is imported yet."""

from collections.abc import Callable, Mapping
from typing import Any

from walras.core.checks import require_known
from walras.core.concept import Concept
from walras.core.game import check_game
from walras.core.lazy import load
from walras.envs.registration import GAMES

SOLVERS: Mapping[str, Mapping[str, str]] = {
    "allocation.resource_allocation": {
        "nash": "allocation.resource_allocation:solve_nash",
        "truthful": "allocation.resource_allocation:solve_truthful",
    },
    "auctions.autobidding_market": {"nash": "auctions.autobidding:solve_autobidding"},
    "auctions.contest": {"nash": "auctions.solutions:solve_contest"},
    "auctions.double_auction": {"nash": "auctions.solutions:solve_double_auction"},
    "auctions.llg_auction": {"nash": "auctions.llg:solve_llg"},
    "auctions.multi_unit_auction": {"nash": "auctions.several_units:solve_multi_unit"},
    "auctions.sealed_bid_auction": {"nash": "auctions.solutions:solve_sealed_bid"},
    "cooperation.cooperative_navigation": {
        "joint optimum": "cooperation.cooperative_navigation:solve_cooperative_navigation"
    },
    "cooperation.grid_world": {"joint optimum": "cooperation.grid_world:solve_grid_world"},
    "electricity.cournot_market": {"nash": "electricity.cournot:solve_cournot"},
    "electricity.day_ahead_market": {
        "nash": "electricity.day_ahead_nash:solve_offers",
        "competitive": "electricity.day_ahead:solve_day_ahead",
    },
    "electricity.forward_spot_market": {"subgame perfect": "electricity.forward_spot:solve_forward_spot"},
    "electricity.network_cournot_market": {"price differences": "electricity.network_cournot:solve_network_cournot"},
    "electricity.storage_market": {
        "nash": "electricity.storage:solve_storage",
        "competitive": "electricity.storage:solve_storage_competitive",
    },
    "electricity.supply_function_market": {"nash": "electricity.supply_function:solve_supply_function"},
    "matrix.repeated_matrix_game": {"nash": "matrix.repeated_matrix_game:solve_repeated_matrix_game"},
    "matrix.repeated_pricing": {"nash": "matrix.repeated_pricing:solve_repeated_pricing"},
    "matrix.sequential_public_goods": {
        "nash": "matrix.public_goods:solve_public_goods",
        "subgame perfect": "matrix.public_goods:solve_subgame_perfect",
        "joint optimum": "matrix.public_goods_optimum:solve_joint_optimum",
    },
    "matrix.tabular_markov_game": {"nash": "matrix.tabular_markov_game:solve_tabular_markov_game"},
    "teams.mean_field_limit_lq": {"nash": "teams.team_mean_field:solve_team_mean_field"},
    "teams.robust_team_lq": {"saddle point": "teams.team_mean_field:solve_team_mean_field"},
    "teams.team_mean_field_lq": {"nash": "teams.team_mean_field:solve_team_mean_field"},
    "trading.trading_network_game": {
        "competitive": "trading.trading_network_game:solve_trading_network",
        "nash": "trading.trading_network_game:solve_posted",
    },
}
"""From the module of a game in `walras.envs` to its solvers in `walras.equilibria`, by concept; first the default."""

DEVIATIONS = {
    "allocation.resource_allocation": "allocation.resource_allocation:resource_allocation_deviation",
    "electricity.cournot_market": "electricity.cournot:cournot_deviation",
    "electricity.day_ahead_market": "electricity.day_ahead:day_ahead_deviation",
    "electricity.supply_function_market": "electricity.supply_function:supply_function_deviation",
}
"""Likewise to its best deviation of one step."""

GAPS: Mapping[str, Mapping[str, str]] = {
    "auctions.autobidding_market": {"nash": "auctions.autobidding:autobidding_gap"},
    "auctions.contest": {"nash": "auctions.lottery:contest_gap"},
    "auctions.double_auction": {"nash": "auctions.gap:auction_gap"},
    "auctions.llg_auction": {"nash": "auctions.llg:llg_gap"},
    "auctions.sealed_bid_auction": {"nash": "auctions.gap:auction_gap"},
    "cooperation.cooperative_navigation": {
        "nash": "cooperation.team_gaps:navigation_gap",
        "joint optimum": "cooperation.team_gaps:navigation_suboptimality",
    },
    "cooperation.grid_world": {
        "nash": "cooperation.team_gaps:grid_gap",
        "joint optimum": "cooperation.team_gaps:grid_suboptimality",
    },
    "electricity.day_ahead_market": {
        "nash": "electricity.day_ahead_gap:day_ahead_gap",
        "competitive": "electricity.day_ahead:price_taking_gap",
    },
    "electricity.forward_spot_market": {
        "nash": "electricity.forward_spot:forward_spot_gap",
        "subgame perfect": "electricity.forward_spot:subgame_gap",
    },
    "electricity.network_cournot_market": {"price differences": "electricity.network_cournot:price_difference_gap"},
    "electricity.storage_market": {
        "nash": "electricity.storage:storage_gap",
        "competitive": "electricity.storage:price_taking_gap",
    },
    "matrix.repeated_matrix_game": {
        "nash": "matrix.memory_gap:memory_gap",
        "subgame perfect": "matrix.memory_gap:memory_subgame_gap",
    },
    "matrix.repeated_pricing": {
        "nash": "matrix.memory_gap:memory_gap",
        "subgame perfect": "matrix.memory_gap:memory_subgame_gap",
    },
    "matrix.sequential_public_goods": {
        "nash": "matrix.public_goods_gap:public_goods_gap",
        "subgame perfect": "matrix.public_goods_gap:public_goods_subgame_gap",
        "joint optimum": "matrix.public_goods_optimum:joint_optimum_gap",
    },
    "matrix.tabular_markov_game": {
        "nash": "matrix.tabular_markov_game:markov_gap",
        "subgame perfect": "matrix.tabular_markov_game:markov_subgame_gap",
    },
    "teams.mean_field_limit_lq": {"nash": "teams.team_gap:team_gap"},
    "teams.robust_team_lq": {"nash": "teams.team_gap:team_gap", "saddle point": "teams.team_gap:team_gap"},
    "teams.team_mean_field_lq": {"nash": "teams.team_gap:team_gap"},
    "trading.trading_network_game": {
        "nash": "trading.deviations:offers_gap",
        "competitive": "trading.trading_network_game:closing_regret",
    },
}
"""Likewise to its gaps, by concept; the Nash gap of stage games follows from `STAGES`."""


def answer(entries: Mapping[str, str], game: object) -> Callable[..., Any] | None:
    """Return what answers for a game, by the first of its classes that has an entry, or none."""
    modules = (kind.__module__.removeprefix("walras.envs.") for kind in type(game).__mro__)
    return next((load(f"walras.equilibria.{entries[module]}") for module in modules if module in entries), None)


def concepts_of(entries: Mapping[str, Mapping[str, str]], game: object) -> list[Concept]:
    """Return the concepts for which a game has an entry."""
    modules = (kind.__module__.removeprefix("walras.envs.") for kind in type(game).__mro__)
    own = next((entries[module] for module in modules if module in entries), {})
    return [Concept(name) for name in own]


def by_concept(entries: Mapping[str, Mapping[str, str]], game: object, concept: Concept) -> Callable[..., Any] | None:
    """Return what answers for a game and a concept; none for a game without entries, or the Nash gap of a stage game.

    Raises
    ------
    ValueError
        If the game has other concepts alone.
    """
    known = concepts_of(entries, game)
    if not known or (concept is Concept.NASH and concept not in known and answer(STAGES, game) is not None):
        return None
    require_known(str(concept), "concept", map(str, known))
    return answer({module: own[concept] for module, own in entries.items() if concept in own}, game)


def unanswered(entries: Mapping[str, Any], function: Any, game: object) -> TypeError:  # noqa: ANN401 - single dispatch
    """Return the error that says for which games `function` has an answer, or that it is given no game."""
    check_game(game)
    ours = {name for key, name in GAMES.items() if key.rpartition("-v")[0] in entries}
    own = {kind.__name__ for kind in function.registry if kind is not object}
    known = ", ".join(sorted(ours | own))
    return TypeError(f"`game` must have a registered {function.__name__} ({known}); got {type(game).__name__}.")


STAGES = {
    "allocation.resource_allocation": "allocation.reports_gap:reports_stage",
    "electricity.cournot_market": "electricity.cournot:cournot_stage",
    "electricity.day_ahead_market": "electricity.day_ahead_gap:day_ahead_stage",
    "electricity.network_cournot_market": "electricity.network_cournot:network_cournot_stage",
    "electricity.supply_function_market": "electricity.supply_function:supply_function_stage",
}
"""Likewise to its stage game, where actions move rewards of their own step alone."""

STAKES = {
    "allocation.resource_allocation": "allocation.reports_gap:reports_stake",
    "auctions.autobidding_market": "auctions.autobidding:autobidding_stake",
    "auctions.contest": "auctions.solutions:contest_stake",
    "auctions.double_auction": "auctions.solutions:double_auction_stake",
    "auctions.llg_auction": "auctions.llg:llg_stake",
    "auctions.sealed_bid_auction": "auctions.solutions:sealed_bid_stake",
    "electricity.cournot_market": "electricity.cournot:cournot_stake",
    "electricity.day_ahead_market": "electricity.day_ahead_gap:day_ahead_stake",
    "electricity.forward_spot_market": "electricity.forward_spot:forward_spot_stake",
    "electricity.network_cournot_market": "electricity.network_cournot:network_cournot_stake",
    "electricity.storage_market": "electricity.storage:storage_stake",
    "electricity.supply_function_market": "electricity.supply_function:supply_function_stake",
    "cooperation.cooperative_navigation": "cooperation.team_gaps:stake",
    "cooperation.grid_world": "cooperation.team_gaps:stake",
    "matrix.repeated_matrix_game": "matrix.repeated_matrix_game:payoff_stake",
    "matrix.repeated_pricing": "matrix.memory_gap:pricing_stake",
    "matrix.sequential_public_goods": "matrix.public_goods_gap:public_goods_stake",
    "matrix.tabular_markov_game": "matrix.tabular_markov_game:reward_stake",
    "teams.mean_field_limit_lq": "teams.affine:stakes",
    "teams.robust_team_lq": "teams.affine:stakes",
    "teams.team_mean_field_lq": "teams.affine:stakes",
    "trading.trading_network_game": "trading.trading_network_game:gains_from_trade",
}
"""Likewise to what each agent has at stake."""

OBSERVED = {
    "electricity.cournot_market": "electricity.inverse_cournot:observed_cournot",
    "electricity.day_ahead_market": "electricity.inverse_day_ahead:observed_day_ahead",
    "electricity.supply_function_market": "electricity.inverse_supply:observed_supply",
    "matrix.repeated_matrix_game": "matrix.inverse_matrix:observed_matrix",
    "matrix.tabular_markov_game": "matrix.inverse_markov:observed_markov",
}
"""Likewise to the family of games with unknown costs that it is one of; see `walras.equilibria.inverse`."""

PLAY_TABLES = {
    "electricity.cournot_market": "electricity.inverse_cournot:cournot_table",
    "electricity.day_ahead_market": "electricity.inverse_day_ahead:day_ahead_table",
    "electricity.supply_function_market": "electricity.inverse_supply:supply_table",
    "matrix.repeated_matrix_game": "matrix.inverse_matrix:matrix_table",
    "matrix.tabular_markov_game": "matrix.inverse_markov:markov_table",
}
"""Likewise to what writes its play as the table that the family reads."""

NAMES = {
    "AuctionSolution": "auctions.solutions",
    "Bidding": "auctions.bid_functions",
    "MixedBidding": "auctions.mixed",
    "NoisyBidding": "auctions.noisy",
    "BlockingSet": "trading.stability",
    "CompetitiveEquilibrium": "electricity.day_ahead",
    "Deviation": "gap",
    "Device": "normal_form.correlated",
    "DynamicResult": "trading.best_response_dynamic",
    "Gap": "certificate",
    "Kind": "certificate",
    "Budget": "certificate",
    "Regret": "gap",
    "Stage": "stage_games",
    "EquilibriumSet": "normal_form.extreme",
    "NashSolution": "normal_form.nash",
    "NetworkCournotEquilibrium": "electricity.network_cournot",
    "ForwardSpotEquilibrium": "electricity.forward_spot",
    "StorageEquilibrium": "electricity.storage",
    "best_constant_levers": "auctions.advertiser",
    "best_levers": "auctions.advertiser",
    "best_reply": "gap",
    "best_response": "matrix.markov_response",
    "correlated": "normal_form.correlated",
    "external_regret": "gap",
    "BertrandPlay": "matrix.inverse_bertrand",
    "BidPlay": "auctions.inverse_auctions",
    "CournotPlay": "electricity.inverse_cournot",
    "ExchangePlay": "allocation.inverse_exchange",
    "FisherPlay": "allocation.inverse_fisher",
    "InverseBertrand": "matrix.inverse_bertrand",
    "InverseCournot": "electricity.inverse_cournot",
    "InverseDayAhead": "electricity.inverse_day_ahead",
    "DayAheadPlay": "electricity.inverse_day_ahead",
    "Audited": "inverse.auditing",
    "InverseExchange": "allocation.inverse_exchange",
    "InverseFirstPrice": "auctions.inverse_auctions",
    "InverseFisher": "allocation.inverse_fisher",
    "InverseMarkov": "matrix.inverse_markov",
    "MarkovPlay": "matrix.inverse_markov",
    "InverseMatrix": "matrix.inverse_matrix",
    "InverseSecondPrice": "auctions.inverse_auctions",
    "InverseSupply": "electricity.inverse_supply",
    "InverseUndercutting": "matrix.inverse_bertrand",
    "MatrixPlay": "matrix.inverse_matrix",
    "SupplyPlay": "electricity.inverse_supply",
    "UndercuttingPlay": "matrix.inverse_bertrand",
    "InverseSolution": "inverse.fitting",
    "ParameterSet": "inverse.parameter_set",
    "MetaSolution": "normal_form.double_oracle",
    "Oracle": "normal_form.double_oracle",
    "PacingEquilibrium": "auctions.pacing",
    "StageOracle": "normal_form.double_oracle",
    "double_oracle": "normal_form.double_oracle",
    "extreme_nash": "normal_form.extreme",
    "first_price_pacing": "auctions.pacing",
    "fluid_optimum": "auctions.advertiser",
    "gap_of": "gap",
    "lemke_howson": "normal_form.bimatrix",
    "MarkovEquilibrium": "matrix.tabular_markov_game",
    "MarkovPolicy": "matrix.tabular_markov_game",
    "RepeatedEquilibrium": "matrix.repeated_matrix_game",
    "markov_correlated": "matrix.markov",
    "markov_perfect": "matrix.markov",
    "markov_zero_sum": "matrix.markov",
    "nash": "normal_form.nash",
    "second_price_pacing": "auctions.second_price_pacing",
    "sparse_cce_gap": "matrix.sparse_cce",
    "preference_nash": "normal_form.preference",
    "pure_nash": "normal_form.pure",
    "qre": "normal_form.logit",
    "hindsight_regret": "gap",
    "replay": "gap",
    "solver": "solve",
    "stage_of": "gap",
    "stake": "scale",
    "stakes": "scale",
    "swap_regret": "gap",
    "zero_sum": "normal_form.zero_sum",
    "JointOptimum": "cooperation.grid_world",
    "LQEquilibrium": "teams.finite_lq",
    "LinearQuadratic": "teams.linear_quadratic",
    "MemoryGame": "matrix.memory_policies",
    "MemoryResponses": "matrix.memory_policies",
    "OligopolyEquilibrium": "electricity.cournot",
    "PricingEquilibrium": "matrix.repeated_pricing",
    "PublicGoodsEquilibrium": "matrix.public_goods",
    "Quote": "trading.best_response_dynamic",
    "StationaryLQ": "teams.stationary_lq",
    "TabularPolicy": "matrix.tabular_policy",
    "TradingEquilibrium": "trading.competitive",
    "best_response_dynamic": "trading.best_response_dynamic",
    "blocking_set": "trading.stability",
    "classify": "trading.best_response_dynamic",
    "competitive_equilibrium": "trading.competitive",
    "exact_tick": "trading.best_response_dynamic",
    "grim_trigger": "matrix.memory_policies",
    "grim_trigger_threshold": "matrix.memory_policies",
    "InterimGap": "auctions.interim",
    "interim_gap": "auctions.gap",
    "expected_impulse": "matrix.memory_paths",
    "impulse_response": "matrix.memory_paths",
    "is_stable": "trading.stability",
    "lq_nash": "teams.finite_lq",
    "lyapunov_descent": "trading.lyapunov",
    "memory_best_response": "matrix.memory_policies",
    "price_lattice": "trading.competitive",
    "regret": "trading.competitive",
    "social_optimum": "matrix.public_goods_optimum",
    "stationary_nash": "teams.stationary_lq",
    "welfare_gap": "trading.competitive",
}
"""What `walras.equilibria` offers, and its module."""
