"""The house: what the wheel holds, who may import whom, and what an import costs."""

import ast
import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

LAZY = ["torch", "numba", "cvxpy", "matplotlib", "pandas", "stable_baselines3", "scipy"]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def folders(root: Path) -> dict[str, Path]:
    """Package of each folder with an ``__init__.py``, at all levels."""
    found: dict[str, Path] = {}
    for path, names, files in os.walk(root):
        folder = Path(path)
        names[:] = [n for n in names if not n.startswith(".") and n not in ("tests", "build", "dist", "__pycache__")]
        if "__init__.py" in files:
            found[".".join(("walras", *folder.relative_to(root).parts))] = folder
    return found


@pytest.fixture(scope="module")
def sources(folders: dict[str, Path]) -> list[Path]:
    return sorted(file for folder in folders.values() for file in folder.glob("*.py"))


def test_the_packages_are_the_folders_on_disk(project: dict[str, Any], folders: dict[str, Path]) -> None:
    # A new folder that is not listed is left out of the wheel without a word.
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(folders)


def test_each_package_is_mapped_to_its_folder(project: dict[str, Any], folders: dict[str, Path], root: Path) -> None:
    # A room lies in the folder of its root; setuptools finds it there.
    mapping = project["tool"]["setuptools"]["package-dir"]
    assert mapping.pop("walras") == "walras.py"
    assert {name: root / folder for name, folder in mapping.items()} == {
        name: folder for name, folder in folders.items() if folder.parent == root
    }
    assert all(folder == root.joinpath(*name.split(".")[1:]) for name, folder in folders.items())


def test_each_file_that_is_no_module_is_in_the_wheel(
    project: dict[str, Any], folders: dict[str, Path], root: Path
) -> None:
    patterns = project["tool"]["setuptools"]["package-data"]
    inside = {folder / pattern for folder in folders.values() for pattern in patterns["*"]}
    inside |= {folders[name] / pattern for name, own in patterns.items() if name != "*" for pattern in own}
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("what belongs to the suite is known in a checkout only")
    files = [root / name for name in tracked.stdout.split("\0") if name and not name.endswith(".py")]
    roots = [folder for folder in folders.values() if folder.parent == root]
    data = [file for file in files if any(file.is_relative_to(folder) for folder in roots)]
    assert len(data) > 40
    assert [str(file) for file in data if not any(file.match(str(pattern)) for pattern in inside)] == []


def test_walras_itself_is_one_module(project: dict[str, Any], root: Path) -> None:
    assert project["tool"]["setuptools"]["py-modules"] == ["walras"]
    assert (root / "walras.py").is_file()


def test_each_package_says_that_it_is_typed(folders: dict[str, Path]) -> None:
    assert [name for name, folder in folders.items() if not (folder / "py.typed").is_file()] == []


def test_each_root_folder_has_a_link_for_type_checkers(folders: dict[str, Path], root: Path) -> None:
    links = {link.name: link.resolve() for link in (root / ".types" / "walras").iterdir()}
    assert links.pop("__init__.py") == root / "walras.py"
    assert links == {f.name: f for f in folders.values() if f.parent == root}
    assert all(link.is_symlink() for link in (root / ".types" / "walras").iterdir())


def test_each_package_that_loads_on_demand_has_a_stub(folders: dict[str, Path]) -> None:
    lazy = {name for name, folder in folders.items() if "__getattr__" in (folder / "__init__.py").read_text()}
    assert {name for name, folder in folders.items() if (folder / "__init__.pyi").is_file()} == lazy
    assert len(lazy) >= 5


def test_no_folder_at_the_root_is_named_walras(root: Path) -> None:
    # It would shadow the package from the root of the checkout.
    assert not (root / "walras").exists()


def test_tests_are_no_package(root: Path) -> None:
    assert list((root / "tests").rglob("__init__.py")) == []


def test_every_package_has_a_docstring(folders: dict[str, Path]) -> None:
    docs = {name: ast.get_docstring(ast.parse((f / "__init__.py").read_text())) for name, f in folders.items()}
    assert [name for name, doc in docs.items() if not doc] == []


