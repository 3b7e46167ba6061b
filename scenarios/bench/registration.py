"""What the benchmark knows by name: suites, methods, measures. Strings; nothing is imported yet."""

from collections.abc import Mapping
from typing import Any

from walras.agents.registration import LEARNERS, POLICIES
from walras.envs.registration import GAMES, place
from walras.scenarios.bench.suite import Recipe

SUITES = {
    "core": "walras.scenarios.bench.suites:CORE",
    "quick": "walras.scenarios.bench.suites:QUICK",
}
"""Suites, and where they are."""

REFERENCES = {
    "solved": "walras.scenarios.bench.references:solved",
    "scripted": "walras.core.policy:Scripted",
    "random": "walras.core.policy:Random",
}
"""Policies that learn nothing and stand beside the learners: the known solution, the game's own rule, chance."""

SHOWN: Mapping[str, Any] = {"demonstrations": {"thing": "walras.agents.imitation.demonstrations:collect"}}
"""Each agent shows its own task, alone; demonstrations of a seed are its own."""

VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "SB3": {name: {"algorithm": name} for name in ("PPO", "SAC", "TD3", "DQN")},
    "SharedSB3": {f"shared {name}": {"algorithm": name} for name in ("PPO", "SAC")},
    "NoRegret": {
        name: {"rule": {"make": f"walras.agents.no_regret.rules:{name}"}}
        for name in ("Hedge", "PredictiveRMPlus", "SwapHedge", "FictitiousPlay")
    },
    "BehaviourCloning": {"BehaviourCloning": SHOWN},
    "DM2": {"DM2": SHOWN},
    "MAGAIL": {"MAGAIL": SHOWN},
    "POfD": {"POfD": SHOWN},
    "PegMARL": {"PegMARL": SHOWN},
}
"""Learners that need arguments, or that are several methods by them; all others are one method without any."""

MEASURES: Mapping[str, Mapping[str, str]] = {
    "allocation.resource_allocation": {
        "envy": "allocation.measures:envy",
        "welfare": "allocation.measures:efficiency",
        "nash_welfare": "allocation.measures:nash_welfare",
    },
    "auctions.autobidding_market": {
        "ratio": "auctions.channel_measures:ratio",
        "shortfall": "auctions.channel_measures:shortfall",
        "overspend": "auctions.channel_measures:overspend",
    },
    "auctions.double_auction": {"welfare": "auctions.measures:efficiency"},
    "auctions.llg_auction": {"welfare": "auctions.measures:efficiency", "revenue": "auctions.measures:revenue"},
    "auctions.sealed_bid_auction": {"welfare": "auctions.measures:efficiency", "revenue": "auctions.measures:revenue"},
    "cooperation.cooperative_navigation": {"violations": "cooperation.measures:collisions"},
    "cooperation.grid_world": {
        "welfare": "cooperation.measures:share_of_optimum",
        "violations": "cooperation.measures:collisions",
    },
    "electricity.cournot_market": {
        "price": "electricity.measures:cournot_price",
        "price_distance": "electricity.measures:cournot_price_distance",
        "welfare": "electricity.measures:cournot_welfare",
    },
    "electricity.day_ahead_market": {
        "price": "electricity.measures:day_ahead_price",
        "price_distance": "electricity.measures:day_ahead_price_distance",
        "welfare_loss": "electricity.measures:day_ahead_welfare_loss",
    },
    "electricity.forward_spot_market": {
        "price": "electricity.forward_spot_measures:spot_price",
        "ahead": "electricity.forward_spot_measures:share_ahead",
    },
    "electricity.network_cournot_market": {
        "price": "electricity.network_measures:load_price",
        "welfare_loss": "electricity.network_measures:network_welfare_loss",
    },
    "electricity.storage_market": {
        "spread": "electricity.storage_measures:price_spread",
        "welfare_loss": "electricity.storage_measures:storage_welfare_loss",
    },
    "electricity.supply_function_market": {"price": "electricity.measures:supply_function_price"},
    "matrix.repeated_matrix_game": {"welfare": "matrix.play_measures:welfare"},
    "matrix.repeated_pricing": {"profit_gain": "matrix.play_measures:profit_gain"},
    "matrix.sequential_public_goods": {"given": "matrix.public_goods_measures:given"},
    "trading.trading_network_game": {
        "welfare": "trading.measures:realised_gains",
        "price_distance": "trading.measures:price_distance",
    },
}
"""By game, what is measured beside gaps and returns: from a name to a measure in `walras.scenarios`.

`welfare` is a share of the optimum; `violations` are counted an episode.
"""


def games() -> dict[str, Recipe]:
    """Return every registered game by family and module, with its own defaults."""
    return {key.rpartition("-v")[0]: Recipe(f"walras.envs.{place(key)}") for key in GAMES}


def methods() -> dict[str, Recipe]:
    """Return every registered learner, every policy that is a rule, and the references, by name."""
    learners = {
        name: Recipe(f"walras.agents.{module}:{kind}", arguments)
        for kind, module in LEARNERS.items()
        for name, arguments in VARIANTS.get(kind, {kind: {}}).items()
    }
    rules = {name: Recipe(f"walras.agents.{module}:{name}") for name, module in POLICIES.items()}
    return learners | rules | references()


def references() -> dict[str, Recipe]:
    """Return the references by name."""
    return {name: Recipe(where) for name, where in REFERENCES.items()}


def measures_of(game: Recipe) -> Mapping[str, str]:
    """Return what is measured in a game beside gaps and returns, by name; of a user's, nothing."""
    return MEASURES.get(game.make.removeprefix("walras.envs.").partition(":")[0], {})
