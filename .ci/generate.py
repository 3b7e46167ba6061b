"""Write what follows from the registries and the folders: ``python .ci/generate.py`` after a line or a room was added.

- ``__init__.pyi`` of packages that load their names on demand, for type checkers;
- tables of ``README.md`` and of the index pages, from the registries and the first sentences of docstrings;
- lists of packages and the contracts between families in ``pyproject.toml``, from the folders;
- the keys of markets' files and their JSON Schema, from the dataclasses.

Tables and lists stand between two comments, ``generated: name`` and ``end: name``; all else of a file is kept.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from walras.agents.registration import LEARNERS, POLICIES, places
from walras.core.checks import require
from walras.core.lazy import joined
from walras.envs.registration import GAMES, gymnasium_id, pettingzoo_id, place
from walras.equilibria.registration import NAMES, SOLVERS
from walras.markets.electricity.registration import EAGER
from walras.markets.electricity.registration import NAMES as OF_ELECTRICITY
from walras.markets.registration import MODULES as OF_MARKETS
from walras.mechanisms.registration import MECHANISMS
from walras.mechanisms.registration import NAMES as OF_MECHANISMS
from walras.scenarios.electricity.market_file import MarketFile, market_schema
from walras.scenarios.engine.catalogue import SCENARIOS
from walras.scenarios.engine.documents import table_of

ROOT = Path(__file__).resolve().parent.parent
ROOTS = ("core", "markets", "mechanisms", "envs", "equilibria", "agents", "scenarios")
OF_FAMILY = {"agents.imitation": "cooperation", "agents.no_regret": "matrix", "mechanisms.learned": "allocation"}
"""Rooms of a family that have another name."""


def generated() -> dict[Path, str]:
    """Return the content of every file that is written here, wholly or in part."""
    parts = {
        "README.md": {
            "environments": environments(_named),
            "mechanisms": mechanisms(_named),
            "learners": learners(_named),
            "scenarios": commands(),
        },
        "docs/envs/index.md": {"environments": environments(_page), "ids": ids()},
        "docs/mechanisms/index.md": {"mechanisms": mechanisms(_page)},
        "docs/agents/index.md": {"learners": learners(_page), "policies": policies()},
        "docs/scenarios/index.md": {"scenarios": scenarios()},
        "docs/scenarios/market_files.md": {"keys": table_of(MarketFile)},
        "docs/core/index.md": {"modules": contents("core")},
        "docs/markets/index.md": {"modules": contents("markets")},
        "docs/decisions/index.md": {"decisions": decisions()},
        "pyproject.toml": {"packages": packages(), "families": contracts()},
    }
    schema = {ROOT / "docs/scenarios/market.schema.json": json.dumps(market_schema(), indent=1) + "\n"}
    return stubs() | schema | {ROOT / file: filled(ROOT / file, named) for file, named in parts.items()}


def filled(file: Path, parts: Mapping[str, str]) -> str:
    """Return the text of a file with what stands between its marks replaced."""
    text = file.read_text(encoding="utf-8")
    for name, content in parts.items():
        content = f"\n{content}\n" if file.suffix == ".md" else content
        between = re.compile(rf"(?<=generated: {name})(?P<tail>[^\n]*\n).*?(?P<mark>[^\n]*end: {name})", re.DOTALL)
        text, found = between.subn(lambda m, content=content: f"{m['tail']}{content}\n{m['mark']}", text)
        require(found == 1, "file", f"have the marks of {name!r} once", f"{file.name}: {found}")
    return text


# Stubs


def stubs() -> dict[Path, str]:
    """Return the stubs of packages that load their names on demand."""
    games = joined(*({name: place(key)} for key, name in GAMES.items()))
    solvers = {name: f"{module}:{name}" for name, module in NAMES.items()}
    return {
        ROOT / "agents/__init__.pyi": stub(
            "agents",
            places(),
            "from walras.core.policy import Constant as Constant, Random as Random, Scripted as Scripted",
        ),
        ROOT / "envs/__init__.pyi": stub(
            "envs", games, "from walras.envs.registration import GAMES as GAMES, register_all as register_all"
        ),
        ROOT / "equilibria/__init__.pyi": stub(
            "equilibria",
            solvers,
            "from walras.equilibria.gap import deviation as deviation, gap as gap\n"
            "from walras.equilibria.solve import solve as solve",
        ),
        ROOT / "markets/__init__.pyi": stub("markets", OF_MARKETS),
        ROOT / "markets/electricity/__init__.pyi": stub(
            "markets.electricity",
            {name: f"{module}:{name}" for name, module in OF_ELECTRICITY.items()},
            "\n".join(f"from walras.markets.electricity.clearing import {name} as {name}" for name in EAGER),
        ),
        ROOT / "mechanisms/__init__.pyi": stub(
            "mechanisms",
            {name: f"{module}:{name}" for name, module in joined(MECHANISMS, OF_MECHANISMS).items()},
            "from walras.markets.eisenberg_gale.solver import PFSolution as PFSolution\n"
            "from walras.markets.eisenberg_gale.solver import proportional_fairness as proportional_fairness\n"
            "from walras.mechanisms.exploitability import exploitability as exploitability\n"
            "from walras.mechanisms.registration import MECHANISMS as MECHANISMS",
        ),
    }


def stub(package: str, names: Mapping[str, str], eager: str = "") -> str:
    """Return the stub of a package, from the places of its names as `walras.core.lazy.lazy` takes them."""
    lines = [_import(package, name, place) for name, place in sorted(names.items())]
    return "\n".join(["# Written by .ci/generate.py.", *eager.splitlines(), *lines]) + "\n"


def _import(package: str, name: str, place: str) -> str:
    module, _, attribute = place.partition(":")
    if attribute:
        return f"from walras.{package}.{module} import {attribute} as {name}"
    parent, _, last = f"walras.{package}.{module}".rpartition(".")
    return f"from {parent} import {last} as {name}"


# Tables


def environments(shown: Callable[[str, str], str]) -> str:
    """Return the table of environments."""
    return table(
        ("environment", "what happens", "what `solve` finds"),
        ((shown(GAMES[key], module), sentence("envs", module), solution(module)) for key, module in _by_game()),
    )


def solution(game: str) -> str:
    """Return what is known of the solution of a game, given its module."""
    first = next(iter(SOLVERS.get(game, {}).values()), None)
    return "not known" if first is None else sentence("equilibria", first).removeprefix("Return ")


def ids() -> str:
    """Return the table of the environments' ids."""
    rows = ((f"`{GAMES[key]}`", f"`{gymnasium_id(key)}`", f"`{pettingzoo_id(key)}`") for key, _ in _by_game())
    return table(("environment", "Gymnasium, one agent against given policies", "PettingZoo, parallel and AEC"), rows)


