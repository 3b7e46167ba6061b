"""What a user may get wrong: each mistake is told with argument, rule and value, and the file where there is one."""

# ruff: noqa: E501 - a row is a line

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import walras
from walras import agents, envs, equilibria, mechanisms
from walras.agents.imitation import demonstrations
from walras.agents.no_regret.rules import Hedge
from walras.core import Random, Scripted
from walras.envs.registration import GAMES
from walras.markets import auctions
from walras.markets.allocation import fisher
from walras.markets.electricity import price_level
from walras.markets.electricity.clearing import clear
from walras.markets.electricity.data import CLEAN_COLUMNS, load_spain, must_run_mw
from walras.markets.electricity.elastic_network import Plant
from walras.markets.electricity.generation import Conditions, Generator, recorded_conditions, spanish_conditions
from walras.markets.electricity.horizon import clear_horizon
from walras.markets.electricity.matpower import load_matpower
from walras.markets.electricity.network import NetworkMarket
from walras.markets.electricity.storage import Storage
from walras.markets.matrix import MarkovGame, MatrixGame, MatrixGames
from walras.markets.matrix.nfg import parse_nfg, read_nfg
from walras.markets.trading.generators import from_flows
from walras.scenarios.cli import main
from walras.scenarios.engine.catalogue import find_scenario, source_of

ERRORS = (ValueError, TypeError, FileNotFoundError, SystemExit)


class Wrong(NamedTuple):
    """A mistake, and what its message says."""

    make: Callable[[], object]
    told: tuple[str, ...]


def wrong(make: Callable[[], object], *told: str) -> Wrong:
    return Wrong(make, told)


def command(line: str, *told: str) -> Wrong:
    """A command in a folder that holds `FILES`."""
    return Wrong(lambda: main(line.split()), told)


