from pathlib import Path

import pytest

from tests.scenarios.bench.conftest import MARKET
from walras.core.policy import Random
from walras.envs import CournotMarket
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite


def test_a_recipe_makes_what_it_names() -> None:
    assert Recipe("walras.envs:CournotMarket", {"cost": [10, 20], "horizon": 3}).made() == CournotMarket(
        cost=(10, 20), horizon=3
    )
    game = CournotMarket()
    assert Recipe("walras.core.policy:Random").made(game=game) == Random(game)


def test_arguments_can_be_recipes_and_things() -> None:
    inner = {"make": "builtins:dict", "arguments": {"a": 1}}
    made = Recipe("builtins:dict", {"made": inner, "thing": {"thing": "builtins:len"}, "list": [inner]}).made()
    assert made == {"made": {"a": 1}, "thing": len, "list": ({"a": 1},)}


def test_a_thing_in_a_file_is_one_thing_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("class Thing:\n    pass\n")
    recipe = Recipe(f"{file}:Thing")
    first = type(recipe.made())
    assert type(recipe.made()) is first
    file.write_text("class Thing:\n    pass\n\n\nmore = 1\n")
    assert type(recipe.made()) is not first
    assert recipe.files() == [file]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("nowhere", "`make` must be module:Name or file.py:Name; got 'nowhere'"),
        ("walras.envs:Cournot", "it has no 'Cournot'"),
        ("walras.no:Thing", "`make` must name something that can be imported"),
        ("missing.py:Thing", "`make` must name an existing file; got 'missing.py'"),
    ],
)
def test_what_is_not_there_is_refused(place: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Recipe(place).made()


def test_the_nearest_name_of_a_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("class Thing:\n    pass\n")
    with pytest.raises(ValueError, match="Did you mean 'Thing'"):
        Recipe(f"{file}:Thinx").made()


def test_a_suite_says_which_number_is_wrong() -> None:
    with pytest.raises(ValueError, match="`seeds` must be a whole number, at least 1; got 0"):
        Suite(name="none", seeds=0)
    with pytest.raises(ValueError, match="`block` must be at most 3, the seeds; got 5"):
        Suite(name="none", seeds=3)
    with pytest.raises(ValueError, match="`episodes` must be at least 32"):
        Evaluation(episodes=8)
    with pytest.raises(ValueError, match="`checkpoints` must be a whole number"):
        Evaluation(checkpoints=0)


def test_a_suite_as_data_holds_all_of_it() -> None:
    data = Suite(name="one", games={"market": MARKET}, settings={"MAPPO": {"electricity": {"hidden": (4,)}}}).data()
    assert data["games"] == {"market": {"make": "electricity.cournot_market", "arguments": {"horizon": 3}}}
    assert data["methods"] is None
    assert data["settings"] == {"MAPPO": {"electricity": {"hidden": [4]}}}
    assert data["evaluation"]["episodes"] == 32
    with pytest.raises(TypeError, match="`arguments` must be numbers, text, lists, mappings or recipes"):
        Suite(name="one", games={"market": Recipe("a:b", {"value": object()})}).data()
