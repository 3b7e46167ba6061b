"""Witness: a small fixed set of solutions, trainings and runs, whose numbers a restructuring must not move.

Run: ``python benchmarks/witness.py --write [--only PREFIX]`` before a change, which writes ``witness.json`` beside this
file; without ``--write`` after it, which prints each difference and exits with 1 if there is one. Numbers are compared
bit for bit, so the file is good for one machine and one set of versions, and git ignores it. All linear algebra runs on
one thread, since with more the last bits of a sum depend on their number. Studies of prices run on data of the user's
and are left out.
"""

import argparse
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, TypeAlias

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before numpy comes

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from walras import envs
from walras.agents import (
    behaviour_cloning,
    demonstrations,
    dm2,
    ippo,
    magail,
    mappo,
    mrpg,
    pegmarl,
    pofd,
    rgda,
    sb3,
    whole_horizon,
)
from walras.agents.ppo.learner import Trained
from walras.agents.teams.oracles import VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Natural, Vanilla
from walras.core import AbstractGame, Policy, Random, Scripted, rollout
from walras.envs import (
    CooperativeNavigation,
    CournotMarket,
    DayAheadMarket,
    GridWorld,
    ResourceAllocation,
    RobustTeamLQ,
    SupplyFunctionMarket,
    TeamMeanFieldLQ,
    TradingNetworkGame,
)
from walras.envs.registration import GAMES
from walras.equilibria import Budget, gap, solve
from walras.markets.electricity.data import CLEAN_COLUMNS
from walras.markets.trading.generators import core_periphery
from walras.mechanisms import ExPFNet, ExSNet, FitSettings, RPFNet, Types, Untruthful, fit
from walras.scenarios import Source
from walras.scenarios.engine.runner import run

Game: TypeAlias = AbstractGame[Any]
Value: TypeAlias = float | str | None
Numbers: TypeAlias = dict[str, Value]

FILE = Path(__file__).with_suffix(".json")
GAP_SEEDS, PLAY_SEEDS = range(32), range(4)
GAP_BUDGET = Budget(samples=16, episodes=64, frames=1)

VARIANTS: dict[str, Callable[[], Game]] = {
    "cournot_market/limits": lambda: CournotMarket(120.0, 0.5, (10.0, 20.0), (0.5, 0.1), capacity=(60.0, 30.0)),
    "supply_function_market/two": lambda: SupplyFunctionMarket((50.0, 90.0), 0.5, (5.0, 8.0), 0.3, horizon=6),
    "day_ahead_market/short": lambda: DayAheadMarket(markup_limit=20.0, horizon=6),
    "resource_allocation/short": lambda: ResourceAllocation(misreports="values+demands", horizon=2),
    "grid_world/lava_3": lambda: GridWorld.lava(3),
    "grid_world/door_a": lambda: GridWorld.door("a"),
    "grid_world/door_b": lambda: GridWorld.door("b"),
    "cooperative_navigation/wall_spread": lambda: CooperativeNavigation.with_wall(2, start_spread=0.1),
    "cooperative_navigation/simple_spread": lambda: replace(CooperativeNavigation.simple_spread(2), horizon=10),
    "team_mean_field_lq/unstable": lambda: TeamMeanFieldLQ.unstable(horizon=4, size=8),
    "mean_field_limit_lq/unstable": lambda: TeamMeanFieldLQ.unstable(horizon=4).limit_game(),
    "mean_field_limit_lq/robust": lambda: RobustTeamLQ.mild().teams.limit_game(),
    "robust_team_lq/unstable": lambda: RobustTeamLQ.unstable(horizon=4, size=8),
    "robust_team_lq/below_the_level": lambda: replace(RobustTeamLQ.unstable(), attenuation=0.95),
    "trading_network_game/core_periphery": lambda: TradingNetworkGame(
        core_periphery(2, 4, np.random.default_rng(2), 1), movers=2, horizon=60
    ),
}

SHORT_COOPERATION: dict[str, Any] = {"seeds": 1, "steps": 4096, "checkpoints": 1, "episodes": 5}
SHORT_TRAINING: dict[str, Any] = {"seeds": 1, "steps": 2, "checkpoints": 2}
SHORT_TRADING: dict[str, Any] = {"seeds": 2, "horizon": 100, "practice": 4, "steps": 1024, "checkpoints": 2}
SHORT_TEAMS: dict[str, Any] = {"seeds": 2, "horizon": 3, "iterations": 4, "samples": 50, "checkpoints": 2}
SHORT_DIVISION: dict[str, Any] = {"seeds": 1, "steps": 2, "profiles": 3}
SHORT_LEARNING: dict[str, Any] = {"seeds": 1, "steps": 1024, "checkpoints": 1}
SHORT_AUCTION: dict[str, Any] = SHORT_LEARNING | {"rounds": 20}

