"""Write what follows from the registries; ``python .ci/generate.py`` after a line was added to one.

The stubs ``__init__.pyi`` tell type checkers what packages load on demand.
"""

from collections.abc import Mapping
from pathlib import Path

from walras.agents.registration import places
from walras.envs.registration import GAMES, place
from walras.equilibria.registration import NAMES
from walras.markets import SHORT_NAMES

ROOT = Path(__file__).resolve().parent.parent


def stub(package: str, names: Mapping[str, str], eager: str = "") -> str:
    """Return the stub of a package, from the places of its names as `walras.core.lazy.lazy` takes them."""
    lines = [_import(package, name, place) for name, place in sorted(names.items())]
    return "\n".join(["# Written by .ci/generate.py.", *eager.splitlines(), *lines]) + "\n"


def stubs() -> dict[Path, str]:
    """Return all stubs, by their files."""
    games = {name: place(key) for key, name in GAMES.items()}
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
        ROOT / "markets/__init__.pyi": stub("markets", SHORT_NAMES),
    }


def _import(package: str, name: str, place: str) -> str:
    module, _, attribute = place.partition(":")
    if attribute:
        return f"from walras.{package}.{module} import {attribute} as {name}"
    parent, _, last = f"walras.{package}.{module}".rpartition(".")
    return f"from {parent} import {last} as {name}"


if __name__ == "__main__":
    for file, content in stubs().items():
        file.write_text(content)
