"""Suites as data: which games, which methods, how much experience, how many seeds, and how all are judged.

Everything in a suite is a **recipe**: the name of a thing and the arguments that make it. So a suite can be a YAML
file, travel to other machines, and be told apart by its content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, final

from walras.core.checks import require, require_known, require_whole
from walras.core.identity import fingerprint
from walras.core.lazy import load
from walras.scenarios.engine.modules import imports, load_file


@final
@dataclass(frozen=True)
class Recipe:
    """What makes a thing: where it is, and the arguments of the call.

    A place is ``"module:Name"`` or ``"file.py:Name"``. An argument ``{"make": place, "arguments": {...}}`` is a recipe
    itself, and ``{"thing": place}`` is what stands at the place, such as a function.
    """

    make: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def made(self, **more: Any) -> Any:  # noqa: ANN401 - whatever the recipe makes
        """Return the thing, with further arguments.

        Raises
        ------
        ValueError
            If there is nothing at the place.
        TypeError
            If the arguments do not fit.
        """
        given = {name: _revived(value) for name, value in self.arguments.items()}
        return found_at(self.make)(**(given | more))

    def data(self) -> dict[str, Any]:
        """Return the recipe as JSON has it."""
        return {"make": self.make, "arguments": _plain(self.arguments)}

    def files(self) -> list[Path]:
        """Return the files of Python that the recipe reads."""
        places = [self.make, *_places(self.arguments)]
        return [Path(place.rpartition(":")[0]) for place in places if _in_file(place)]


def found_at(place: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what stands at ``"module:Name"`` or ``"file.py:Name"``.

    Raises
    ------
    ValueError
        If there is nothing, or `place` has no name after a colon.
    """
    where, _, name = place.rpartition(":")
    require(bool(where), "make", "be module:Name or file.py:Name", place)
    if _in_file(place):
        require(Path(where).is_file(), "make", "name an existing file", where)
        module = _module(where, fingerprint([Path(where), *imports(Path(where)).values()]))
        require_known(name, f"make, in {where}", [known for known in vars(module) if not known.startswith("_")])
        return getattr(module, name)
    try:
        return load(place)
    except ImportError as missing:
        raise ValueError(f"`make` must name something that can be imported; got {place!r} ({missing}).") from missing


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a policy is judged: the episodes, what its gap may cost (`walras.equilibria.Budget`), and whom it meets.

    Raises
    ------
    ValueError
        If a number is no whole number, or less than 1, or there are fewer than 32 episodes, which a gap needs.
    """

    episodes: int = 32  # for each seed, the same ones for all methods
    checkpoints: int = 4  # points of a learning curve after the one of no learning, the last at the end
    samples: int = 32
    frames: int = 200_000
    samples_on_the_way: int = 16
    frames_on_the_way: int = 65_536
    opponents: tuple[str, ...] = ()  # registered learners that are trained apart, by other seeds, and then met

    def __post_init__(self) -> None:
        require(not isinstance(self.opponents, str), "opponents", "be a list of names", self.opponents)
        object.__setattr__(self, "opponents", tuple(self.opponents))
        for name, value in vars(self).items():
            if name != "opponents":
                require_whole(value, name)
        require(self.episodes >= 32, "episodes", "be at least 32, which a statistical gap needs", self.episodes)


@final
@dataclass(frozen=True, kw_only=True)
class Suite:
    """A benchmark: every method that can play a game plays it.

    Raises
    ------
    ValueError
        If `name` cannot be a file's, a number is no whole number or less than 1, or `block` is more than `seeds`.
    """

    name: str
    games: Mapping[str, Recipe] | None = None
    """By name; every registered game if none are given."""
    methods: Mapping[str, Recipe] | None = None
    """Learners and policies by name; every registered one, and the references, if none are given."""
    steps: int = 20_000
    """Budget of a learner in environment steps; of one that counts updates, its own."""
    budgets: Mapping[str, int] = field(default_factory=dict[str, int])
    """Other budgets, by game or family."""
    seeds: int = 10
    """Independent trainings of a method in a game."""
    block: int = 5
    """Seeds of a cell: large enough for a task of half a minute, small enough to be lost."""
    settings: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict[str, Any])
    """Further arguments of a method, by method and by game or family."""
    evaluation: Evaluation = Evaluation()

    def __post_init__(self) -> None:
        fits = self.name[:1] not in ("", ".") and Path(self.name).name == self.name
        require(fits, "name", "be what a file can be called, without a point at its beginning", self.name)
        for name in ("steps", "seeds", "block"):
            require_whole(getattr(self, name), name)
        for scope, steps in self.budgets.items():
            require_whole(steps, f"budgets[{scope!r}]")
        require(self.block <= self.seeds, "block", f"be at most {self.seeds}, the seeds", self.block)

    def data(self) -> dict[str, Any]:
        """Return the suite as JSON has it."""
        recipes = {
            name: None if found is None else {key: recipe.data() for key, recipe in found.items()}
            for name, found in (("games", self.games), ("methods", self.methods))
        }
        shown = vars(self) | {"evaluation": vars(self.evaluation)}
        return {name: _plain(value) for name, value in shown.items() if name not in recipes} | recipes


@cache
def _module(file: str, content: str) -> ModuleType:
    """Return the module in a file, read once for each content, so that classes of it are one."""
    return load_file(Path(file))


def _in_file(place: str) -> bool:
    return place.rpartition(":")[0].endswith(".py")


def _revived(value: Any) -> Any:  # noqa: ANN401 - an argument as JSON or YAML has it
    """Return an argument with recipes made, and sequences that can be part of a frozen thing."""
    match value:
        case {"make": str(place), **rest}:
            return Recipe(place, rest.get("arguments", {})).made()
        case {"thing": str(place)}:
            return found_at(place)
        case Mapping():
            return {name: _revived(part) for name, part in value.items()}
        case list() | tuple():
            return tuple(_revived(part) for part in value)
        case _:
            return value


def _plain(value: Any) -> Any:  # noqa: ANN401 - an argument as JSON, YAML or Python has it
    match value:
        case Recipe():
            return value.data()
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"`arguments` must be numbers, text, lists, mappings or recipes; got {value!r}.")


def _places(value: Any) -> list[str]:  # noqa: ANN401 - an argument
    match value:
        case {"make": str(place), **rest}:
            return [place, *_places(rest.get("arguments", {}))]
        case {"thing": str(place)}:
            return [place]
        case Mapping():
            return [place for part in value.values() for place in _places(part)]
        case list() | tuple():
            return [place for part in value for place in _places(part)]
        case _:
            return []