FIELDS: dict[str, dict[str, Any]] = {
    "algorithmic_collusion": {
        "prices": 4,
        "beta": 1e-3,
        "sessions": 2,
        "stable": 500,
        "limit": 20_000,
        "ppo_steps": 2000,
        "checkpoints": 2,
        "seeds": 1,
    },
    "autobidding": SHORT_LEARNING | {"auctions": 4, "horizon": 20, "steps": 100},
    "cournot": SHORT_TRAINING,
    "day_ahead": SHORT_TRAINING | {"seeds": 2, "steps": 1, "checkpoints": 1, "hours": 12},
    "door": SHORT_COOPERATION | {"case": "b", "learners": ["pegmarl", "mappo", "behaviour_cloning"]},
    "double_auction": SHORT_AUCTION,
    "fair_division": SHORT_DIVISION | {"surcharges": [1.0]},
    "fair_division_shift": SHORT_DIVISION | {"untruthful": [0.3]},
    "first_price": SHORT_AUCTION,
    "forward_spot": SHORT_LEARNING,
    "lava": SHORT_COOPERATION | {"quality": 0.5, "eta": 0.1, "learners": ["pofd", "dm2", "magail"]},
    "llg": SHORT_LEARNING,
    "navigation": SHORT_COOPERATION | {"learners": ["pegmarl", "behaviour_cloning"]},
    "matrix_games": {"rounds": 200, "seeds": 3, "size": 3},
    "network_cournot": {},
    "otc_market": SHORT_TRADING | {"dealers": 2, "clients": 4, "links": 1},
    "price_discovery": SHORT_TRADING | {"sellers": 3, "buyers": 3, "density": 0.8, "runs": 1},
    "public_goods": {"steps": 1200, "checkpoints": 1, "seeds": 1},
    "robust_team": SHORT_TEAMS,
    "storage": SHORT_LEARNING,
    "supply_chain": SHORT_TRADING | {"layers": [2, 2, 2]},
    "supply_function": SHORT_TRAINING | {"steps": 2400, "learner": "SAC"},
    "team_competition": SHORT_TEAMS | {"steps": 2},
    "used_cars": SHORT_TRADING | {"owners": 2, "dealers": 2, "drivers": 3},
}
"""What makes each scenario small."""


def flat(value: Any, path: str = "") -> Numbers:  # noqa: ANN401 - nests of dictionaries, lists, arrays and numbers
    """Return a nest as one flat dictionary, its paths joined by slashes."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return {path: value}
    return {
        name: leaf for key, entry in items for name, leaf in flat(entry, f"{path}/{key}" if path else f"{key}").items()
    }


def checksum(values: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's type, shape and bytes; of objects, that of their text."""
    content = "\n".join(map(str, values)).encode() if values.dtype == object else np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(f"{values.dtype.str} {values.shape} ".encode() + content).hexdigest()


def refusal(call: Callable[[], object]) -> str | None:
    """Return the type of the error that `call` raises, or nothing."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return None


def solved(game: Game) -> tuple[Numbers, dict[str, Policy]]:
    """Return what the solver says, and its policy by name where it has one."""
    concept = "competitive" if isinstance(game, DayAheadMarket) else None  # its Nash equilibria take minutes
    ask = partial(solve, game, concept, seeds=GAP_SEEDS, budget=GAP_BUDGET, throw=False)
    error = refusal(ask)
    numbers: Numbers = {"error": error}
    if error is not None:
        return numbers, {}
    found = ask()
    numbers |= {"residual": float(found.residual), "status": found.status.name, "concept": str(found.concept)}
    return numbers | flat(found.value, "value"), {"solution": found.policy}


def distance(game: Game, policy: Policy) -> Numbers:
    """Return what `gap` says of a policy."""
    found = gap(game, policy, seeds=GAP_SEEDS, budget=GAP_BUDGET)
    ends = {name: getattr(found, name) for name in ("lower", "upper", "estimate", "value", "scale")}
    return flat({"kind": str(found.kind)} | ends)


def play(game: Game, policy: Policy) -> Numbers:
    """Return each agent's mean total of a few episodes, and checksums of what it did and got."""
    played = rollout(game, policy, PLAY_SEEDS)
    sums = {name: checksum(getattr(played, name)) for name in ("action", "reward", "observation")}
    return flat({"total": played.total.mean(axis=0)} | sums)