def written(name: str, content: str | bytes) -> str:
    """Write a file in the working folder and return its name."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def flows(content: str | bytes, name: str = "flows.csv") -> object:
    return from_flows(written(name, content), 4, np.random.default_rng(0))


def hours(change: Callable[[pd.DataFrame], pd.DataFrame], count: int = 48) -> object:
    """Load a clean table of Spanish hours, changed."""
    time = pd.date_range("2018-01-20", periods=count, freq="h", tz="UTC")
    table = pd.DataFrame({name: np.full(count, 1.0) for name in CLEAN_COLUMNS[1:-1]} | {"flag": 0})
    table.insert(0, "timestamp_utc", time.strftime("%Y-%m-%d %H:%M:%S+00:00"))
    change(table).to_csv("hours.csv", index=False)
    return load_spain("hours.csv")


def at(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return changed


def network(**line: object) -> "nx.MultiGraph[int]":
    graph: nx.MultiGraph[int] = nx.MultiGraph()
    graph.add_edge(1, 2, **({"susceptance": 5.0} | line))
    return graph


def scenario(body: str, name: str = "mine.py") -> object:
    return find_scenario(written(name, body))


def shown(change: Callable[[demonstrations.Demonstrations], dict[str, Any]]) -> object:
    """Change demonstrations, and read them back for their game."""
    made = demonstrations.collect(CROSSING, episodes=2)
    fields = {name: getattr(made, name) for name in ("game", "quality", *demonstrations.COLUMNS)} | change(made)
    found = demonstrations.Demonstrations(**fields)
    found.check(CROSSING)
    return found


CROSSING = envs.GridWorld.lava(agents=2)
COURNOT = envs.CournotMarket(horizon=3)
V, X, B = torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.ones(1, 2)
DATA = "exporter,importer,value\n"

COMMANDS = {
    "unknown verb": command("slove cournot", "`verb` must be one of", "'slove'", "Did you mean 'solve'?"),
    "unknown scenario": command("solve cournt", "`scenario` must be one of", "Did you mean 'cournot'?"),
    "no scenario": command("solve", "must be given a scenario", "cournot"),
    "no run": command("report", "must be given a run"),
    "unknown run": command("report nothing", "`run` must be a run's folder, id or scenario", "'nothing'"),
    "unknown replay": command("replay nothing", "`run` must be", "'nothing'"),
    "missing file": command("solve nofile.py", "`scenario` must be a name or an existing file", "nofile.py"),
    "unknown option": command("solve cournot --slop 1", "--slop"),
    "word for a number": command("solve cournot --slope abc", "slope", "abc"),
    "part of a seed": command("run cournot --seeds 1.5", "seeds", "1.5"),
    "no seeds": command("run cournot --seeds 0 --json", "`seeds` must be", "got 0"),
    "no checkpoints": command("run cournot --checkpoints 0 --json", "`checkpoints` must be", "got 0"),
    "few steps": command("run cournot --steps 2 --json", "`steps` must be at least", "got 2"),
    "negative workers": command("run cournot --workers -1 --json", "workers", "-1"),
    "infinite slope": command("solve cournot --slope inf", "`slope` must be positive and finite", "inf"),
    "unknown learner": command("run day_ahead --learner PPPO --json", "PPPO", "PPO"),
    "learner of other actions": command("run day_ahead --learner DQN --json", "DQN", "Box", "PPO"),
    "unknown misreports": command("run fair_division --misreports foo --json", "`misreports` must be one of", "'foo'"),
    "unknown policy": command("gap cournot --policy greedy", "`policy` must be solved", "'greedy'"),
    "unknown concept": command("gap cournot --concept nahs", "`concept` must be", "'nahs'"),
    "a table as policy": command(
        "gap cournot --policy semicolons.csv", "`path` must hold a trained learner", "semicolons"
    ),
    "start without data": command("solve day_ahead --start foo", "`start` must be given with", "'foo'"),
    "hours without end": command("solve day_ahead --hours 100000000", "`hours` must lie in [1, 87600]", "100000000"),
    "no hours": command("solve day_ahead --hours 0", "`hours` must lie in [1, 87600]", "got 0"),
    "data that is a case": command("solve day_ahead --data case.m", "`data` must name", "case.m", "total load actual"),
    "data with semicolons": command("solve day_ahead --data semicolons.csv", "`data`", "semicolons.csv", "by commas"),
    "data that is empty": command("solve day_ahead --data empty.csv", "`data`", "empty.csv"),
    "data that is a folder": command("solve day_ahead --data folder", "`data` must name a file", "folder"),
    "data that is not there": command(
        "solve day_ahead --data semicolon.csv", "`data`", "Did you mean", "semicolons.csv"
    ),
    "data of OMIE": command("solve day_ahead --data omie.txt", "`data`", "omie.txt", "by commas"),
    "flows without columns": command("solve supply_chain --flows wrong.csv", "wrong.csv", "exporter", "['from', 'to']"),
    "flows that are a folder": command("solve supply_chain --flows folder", "`flows` must name a file", "folder"),
    "flows that are not there": command(
        "solve supply_chain --flows nowhere.csv", "`flows` must name a file", "nowhere"
    ),
}

SCENARIOS = {
    "no scenario in the file": wrong(lambda: scenario("x = 1\n"), "`scenario` must be a file that defines one", "[]"),
    "a folder": wrong(lambda: find_scenario("folder.py"), "`scenario` must be", "folder.py"),
    "unknown class": wrong(
        lambda: (scenario(MINE), find_scenario("mine.py:Yours")), "`scenario` must be one of Mine", "'Yours'"
    ),
    "unknown field": wrong(lambda: source_of("cournot", slop=2), "`fields` must be one of", "Did you mean 'slope'?"),
    "field of another kind": wrong(lambda: source_of("cournot", slope=object()), "`fields` must be numbers"),
    "unknown scenario": wrong(lambda: walras.run("lavaa"), "`scenario` must be one of", "Did you mean 'lava'?"),
    "unknown run": wrong(lambda: walras.load("nothing"), "`run` must be", "'nothing'"),
    "unknown environment": wrong(lambda: walras.make("cournot_markt-v0"), "`id` must be one of", "cournot_market-v0"),
    "old environment": wrong(lambda: walras.make("cournot_market-v9"), "`id` must be one of", "cournot_market-v0"),
    "unknown parameter": wrong(lambda: walras.make("cournot_market-v0", horizn=3), "horizn"),
}
MINE = """
from dataclasses import dataclass
from walras.core import Random
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario


@dataclass(frozen=True)
class Mine(AbstractScenario):
    seeds: int = 1
    def game(self): return CournotMarket()
    def methods(self): return {"random": Random(self.game())}
    def charts(self): return {}
