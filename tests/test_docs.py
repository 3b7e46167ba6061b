"""The documentation: its examples run, its pages are complete, and it speaks of the project alone."""

import contextlib
import dataclasses
import doctest
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import walras.agents
import walras.core
import walras.envs
import walras.equilibria
import walras.markets
import walras.mechanisms
import walras.scenarios
from walras.scenarios.cli import How, Plain, Where
from walras.scenarios.engine.catalogue import find_scenario

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    walras.core,
    walras.markets,
    walras.mechanisms,
    walras.envs,
    walras.equilibria,
    walras.agents,
    walras.scenarios,
)
BLOCK = re.compile(
    r"^```python(?P<options>[^\n]*)\n(?P<code>.*?)^```$(?:\n+```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"^(?:.*&& )?walras (?:run|solve) (\w+)\b(?!\.py)([^\n]*)$", re.MULTILINE)
TITLE = re.compile(r'title="([^"]+)"')
COMMANDS = (
    "pip install -c constraints.txt -e . && walras run day_ahead",
    'pip install -c constraints.txt -e ".[dev]" && pytest',
)
NO_PAGES = {  # the first two share equilibria/index.md, the next two agents/sb3.md
    "walras.equilibria.gap",
    "walras.equilibria.solve",
    "walras.agents.sb3.lockstep",
    "walras.agents.sb3.rows",
    "walras.envs.registration",
    "walras.envs.viewer",
}
FOREIGN = re.compile(
    r"(?<![\w.])/?shared/|(?:index|extra)-url|pypi\.|pythonhosted|artifactory|devpi|/simple/", re.IGNORECASE
)


def pages() -> list[str]:
    """README.md and the site's pages, by their path in the checkout."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in paths]


def blocks(page: str) -> Iterator[tuple[int, str, str, str | None]]:
    """Line, options and code of each Python block of a page, and the output shown below it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield text[: found.start()].count("\n") + 2, found["options"], found["code"], found["output"]


def modules() -> list[str]:
    """Every module of the package, by name."""
    return [
        name
        for package in PACKAGES
        for name in [package.__name__]
        + [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    ]


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """An empty module in an empty folder, as a reader's script would be."""
    monkeypatch.chdir(tmp_path)
    page = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    return vars(page)


# What a reader's own use of Gymnasium and Stable-Baselines3 warns of is not the page's fault.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", pages())
def test_every_example_runs_and_prints_what_is_shown(page: str, namespace: dict[str, Any]) -> None:
    for line, options, code, output in blocks(page):
        if "notest" in options:
            continue
        if title := TITLE.search(options):
            Path(title[1]).write_text(code, encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # Empty lines before the code give errors the page's own line numbers.
            exec(compile("\n" * (line - 1) + code, page, "exec"), namespace)
        if output is not None:
            assert printed.getvalue().split() == output.split()


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("_v0")])
def test_every_example_of_a_docstring_runs(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_some_examples_are_found() -> None:
    # A renamed fence or docstring section would leave the tests above with nothing to run.
    shown = [output for *_, output in blocks("README.md")]
    assert len(shown) == 2
    assert shown[0]
    module = importlib.import_module("walras.markets.electricity.clearing")
    assert any(test.examples for test in doctest.DocTestFinder().find(module))


def test_the_readme_gives_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [command for command in COMMANDS if command not in lines[:20]] == []


def test_each_environment_solver_learner_and_market_has_its_page() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    folders = {
        "envs": "environments",
        "equilibria": "equilibria",
        "markets": "markets",
        "agents": "agents",
        "mechanisms": "mechanisms",
    }
    wanted = [name for name in modules() if name.split(".")[1] in folders and name.count(".") == 2]
    missing: list[str] = []
    for name in sorted(set(wanted) - NO_PAGES):
        _, folder, module = name.split(".")
        page = f"{folders[folder]}/{module}.md"
        if module.endswith("_v0"):
            continue
        path = ROOT / "docs" / page
        if page not in nav or not path.is_file() or f"::: {name}\n" not in path.read_text() + "\n":
            missing.append(page)
    assert missing == []
    assert all(f"environments/{game}.md" in nav for game in walras.envs.GAMES)


def test_the_tables_name_each_environment_and_scenario() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    site = (ROOT / "docs" / "environments" / "index.md").read_text(encoding="utf-8")
    for module, name in walras.envs.GAMES.items():
        assert all(part in text for part in (f"`{name}`", f"`walras/{module}-v0`") for text in (readme, site))
    for name in walras.scenarios.SCENARIOS:
        assert f"walras run {name}" in readme


def test_the_commands_shown_have_their_options() -> None:
    common = {field.name for kind in (How, Where, Plain) for field in dataclasses.fields(kind)}
    wrong: list[str] = []
    for page in pages():
        for name, options in COMMAND.findall((ROOT / page).read_text(encoding="utf-8")):
            own = {field.name for field in dataclasses.fields(find_scenario(name))}  # pyright: ignore[reportArgumentType]
            given = {option.replace("-", "_") for option in re.findall(r"--([\w-]+)", options)}
            wrong += [f"{page}: walras ... {name} --{option}" for option in sorted(given - own - common)]
    assert wrong == []


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) < 60


def test_the_pictures_are_small() -> None:
    large = [path.name for path in (ROOT / "docs").rglob("*.png") if path.stat().st_size > 200_000]
    assert large == []


def test_every_link_between_pages_leads_somewhere() -> None:
    # mkdocs checks those of the site; README and CONTRIBUTING are read elsewhere.
    broken: list[str] = []
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        broken += [f"{name}: {target}" for target in targets if not (ROOT / target).exists()]
    assert broken == []


def test_the_repository_speaks_of_itself_alone() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are the repository's is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    offences: list[str] = []
    for path in files:
        if path == Path(__file__).resolve() or not path.is_file() or os.path.islink(path):
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        offences += [f"{path.relative_to(ROOT)}: {found[0]!r}" for found in FOREIGN.finditer(text)]
    assert offences == []