def of_game(make: Callable[[], Game]) -> Numbers:
    """Return what solver and gap say of a game."""
    game = make()
    solution, policies = solved(game)
    policies |= {"scripted": Scripted(game), "random": Random(game)}
    judged = {name: {"gap": distance(game, policy), "play": play(game, policy)} for name, policy in policies.items()}
    return flat({"solve": solution} | judged)


@dataclass(frozen=True)
class Learned:
    """What a learner leaves: the game, its policies by name, and other numbers, such as its curve."""

    game: Game
    policies: dict[str, Policy]
    numbers: dict[str, Any] = field(default_factory=dict)


def of_learner(learn: Callable[[], Learned]) -> Numbers:
    """Return what a learner's policies do, and its curve."""
    learned = learn()
    played = {name: play(learned.game, policy) for name, policy in learned.policies.items()}
    return flat(played | learned.numbers)


ON_POLICY = {"n_steps": 4, "batch_size": 64, "n_epochs": 2, "policy_kwargs": {"net_arch": [8]}}
OFF_POLICY = {"learning_starts": 64, "batch_size": 32, "buffer_size": 2000, "policy_kwargs": {"net_arch": [8]}}


def by_sb3(train: Callable[..., sb3.Trained], algorithm: str) -> Learned:
    """Train with Stable-Baselines3, and go on from there."""
    game = CournotMarket(cost=(10.0, 12.0), cost_slope=1.0, horizon=4, discount=0.5)
    options = {"hyperparameters": ON_POLICY if algorithm == "PPO" else OFF_POLICY}
    first = train(game, algorithm, 0, steps=1024, **options)
    again = train(game, algorithm, 1, steps=1024 + 256, start=first, **options)
    return Learned(game, {"policy": first, "continued": again})


CROSSING = GridWorld(map="1 . b\n2 . a", horizon=40)
SHORT_PPO = {"num_envs": 8, "rollout_steps": 16, "epochs": 2, "hidden": (8,), "discount": 0.9}
DISCRETE = {"num_envs": 8, "rollout_steps": 32, "epochs": 2, "minibatches": 2, "units": "raw", "actors": "shared"}


def by_mappo(learner: ModuleType, game: Game, **settings: Any) -> Learned:  # noqa: ANN401 - any of its fields
    """Train with MAPPO or IPPO, and go on from there."""
    rollout = settings["num_envs"] * settings["rollout_steps"]
    first = learner.train(game, 0, steps=4 * rollout, **settings)
    again = learner.train(game, 0, steps=5 * rollout, start=first, **settings)
    policies = {"policy": first.policy, "greedy": first.greedy, "continued": again.policy}
    return Learned(game, policies, {"curve": curve(again), "weights": weights(again)})


def by_guided(learner: ModuleType, game: Game) -> Learned:
    """Train by MAPPO with demonstrations."""
    trained = learner.train(game, demonstrations.collect(game, 0.8, 5, 0), 0, steps=4096, num_envs=8)
    policies: dict[str, Policy] = {"policy": trained.policy, "greedy": trained.greedy}
    return Learned(game, policies, {"curve": curve(trained), "weights": weights(trained)})


def curve(trained: Trained) -> dict[str, Any]:
    """Return a learning curve."""
    return {name: getattr(trained.curve, name) for name in ("steps", "episodes", "total")}


def weights(trained: Trained) -> list[str]:
    """Return checksums of the weights of MAPPO's actors and critics."""
    return [checksum(weight.detach().numpy()) for weight in trained.training.parameters]


def by_cloning(game: Game) -> Learned:
    """Clone behaviour."""
    shown = demonstrations.collect(game, 0.8, 5, 0)
    sums = {name: checksum(getattr(shown, name)) for name in ("agent", "state", "action")}
    clone = behaviour_cloning.train(game, shown, 0, hidden=(8,), updates=50)
    learned = [checksum(part) for layer in clone.policy.layers for part in layer]
    return Learned(game, {"policy": clone}, {"demonstrations": sums, "weights": learned})


def by_gradient(learner: ModuleType, game: Game, **settings: Any) -> Learned:  # noqa: ANN401 - any of its fields
    """Learn linear gains by a policy gradient."""
    trained = learner.train(game, 0, **settings)
    path = {"deviation": checksum(trained.deviation), "mean": checksum(trained.mean)}
    last = {"deviation": trained.policy.deviation, "mean": trained.policy.mean}
    return Learned(game, {"policy": trained}, {"path": path, "last": last, "gap": distance(game, trained)})


