"""Settings of learners by family, found by a seeded search on other seeds than those of the suites.

Run: ``OMP_NUM_THREADS=1 python benchmarks/tuning.py [--families NAME ...] [--arms NAME ...]``. What it prints last is
`TUNED` of `walras.scenarios.bench.suites`.

Every arm has the same effort: the eight settings of its `SPACES`, each trained for the steps of the suite `core` by the
seeds `SEEDS` in the games `GAMES` of a family that it can play, and judged on episodes that no suite has. A setting's
score is the geometric mean over games and seeds of the gap that the best deviation found attains, as a share of what is
at stake, of the player that could gain most; shares below `LEAST` count as that. The defaults stay unless another
setting is better by a tenth: less is chance.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from operator import or_
from pprint import pformat
from typing import Any

import numpy as np
import torch
import tyro

from walras.core import AbstractGame, train
from walras.equilibria import Budget, gap
from walras.scenarios.bench.references import concept_of
from walras.scenarios.bench.registration import games, methods
from walras.scenarios.bench.suite import Recipe
from walras.scenarios.bench.suites import CERTAIN, CORE, FAST, MORE, NARROW, OFTEN, SHORT

STEPS, SEEDS, EPISODES, LEAST, BETTER = CORE.steps, (1000, 1001), range(900_000, 900_032), 1e-3, 0.9
GAMES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "allocation": {"resource_allocation": {}},
    "auctions": {"sealed_bid_auction": {}, "contest": {}},
    "cooperation": {"grid_world": {}},
    "electricity": {"cournot_market": {}, "supply_function_market": {}, "day_ahead_market": {}},
    "matrix": {"repeated_matrix_game": {}, "sequential_public_goods": {}},
    "teams": {"mean_field_limit_lq": {}, "team_mean_field_lq": {"size": 4}},
    "trading": {"trading_network_game": {}},
}
"""By family, games and arguments: those that tell settings apart at little cost."""
OWN: Mapping[str, tuple[Any, Any]] = {
    "learning_rate": ({}, FAST),
    "first std": ({}, {"log_std": -2.0}),
    "rollouts": ({}, OFTEN),
}
PROXIMAL: Mapping[str, tuple[Any, Any]] = {
    "learning_rate": ({}, FAST),
    "first std": ({}, NARROW),
    "rollouts": ({}, SHORT),
}
OFF_POLICY: Mapping[str, tuple[Any, Any]] = {
    "learning_rate": ({}, FAST),
    "updates": ({}, MORE),
}
ENTROPY: Mapping[str, tuple[Any, Any]] = OFF_POLICY | {"weight of entropy": ({}, CERTAIN)}
BASELINES: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "PPO": PROXIMAL,
    "shared PPO": PROXIMAL,
    "SAC": ENTROPY,
    "shared SAC": ENTROPY,
    "TD3": OFF_POLICY | {"targets": ({}, {"tau": 0.02})},
    "DQN": OFF_POLICY | {"targets": ({}, {"target_update_interval": 256})},
}
"""Of the learners of Stable-Baselines3, by the names of its hyperparameters."""
SPACES = dict.fromkeys(("MAPPO", "IPPO", "PegMARL", "POfD", "MAGAIL", "DM2"), OWN) | BASELINES
"""By arm, what varies: the default or another value. Shorter rollouts have as many steps of the optimiser, in all."""


@dataclass(frozen=True)
class Options:
    """What is searched."""

    families: tuple[str, ...] = tuple(GAMES)
    arms: tuple[str, ...] = tuple(SPACES)


def configurations(arm: str) -> Iterator[dict[str, Any]]:
    """Yield all settings of an arm, the defaults first."""
    for parts in product(*SPACES[arm].values()):
        found: dict[str, Any] = reduce(or_, parts)
        yield {"hyperparameters": found} if found and arm in BASELINES else found


def games_of(family: str, arm: str) -> Iterator[AbstractGame[Any]]:
    """Yield the games in which a family's settings are found, if an arm can play them."""
    for name, arguments in GAMES[family].items():
        game = Recipe(games()[f"{family}.{name}"].make, arguments).made()
        if plays(arm, game):
            yield game


def learner_of(arm: str, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever learner the arm is
    """Return an arm's learner with the budget of the search."""
    base = methods()[arm]
    return replace(Recipe(base.make, {**base.arguments, **settings}).made(), steps=STEPS, checkpoints=1)


def plays(arm: str, game: AbstractGame[Any]) -> bool:
    """Return whether an arm can play a game."""
    try:
        learner_of(arm, {}).check(game)
    except TypeError:
        return False
    return True


def attained(family: str, arm: str, settings: Mapping[str, Any]) -> list[float]:
    """Return the relative gap of each game and seed."""
    found, learner = list[float](), learner_of(arm, settings)
    for game in games_of(family, arm):
        for seed in SEEDS:
            policy, budget = train(learner, game, seed), Budget(samples=8, episodes=512, frames=32_768)
            judged = gap(game, policy, concept=concept_of(game), seeds=EPISODES, budget=budget)
            found.append(float(np.max(judged.estimate / judged.scale)))
    return found


def search(family: str, arm: str) -> dict[str, Any]:
    """Print the score of each setting; return the best, nothing if these are the defaults."""
    tried = list(configurations(arm))
    scores = list[float]()
    for settings in tried:
        began = time.process_time()
        found = attained(family, arm, settings)
        scores.append(float(np.exp(np.log(np.maximum(found, LEAST)).mean())))
        shares = " ".join(f"{100 * share:.3g}" for share in found)
        spent = time.process_time() - began
        print(f"| {family} | {arm} | {settings} | {100 * scores[-1]:.3g} | {shares} | {spent:.0f} |", flush=True)
    best = int(np.argmin(scores))
    return tried[best] if scores[best] < BETTER * scores[0] else {}


def main(options: Options) -> None:
    """Print all scores, and what was found."""
    torch.set_num_threads(1)
    print("| family | arm | settings | score, % | gaps, % | CPU s |\n|---|---|---|---|---|---|")
    found = {
        arm: {family: search(family, arm) for family in options.families if any(games_of(family, arm))}
        for arm in options.arms
    }
    kept = {arm: {family: best for family, best in own.items() if best} for arm, own in found.items()}
    print(f"TUNED = {pformat(kept, width=118, sort_dicts=False)}")


if __name__ == "__main__":
    main(tyro.cli(Options))
