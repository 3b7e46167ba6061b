"""Suites by name, or in users' own files of YAML or Python."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from walras.core.checks import require, require_known
from walras.core.lazy import load
from walras.scenarios.bench.registration import SUITES
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite
from walras.scenarios.engine.modules import load_file
from walras.scenarios.engine.strict_yaml import load_yaml

RECIPES = ("games", "methods")
SCOPED = ("budgets", "settings", "evaluation")
"""Fields of a suite that are mappings."""


def suite_named(name: str) -> Suite:
    """Return a suite, given its name or the path of its file.

    A file of Python defines one `Suite`. A file of YAML has a suite's fields; games and methods are a list of
    registered names, or a mapping from names to recipes. Paths in it are from its own folder.

    Raises
    ------
    ValueError
        If the name is unknown, or the file does not define a suite.
    FileNotFoundError
        If the file does not exist.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".py"):
        require_known(name, "suite", SUITES)
        return load(SUITES[name])
    if not path.is_file():
        raise FileNotFoundError(f"`suite` must be a name or an existing file; got {name!r}.")
    found = _of_python(path) if path.suffix == ".py" else _of_yaml(path)
    return replace(found, **{part: _from(path.parent, getattr(found, part)) for part in RECIPES})


def _of_python(path: Path) -> Suite:
    suites = [value for value in vars(load_file(path)).values() if isinstance(value, Suite)]
    require(len(suites) == 1, "suite", "be a file that defines one Suite", [suite.name for suite in suites])
    return suites[0]


def _of_yaml(path: Path) -> Suite:
    content = load_yaml(path, "suite")
    require(isinstance(content, dict), "suite", "be a file with a suite's fields", f"{path}: {type(content).__name__}")
    for part in content:
        require_known(str(part), f"field of {path.name}", [field.name for field in fields(Suite)])
    for part in SCOPED:
        require(isinstance(content.get(part), Mapping | None), part, "be a mapping", content.get(part))
    given: dict[str, Any] = {part: value for part, value in content.items() if value is not None}
    given["name"] = str(given.get("name", path.stem))
    given |= {part: _recipes(part, given[part]) for part in RECIPES if part in given}
    evaluation = given.pop("evaluation", {})
    for part in evaluation:
        require_known(str(part), "evaluation", [field.name for field in fields(Evaluation)])
    return Suite(**given, evaluation=Evaluation(**evaluation))


def _recipes(part: str, given: Any) -> dict[str, Recipe]:  # noqa: ANN401 - what the file holds
    """Return recipes by name, given a list of registered names, or a mapping from names to recipes."""
    rule = "be a list of registered names, or a mapping from names to recipes, and hold one at least"
    require(isinstance(given, list | dict) and len(given) > 0, part, rule, given)
    entries: Mapping[str, Any] = given if isinstance(given, dict) else dict.fromkeys(map(str, given))
    return {str(name): _recipe(part, str(name), entry) for name, entry in entries.items()}


def _recipe(part: str, name: str, entry: Any) -> Recipe:  # noqa: ANN401 - what the file holds
    rule = "be a mapping with make and arguments, or nothing for the registered name"
    require(isinstance(entry, Mapping | None), f"{part}.{name}", rule, entry)
    held: dict[str, Any] = {"make": name} | (entry or {})
    for word in held:
        require_known(str(word), f"{part}.{name}", ("make", "arguments"))
    return Recipe(str(held["make"]), held.get("arguments") or {})


def _from(folder: Path, recipes: Mapping[str, Recipe] | None) -> Mapping[str, Recipe] | None:
    """Return recipes whose files are whole paths."""
    if recipes is None:
        return None
    return {name: Recipe(_whole(folder, made.make), _whole(folder, made.arguments)) for name, made in recipes.items()}


def _whole(folder: Path, value: Any) -> Any:  # noqa: ANN401 - a place, or arguments
    match value:
        case str() if value.rpartition(":")[0].endswith(".py"):
            return str((folder / value).resolve())
        case Mapping():
            return {name: _whole(folder, part) for name, part in value.items()}
        case list() | tuple():
            return [_whole(folder, part) for part in value]
        case _:
            return value