def mechanisms(shown: Callable[[str, str], str]) -> str:
    """Return the table of mechanisms."""
    rows = ((shown(name, module), sentence("mechanisms", f"{module}:{name}")) for name, module in _by_room(MECHANISMS))
    return table(("mechanism", "what it is"), rows)


def learners(shown: Callable[[str, str], str]) -> str:
    """Return the table of learners."""
    rows = ((shown(name, module), sentence("agents", module)) for name, module in _by_room(LEARNERS))
    return table(("learner", "what it is"), rows)


def policies() -> str:
    """Return the table of policies that are rules."""
    rows = ((_page(name, module), sentence("agents", module)) for name, module in _by_room(POLICIES))
    return table(("policy", "what it is"), rows)


def commands() -> str:
    """Return the table of scenarios as commands."""
    rows = ((f"`walras run {name}`", sentence("scenarios", place)) for name, place in _by_room(SCENARIOS))
    return table(("command", "what it shows"), rows)


def scenarios() -> str:
    """Return the table of scenarios as pages."""
    rows = ((_page(name, place.partition(":")[0]), sentence("scenarios", place)) for name, place in _by_room(SCENARIOS))
    return table(("scenario", "what it shows"), rows)


def contents(root: str) -> str:
    """Return the table of a root folder's modules."""
    paths = sorted((ROOT / root).rglob("*.py"), key=lambda path: (len(path.parts), path))
    modules = [".".join(path.relative_to(ROOT / root).with_suffix("").parts) for path in paths]
    rows = ((_page(module, module), sentence(root, module)) for module in modules if "__init__" not in module)
    return table(("module", "what is there"), rows)


