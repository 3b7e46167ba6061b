"""MkDocs hook: a page for each module that no page shows, and the nav of each folder that `mkdocs.yml` names.

Folder ``docs/envs/electricity`` is the room ``walras.envs.electricity``. A page is written by hand where there is
more to say than the docstrings do; all others are a title and ``::: module``, and exist only in the site.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent.parent
ROOTS = ("core", "markets", "mechanisms", "envs", "equilibria", "agents", "scenarios")
SHOWN = re.compile(r"^::: (walras\.\S+)", re.MULTILINE)
WORDS = {"cli": "command line", "lq": "LQ", "ppo": "PPO", "sb3": "Stable-Baselines3"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put its pages in place of each folder of the nav."""
    assert config.nav is not None
    pages = {*written(), *generated()}
    config.nav = [_unfolded(entry, pages) for entry in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not written by hand."""
    for page, content in generated().items():
        files.append(File.generated(config, page, content=content))
    return files


def written() -> dict[str, str]:
    """Return the pages written by hand, by their path in ``docs``."""
    docs = ROOT / "docs"
    return {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in sorted(docs.rglob("*.md"))}


def generated() -> dict[str, str]:
    """Return the pages that are a title and what a module's docstrings say, likewise."""
    shown = {module for text in written().values() for module in SHOWN.findall(text)}
    pages = {f"{module.removeprefix('walras.').replace('.', '/')}.md": module for module in modules()}
    return {
        page: f"# {title(Path(page).stem)}\n\n::: {module}\n" for page, module in pages.items() if module not in shown
    }


def modules() -> Iterator[str]:
    """Yield the name of every module in a root folder and its rooms."""
    for root in ROOTS:
        for path in sorted((ROOT / root).rglob("*.py")):
            if path.stem != "__init__":
                yield ".".join(("walras", *path.relative_to(ROOT).with_suffix("").parts))


def title(name: str) -> str:
    """Return a file's or folder's name in words: ``"team_lq"`` is ``"Team LQ"``."""
    words = " ".join(WORDS.get(word, word) for word in name.split("_"))
    return words[0].upper() + words[1:]


def tree(folder: str, pages: set[str]) -> list[Any]:
    """Return the nav of a folder: its index, its pages, then its rooms."""
    inside = sorted(page for page in pages if page.startswith(folder))
    own = [page for page in inside if "/" not in page.removeprefix(folder)]
    rooms = sorted({page.removeprefix(folder).partition("/")[0] for page in inside if page not in own})
    own.sort(key=lambda page: (not page.endswith("/index.md"), page))
    return [*own, *({title(room): tree(f"{folder}{room}/", pages)} for room in rooms)]


def _unfolded(entry: Any, pages: set[str]) -> Any:  # noqa: ANN401 - as MkDocs reads it
    match entry:
        case {**named} if all(isinstance(place, str) and place.endswith("/") for place in named.values()):
            return {name: tree(folder, pages) for name, folder in named.items()}
    return entry
