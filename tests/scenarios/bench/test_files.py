from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.bench.conftest import SUITE
from walras.scenarios.bench.files import suite_named
from walras.scenarios.bench.plan import plan
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite
from walras.scenarios.bench.suites import QUICK


def test_a_suite_is_found_by_its_name() -> None:
    assert suite_named("quick") is QUICK
    with pytest.raises(ValueError, match="Did you mean 'quick'"):
        suite_named("quik")


def test_a_file_of_yaml_is_a_suite(tmp_path: Path, learner_file: Path) -> None:
    file = tmp_path / "duopoly.yaml"
    file.write_text(f"""
games:
  duopoly: {{make: electricity.cournot_market, arguments: {{cost: [10, 20]}}}}
  electricity.supply_function_market:
methods:
  random:
  own: {{make: "own/{learner_file.name}:Settles", arguments: {{fails: ""}}}}
steps: 64
seeds: 4
block: 2
evaluation: {{checkpoints: 2}}
""")
    suite = suite_named(str(file))
    assert suite.name == "duopoly"
    assert suite.games == {
        "duopoly": Recipe("electricity.cournot_market", {"cost": [10, 20]}),
        "electricity.supply_function_market": Recipe("electricity.supply_function_market"),
    }
    assert suite.methods == {"random": Recipe("random"), "own": Recipe(f"{learner_file}:Settles", {"fails": ""})}
    assert suite.evaluation == Evaluation(checkpoints=2)
    assert len(plan(suite).cells) == 8


def test_a_list_of_names_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "two.yml"
    file.write_text("games: [electricity.cournot_market]\nmethods: [random, scripted]\nseeds: 2\nblock: 2\n")
    assert {cell.method for cell in plan(suite_named(str(file))).cells} == {"random", "scripted"}


def test_a_file_of_python_is_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from walras.scenarios.bench.suite import Recipe, Suite\n"
        'MARKET = {"market": Recipe("electricity.cournot_market")}\n'
        'OWN = Suite(name="own", games=MARKET, methods={"random": Recipe("random")})\n'
    )
    assert suite_named(str(file)).name == "own"
    file.write_text("x = 1\n")
    with pytest.raises(ValueError, match="`suite` must be a file that defines one Suite"):
        suite_named(str(file))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sedes: 3\n", "`field of own.yaml` must be one of .*Did you mean 'seeds'"),
        ("evaluation: {episode: 3}\n", "`evaluation` must be one of .*Did you mean 'episodes'"),
        ("games: 3\n", "`games` must be a list of registered names, or a mapping"),
        ("games: {a: {mak: b}}\n", "`games.a` must be one of arguments, make; got 'mak'"),
        ("- 3\n", "`suite` must be a file with a suite's fields"),
        ("games: [\n", "`suite` must be a file of YAML"),
        ("games: {a: 3}\n", "`games.a` must be a mapping with make and arguments, .* got 3"),
        ("budgets: 3\n", "`budgets` must be a mapping; got 3"),
        ("budgets: {teams: 0}\n", r"`budgets\['teams'\]` must be a whole number, at least 1; got 0"),
        ("name: a/b\n", "`name` must be what a file can be called, .*; got 'a/b'"),
        ("name: ''\n", "`name` must be what a file can be called, .*; got ''"),
        ("name: .hidden\n", "`name` must be what a file can be called, .*; got '.hidden'"),
        ("seeds: 3\ngames: [x]\nseeds: 4\n", "own.yaml, line 3: `seeds` must stand once; it stands in line 1 already"),
        ("games: {}\n", "`games` must be a list .*, and hold one at least; got {}"),
        ("methods: []\n", "`methods` must be a list .*, and hold one at least; got \\[\\]"),
        ("a: [*a]\n", "`suite` must be a file of YAML"),
        ("settings: &x\n  MAPPO: {electricity: *x}\n", "own.yaml, line 1: a value must not hold itself"),
        ("a: !x 3\n", "`suite` must be a file of YAML"),
        ("", "`suite` must hold something; got .*own.yaml, which is empty"),
        ("\0", "`suite` must be a text file; got .*own.yaml', which is binary"),
        ("seeds: many\n", "`seeds` must be a whole number, at least 1; got 'many'"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=told):
        suite_named(str(file))


def test_a_field_without_a_value_has_its_default(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("games:\nmethods:\nsteps:\nbudgets:\nsettings:\nevaluation:\n")
    assert suite_named(str(file)) == Suite(name="own")
    file.write_text("name: 5\n")
    assert suite_named(str(file)).name == "5"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`suite` must be a name or an existing file"):
        suite_named(str(tmp_path / "none.yaml"))


def test_files_and_code_make_the_same_cells(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    evaluation = ", ".join(f"{name}: {value}" for name, value in SUITE.data()["evaluation"].items())
    file.write_text(f"""
games: {{market: {{make: electricity.cournot_market, arguments: {{horizon: 3}}}}}}
methods: [random]
steps: 64
seeds: 4
block: 2
evaluation: {{{evaluation}}}
""")
    methods = {"random": Recipe("random")}
    assert [cell.id for cell in plan(suite_named(str(file))).cells] == [
        cell.id for cell in plan(replace(SUITE, methods=methods)).cells
    ]
