import json
from dataclasses import fields
from pathlib import Path

import pytest

from walras.core import Scripted, rollout
from walras.core.solution import Status
from walras.scenarios import SCENARIOS, AbstractScenario, Source
from walras.scenarios.electricity.cournot import Cournot
from walras.scenarios.electricity.day_ahead import DayAhead
from walras.scenarios.electricity.supply_function import SupplyFunction
from walras.scenarios.engine.catalogue import fields_of, find_scenario
from walras.scenarios.engine.scenario import Design, Learner, Training, chunk_seed

FAMILIES = ("allocation", "cooperation", "electricity", "teams", "trading")
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
    def contestants(self): return {{"scripted": Scripted(self.game())}}
    def agent_measures(self): return {{}}
    def market_measures(self): return {{}}
    def reference(self): return None
    def charts(self): return {{}}
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "my_market.py"
    path.write_text(FILE.format(future=""))
    return path


def test_the_catalogue_is_the_folder(root: Path) -> None:
    defined = {
        f"{path.parent.name}.{path.stem}": [line.split("(")[0].removeprefix("class ") for line in path.read_text().splitlines()
                    if line.startswith("class ") and "(Abstract" in line and not line.startswith("class Abstract")]
        for path in (root / "scenarios").glob("*/*.py")
    }  # fmt: skip
    listed = dict(place.split(":") for place in SCENARIOS.values())
    assert {module: [kind] for module, kind in listed.items()} == {n: kinds for n, kinds in defined.items() if kinds}
    assert all(place.startswith(tuple(f"{f}.{n}:" for f in FAMILIES)) for n, place in SCENARIOS.items())


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_can_be_made_and_says_what_it_is(name: str) -> None:
    kind = find_scenario(name)
    scenario = Source(name).load()
    assert type(scenario) is kind
    assert kind.__name__ == SCENARIOS[name].partition(":")[2]
    assert (kind.__doc__ or "").strip()
    assert fields_of(scenario) == {}
    contestants, game, exam = scenario.contestants(), scenario.game(), scenario.exam()
    assert any(isinstance(c, Design | Learner | Training) for c in contestants.values())
    assert game.observation_space == exam.observation_space
    assert scenario.equilibrium().status in (Status.CONVERGED, Status.BOUNDS_APART)
    assert scenario.charts()
    trajectory = rollout(exam, Scripted(exam), (0,))
    for measure in scenario.agent_measures().values():
        assert measure(exam, trajectory).shape == (len(exam.agents),)
    for number in scenario.market_measures().values():
        assert isinstance(number(exam, trajectory), float)


@pytest.mark.parametrize(("wrong", "nearest"), [("day_ahed", "day_ahead"), ("Cournot", "cournot")])
def test_an_unknown_scenario_names_the_nearest(wrong: str, nearest: str) -> None:
    message = rf"`scenario` must be one of cournot, .*got '{wrong}'. Did you mean '{nearest}'"
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
    with pytest.raises(ValueError, match=r"`scenario` must be a file that defines one scenario; got \[\]"):
        find_scenario(str(path))


def test_a_file_with_two_scenarios_is_refused(mine: Path) -> None:
    mine.write_text(mine.read_text() + "\n@dataclass(frozen=True)\nclass Other(Mine):\n    pass\n")
    with pytest.raises(ValueError, match=r"one scenario; got \['Mine', 'Other'\]"):
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


@pytest.mark.parametrize(
    ("steps", "checkpoints", "message"),
    [(0, 1, "`steps` must be at least 1; got 0"), (3, 4, "`steps` must be at least 4; got 3"),
     (5, 0, "`checkpoints` must be at least 1; got 0")],
)  # fmt: skip
def test_training_refuses_too_little(steps: int, checkpoints: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Training("PPO", steps, checkpoints)


def test_each_stretch_of_training_has_a_seed_of_its_own() -> None:
    seeds = [chunk_seed(seed, chunk) for seed in range(20) for chunk in range(20)]
    assert len(set(seeds)) == 400
    assert chunk_seed(3, 4) == chunk_seed(3, 4)
