"""The plan of a suite: which method plays which game, decided before anything runs, in cells.

A **cell** is one method in one game with a block of seeds: the unit of work, told by its fingerprint. What fixes its
numbers is in the fingerprint and nothing else: the recipes, the budget, the seeds, the evaluation, the versions of the
libraries, the machine's architecture, and the code of the house less the rooms of other families, which it cannot
import. So a new family leaves the cells of the others as they are.
"""

import inspect
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, final

from walras.core.checks import require, require_known
from walras.core.game import AbstractGame, check_game
from walras.core.identity import fingerprint
from walras.core.learner import Learner
from walras.core.policy import Policy, check_policy
from walras.envs.registration import GAMES
from walras.equilibria.registration import DEVIATIONS, GAPS, SOLVERS, STAGES, STAKES
from walras.scenarios.bench.references import can_solve
from walras.scenarios.bench.registration import REFERENCES, games, measures_of, methods
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite, found_at
from walras.scenarios.engine.files import digest
from walras.scenarios.engine.modules import imports

VERSIONS = ("numpy", "scipy", "torch", "stable-baselines3", "numba", "cvxpy", "highspy", "gymnasium")
"""Libraries that can change numbers."""
ROOTS = ("core", "markets", "mechanisms", "envs", "equilibria", "agents")
OURS = ("judge.py", "references.py")
"""Files of this room that can change numbers."""


@final
@dataclass(frozen=True)
class Cell:
    """One method in one game with a block of seeds, as data."""

    game: str
    method: str
    game_recipe: Recipe
    method_recipe: Recipe
    steps: int
    seeds: tuple[int, ...]
    evaluation: Evaluation

    @property
    def role(self) -> str:
        """What stands in the table's column: a learner, a rule, or a reference."""
        if self.method_recipe.make in REFERENCES.values():
            return "reference"
        return "rule" if _plays_at_once(self.method_recipe) else "learner"

    @property
    def family(self) -> str:
        """The family of its game; "own" of a user's."""
        return family_of(self.game_recipe)

    def make_game(self) -> AbstractGame[Any]:
        """Return the game."""
        game = self.game_recipe.made()
        check_game(game)
        return game

    def make_method(self, game: AbstractGame[Any]) -> Learner | Policy:
        """Return the learner, with the cell's budget, or the policy.

        Raises
        ------
        TypeError
            If it cannot play the game, or is neither.
        """
        if _plays_at_once(self.method_recipe):
            policy = self.method_recipe.made(game=game)
            check_policy(policy)
            return policy
        return budgeted(self.method_recipe.made(), self.steps, self.evaluation.checkpoints)

    def files(self) -> list[Path]:
        """Return the files of Python that its recipes read, and those of the user's that these import."""
        files = [*self.game_recipe.files(), *self.method_recipe.files()]
        return [path for file in files for path in (file, *imports(file).values())]

    def data(self) -> dict[str, Any]:
        """Return the cell as JSON has it."""
        recipes = {"game_recipe": self.game_recipe.data(), "method_recipe": self.method_recipe.data()}
        plain = {name: getattr(self, name) for name in ("game", "method", "steps")}
        evaluation = vars(self.evaluation) | {"opponents": list(self.evaluation.opponents)}
        return plain | recipes | {"seeds": list(self.seeds), "evaluation": evaluation}

    @cached_property
    def id(self) -> str:
        """The content address: sixteen hexadecimal digits of the fingerprint of all that fixes its numbers."""
        return identity(self)


class Skipped(NamedTuple):
    """A method that does not play a game, and why."""

    game: str
    method: str
    reason: str


@final
@dataclass(frozen=True)
class Plan:
    """The cells of a suite, and what cannot be played."""

    suite: Suite
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]


