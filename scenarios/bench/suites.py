"""The suites of the house: `QUICK`, to see that all is well, and `CORE`, of which results are published."""

from collections.abc import Mapping
from typing import Any

from walras.scenarios.bench.registration import games, methods
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite


def _some(known: Mapping[str, Recipe], *names: str) -> dict[str, Recipe]:
    return {name: known[name] for name in names}


TUNED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
"""Settings of learners by family or game, found by a search on other seeds than those of the suites."""

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
        "teams.robust_team_lq": Recipe("teams.robust_team_lq", {"size": 8}),
        "teams.team_mean_field_lq": Recipe("teams.team_mean_field_lq", {"size": 8}),
    },
    budgets={"teams": 10_000},
    settings=TUNED,
)
"""Every registered game and method; teams of 8 agents rather than 32, so that it ends in two hours on two cores."""