LEARNERS: dict[str, Callable[[], Learned]] = {
    **{f"sb3/{name}": partial(by_sb3, sb3.train, name) for name in ("PPO", "SAC", "TD3")},
    **{f"sb3_shared/{name}": partial(by_sb3, sb3.train_shared, name) for name in ("PPO", "SAC", "TD3")},
    "mappo/box": lambda: by_mappo(mappo, CournotMarket(horizon=6), **SHORT_PPO),
    "mappo/discrete": lambda: by_mappo(mappo, CROSSING, critics="averaged", **DISCRETE),
    "ippo/box": lambda: by_mappo(ippo, SupplyFunctionMarket(horizon=6), **SHORT_PPO),
    "ippo/discrete": lambda: by_mappo(ippo, GridWorld.lava(2), **DISCRETE),
    **{f"{learner.__name__.split('.')[-1]}/crossing": partial(by_guided, learner, CROSSING)
       for learner in (pegmarl, pofd, magail, dm2)},
    "pegmarl/door": lambda: by_guided(pegmarl, GridWorld.door("b")),
    "pegmarl/navigation": lambda: by_guided(pegmarl, CooperativeNavigation.with_wall(2)),
    "behaviour_cloning/lava": lambda: by_cloning(GridWorld.lava(2)),
    "behaviour_cloning/navigation": lambda: by_cloning(CooperativeNavigation.with_wall(2)),
    "mrpg/exact": lambda: by_gradient(mrpg, TeamMeanFieldLQ.mild(size=8), iterations=10),
    "mrpg/sampled": lambda: by_gradient(mrpg, TeamMeanFieldLQ.mild(size=8), oracle=ZerothOrderOracle(50), iterations=3),
    "mrpg/variance_reduced": lambda: by_gradient(
        mrpg, TeamMeanFieldLQ.mild().limit_game(), oracle=VarianceReducedOracle(50), iterations=3
    ),
    "rgda/exact": lambda: by_gradient(rgda, RobustTeamLQ.unstable(size=8), iterations=10),
    "rgda/sampled": lambda: by_gradient(
        rgda, replace(RobustTeamLQ.mild(size=8), limit=1e15), oracle=ZerothOrderOracle(50), iterations=3
    ),
    "whole_horizon/natural": lambda: by_gradient(
        whole_horizon, TeamMeanFieldLQ.mild(size=8), rule=Natural(0.1), updates=10
    ),
    "whole_horizon/vanilla": lambda: by_gradient(
        whole_horizon, RobustTeamLQ.mild(size=8), rule=Vanilla(0.01), updates=10
    ),
}  # fmt: skip


def of_mechanism(start: RPFNet | ExPFNet | ExSNet, population: Types | Untruthful) -> Numbers:
    """Return the course of a mechanism's training, its weights, and what lies gain under it."""
    settings = FitSettings(steps=4, batch=8, profiles=24, candidates=3, climbs=1)
    fitted = fit(start, population, settings, seed=0, progress=False)
    game = ResourceAllocation(fitted.mechanism, horizon=2)
    weights = {name: checksum(weight.numpy()) for name, weight in fitted.mechanism.state_dict().items()}
    judged = {"gap": distance(game, Scripted(game)), "play": play(game, Scripted(game))}
    return flat({"history": fitted.history, "weights": weights} | judged)


MECHANISMS: dict[str, Callable[[], Numbers]] = {
    "RPFNet": lambda: of_mechanism(RPFNet(), Types(3, 2)),
    "ExPFNet": lambda: of_mechanism(ExPFNet(), Types(3, 2, shape=(2.0, 5.0), correlation=0.5)),
    "ExSNet": lambda: of_mechanism(ExSNet(), Untruthful(Types(3, 2), 0.5)),
}


def of_scenario(name: str, fields: Mapping[str, Any]) -> Numbers:
    """Run a scenario and return its summary and its tables."""
    with TemporaryDirectory() as root:
        folder = run(Source(name, dict(fields)), Path(root), workers=1, progress=False)
        summary = json.loads((folder / "summary.json").read_text())
        tables = {path.stem: of_table(path) for path in sorted(folder.glob("*.parquet"))}
    numbers: Numbers = {path: value for path, value in flat(summary).items() if not isinstance(value, str)}
    return numbers | flat(tables)


