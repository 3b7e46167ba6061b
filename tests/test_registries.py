"""Registries: each line names something, no name stands for two things, and what follows from the lines is written."""

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from walras.agents.registration import LEARNERS, MODULES, POLICIES, places
from walras.core.game import AbstractGame
from walras.core.lazy import joined, load
from walras.core.learner import Learner
from walras.core.policy import Policy
from walras.envs.registration import GAMES, gymnasium_id, pettingzoo_id, place
from walras.equilibria import registration as solvers
from walras.markets.registration import MODULES as OF_MARKETS
from walras.mechanisms.registration import MECHANISMS
from walras.mechanisms.registration import NAMES as OF_MECHANISMS
from walras.scenarios.engine.catalogue import SCENARIOS
from walras.scenarios.engine.scenario import AbstractScenario
from walras.scenarios.engine.study import AbstractStudy

REGISTRIES = (
    "agents/registration.py",
    "envs/registration.py",
    "equilibria/registration.py",
    "markets/registration.py",
    "mechanisms/registration.py",
    "scenarios/engine/catalogue.py",
)


def of_games() -> dict[str, dict[str, str | dict[str, str]]]:
    """The registries of what answers for a game, or for a game and a concept."""
    tables = {name: value for name, value in vars(solvers).items() if name.isupper() and name != "NAMES"}
    return {name: table for name, table in tables.items() if isinstance(table, dict) and table is not GAMES}


def lines() -> list[str]:
    """What each line of every registry names."""
    named = {
        "envs": [place(key) for key in GAMES],
        "equilibria": [
            *(entry for table in of_games().values() for line in table.values() for entry in _entries(line)),
            *_places(solvers.NAMES),
        ],
        "agents": list(places().values()),
        "mechanisms": _places(joined(MECHANISMS, OF_MECHANISMS)),
        "markets": list(OF_MARKETS.values()),
        "scenarios": list(SCENARIOS.values()),
    }
    return sorted({f"walras.{package}.{entry}" for package, entries in named.items() for entry in entries})


def _entries(line: str | dict[str, str]) -> list[str]:
    return [line] if isinstance(line, str) else list(line.values())


def _places(names: Mapping[str, str]) -> list[str]:
    return [f"{module}:{name}" for name, module in names.items()]


@pytest.fixture(scope="module")
def generator(root: Path) -> ModuleType:
    """The module `.ci/generate.py`."""
    spec = importlib.util.spec_from_file_location("generate", root / ".ci" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_line_names_something() -> None:
    refused: list[str] = []
    for entry in lines():
        try:
            load(entry)
        except ImportError as error:
            refused.append(str(error))
    assert refused == []


def test_a_line_that_names_nothing_is_refused_where_it_is_looked_up() -> None:
    with pytest.raises(ImportError, match=r"`walras\.core\.game:Gane` must name something in the module"):
        load("walras.core.game:Gane")
    with pytest.raises(ImportError, match=r"walras\.core\.gane"):
        load("walras.core.gane:Game")


@pytest.mark.parametrize("file", REGISTRIES)
def test_no_registry_has_a_key_twice(root: Path, file: str) -> None:
    # A dictionary keeps the last without a word.
    for node in ast.walk(ast.parse((root / file).read_text())):
        if isinstance(node, ast.Dict):
            keys = Counter(ast.unparse(key) for key in node.keys if key is not None)
            assert [key for key, count in keys.items() if count > 1] == []


def test_two_things_under_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`names` must name one thing each, and 'MAPPO' is 'ppo\.mappo' already"):
        joined({"MAPPO": "ppo.mappo"}, {"MAPPO": "trading.mappo"})


def test_no_name_is_hidden_by_a_module(root: Path) -> None:
    # Once `walras.mechanisms.exploitability` is imported, the package's attribute of this name is the module.
    tables = {
        "agents": places(),
        "envs": {name: place(key) for key, name in GAMES.items()},
        "equilibria": solvers.NAMES,
        "markets": OF_MARKETS,
        "mechanisms": joined(MECHANISMS, OF_MECHANISMS),
    }
    for package, names in tables.items():
        inside = {path.stem for path in (root / package).iterdir()}
        assert [name for name in names if name in inside and names[name] != name] == []


@pytest.mark.parametrize("identify", [gymnasium_id, pettingzoo_id, GAMES.__getitem__])
def test_each_game_has_ids_and_a_name_of_its_own(identify: object) -> None:
    assert callable(identify)
    counted = Counter(identify(key) for key in GAMES)
    assert [name for name, count in counted.items() if count > 1] == []


def test_what_answers_for_a_game_answers_for_one_that_there_is() -> None:
    games = {key.rpartition("-v")[0] for key in GAMES}
    assert {name: sorted(set(table) - games) for name, table in of_games().items() if set(table) - games} == {}


def test_each_thing_is_of_its_kind() -> None:
    assert all(issubclass(load(f"walras.envs.{place(key)}"), AbstractGame) for key in GAMES)
    assert all(
        issubclass(load(f"walras.scenarios.{entry}"), AbstractScenario | AbstractStudy) for entry in SCENARIOS.values()
    )
    members = {name for name in ("check", "learn", "load") if hasattr(Learner, name)}
    assert len(members) == 3
    learners = [load(f"walras.agents.{entry}") for entry in _places(LEARNERS)]
    assert [kind.__name__ for kind in learners if not members <= set(dir(kind))] == []
    policies = [load(f"walras.agents.{entry}") for entry in _places(POLICIES)]
    assert hasattr(Policy, "act")
    assert [kind.__name__ for kind in policies if not hasattr(kind, "act")] == []


def test_a_module_of_a_learner_has_a_short_name_and_trains() -> None:
    assert set(MODULES) <= set(places())
    for module in set(LEARNERS.values()):
        short = load(f"walras.agents.{module.rpartition('.')[2]}")
        assert callable(short.train)


def test_what_is_generated_is_up_to_date(generator: ModuleType) -> None:
    wanted: dict[Path, str] = generator.generated()
    stale = [str(file) for file, text in wanted.items() if not file.exists() or file.read_text("utf-8") != text]
    assert stale == [], "run `python .ci/generate.py`"


def test_a_file_without_its_marks_is_refused(generator: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- generated: games -->\nold\n<!-- end: games -->\nkept\n")
    assert generator.filled(page, {"games": "new"}) == (
        "<!-- generated: games -->\n\nnew\n\n<!-- end: games -->\nkept\n"
    )
    with pytest.raises(ValueError, match=r"`file` must have the marks of 'learners' once; got 'page\.md: 0'"):
        generator.filled(page, {"learners": "new"})


def test_the_first_sentence_is_taken(generator: ModuleType) -> None:
    page = "Cournot market: firms choose quantities, one price clears them all"
    assert generator.sentence("envs", "electricity.cournot_market") == page
    assert generator.sentence("core", "policy:Random") == "Actions drawn evenly from the action space"
    with pytest.raises(ValueError, match=r"`place` must name something that is defined in its module; got"):
        generator.sentence("core", "policy:Rondom")


def test_the_families_are_the_rooms_of_environments(root: Path, generator: ModuleType) -> None:
    rooms = sorted(path.parent.name for path in (root / "envs").glob("*/__init__.py"))
    contracts = generator.contracts()
    assert re.findall(r'name = "(\w+) imports from no other family"', contracts) == rooms
    forbidden = re.findall(r"forbidden_modules = (.*)", contracts)
    for room, line in zip(rooms, forbidden[:-1], strict=True):
        assert sorted(re.findall(r"walras\.\*\.(\w+)", line)) == [other for other in rooms if other != room]