def plan(suite: Suite) -> Plan:
    """Decide which method plays which game; nothing runs.

    Raises
    ------
    ValueError
        If a game or a method is unknown, also one that has settings or a budget, a learner does not take its arguments,
        or a method that was asked for by name can play none of the games.
    """
    cells, skipped = list[Cell](), list[Skipped]()
    known = _games(suite)
    _check_scopes(suite, known)
    for opponent in suite.evaluation.opponents:
        require_known(opponent, "opponents", methods())
    for name, (recipe, game) in known.items():
        for method, found in _methods(suite).items():
            first = _cell(suite, name, recipe, method, found)
            reason = _refusal(first, game)
            if reason:
                skipped.append(Skipped(name, method, reason))
            else:
                cells += [replace(first, seeds=block) for block in _blocks(suite)]
    for method in suite.methods or ():
        alone = all(cell.method != method for cell in cells)
        reasons = {each.game: each.reason for each in skipped if each.method == method}
        require(not alone, "methods", f"hold methods that can play a game; {method} can play none", reasons)
    return Plan(suite, tuple(cells), tuple(skipped))


def identity(cell: Cell) -> str:
    """Return the content address of a cell, from files as they are now."""
    content = cell.data()
    for name in ("game", "method"):  # what it is called says nothing
        content.pop(name)
    for name in ("game_recipe", "method_recipe"):
        content[name] = _without_folders(content[name])
    return fingerprint(
        {
            "cell": content,
            "files": [(file.name, digest(file)) for file in cell.files()],
            "code": code_of(cell.family),
            "answers": _answers(cell.game_recipe),
            "versions": versions(),
            "machine": platform.machine(),
        }
    )[:16]


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can change numbers."""
    return {name: version(name) for name in VERSIONS} | {"python": platform.python_version()}


def family_of(recipe: Recipe) -> str:
    """Return the family of a game by its recipe; "own" of a user's."""
    house, _, rest = recipe.make.partition("walras.envs.")
    return "own" if house or not rest else rest.partition(".")[0]


@cache
def code_of(family: str) -> str:
    """Return the fingerprint of the house's code that can change the numbers of a family's games."""
    house = Path(__file__).resolve().parents[2]
    others = {key.partition(".")[0] for key in GAMES} - {family}
    files = [file for root in ROOTS for file in sorted((house / root).rglob("*.py"))]
    files = [file for file in files if file.parent.name not in others and file.name != "registration.py"]
    files += [Path(__file__).with_name(name) for name in OURS]
    files += sorted((house / "scenarios" / family).rglob("measures.py"))
    return fingerprint({file.relative_to(house).as_posix(): digest(file) for file in files})


def _answers(recipe: Recipe) -> list[Any]:
    """Return the registries' lines on a game: what solves and judges it."""
    module = recipe.make.removeprefix("walras.envs.").partition(":")[0]
    return [*(table.get(module) for table in (SOLVERS, DEVIATIONS, GAPS, STAGES, STAKES)), measures_of(recipe)]


def _without_folders(value: Any) -> Any:  # noqa: ANN401 - a recipe as JSON has it
    """Return a recipe with the names of files alone: the folder does not matter, and the content is told beside it."""
    match value:
        case str() if value.rpartition(":")[0].endswith(".py"):
            return Path(value).name
        case dict():
            return {name: _without_folders(part) for name, part in value.items()}
        case list():
            return [_without_folders(part) for part in value]
        case _:
            return value


def games_of(suite: Suite) -> dict[str, Recipe]:
    """Return a suite's games, with places and all arguments.

    Raises
    ------
    ValueError
        If one is unknown.
    """
    return _resolved("games", suite.games, games())


def _games(suite: Suite) -> dict[str, tuple[Recipe, AbstractGame[Any]]]:
    made = {name: (recipe, recipe.made()) for name, recipe in games_of(suite).items()}
    for _, game in made.values():
        check_game(game)
    return made


def _methods(suite: Suite) -> dict[str, Recipe]:
    return _resolved("methods", suite.methods, methods())


