import sys
from pathlib import Path

import pytest

from walras.scenarios.engine.modules import imports, load_file


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """A file, a module beside it, a package beside it, and a module that nobody imports."""
    (tmp_path / "my_market.py").write_text(
        "import json\nimport helper_h\nfrom parts_h import prices\nCOST = helper_h.COST\n"
    )
    (tmp_path / "helper_h.py").write_text("import deeper_h\nCOST = 10\n")
    (tmp_path / "deeper_h.py").write_text("")
    (tmp_path / "other_h.py").write_text("")
    (tmp_path / "parts_h").mkdir()
    (tmp_path / "parts_h" / "__init__.py").write_text("")
    (tmp_path / "parts_h" / "prices.py").write_text("PRICE = 1\n")
    return tmp_path / "my_market.py"


def test_the_modules_beside_a_file_that_it_imports(market: Path) -> None:
    folder = market.parent
    assert imports(market) == {
        "deeper_h": folder / "deeper_h.py",
        "helper_h": folder / "helper_h.py",
        "parts_h": folder / "parts_h" / "__init__.py",
        "parts_h.prices": folder / "parts_h" / "prices.py",
    }


def test_a_change_beside_is_read_anew_within_the_same_second(market: Path) -> None:
    assert load_file(market).COST == 10
    (market.parent / "helper_h.py").write_text("import deeper_h\nCOST = 50\n")  # as long as before
    (market.parent / "parts_h" / "prices.py").write_text("PRICE = 2\n")
    module = load_file(market)
    assert (module.COST, module.prices.PRICE) == (50, 2)


def test_modules_of_one_name_beside_two_files_are_kept_apart(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"market_{name}.py").write_text(
            "def which():\n    import which_h\n    return which_h.NAME\n"
        )
        (tmp_path / name / "which_h.py").write_text(f"NAME = '{name}'\n")
    found = [load_file(tmp_path / name / f"market_{name}.py").which() for name in "abab"]
    assert found == ["a", "b", "a", "b"]


def test_modules_elsewhere_that_are_not_installed_are_read_anew(
    market: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "library_h").mkdir()
    (elsewhere / "library_h" / "__init__.py").write_text("from library_h.costs import COST\n")
    (elsewhere / "library_h" / "costs.py").write_text("COST = 10\n")
    monkeypatch.syspath_prepend(elsewhere)
    market.write_text("import numpy, pandas.testing\ndef cost():\n    from library_h import COST\n    return COST\n")
    assert imports(market) == {
        "library_h": elsewhere / "library_h" / "__init__.py",
        "library_h.costs": elsewhere / "library_h" / "costs.py",
    }
    assert load_file(market).cost() == 10
    (elsewhere / "library_h" / "costs.py").write_text("COST = 50\n")
    assert load_file(market).cost() == 50


def test_a_module_beside_that_is_no_python_is_named(market: Path) -> None:
    (market.parent / "deeper_h.py").write_text("def (")
    with pytest.raises(SyntaxError) as error:
        load_file(market)
    assert Path(str(error.value.filename)).name == "deeper_h.py"
    assert imports(market)["deeper_h"] == market.parent / "deeper_h.py"


def test_a_file_that_ends_the_process_is_refused(market: Path) -> None:
    market.write_text("raise SystemExit(0)")
    with pytest.raises(ValueError, match=r"`scenario` must be a file that can be imported; .*my_market\.py calls"):
        load_file(market)


def test_modules_of_python_are_not_shadowed(tmp_path: Path) -> None:
    (tmp_path / "my_market.py").write_text("import json, graphlib\n")
    (tmp_path / "graphlib.py").write_text("raise AssertionError\n")
    assert imports(tmp_path / "my_market.py") == {}
    sys.modules.pop("graphlib", None)
    assert hasattr(load_file(tmp_path / "my_market.py").graphlib, "TopologicalSorter")


@pytest.mark.parametrize("text", ["def", "import (", "\0"])
def test_what_is_no_python_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(text)
    with pytest.raises((SyntaxError, ValueError)):
        load_file(tmp_path / "wrong.py")