def decisions() -> str:
    """Return the table of decisions."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs/decisions").glob("*.md"))}
    titles = {name: text.partition("\n")[0].removeprefix("# ") for name, text in pages.items() if name != "index.md"}
    return "\n".join(f"- [{title}]({name})" for name, title in titles.items())


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    head = tuple(head)
    return "\n".join(f"| {' | '.join(cells)} |" if cells else "|---" * len(head) + "|" for cells in (head, (), *rows))


def sentence(root: str, place: str) -> str:
    """Return the first sentence of the docstring of a module, ``"a.b"``, or of what stands in it, ``"a.b:Name"``."""
    module, _, name = place.partition(":")
    path = ROOT / root / module.replace(".", "/")
    source = (path / "__init__.py" if path.is_dir() else Path(f"{path}.py")).read_text(encoding="utf-8")
    node: ast.Module | ast.ClassDef | ast.FunctionDef = ast.parse(source)
    if name:
        named = [item for item in node.body if isinstance(item, ast.ClassDef | ast.FunctionDef) and item.name == name]
        require(len(named) == 1, "place", "name something that is defined in its module", place)
        node = named[0]
    first = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    first = re.sub(r" ?\[\d+\]_?", "", first).replace("``", "`")
    return re.split(r"\.(?: |$)", first)[0]


def _by_game() -> list[tuple[str, str]]:
    return [(key, key.rpartition("-v")[0]) for key in GAMES]


def _by_room(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return names and places, room by room."""
    return sorted(names.items(), key=lambda entry: (entry[1].rpartition(".")[0], entry[0]))


def _named(name: str, module: str) -> str:
    return f"`{name}`"


def _page(name: str, module: str) -> str:
    return f"[`{name}`]({Path(*module.split('.'))}{'/index' if (ROOT / 'agents' / module).is_dir() else ''}.md)"


# Packages and families


def packages() -> str:
    """Return the list of packages, and the folders of those at the root."""
    names = ["walras." + ".".join(folder.relative_to(ROOT).parts) for folder in folders()]
    return "\n".join(["packages = [", *(f'  "{name}",' for name in names), "]"])


def contracts() -> str:
    """Return a contract for each family, and one for the rooms that families share."""
    families = sorted(folder.name for folder in folders() if folder.parent == ROOT / "envs")
    rooms = [".".join(folder.relative_to(ROOT).parts) for folder in folders() if folder.parent != ROOT]
    shared = [f"walras.{room}" for room in rooms if room not in OF_FAMILY and room.partition(".")[2] not in families]
    other = {name: [f"walras.{room}" for room, family in OF_FAMILY.items() if family == name] for name in families}
    own = {name: [f"walras.*.{name}", *other[name]] for name in families}
    everyone = [module for modules in own.values() for module in modules]
    texts = [
        contract(f"{name} imports from no other family", modules, [m for m in everyone if m not in modules])
        for name, modules in own.items()
    ]
    return "\n\n".join([*texts, contract("shared rooms import from no family", shared, everyone)])


def contract(name: str, sources: list[str], forbidden: list[str]) -> str:
    """Return a contract that some modules do not import others."""
    listed = ["[" + ", ".join(f'"{module}"' for module in modules) + "]" for modules in (sources, forbidden)]
    return "\n".join(
        [
            "[[tool.importlinter.contracts]]",
            f'name = "{name}"',
            'type = "forbidden"',
            f"source_modules = {listed[0]}",
            f"forbidden_modules = {listed[1]}",
        ]
    )


def folders() -> list[Path]:
    """Return the folders that are packages, root by root."""
    return [folder for root in ROOTS for folder in sorted(file.parent for file in (ROOT / root).rglob("__init__.py"))]


if __name__ == "__main__":
    for file, content in generated().items():
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8")
            print(f"wrote {file.relative_to(ROOT)}")
