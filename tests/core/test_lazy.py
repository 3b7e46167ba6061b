import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from walras.core.lazy import joined, lazy, load

NAMES = {
    "Thing": "deep.first:Thing",
    "short": "deep.second",
    "own": "own",
    "lost": "deep.first:lost",
    "gone": "deep.no",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package whose names are lazy, and which says in `sys.modules` what of it was loaded."""
    deep = tmp_path / "idle" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "idle" / "__init__.py").write_text(
        f"from walras.core.lazy import lazy\n__getattr__, __dir__ = lazy(__name__, {NAMES!r})\n"
    )
    (tmp_path / "idle" / "own.py").write_text("")
    (deep / "__init__.py").write_text("")
    (deep / "first.py").write_text("class Thing:\n    pass\n")
    (deep / "second.py").write_text("def f():\n    return 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield load("idle")
    for name in [name for name in sys.modules if name.partition(".")[0] == "idle"]:
        del sys.modules[name]


def loaded() -> set[str]:
    """What of the package `idle` was loaded, less short names."""
    return {name for name in sys.modules if name.startswith("idle.")} - {"idle.short", "idle.gone"}


def test_names_load_on_demand(package: ModuleType) -> None:
    assert loaded() == set()
    assert package.Thing.__module__ == "idle.deep.first"
    assert loaded() == {"idle.deep", "idle.deep.first"}
    assert package.short is sys.modules["idle.deep.second"]
    assert package.own is sys.modules["idle.own"]


def test_what_a_package_lists_loads_nothing(package: ModuleType) -> None:
    assert set(NAMES) <= set(dir(package))
    assert dir(package) == sorted(set(dir(package)))
    assert loaded() == set()


def test_modules_have_short_names(package: ModuleType) -> None:
    assert load("idle.short:f")() == 2
    assert load("idle.short:f") is load("idle.deep.second:f")


def test_looking_at_all_modules_loads_none(package: ModuleType) -> None:
    for module in list(sys.modules.values()):
        inspect.getmodule(module)
        hasattr(module, "__file__")
        hasattr(module, "__wrapped__")
    inspect.getmodule(package.Thing)
    inspect.stack()
    assert loaded() == {"idle.deep", "idle.deep.first"}


def test_unknown_names_are_refused(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'idle' has no attribute 'other'"):
        _ = package.other
    with pytest.raises(AttributeError, match=r"module 'idle.short' has no attribute '__file__'"):
        _ = sys.modules["idle.short"].__file__
    with pytest.raises(AttributeError, match=r"module 'idle.deep.second' has no attribute 'g'"):
        _ = sys.modules["idle.short"].g
    with pytest.raises(ImportError, match="cannot import name 'other' from 'idle'"):
        exec("from idle import other")


def test_names_of_nothing_say_what_is_missing(package: ModuleType) -> None:
    with pytest.raises(ImportError, match=r"`idle.deep.first:lost` must name something in .*; it has no 'lost'"):
        _ = package.lost
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'idle.deep.no'"):
        _ = package.gone
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'idle.none'"):
        load("idle.none:f")


def test_load_returns_modules_and_what_stands_in_them() -> None:
    assert load("walras.core.lazy") is sys.modules["walras.core.lazy"]
    assert load("walras.core.lazy:lazy") is lazy


def test_tables_with_one_name_twice_are_refused() -> None:
    assert joined({"a": "x"}, {"b": "y"}) == {"a": "x", "b": "y"}
    with pytest.raises(ValueError, match=r"`names` must name one thing each, and 'a' is 'x' already; got 'y'"):
        joined({"a": "x"}, {"a": "y"})


HEAVY = (
    "import sys, walras.agents, walras.envs, walras.equilibria; print({'torch', 'cvxpy', 'pandas'} & set(sys.modules))"
)


def test_packages_of_games_solvers_and_learners_load_no_library() -> None:
    found = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"