"""

TABLES = {
    "not a table": wrong(lambda: load_spain(written("a.csv", b"\x00\x01\x02")), "must be a text file", "a.csv"),
    "UTF-16": wrong(lambda: load_spain(written("a.csv", "time,b\n1,2\n".encode("utf-16"))), "UTF-16", "a.csv"),
    "cut short": wrong(lambda: load_spain(written("a.csv.gz", gzip.compress(b"time,b\n1,2\n" * 99)[:-12])), "whole", "a.csv"),
    "only a header": wrong(lambda: load_spain(written("a.csv", "time,b\n")), "at least one row", "a.csv"),
    "tabs": wrong(lambda: load_spain(written("a.csv", "time\tb\n1\t2\n")), "separated by commas", "a.csv", "tabs"),
    "a column twice": wrong(lambda: load_spain(written("a.csv", "time,time\n1,2\n")), "once", "a.csv", "time"),
    "rows too long": wrong(lambda: load_spain(written("a.csv", "time,b\n1,2,3\n")), "no more than 2 cells in a row", "a.csv", "row 2 has 3"),
    "another table": wrong(lambda: load_spain(written("a.csv", "a,b\n1,2\n")), "a.csv", "such as", "['a', 'b']"),
    "a column less": wrong(lambda: hours(lambda t: t.drop(columns="gen_gas_mw")), "hours.csv", "`gen_gas_mw`", "missing"),
    "a column misspelt": wrong(
        lambda: hours(lambda t: t.rename(columns={"gen_gas_mw": "gen_gsa_mw"})), "hours.csv", "nearest", "'gen_gsa_mw'"
    ),
    "a word": wrong(lambda: hours(at("gen_gas_mw", 3, "n/a?")), "hours.csv", "`gen_gas_mw` must hold", "'n/a?' in row 3"),
    "a decimal comma": wrong(lambda: hours(at("gen_gas_mw", 3, "1,5")), "hours.csv", "`gen_gas_mw`", "'1,5' in row 3"),
    "an infinite number": wrong(lambda: hours(at("gen_gas_mw", 2, np.inf)), "`gen_gas_mw` must hold finite", "row 2"),
    "no date": wrong(lambda: hours(at("timestamp_utc", 4, "noon")), "hours.csv", "`timestamp`", "'noon' in row 4"),
    "local time": wrong(
        lambda: hours(lambda t: t.assign(timestamp_utc=t["timestamp_utc"].str[:19])), "hours.csv", "UTC offset", "23 or 25"
    ),
    "one local time": wrong(lambda: hours(at("timestamp_utc", 4, "2018-01-20 04:00:00")), "hours.csv", "UTC offset", "row 4"),
    "an hour twice": wrong(lambda: hours(lambda t: pd.concat([t[:5], t[4:]])), "hours.csv", "no timestamp may repeat"),
    "an hour left out": wrong(lambda: hours(lambda t: t.drop(index=7)), "hours.csv", "by one hour", "row 7"),
    "backwards": wrong(lambda: hours(lambda t: t[::-1]), "hours.csv", "must run forwards"),
    "nothing but gaps": wrong(
        lambda: must_run_mw(pd.DataFrame({"timestamp_utc": [0], **dict.fromkeys(CLEAN_COLUMNS[1:], np.nan)})),
        "at least one value", "NaN",
    ),
    "flows of words": wrong(lambda: flows(DATA + "a,b,much\n"), "flows.csv", "`flows` must have values", "nan"),
    "negative flows": wrong(lambda: flows(DATA + "a,b,-1\n"), "flows.csv", "not negative", "-1.0 at index [0]"),
    "flows of nothing": wrong(lambda: flows(DATA + "a,b,0\n"), "flows.csv", "a positive flow"),
    "flows to oneself": wrong(lambda: flows(DATA + "a,a,1\n"), "flows.csv", "between two agents"),
    "flows without rows": wrong(lambda: flows(DATA), "`flows`", "flows.csv", "one row"),
    "flows with a mark": wrong(lambda: flows("exporter;importer;value\na;b;1\n"), "`flows`", "flows.csv", "semicolons"),
    "no trades": wrong(lambda: from_flows("x.csv", 0, np.random.default_rng(0)), "`trades` must be at least 1", "got 0"),
}  # fmt: skip

CASES = {
    "no case": wrong(lambda: load_matpower("nowhere.m"), "`path` must name a file", "nowhere.m"),
    "a case that is a folder": wrong(lambda: load_matpower("folder"), "`path` must name a file", "folder"),
    "an empty case": wrong(lambda: load_matpower("empty.csv"), "empty.csv", "`bus` must be a matrix"),
    "a table as a case": wrong(lambda: load_matpower("semicolons.csv"), "line 1 of semicolons.csv", "savecase"),
    "a binary case": wrong(lambda: load_matpower(written("a.mat", b"MATLAB\x00")), "must be a text file", "a.mat"),
    "half a case": wrong(lambda: load_matpower("case.m"), "case.m", "`gen` must be a matrix"),
    "a loop in a case": wrong(lambda: load_matpower(written("a.m", "for k = 1:3\nend\n")), "line 1 of a.m", "savecase"),
    "an open bracket": wrong(lambda: load_matpower(written("a.m", "mpc.bus = [1 2")), "bracket", "line 1 of a.m"),
    "a field twice": wrong(
        lambda: load_matpower(written("a.m", "mpc.bus=[1];\nmpc.bus=[2];")), "once", "line 2 of a.m"
    ),
    "a word in a matrix": wrong(
        lambda: load_matpower(written("a.m", "mpc.bus = [1 x];")), "`bus`", "'x'", "line 1 of a.m"
    ),
    "an unknown convention": wrong(
        lambda: load_matpower("case.m", convention="dc"), "`convention` must be one of", "'dc'"
    ),
    "a load by another name": wrong(
        lambda: NetworkMarket(nx.Graph([(1, 2, {"demand": 3.0, "susceptance": 1.0})]), [1]),
        "'demand'",
        "line (1, 2, 0)",
    ),
    "a capacity": wrong(lambda: NetworkMarket(network(capacity=3), [1]), "'capacity'", "Did you mean 'limit'?"),
    "a text for a number": wrong(lambda: NetworkMarket(network(limit="3"), [1]), "`limit` must be a number", "'3'"),
    "a negative limit": wrong(lambda: NetworkMarket(network(limit=-3), [1]), "`limit` must be at least 0", "-3"),
    "a line without susceptance": wrong(lambda: NetworkMarket(nx.Graph([(1, 2)]), [1]), "`susceptance`", "nan"),
    "an unknown bus": wrong(lambda: NetworkMarket(network(), [3]), "`bus` must be one of 1, 2", "'3'"),
    "an offer above the cap": wrong(
        lambda: NetworkMarket(network(), [1]).clear([5e3], [1.0]),
        "`price` must not exceed `cap`",
        "5000.0 at index [0]",
    ),
    "too few offers": wrong(
        lambda: NetworkMarket(network(), [1, 2]).clear([5.0], [1.0]), "`price` must have the shape (2,)"
    ),
    "a slope that falls": wrong(lambda: NetworkMarket(network(), [1], [-1.0]), "`slope` must not be negative", "-1.0"),
}

MARKETS = {
    "a quantity that is negative": wrong(lambda: clear([[[20.0]]], [[[-1.0]]], [0.5]), "`quantity`", "-1.0"),
    "a price that is no number": wrong(lambda: clear([[[np.nan]]], [[[1.0]]], [0.5]), "`price`", "nan"),
    "falling costs": wrong(lambda: Generator("a", (2.0, 1.0), (1.0, 1.0)), "`cost` must not decrease", "(2.0, 1.0)"),
    "a negative capacity": wrong(lambda: Generator("a", (2.0,), (-1.0,)), "`capacity` must be finite and not", "-1.0"),
    "too many capacities": wrong(lambda: Generator("a", (2.0,), (1.0, 1.0)), "`capacity` must have one entry"),
    "no hours": wrong(lambda: Conditions(np.array([])), "`profile` must hold at least one hour"),
    "hours less than one": wrong(lambda: spanish_conditions(0), "`hours` must be at least 1", "got 0"),
    "a clock of 25 hours": wrong(lambda: recorded_conditions([1.0], [24.0]), "`clock` must lie in [0, 24)", "24.0"),
    "a clock that is short": wrong(
        lambda: recorded_conditions([1.0, 2.0], [3.0]), "`clock` must have an entry", "got 1"
    ),
    "a buyer without money": wrong(lambda: fisher.equilibrium(V, B, -B), "`money`", "-1.0"),
    "a value that is negative": wrong(lambda: fisher.equilibrium(-V, B), "`values`", "-1.0"),
}

WRONG_GAMES = {
    "half a step": wrong(lambda: envs.CournotMarket(horizon=2.5), "`horizon` must be a whole number", "2.5"),  # type: ignore[arg-type]
    "no steps": wrong(lambda: envs.CournotMarket(horizon=0), "`horizon` must be", "got 0"),
    "a discount of one": wrong(lambda: envs.CournotMarket(discount=1.0), "`discount` must lie in [0, 1)", "1.0"),
    "costs above the intercept": wrong(lambda: envs.CournotMarket(cost=(1e9,)), "`intercept` must exceed"),
    "a horizon beyond the profile": wrong(lambda: envs.DayAheadMarket(horizon=9_000), "`horizon` must lie in", "9000"),
    "a cost above the cap": wrong(lambda: envs.DayAheadMarket(cap=1.0), "`cost` must lie in [0, 1.0]"),
    "a fleet of none": wrong(lambda: envs.DayAheadMarket(fleet=()), "`fleet` must hold at least one", "()"),
    "one name twice": wrong(lambda: envs.DayAheadMarket(fleet=(GAS, GAS)), "`fleet` must have different names"),
    "a game that is none": wrong(lambda: equilibria.solve("cournot"), "`game` must be a game", "str"),  # type: ignore[arg-type]
    "a shell for a game": wrong(lambda: equilibria.solve(walras.make("cournot_market-v0")), "`game` must be", ".game"),  # type: ignore[arg-type]
    "an unknown concept": wrong(lambda: equilibria.solve(COURNOT, "nahs"), "`concept` must be", "'nahs'"),
    "a concept of other games": wrong(lambda: equilibria.solve(COURNOT, "truthful"), "`concept` must be", "truthful"),
    "a policy that is none": wrong(lambda: equilibria.gap(COURNOT, "solved"), "policy", "str"),  # type: ignore[arg-type]
    "a gap without seeds": wrong(lambda: equilibria.gap(COURNOT, Random(COURNOT), seeds=()), "`seeds`"),
    "a policy of another game": wrong(lambda: equilibria.gap(COURNOT, Random(CROSSING)), "action"),
    "an unknown concept of the gap": wrong(
        lambda: equilibria.gap(COURNOT, Scripted(COURNOT), concept="nahs"), "`concept` must be", "'nahs'"
    ),
}
GAS = Generator("gas", (20.0,), (1.0,))

MECHANISMS = {
    f"{name} of {what}": wrong(make, *told)
    for name in ("ProportionalFairness", "EqualSplit", "Egalitarian", "Utilitarian", "PartialAllocation")
    for what, make, told in (
        ("a negative demand", lambda n=name: getattr(mechanisms, n)()(V, -X, B), ("`demands` must be finite", "-1.0")),
        (
            "values of one row",
            lambda n=name: getattr(mechanisms, n)()(V[0], X, B),
            ("`values` must have 3 dim", "(2, 2)"),
        ),
        (
            "budgets of no number",
            lambda n=name: getattr(mechanisms, n)()(V, X, B * np.nan),
            ("`budgets` must be", "nan"),
        ),
    )
} | {
    "an agent that values nothing": wrong(
        lambda: mechanisms.Utilitarian()(V * 0, X, B), "`values` must give each agent", "agent 0 of instance 0"
    ),
    "weights of zero": wrong(
        lambda: mechanisms.EqualSplit()(V, X, B, torch.zeros(2)), "`weights` must be positive", "got 0.0"
    ),
    "a negative surcharge": wrong(lambda: mechanisms.PostedSurcharge(-1.0), "`tau` must not be negative", "-1.0"),
    "no agents": wrong(lambda: mechanisms.Types(agents=0), "`agents` must be at least 1", "got 0"),
    "unknown misreports": wrong(
        lambda: mechanisms.FitSettings(misreports="foo"), "`misreports` must be one of", "'foo'"
    ),
    "a mechanism that is not there": wrong(lambda: mechanisms.load("nowhere.pt"), "nowhere.pt"),
    "a mechanism that is a table": wrong(
        lambda: mechanisms.load("semicolons.csv"), "`path` must be a file of a mechanism"
    ),
    "a mechanism cut short": wrong(lambda: mechanisms.load(cut("mechanism.pt")), "`path` must be a file", "cut.pt"),
}

LEARNERS = {
    "no steps": wrong(lambda: agents.MAPPO(steps=0), "`steps` must be", "got 0"),
    "a negative rate": wrong(lambda: agents.MAPPO(steps=800, learning_rate=-1.0), "`learning_rate` must", "-1.0"),
    "an unknown algorithm": wrong(lambda: agents.SB3("PPPO"), "PPPO", "PPO"),
    "an unknown sharing": wrong(lambda: agents.MAPPO(steps=800, actors="alone"), "`actors` must be one of", "'alone'"),
    "no checkpoints": wrong(lambda: agents.MAPPO(steps=800, checkpoints=0), "`checkpoints` must be", "got 0"),
    "an unknown setting": wrong(lambda: agents.MAPPO(step=8), "step"),  # type: ignore[call-arg]
    "a checkpoint that is not there": wrong(lambda: agents.MAPPO(**BRIEF).load("nowhere.pt", COURNOT), "nowhere.pt"),
    "a checkpoint that is a table": wrong(
        lambda: agents.MAPPO(**BRIEF).load("semicolons.csv", COURNOT), "`path` must hold a trained learner", "semicolons.csv"
    ),
    "a checkpoint cut short": wrong(
        lambda: agents.MAPPO(**BRIEF).load(cut("learner.pt"), COURNOT), "`path` must hold a trained learner", "cut.pt"
    ),
    "a checkpoint of a mechanism": wrong(lambda: agents.MAPPO(**BRIEF).load("mechanism.pt", COURNOT), "`path` must", "mechanism.pt"),
    "a checkpoint of another game": wrong(
        lambda: agents.MAPPO(**BRIEF).load("learner.pt", envs.CournotMarket(horizon=4)), "trained on this game", "learner.pt"
    ),
    "a start of another game": wrong(
        lambda: agents.mappo.train(envs.CournotMarket(horizon=4), start=agents.MAPPO(**BRIEF).load("learner.pt", COURNOT), **BRIEF),
        "`start` must", "game",
    ),
}  # fmt: skip
BRIEF: dict[str, Any] = {"steps": 12, "num_envs": 2, "rollout_steps": 3, "minibatches": 1, "checkpoints": 1}

DEMONSTRATIONS = {
    "no file": wrong(lambda: demonstrations.load("nowhere.parquet"), "nowhere.parquet"),
    "a table": wrong(
        lambda: demonstrations.load("semicolons.csv"), "`path` must be a file of demonstrations", "semicolons"
    ),
    "a file cut short": wrong(
        lambda: demonstrations.load(cut("shown.parquet")), "`path` must be a file", "cut.parquet"
    ),
    "another table": wrong(lambda: demonstrations.load(parquet({"a": [1]}, None)), "`path` must be", "other.parquet"),
    "an empty header": wrong(lambda: demonstrations.load(parquet({"a": [1]}, "{}")), "`path` must be", "other.parquet"),
    "a header without end": wrong(
        lambda: demonstrations.load(parquet({"a": [1]}, "[" * 100_000)), "`path` must be", "other.parquet"
    ),
    "a header of numbers": wrong(
        lambda: demonstrations.load(parquet({"a": [1]}, "3")), "`path` must be", "other.parquet"
    ),
    "a file of another version": wrong(
        lambda: demonstrations.load(parquet({"a": [1]}, '{"version": 99}')), "version 2", "other.parquet: 99"
    ),
    "no columns": wrong(lambda: demonstrations.load(parquet({"a": [1]}, HEADER)), "hold the columns", "other.parquet"),
    "episodes of nothing": wrong(
        lambda: demonstrations.load(parquet({"episode": [None, 1]}, HEADER)), "a value in each row", "nulls in episode"
    ),
    "a quality of two": wrong(
        lambda: demonstrations.collect(CROSSING, quality=2.0), "`quality` must lie in [0, 1]", "2.0"
    ),
    "no episodes": wrong(
        lambda: demonstrations.collect(CROSSING, episodes=0), "`episodes` must be at least 1", "got 0"
    ),
    "a game without own tasks": wrong(lambda: demonstrations.collect(COURNOT), "CournotMarket"),
    "rewards of no number": wrong(
        lambda: shown(lambda d: {"reward": d.reward * np.nan}), "`reward` must be finite", "nan"
    ),
    "agents of parts": wrong(
        lambda: shown(lambda d: {"agent": d.agent + 0.5}), "`agent` must hold whole numbers", "float64"
    ),
    "fewer rewards": wrong(lambda: shown(lambda d: {"reward": d.reward[1:]}), "`reward` must have one entry"),
    "an agent too many": wrong(
        lambda: shown(lambda d: {"agent": d.agent + 1}), "`demonstrations` must be of agents 0 to 1"
    ),
    "steps of another game": wrong(
        lambda: shown(lambda d: {"game": "GridWorld 0"}), "`demonstrations` must be of this game"
    ),
    "steps that jump": wrong(lambda: shown(lambda d: {"state": d.state[::-1].copy()}), "`demonstrations` must hold"),
}
HEADER = json.dumps({"version": 2, "game": "GridWorld 0", "quality": None})

HOURS = NetworkMarket(nx.empty_graph(["bus"]), ["bus"])
SOLVED = {
    "payoffs too large": wrong(lambda: MatrixGame([[[1e308, -1e308]], [[0.0, 0.0]]]), "`payoff` must be at most 1e+300", "1e+308"),
    "integers beyond floats": wrong(lambda: MatrixGame([[[10**400, 0]], [[0, 0]]]), "`payoff` must hold numbers that float64"),
    "a list as a game": wrong(lambda: equilibria.nash([[1, 2]]), "`game` must be a MatrixGame", "list"),  # pyright: ignore[reportArgumentType]
    "bids of words": wrong(lambda: auctions.clear(auctions.FirstPrice(), [["a", 2.0]]), "`bids` must hold numbers", "'a'"),
    "bids whose sum is infinite": wrong(lambda: auctions.clear(auctions.Discriminatory(2), [[[1.7e308, 1.7e308]]]), "`bids` must be at most 1e+300"),
    "a reserve in quotes": wrong(lambda: auctions.FirstPrice("5"), "`reserve` must be a number", "'5'"),  # pyright: ignore[reportArgumentType]
    "types in quotes": wrong(lambda: auctions.Uniform("0", 1), "`low` must be a number", "'0'"),  # pyright: ignore[reportArgumentType]
    "third price of rare types": wrong(
        lambda: equilibria.solve(envs.SealedBidAuction(auctions.ThirdPrice(), auctions.TruncatedNormal(0.0, 0.01, 0.0, 1.0), 3)),
        "`prior` must let third-price bids rise", "finite",
    ),
    "money beyond floats": wrong(lambda: equilibria.first_price_pacing([[1e300]], [1e-300]), "budgets", "within 1e-60 and 1e+60"),
    "no tolerance": wrong(lambda: equilibria.first_price_pacing([[1.0]], [1.0], tol=np.nan), "`tol` must be at least 0", "nan"),
    "steps of no length": wrong(lambda: clear_horizon(HOURS, [[1.0]], [[9.0]], [[1.0]], step_hours=0.0), "`step_hours` must be positive", "0.0"),
    "steps backwards": wrong(lambda: clear_horizon(HOURS, [[1.0]], [[9.0]], [[1.0]], step_hours=-1.0), "`step_hours` must be positive", "-1.0"),
    "no steps": wrong(lambda: clear_horizon(HOURS, np.zeros((0, 1)), np.zeros((0, 1)), np.zeros((0, 1))), "`load` must hold at least one step"),
    "a storage in quotes": wrong(lambda: Storage("s", "bus", "1", 1.0, 1.0), "`power` must be a number", "'1'"),  # pyright: ignore[reportArgumentType]
    "a plant in quotes": wrong(lambda: Plant("a", "W", "1", 0.0, 1.0), "`cost` must be a number", "'1'"),  # pyright: ignore[reportArgumentType]
    "the class of a rule": wrong(lambda: agents.NoRegret(Hedge), "`rule` must be a rule, such as Hedge()", "Hedge"),  # pyright: ignore[reportArgumentType]
    "a rate in quotes": wrong(lambda: Hedge("0.1"), "`eta` must be a number", "'0.1'"),  # pyright: ignore[reportArgumentType]
    "a cap below the floor": wrong(lambda: price_level.competitive_price(np.ones(1), limits=(10.0, 1.0)), "`limits` must be a floor and a cap above it"),
    "a fleet of nobody": wrong(lambda: price_level.competitive_price(np.ones(1), []), "`fleet` must hold at least one"),
    "a load without end": wrong(lambda: price_level.competitive_price(np.array([np.inf])), "`net_load` must be finite", "inf"),
    "times of words": wrong(lambda: price_level.local_calendar(["noon"]), "`times` must be times", "noon"),
    "no times": wrong(lambda: price_level.local_calendar([]), "`times` must hold at least one hour"),
    "errors of other hours": wrong(lambda: price_level.level(np.ones(5), price_level.local_calendar(["2018-01-01"]), 1), "`error` must be one number an hour"),
    "a fraction of an agent": wrong(lambda: envs.TeamMeanFieldLQ(size=2.5), "`size` must be a whole number", "2.5"),  # pyright: ignore[reportArgumentType]
    "a fraction of a resource": wrong(lambda: envs.ResourceAllocation(resources=2.5), "`resources` must be a whole number", "2.5"),  # pyright: ignore[reportArgumentType]
    "a fraction of an update": wrong(lambda: agents.MRPG(iterations=2.5), "`iterations` must be a whole number", "2.5"),  # pyright: ignore[reportArgumentType]
}  # fmt: skip

LINES = 'NFG 1 R "game" { "a" "b" } { 2 2 }\n1 2 3 4 5 6 7 8'
STAY = np.broadcast_to(np.eye(2)[:, None, None], (2, 2, 2, 2))
REWARD = np.zeros((2, 2, 2, 2))


def large(*sizes: int) -> MatrixGame:
    """A game of zeros."""
    return MatrixGame(np.zeros((len(sizes), *sizes)))


FINITE = {
    "a ragged tensor": wrong(lambda: MatrixGame([[[1, 2], [3]], [[1, 2], [3, 4]]]), "`payoff` must be a full array"),
    "a tensor of three for two": wrong(lambda: MatrixGame(np.zeros((3, 2, 2))), "`payoff` must have one axis of actions a player", "(3, 2, 2)"),
    "a payoff that is NaN": wrong(lambda: MatrixGame([[[1.0, np.nan]], [[0.0, 0.0]]]), "`payoff` must be finite; got nan at index"),
    "a batch of one game": wrong(lambda: MatrixGames(np.zeros((2, 2, 2))), "`payoff` must have one axis of actions a player, [B, N, A_1, .., A_N]"),
    "a tensor beyond memory": wrong(
        lambda: MatrixGame(np.lib.stride_tricks.as_strided(np.zeros(1), (2, 2**14, 2**13), (0, 0, 0))),
        "`payoff` must have at most 67108864 cells; give `double_oracle` an oracle instead", "134217728",
    ),
    "half an .nfg": wrong(lambda: read_nfg(written("cut.nfg", LINES[:-5])), "cut.nfg` must hold a number after line 2; got its end"),
    "an .nfg of an action too few": wrong(lambda: parse_nfg(LINES.replace("{ 2 2 }", "{ 2 }")), "in line 1"),
    "rows of transitions beyond one": wrong(lambda: MarkovGame(REWARD, STAY * (1 + 1e-6), [1.0, 0.0], horizon=3), "`transition` must have chances that sum to 1 in each cell; got 1.000001"),
    "a transition that is NaN": wrong(lambda: MarkovGame(REWARD, STAY * np.nan, [1.0, 0.0], horizon=3), "`transition`"),
    "a Markov game without end or discount": wrong(lambda: MarkovGame(REWARD, STAY, [1.0, 0.0]), "`discount` must be below 1 without a horizon; got 1"),
    "a repeated game of discount one": wrong(lambda: envs.RepeatedMatrixGame(discount=1.0), "`discount` must lie in [0, 1)", "1.0"),
    "prices of discount one": wrong(lambda: envs.RepeatedPricing(discount=1.0), "`discount` must lie in [0, 1)", "1.0"),
    "a memory of millions": wrong(lambda: envs.RepeatedPricing(memory=3), "`memory` must hold at most 1000000 states; 11390625 is"),
    "views that are never right": wrong(lambda: envs.RepeatedMatrixGame(monitoring=0.0), "`monitoring` must be a chance in (0, 1]", "0.0"),
    "one equilibrium of too many actions": wrong(
        lambda: equilibria.nash(large(2048, 1)), "`game` must have at most 2048 actions", "use `double_oracle`, or `zero_sum`", "(2048, 1)"
    ),
    "all equilibria of too many actions": wrong(
        lambda: equilibria.extreme_nash(large(16, 2)), "`game` must have at most 15 actions a player", "use `nash`", "(16, 2)"
    ),
    "too large a device": wrong(lambda: equilibria.correlated(large(2**6, 2**6, 2**6, 2)), "use `double_oracle`; got 99614720"),
    "an eta without end": wrong(lambda: Hedge(np.inf), "`eta` must", "inf"),
    "beliefs that nobody states": wrong(lambda: equilibria.solve(envs.SequentialPublicGoods(observation="partial")), "partial"),
}  # fmt: skip

ALL = {
    f"{area}: {name}": row
    for area, rows in {
        "command": COMMANDS,
        "scenario": SCENARIOS,
        "table": TABLES,
        "case": CASES,
        "market": MARKETS,
        "game": WRONG_GAMES,
        "mechanism": MECHANISMS,
        "learner": LEARNERS,
        "demonstrations": DEMONSTRATIONS,
        "solver": SOLVED,
        "finite game": FINITE,
    }.items()
    for name, row in rows.items()
}


def cut(name: str) -> str:
    """Return the first half of a file as a file."""
    whole = Path(name).read_bytes()
    return written(f"cut{Path(name).suffix}", whole[: len(whole) // 2])


def parquet(columns: dict[str, list[Any]], header: str | None) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata({"walras.demonstrations": header} if header else {}), "other.parquet")
    return "other.parquet"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are something else than what is asked for."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "folder").mkdir()
    (folder / "empty.csv").touch()
    (folder / "semicolons.csv").write_text("time;total load actual\n1;2\n")
    (folder / "wrong.csv").write_text("from,to\na,b\n")
    (folder / "case.m").write_text("function mpc = half\nmpc.bus = [1 3 0 0 0 0 1 1 0 230 1 1.1 0.9];\n")
    (folder / "omie.txt").write_bytes(
        "OMIE - Precio del mercado;Fecha Emisi\xf3n;29/03/2020\n;1;2;3\n".encode("latin-1")
    )
    mechanisms.save(mechanisms.ExPFNet(), folder / "mechanism.pt")
    agents.mappo.train(COURNOT, **BRIEF).save(folder / "learner.pt")
    demonstrations.collect(CROSSING, episodes=2).save(folder / "shown.parquet")
    return folder


@pytest.mark.parametrize("name", ALL)
def test_a_mistake_is_told(
    name: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    row = ALL[name]
    try:
        code = row.make()
    except ERRORS as error:
        code, said = 2, "" if isinstance(error, SystemExit) else str(error)
    else:
        said = ""
    message = " ".join((said + capsys.readouterr().err).split())
    assert code == 2, f"accepted: {code}"
    missing = [part for part in row.told if part not in message]
    assert not missing, f"{missing} not in: {message}"
    assert "Traceback" not in message
    assert not (tmp_path / "runs").exists()


def test_there_are_at_least_a_hundred() -> None:
    assert len(ALL) >= 100


@pytest.mark.parametrize("name", GAMES)
def test_every_number_of_a_game_must_be_a_number(name: str) -> None:
    # Text, a list, nothing where a number is needed, and a part of a whole.
    kind = getattr(envs, GAMES[name].rpartition(":")[2])
    for field in fields(kind):
        bad = {int: ("1", [1], None, 2.5, True), float: ("1", [1], None, np.nan)}.get(field.type, ())  # pyright: ignore[reportArgumentType, reportCallIssue]
        for value in bad:
            with pytest.raises(ValueError, match=f"`{field.name}`"):
                kind(**{field.name: value})