def _check_scopes(suite: Suite, known: Mapping[str, Any]) -> None:
    """Refuse settings and budgets of what is no game, family or method: they would change nothing, unseen."""
    scopes = {*known, *games(), *map(family_of, games().values()), "own"}
    for scope in suite.budgets:
        require_known(scope, "budgets", scopes)
    for method, settings in suite.settings.items():
        require_known(method, "settings", {*(suite.methods or {}), *methods()})
        for scope in settings:
            require_known(scope, f"settings.{method}", scopes)


def _resolved(name: str, given: Mapping[str, Recipe] | None, known: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """Return recipes with registered names in the place of places, and their arguments over the registered ones."""
    return {key: _looked_up(name, recipe, known) for key, recipe in (known if given is None else given).items()}


def _looked_up(name: str, recipe: Recipe, known: Mapping[str, Recipe]) -> Recipe:
    if ":" in recipe.make:
        found_at(recipe.make)
        return recipe
    require_known(recipe.make, name, known)
    base = known[recipe.make]
    return Recipe(base.make, {**base.arguments, **recipe.arguments})


def _cell(suite: Suite, game: str, game_recipe: Recipe, method: str, recipe: Recipe) -> Cell:
    """Return the first cell of a method in a game, with the settings and the budget that the suite has for it."""
    scopes = (family_of(game_recipe), game)
    settings = suite.settings.get(method, {})
    further = {name: value for scope in scopes for name, value in settings.get(scope, {}).items()}
    budgets = [suite.budgets[scope] for scope in scopes if scope in suite.budgets]
    steps = [suite.steps, *budgets][-1]
    own = Recipe(recipe.make, {**recipe.arguments, **further})
    return Cell(game, method, game_recipe, own, steps, next(_blocks(suite)), suite.evaluation)


def _blocks(suite: Suite) -> Iterator[tuple[int, ...]]:
    for first in range(0, suite.seeds, suite.block):
        yield tuple(range(first, min(first + suite.block, suite.seeds)))


def _refusal(cell: Cell, game: AbstractGame[Any]) -> str:
    """Return why a method cannot play a game, or nothing."""
    if cell.method_recipe.make == REFERENCES["solved"]:  # solving may take minutes
        return "" if can_solve(game) else f"no solver is registered for {type(game).__name__}"
    if not _plays_at_once(cell.method_recipe):
        _check_arguments(cell)
    try:
        method = cell.make_method(game)
        if isinstance(method, Learner):
            method.check(game)
    except TypeError as refused:
        return str(refused).partition("; got")[0].rstrip(".")
    return ""


def _check_arguments(cell: Cell) -> None:
    """Refuse arguments that a learner does not have: they are a mistake, and no reason to leave it out of the game."""
    try:
        cell.method_recipe.made()
    except TypeError as wrong:
        given = f"{dict(cell.method_recipe.arguments)} for {cell.method} in {cell.game}"
        raise ValueError(f"`arguments` must fit {cell.method_recipe.make}; got {given} ({wrong}).") from wrong


def _plays_at_once(recipe: Recipe) -> bool:
    """Return whether a recipe makes a policy of a game: whether its call has the parameter `game`."""
    return "game" in inspect.signature(found_at(recipe.make)).parameters


def budgeted(learner: Any, steps: int, checkpoints: int) -> Learner:  # noqa: ANN401 - what a user's recipe makes
    """Return a learner with a budget and a number of checkpoints, where these are fields of its settings."""
    if not isinstance(learner, Learner) or not is_dataclass(learner) or isinstance(learner, type):
        rule = "make a learner, a frozen dataclass as `walras.core.Learner` says, or have a parameter `game`"
        raise TypeError(f"`make` must {rule}; got {learner!r}.")
    named = {field.name for field in fields(learner)}
    wanted = {"steps": steps, "checkpoints": checkpoints}
    return replace(learner, **{name: value for name, value in wanted.items() if name in named})
