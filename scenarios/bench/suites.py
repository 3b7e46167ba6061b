"""The suites of the house: `QUICK`, to see that all is well, and `CORE`, of which results are published."""

from collections.abc import Mapping
from typing import Any

from walras.scenarios.bench.registration import games, methods
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite


def _some(known: Mapping[str, Recipe], *names: str) -> dict[str, Recipe]:
    return {name: known[name] for name in names}


FAST = {"learning_rate": 3e-3}
OFTEN = {"rollout_steps": 8, "minibatches": 1, "epochs": 10}
"""Learn four times as often, from a quarter of the experience each time."""
SHORT = {"n_steps": 8, "n_epochs": 10}
"""The same, as Stable-Baselines3 has it."""
MORE = {"learning_starts": 256, "gradient_steps": 4}
"""Four updates a step of the 32 games, after a quarter of the steps at random."""
CERTAIN = {"ent_coef": "auto_0.1"}
"""Explore less at first."""
NARROW = {"policy_kwargs": {"net_arch": [64, 64], "log_std_init": -2.0}}
"""The same, of PPO."""
OWN: Mapping[str, Mapping[str, Any]] = {
    "allocation": OFTEN,
    "auctions": OFTEN | FAST,
    "electricity": OFTEN | FAST,
    "matrix": OFTEN,
}
BASELINES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "PPO": {
        "allocation": SHORT,
        "auctions": SHORT | FAST,
        "cooperation": SHORT,
        "electricity": SHORT | FAST,
        "matrix": SHORT | NARROW,
    },
    "shared PPO": {
        "allocation": SHORT | FAST,
        "auctions": SHORT | FAST,
        "electricity": SHORT,
        "matrix": SHORT | FAST,
    },
    "SAC": {
        "allocation": MORE | CERTAIN,
        "auctions": MORE | FAST,
        "electricity": MORE | FAST,
        "matrix": MORE,
        "teams": MORE | FAST,
    },
    "shared SAC": {
        "allocation": MORE | CERTAIN,
        "auctions": MORE | FAST,
        "electricity": MORE,
        "matrix": MORE | CERTAIN,
        "teams": MORE | FAST | CERTAIN,
    },
    "TD3": {
        "allocation": MORE | FAST,
        "electricity": MORE | FAST,
        "teams": MORE | FAST | {"tau": 0.02},
    },
    "DQN": {"matrix": MORE},
}
TUNED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "MAPPO": {**OWN, "teams": {"log_std": -2.0}},
    "IPPO": OWN,
    "MAGAIL": {"cooperation": OFTEN},
    **{
        name: {family: {"hyperparameters": chosen} for family, chosen in found.items()}
        for name, found in BASELINES.items()
    },
}
"""Settings of learners by family, found on other seeds than those of the suites: `python benchmarks/tuning.py`.

Families that are not named keep the defaults.
"""

SLOWER: Mapping[str, Any] = {
    "rule": {"make": "walras.agents.teams.policy_gradient:Natural", "arguments": {"step": 0.02}}
}
"""Against nature, natural gradients of both sides at once diverge by steps of 0.05 or more, also by the default."""
ALONE: Mapping[str, Any] = {"sessions": 1}
"""Of firms that learn prices by themselves in many markets, those of the first are the policy; it needs no others."""
QUICK = Suite(
    name="quick",
    games=_some(games(), "electricity.cournot_market", "cooperation.grid_world", "teams.mean_field_limit_lq"),
    methods=_some(methods(), "MAPPO", "PPO", "MRPG", "solved", "scripted", "random"),
    steps=8_192,
    seeds=3,
    block=3,
    settings=TUNED,
    evaluation=Evaluation(checkpoints=2, samples=8, frames=16_384, samples_on_the_way=8, frames_on_the_way=16_384),
)
CORE = Suite(
    name="core",
    games=games()
    | {
        "allocation.resource_allocation": Recipe("allocation.resource_allocation", {"horizon": 8}),
        "teams.robust_team_lq": Recipe("teams.robust_team_lq", {"size": 4}),
        "teams.team_mean_field_lq": Recipe("teams.team_mean_field_lq", {"size": 4}),
    },
    steps=4_096,
    block=10,
    settings=TUNED
    | {name: {"teams.robust_team_lq": SLOWER} for name in ("MRPG", "WholeHorizon")}
    | {"QPairs": {"matrix": ALONE}},
    evaluation=Evaluation(
        checkpoints=2,
        samples=16,
        frames=65_536,
        samples_on_the_way=8,
        frames_on_the_way=16_384,
        opponents=("IPPO",),
    ),
)
"""Every registered game and method, with ten seeds, at a budget that one machine affords: an hour of two cores.

Teams have 4 agents rather than 32, and allocation has 8 steps rather than 24, which are alike: certificates of these
games cost the most.
"""
