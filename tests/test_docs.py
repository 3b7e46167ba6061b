"""The documentation: its examples run, its pages are complete, and it speaks of the project alone."""

import contextlib
import dataclasses
import doctest
import importlib
import importlib.util
import io
import os
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
from walras.envs.registration import gymnasium_id, pettingzoo_id
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
COMMAND = re.compile(r"^(?:.*&& )?walras (?:run|solve) (\w+)\b(?!\.(?:py|yaml))([^\n]*)$", re.MULTILINE)
TITLE = re.compile(r'title="([^"]+)"')
COMMANDS = (
    "pip install -c constraints.txt -e . && walras run day_ahead",
    'pip install -c constraints.txt -e ".[dev]" && pytest',
)
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
    """Every module of the package, at all levels, by name."""
    names: list[str] = []
    for package in PACKAGES:
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            names.append(".".join((package.__name__, *(part for part in parts if part != "__init__"))))
    return names


@pytest.fixture(scope="module")
def hook() -> types.ModuleType:
    """The hook of MkDocs that makes pages and nav."""
    pytest.importorskip("mkdocs", reason="the site is not built here: pip install -e '.[docs]'")
    spec = importlib.util.spec_from_file_location("pages_hook", ROOT / "docs" / "plugins" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    # What needs a reader's own files stands in blocks of `py`, which are not run.
    for line, options, code, output in blocks(page):
        if title := TITLE.search(options):
            Path(title[1]).write_text(code, encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            # Empty lines before the code give errors the page's own line numbers.
            exec(compile("\n" * (line - 1) + code, page, "exec"), namespace)
        if output is not None:
            assert printed.getvalue().split() == output.split()


@pytest.mark.parametrize("name", modules())
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


def test_each_module_has_its_page_where_its_file_is(hook: types.ModuleType) -> None:
    made, written = hook.generated(), hook.written()
    shown = {module for text in written.values() for module in hook.SHOWN.findall(text)}
    for name in set(hook.modules()) - shown:
        assert made[f"{name.removeprefix('walras.').replace('.', '/')}.md"].endswith(f"::: {name}\n")
    assert {name for name in modules() if name.count(".") > 1} >= set(hook.modules())
    assert not set(made) & set(written)


def test_pages_mirror_the_folders(hook: types.ModuleType) -> None:
    # docs/<root>/<family>/<file>.md; what stands in a root's own folder may be about all of it.
    rooms = [page for page in hook.written() if page.count("/") > 1 and page.split("/")[0] in hook.ROOTS]
    strays = [page for page in rooms if not (ROOT / page).with_suffix(".py").is_file() and "/index.md" not in page]
    assert len(rooms) > 20
    assert strays == []


def test_no_page_is_only_what_the_site_makes_itself(hook: types.ModuleType) -> None:
    bare = [page for page, text in hook.written().items() if re.fullmatch(r"# .+\n+::: walras\.\S+\n*", text)]
    assert bare == []


def test_the_nav_holds_every_page_once(hook: types.ModuleType) -> None:
    pages = {*hook.written(), *hook.generated()}
    lines = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    named = re.findall(r": (\S+)$", lines, re.MULTILINE)
    listed = [page for place in named for page in (leaves(hook.tree(place, pages)) if place.endswith("/") else [place])]
    assert sorted(listed) == sorted(pages)


def leaves(nav: list[Any]) -> list[str]:
    """The pages of a nav."""
    return [page for entry in nav for page in ([entry] if isinstance(entry, str) else leaves(*entry.values()))]


def test_the_tables_name_each_environment_and_scenario() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    site = (ROOT / "docs" / "envs" / "index.md").read_text(encoding="utf-8")
    for key, name in walras.envs.GAMES.items():
        assert f"`{name}`" in readme
        assert all(f"`{name}`" in site for name in (name, gymnasium_id(key), pettingzoo_id(key)))
    for name in walras.scenarios.SCENARIOS:
        assert f"walras run {name}" in readme


def test_the_glossary_defines_each_word_once_and_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    sections = [re.findall(r"^\| ([^|]+) \| [^|]+ \|$", part, re.MULTILINE)[1:] for part in text.split("\n## ")[1:]]
    words = [word for section in sections for word in section]
    assert len(words) == len(set(words)) > 40
    for section in sections:
        assert [word.strip("`").lower() for word in section] == sorted(word.strip("`").lower() for word in section)


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