def test_the_layers_and_the_known_folders_are_complete(project: dict[str, Any], folders: dict[str, Path]) -> None:
    linter = project["tool"]["importlinter"]
    roots = sorted(name for name in folders if name.count(".") == 1)
    assert sorted(linter["contracts"][0]["layers"]) == roots
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert sorted(f"walras.{name}" for name in banned) == roots


def test_the_installed_version_is_that_of_the_checkout(project: dict[str, Any]) -> None:
    assert version("walras") == project["project"]["version"]


@pytest.mark.parametrize("name", ["walras", "walras.envs", "walras.equilibria", "walras.agents"])
def test_importing_is_light_and_quick(name: str) -> None:
    code = f"import sys, time, {name}\nprint([m for m in {LAZY} if m in sys.modules])\nprint(time.process_time())"
    seconds: list[float] = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        loaded, spent = done.stdout.strip().splitlines()
        assert loaded == "[]"
        seconds.append(float(spent))
        if spent < "0.3":
            break
    assert min(seconds) < 0.3  # of processor time; the least, since neighbours on the same core slow it down


def test_every_module_of_the_house_is_installed(sources: list[Path], folders: dict[str, Path], root: Path) -> None:
    inside = [file.relative_to(root) for file in sources if file.parent in folders.values()]
    names = [".".join(("walras", *file.with_suffix("").parts)) for file in inside if file.stem != "__init__"]
    assert len(names) > 50
    code = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_making_an_environment_by_id_is_light_and_playing_it_loads_the_compiler_alone() -> None:
    code = (
        "import sys, gymnasium\n"
        "env = gymnasium.make('walras.envs:walras/DayAheadMarket-v0')\n"
        f"print([name for name in {LAZY} if name in sys.modules])\n"
        "env.reset(seed=0), env.step(env.action_space.sample())\n"
        f"print([name for name in {LAZY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "['numba', 'scipy']"]


def test_arrows_only_point_up(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed: pip install import-linter")
    command = [linter, "--no-cache", "--config", root / "pyproject.toml"]
    folder = root / ".types"  # where `walras` is a package with folders
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_all_imports_of_the_house_are_absolute(sources: list[Path], folders: dict[str, Path]) -> None:
    bare = {folder.name for folder in folders.values()}
    offences: list[str] = []
    for file in sources:
        for node in ast.walk(ast.parse(file.read_text())):
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            roots = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if relative or any(name.split(".")[0] in bare for name in roots):
                offences.append(f"{file}:{getattr(node, 'lineno', 0)}")
    assert offences == []


def test_no_file_is_longer_than_600_lines(sources: list[Path]) -> None:
    lengths = {str(file): len(file.read_text().splitlines()) for file in sources}
    assert {file: lines for file, lines in lengths.items() if lines > 600} == {}


def test_no_module_draws_from_the_global_generator(sources: list[Path]) -> None:
    allowed = {"default_rng", "Generator", "SeedSequence"}
    offences = [
        f"{file}:{node.lineno} np.random.{node.attr}"
        for file in sources
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("np.random", "numpy.random")
        and node.attr not in allowed
    ]
    assert offences == []


def test_the_lowest_versions_that_are_tested_are_those_that_are_allowed(project: dict[str, Any], root: Path) -> None:
    lines = (line for line in (root / ".ci" / "lowest.txt").read_text().splitlines() if not line.startswith("#"))
    tested = {name: version for name, _, version in (line.partition("==") for line in lines)}
    allowed = dict(dependency.split(">=") for dependency in project["project"]["dependencies"])
    assert {name: tested[name][: len(lowest)] for name, lowest in allowed.items()} == allowed


def test_the_console_script_resolves(root: Path) -> None:
    if not (root / "scenarios" / "cli.py").is_file():
        pytest.skip("scenarios/cli.py is not written yet")
    (script,) = [point for point in entry_points(group="console_scripts") if point.name == "walras"]
    assert callable(script.load())
