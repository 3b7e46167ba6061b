import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.scenarios.conftest import brief
from walras.agents.ppo.mappo import MAPPO
from walras.core import Learner, Random, Scripted, rollout
from walras.core.solution import Status
from walras.envs import CournotMarket
from walras.scenarios import SCENARIOS, AbstractScenario, Source
from walras.scenarios.electricity.cournot import Cournot
from walras.scenarios.electricity.day_ahead import DayAhead
from walras.scenarios.electricity.market_file import KINDS
from walras.scenarios.electricity.supply_function import SupplyFunction
from walras.scenarios.engine.catalogue import FILES, fields_of, find_scenario, source_of
from walras.scenarios.engine.scenario import Design, Method, methods_of
from walras.scenarios.engine.study import AbstractStudy

STUDIES = {name for name in SCENARIOS if issubclass(find_scenario(name), AbstractStudy)}
FAMILIES = ("allocation", "auctions", "cooperation", "electricity", "matrix", "teams", "trading")
FILE = '''
"""A market of one's own."""
{future}
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from walras.core import Scripted
from walras.envs import CournotMarket
from walras.scenarios import AbstractScenario
from walras.scenarios.electricity.cournot import Cournot as _NotMine


@dataclass(frozen=True)
class Mine(AbstractScenario):
    """Mine."""

    seeds: int = 2
    table: Path | None = None
    where: Path = Path("somewhere")
    cost: tuple[float, ...] = (10.0, 20.0)

    def game(self): return CournotMarket(cost=self.cost, horizon=3)
    def methods(self): return {{"scripted": Scripted(self.game())}}
    def charts(self): return {{}}
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "my_market.py"
    path.write_text(FILE.format(future=""))
    return path


def test_the_catalogue_is_the_folder(root: Path) -> None:
    defined = {
        f"{path.parent.name}.{path.stem}": re.findall(r"^class (?!Abstract)(\w+)\(Abstract", path.read_text(), re.M)
        for path in (root / "scenarios").glob("*/*.py")
    }
    described = dict(place.split(":") for place in {*FILES.values(), *KINDS.values()})
    listed = dict(place.split(":") for place in SCENARIOS.values()) | described
    assert {module: [kind] for module, kind in listed.items()} == {n: kinds for n, kinds in defined.items() if kinds}
    assert all(place.startswith(tuple(f"{f}.{n}:" for f in FAMILIES)) for n, place in SCENARIOS.items())


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_every_study_can_be_made_and_says_what_it_is(name: str) -> None:
    kind = find_scenario(name)
    study = Source(name).made()
    assert type(study) is kind
    assert kind.__name__ == SCENARIOS[name].partition(":")[2]
    assert (kind.__doc__ or "").strip()
    assert fields_of(study) == {}
    assert study.charts()
    with pytest.raises(TypeError, match=f"`scenario` must have a game; {name} is a study"):
        Source(name).load()


@pytest.mark.parametrize("name", sorted({*SCENARIOS} - STUDIES))
def test_every_scenario_can_be_made_and_says_what_it_is(name: str) -> None:
    kind = find_scenario(name)
    scenario = Source(name).load()
    assert type(scenario) is kind
    assert kind.__name__ == SCENARIOS[name].partition(":")[2]
    assert (kind.__doc__ or "").strip()
    assert fields_of(scenario) == {}
    assert scenario.game().observation_space == scenario.evaluation().observation_space
    scenario = brief(name)
    methods, game, evaluation = methods_of(scenario), scenario.game(), scenario.evaluation()
    assert any(isinstance(method.runs, Design | Learner) for method in methods.values())
    assert [method.role for method in methods.values()].count("reference") == 1
    for method in methods.values():
        if isinstance(method.runs, Learner):
            method.runs.check(game)
    known = (Status.CONVERGED, Status.BOUNDS_APART, Status.NOT_EQUILIBRIUM, Status.UNCERTIFIED)
    assert scenario.equilibrium().status in known
    assert scenario.charts()
    trajectory = rollout(evaluation, Scripted(evaluation), (0,))
    for measure in scenario.agent_measures().values():
        assert measure(evaluation, trajectory).shape == (len(evaluation.agents),)
    for number in scenario.market_measures().values():
        assert isinstance(number(evaluation, trajectory), float)


@pytest.mark.parametrize(("wrong", "nearest"), [("day_ahed", "day_ahead"), ("Cournot", "cournot")])
def test_an_unknown_scenario_names_the_nearest(wrong: str, nearest: str) -> None:
    message = rf"`scenario` must be one of algorithmic_collusion, .*got '{wrong}'. Did you mean '{nearest}'"
    with pytest.raises(ValueError, match=message):
        find_scenario(wrong)


def test_a_users_file_is_a_scenario(mine: Path) -> None:
    source = Source(str(mine), {"seeds": 5, "cost": [1.0, 2.0, 3.0], "table": "data.csv"})
    scenario = source.load()
    assert source.name == "my_market"
    assert type(scenario).__name__ == "Mine"
    assert vars(scenario) == {
        "seeds": 5,
        "table": Path("data.csv"),
        "where": Path("somewhere"),
        "cost": (1.0, 2.0, 3.0),
    }
    assert scenario.game().agents == ("firm_0", "firm_1", "firm_2")


def test_a_users_file_may_postpone_its_annotations(tmp_path: Path) -> None:
    path = tmp_path / "later.py"
    path.write_text(FILE.format(future="from __future__ import annotations"))
    scenario = Source(str(path), {"cost": [1.0, 2.0], "where": "here"}).load()
    assert vars(scenario)["cost"] == (1.0, 2.0)
    assert vars(scenario)["where"] == Path("here")


def test_a_users_file_may_have_the_name_of_a_module(tmp_path: Path) -> None:
    path = tmp_path / "json.py"
    path.write_text(FILE.format(future="from __future__ import annotations"))
    assert vars(Source(str(path), {"where": "here"}).load())["where"] == Path("here")
    assert json.loads("[1]") == [1]  # the module of that name is untouched
    import json as again

    assert again is json


def test_a_file_without_a_scenario_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("from walras.scenarios.electricity.cournot import Cournot\n")
    with pytest.raises(
        ValueError, match=r"`scenario` must be a file that defines one scenario, or file.py:Name; got \[\]"
    ):
        find_scenario(str(path))


def test_a_file_with_two_scenarios_is_refused(mine: Path) -> None:
    mine.write_text(mine.read_text() + "\n@dataclass(frozen=True)\nclass Other(Mine):\n    pass\n")
    with pytest.raises(ValueError, match=r"one scenario, or file.py:Name; got \['Mine', 'Other'\]"):
        find_scenario(str(mine))


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match=r"`scenario` must be a name or an existing file; got 'no\.py'"):
        find_scenario("no.py")


def test_an_unknown_field_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"`fields` must be one of .*; got 'slop'. Did you mean 'slope'"):
        Source("cournot", {"slop": 2.0}).load()


@pytest.mark.parametrize(
    "scenario",
    [
        Cournot(slope=2.0, cost=(1.0, 2.0), seeds=1),
        SupplyFunction(demand=(10.0, 20.0), learner="SAC"),
        DayAhead(data=Path("/tmp/data.csv"), start="2017-05-01", markup_limit=3.5),
        DayAhead(hours=24),
    ],
)
def test_fields_survive_json(scenario: AbstractScenario) -> None:
    name = next(name for name, kind in SCENARIOS.items() if kind.endswith(f":{type(scenario).__name__}"))
    data = json.loads(json.dumps(fields_of(scenario)))
    assert Source(name, data).load() == scenario
    defaults = vars(type(scenario)())
    assert set(data) == {key for key, value in vars(scenario).items() if value != defaults[key]}


def test_a_relative_path_is_kept_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fields_of(DayAhead(data=Path("data.csv"))) == {"data": str(tmp_path / "data.csv")}


def test_fields_at_their_defaults_are_not_kept() -> None:
    scenario = Cournot(**{f.name: f.default for f in fields(Cournot)})
    assert fields_of(scenario) == {}


def test_a_file_with_two_scenarios_is_asked_which(mine: Path) -> None:
    mine.write_text(mine.read_text() + "\n@dataclass(frozen=True)\nclass Other(Mine):\n    more: int = 1\n")
    source = source_of(f"{mine}:Other", more=2)
    assert (source.name, source.file, source.fields["more"]) == ("Other", mine, 2)
    assert type(source.load()).__name__ == "Other"
    assert source_of(source.load()).scenario == f"{mine}:Other"
    with pytest.raises(ValueError, match=r"`scenario` must be one of Mine, Other; got 'Othr'\. Did you mean 'Other'"):
        find_scenario(f"{mine}:Othr")


def test_a_scenario_its_name_and_its_file_are_one_source(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_of(Cournot(seeds=3, slope=2)) == source_of("cournot", seeds=3, slope=2.0)
    assert source_of(Cournot(cost=(1.0, 2.0))) == source_of("cournot", cost=[1, 2])
    assert source_of(Cournot(seeds=3), slope=2.0) == source_of("cournot", seeds=3, slope=2.0)
    assert source_of(Cournot()) == Source("cournot")
    monkeypatch.chdir(mine.parent)
    by_path = source_of("./my_market.py", cost=(1.0, 2.0), table="data.csv")
    assert by_path.scenario == str(mine)
    assert by_path == source_of(find_scenario(str(mine))(cost=(1.0, 2.0), table=Path("data.csv")))
    assert by_path.fields["table"] == str(mine.parent / "data.csv")


def test_numbers_of_numpy_are_plain() -> None:
    assert source_of("cournot", seeds=np.int64(3), slope=np.float64(2.0)).fields == {"seeds": 3, "slope": 2.0}


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(3)])
def test_a_field_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="`fields` must be numbers, text, paths, or tuples of them; got"):
        source_of("cournot", cost=value)


def test_a_scenario_of_a_function_has_no_file() -> None:
    @dataclass(frozen=True)
    class Local(Cournot.__base__):  # type: ignore[misc]
        seeds: int = 1

        def game(self) -> CournotMarket:
            return CournotMarket()

        def methods(self) -> dict[str, Any]:
            return {}

        def charts(self) -> dict[str, Any]:
            return {}

    source = source_of(Local())
    assert (source.scenario, source.file, source.kind, source.fields) == ("Local", None, Local, {"seeds": 1})


def test_methods_have_titles_and_roles() -> None:
    game = CournotMarket()
    scenario = SimpleNamespace(
        methods=lambda: {
            "by_chance": Random(game),
            "learned": MAPPO(),
            "rule": Method(Design(lambda seed, folder: game), "a rule"),
            "best": Method(MAPPO(), role="reference"),
        }
    )
    assert [(method.title, method.role) for method in methods_of(scenario).values()] == [
        ("by chance", "rule"), ("learned", "learner"), ("a rule", "rule"), ("best", "reference"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="`role` must be one of learner, reference, rule; got 'hero'"):
        Method(Random(game), role="hero")


def test_scenarios_show_what_differs_from_their_defaults() -> None:
    assert repr(Cournot()) == "Cournot()"
    assert repr(Cournot(seeds=3, cost=(1.0, 2.5))) == "Cournot(cost=[1, 2.5], seeds=3)"
    assert "<td" in Cournot(seeds=3)._repr_html_()