def of_table(path: Path) -> Numbers:
    """Return the checksum of each column."""
    table = pd.read_parquet(path)
    return {str(name): checksum(column_of(table[name])) for name in table.columns}


def column_of(column: "pd.Series[Any]") -> NDArray[Any]:
    """Return numbers as they are, times and words as objects."""
    return column.to_numpy() if column.dtype.kind in "biuf" else column.to_numpy(dtype=object)


def with_hours() -> Numbers:
    """Run `day_ahead` on recorded hours, which are made up: fourteen months of them."""
    rng, hours = np.random.default_rng(0), 8760 + 60 * 24
    start = pd.date_range("2014-12-31 23:00", periods=hours, freq="h", tz="UTC").strftime("%Y-%m-%d %H:%M:%S+00:00")
    columns = {name: rng.integers(100, 900, hours).astype(float) for name in CLEAN_COLUMNS[1:-1]}
    columns["load_actual_mw"] = 20_000 + rng.integers(0, 8000, hours).astype(float)
    table = pd.DataFrame({"timestamp_utc": start, **columns, "flag": 0})
    with TemporaryDirectory() as root:
        table.to_csv(Path(root) / "hours.csv", index=False)
        recorded = {"data": str(Path(root) / "hours.csv"), "start": "2016-01-10", "hours": 24}
        return of_scenario("day_ahead", FIELDS["day_ahead"] | recorded)


def with_flows() -> Numbers:
    """Run `supply_chain` along flows of trade."""
    with TemporaryDirectory() as root:
        path = Path(root) / "flows.csv"
        path.write_text("exporter,importer,value\nNO,SE,5\nNO,DK,2\nSE,DK,1\nDK,FI,3\n")
        return of_scenario("supply_chain", SHORT_TRADING | {"flows": str(path), "trades": 8})


def _module(key: str) -> str:
    """Return a game's module, without family and version."""
    return key.partition(".")[2].rpartition("-v")[0]


def cases() -> dict[str, Callable[[], Numbers]]:
    """Return all that is run, by the beginning of its numbers' names."""
    makes = {f"{_module(key)}/default": getattr(envs, name) for key, name in GAMES.items()} | VARIANTS
    return {
        **{f"games/{name}": partial(of_game, make) for name, make in makes.items()},
        **{f"learners/{name}": partial(of_learner, learn) for name, learn in LEARNERS.items()},
        **{f"mechanisms/{name}": call for name, call in MECHANISMS.items()},
        **{f"scenarios/{name}": partial(of_scenario, name, fields) for name, fields in FIELDS.items()},
        "scenarios/day_ahead_recorded": with_hours,
        "scenarios/supply_chain_flows": with_flows,
    }


def measured(name: str, case: Callable[[], Numbers]) -> Numbers:
    """Run one case; if it fails, show why and return the type of the error as its only number."""
    began = time.perf_counter()
    try:
        numbers = case()
    except Exception as error:
        traceback.print_exc()
        numbers = {"failed": type(error).__name__}
    print(f"{time.perf_counter() - began:7.2f} s  {name}", file=sys.stderr, flush=True)
    return {f"{name}/{path}": value for path, value in numbers.items()}


def measure(only: str = "") -> Numbers:
    """Return the numbers whose names begin with `only`."""
    torch.set_num_threads(1)
    numbers: Numbers = {}
    for name, case in cases().items():
        if name.startswith(only) or only.startswith(f"{name}/"):
            numbers |= measured(name, case)
    return {name: value for name, value in numbers.items() if name.startswith(only)}


def differences(before: Numbers, now: Numbers) -> Iterator[str]:
    """Yield a line for each number that is not the same bit for bit."""
    for name in sorted(before.keys() | now.keys()):
        old, new = (repr(numbers[name]) if name in numbers else "nothing" for numbers in (before, now))
        if old != new:
            yield f"{name}: was {old}, is {new}"


def read() -> Numbers:
    """Return what was written."""
    return json.loads(FILE.read_text()) if FILE.is_file() else {}


def main() -> int:
    """Compare or write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the numbers instead of comparing them")
    parser.add_argument("--only", default="", metavar="PREFIX", help="only numbers whose names begin so")
    options = parser.parse_args()
    before, now = read(), measure(options.only)
    if options.write:
        kept = {name: value for name, value in before.items() if not name.startswith(options.only)}
        FILE.write_text(json.dumps(kept | now, indent=0, sort_keys=True) + "\n")
        return 0
    found = list(differences({name: v for name, v in before.items() if name.startswith(options.only)}, now))
    print("\n".join([*found, f"{len(now)} numbers, {len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
