"""The scenarios by name, and how one is made from its name or file and the values of its fields."""

import dataclasses
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from walras.core.checks import require, require_known
from walras.core.lazy import load
from walras.scenarios.engine.documents import AbstractFile, default_of
from walras.scenarios.engine.modules import load_file
from walras.scenarios.engine.scenario import AbstractScenario
from walras.scenarios.engine.session import in_session
from walras.scenarios.engine.study import AbstractStudy

SCENARIOS = {
    "algorithmic_collusion": "matrix.algorithmic_collusion:AlgorithmicCollusion",
    "autobidding": "auctions.autobidding:Autobidding",
    "cournot": "electricity.cournot:Cournot",
    "day_ahead": "electricity.day_ahead:DayAhead",
    "door": "cooperation.door:Door",
    "double_auction": "auctions.double_auction:DoubleAuction",
    "fair_division": "allocation.fair_division:FairDivision",
    "fair_division_shift": "allocation.fair_division_shift:FairDivisionShift",
    "first_price": "auctions.first_price:FirstPrice",
    "forward_spot": "electricity.forward_spot:ForwardSpot",
    "lava": "cooperation.lava:Lava",
    "llg": "auctions.llg:LLG",
    "matrix_games": "matrix.matrix_games:RulesOfPlay",
    "navigation": "cooperation.navigation:Navigation",
    "network_cournot": "electricity.network_cournot:NetworkCournot",
    "open_prices": "electricity.open_prices:OpenPrices",
    "otc_market": "trading.otc_market:OtcMarket",
    "price_discovery": "trading.price_discovery:PriceDiscovery",
    "public_goods": "matrix.public_goods:PublicGoods",
    "robust_team": "teams.robust_team:RobustTeam",
    "spain_prices": "electricity.spain_prices:SpainPrices",
    "storage": "electricity.storage:Storage",
    "supply_chain": "trading.supply_chain:SupplyChain",
    "supply_function": "electricity.supply_function:SupplyFunction",
    "team_competition": "teams.team_competition:TeamCompetition",
    "used_cars": "trading.used_cars:UsedCars",
}
"""Each scenario, and where in `walras.scenarios` it is."""
FILES: dict[str, str] = dict.fromkeys((".yaml", ".yml"), "electricity.market_file:MarketFile")
"""Endings of the files that describe a scenario, and what they are read into."""

Described: TypeAlias = AbstractScenario | AbstractStudy | AbstractFile
"""What has the fields: a scenario or a study, or a file that describes one."""


@dataclass(frozen=True)
class Source:
    """A scenario as data: its name or its file, and its fields where they differ from the defaults."""

    scenario: str
    """A name of `SCENARIOS`, or a file: of Python, with several scenarios in it ``file.py:Class``; or of YAML."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Values as JSON has them."""
    kind: type[AbstractScenario | AbstractStudy] | None = None
    """The class itself, where it is defined in the session and so in no file."""

    @property
    def name(self) -> str:
        """The scenario's name, or its file's."""
        if _describes(self.scenario):
            return Path(self.scenario).stem
        path, kind = _split(self.scenario)
        return kind or Path(path).stem or self.scenario

    @property
    def file(self) -> Path | None:
        """The file of Python that defines it, if it is a user's."""
        path, _ = _split(self.scenario)
        return Path(path) if path else None

    def load(self) -> AbstractScenario:
        """Return the scenario.

        Raises
        ------
        ValueError, FileNotFoundError
            If it is unknown, as `find_scenario`, or has no such field.
        TypeError
            If it is a study, in which nobody plays.
        """
        made = self.made()
        if isinstance(made, AbstractStudy):
            raise TypeError(f"`scenario` must have a game; {self.name} is a study, which `walras run` runs.")
        return made

    def made(self) -> AbstractScenario | AbstractStudy:
        """Return the scenario, or the study, that the fields describe; errors as in `load`."""
        described = self.described()
        return described.scenario() if isinstance(described, AbstractFile) else described

    def described(self) -> Described:
        """Return what has the fields; errors as in `load`."""
        return _built(self.kind or find_scenario(self.scenario), self.fields)

    def canonical(self) -> "Source":
        """Return the same scenario with only the fields that differ from their defaults."""
        return dataclasses.replace(self, fields=fields_of(self.described(), of_session=self.kind is not None))


def source_of(scenario: Described | str, **fields: Any) -> Source:  # noqa: ANN401 - the scenario's fields
    """Return a scenario as data, given itself, its name or its file, and fields to set.

    Raises
    ------
    TypeError
        If a field's value is not made of numbers, text, paths and tuples of them.
    ValueError, FileNotFoundError
        If the scenario is unknown, or has no such field.
    """
    if isinstance(scenario, str) and _describes(scenario):
        return source_at(scenario, find_file(scenario).read(Path(scenario)), **fields)
    if isinstance(scenario, AbstractFile):
        return source_at("market.yaml", scenario, **fields)
    if isinstance(scenario, str):
        path, kind = _split(scenario)
        place = ":".join(part for part in (str(Path(path).resolve()), kind) if part) if path else scenario
        return Source(place, _plain(fields)).canonical()
    kind = type(scenario)
    known = fields_of(scenario, of_session=in_session(kind))
    return Source(_place(kind), known | _plain(fields), kind if in_session(kind) else None).canonical()


def source_at(place: str, described: AbstractFile, **fields: Any) -> Source:  # noqa: ANN401 - the file's fields
    """Return what a file at `place` describes as data, with fields to set; errors as in `source_of`."""
    held = fields_of(described)
    for name, value in _plain(fields).items():
        parts = isinstance(value, dict) and isinstance(held.get(name), dict)
        held[name] = {**held[name], **value} if parts else value
    return Source(str(Path(place).resolve()), held).canonical()


def find_file(name: str) -> type[AbstractFile]:
    """Return what a file that describes a scenario is read into, given its path."""
    return load(f"walras.scenarios.{FILES[Path(name).suffix]}")


def find_scenario(name: str) -> type[Described]:
    """Return the scenario's class, given its name or the path of a file that defines or describes one.

    Raises
    ------
    ValueError
        If the name is unknown, or the file does not define exactly one scenario, or none of the name after its colon.
    FileNotFoundError
        If the file does not exist.
    """
    if _describes(name):
        return find_file(name)
    path, kind = _split(name)
    if not path:
        require_known(name, "scenario", SCENARIOS)
        return load(f"walras.scenarios.{SCENARIOS[name]}")
    kinds = _scenarios_in(load_file(Path(path)))
    if kind:
        require_known(kind, "scenario", kinds)
        return kinds[kind]
    require(len(kinds) == 1, "scenario", "be a file that defines one scenario, or file.py:Name", list(kinds))
    return next(iter(kinds.values()))


def fields_of(scenario: Any, of_session: bool = False) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    """Return the fields of `scenario` that differ from their defaults, as JSON has them; of fields of fields too.

    Files count by their content, and are kept; of a class of a session all fields are, since its defaults may change.

    Raises
    ------
    TypeError
        If a value is not made of numbers, text, paths and tuples of them.
    """
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(scenario):
        value = getattr(scenario, entry.name)
        if of_session or paths_in(value) or value != default_of(entry):
            values[entry.name] = value
    return _plain(values)


def paths_in(value: object) -> list[Path]:
    """Return the paths in a field's value."""
    if dataclasses.is_dataclass(value):
        return paths_in(list(vars(value).values()))
    if isinstance(value, tuple | list):
        return [path for part in value for path in paths_in(part)]
    return [value] if isinstance(value, Path) else []


def _describes(name: str) -> bool:
    """Return whether a name is that of a file that describes a scenario."""
    return Path(name).suffix in FILES


def _split(name: str) -> tuple[str, str]:
    """Return the file and the class of a scenario in a file; of one by name, nothing twice."""
    path, dot, kind = name.rpartition(".py:")
    if dot:
        return f"{path}.py", kind
    return (name, "") if name.endswith(".py") else ("", "")


def _place(kind: type[AbstractScenario | AbstractStudy]) -> str:
    """Return the name or the file by which a scenario's class is found."""
    names = {f"walras.scenarios.{place}": name for name, place in SCENARIOS.items()}
    own = f"{kind.__module__}:{kind.__qualname__}"
    if own in names or in_session(kind):
        return names.get(own, kind.__name__)
    module = sys.modules[kind.__module__]
    file = str(Path(str(module.__file__)).resolve())
    return file if len(_scenarios_in(module)) == 1 else f"{file}:{kind.__name__}"


def _scenarios_in(module: ModuleType) -> dict[str, type[AbstractScenario | AbstractStudy]]:
    own = (value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__)
    return {value.__name__: value for value in own if _is_scenario(value)}


def _is_scenario(value: object) -> TypeGuard[type[AbstractScenario | AbstractStudy]]:
    kinds = AbstractScenario | AbstractStudy
    return isinstance(value, type) and issubclass(value, kinds) and dataclasses.is_dataclass(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field's value
    """Return a field's value as JSON has it."""
    match value:
        case Path():
            return str(value.resolve())
        case tuple() | list():
            return [_plain(part) for part in value]
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case np.generic():
            return value.item()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return fields_of(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"`fields` must be numbers, text, paths, or tuples of them; got {value!r}.")


def _built(kind: type[Any], fields: dict[str, Any]) -> Any:  # noqa: ANN401 - an instance of the kind
    """Return a dataclass with these fields, as JSON has them."""
    hints = typing.get_type_hints(kind)
    for name in fields:
        require_known(name, "fields", [field.name for field in dataclasses.fields(kind)])
    return kind(**{name: _revived(value, hints[name]) for name, value in fields.items()})


def _revived(value: Any, hint: Any) -> Any:  # noqa: ANN401 - a JSON value and a type hint
    """Return a JSON value as the field's type has it: paths, tuples, and whole numbers that need not be whole."""
    choices = typing.get_args(hint) or (hint,)
    match value:
        case dict() if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return _built(hint, value)
        case str() if hint is Path or Path in choices:
            return Path(value)
        case list():
            inner = next((choice for choice in choices if typing.get_origin(choice) is tuple), hint)
            parts = typing.get_args(inner) or (Any,)
            return tuple(
                _revived(part, parts[min(k, len(parts) - 1 - (parts[-1] is ...))]) for k, part in enumerate(value)
            )
        case int() if not isinstance(value, bool) and float in (hint, *choices) and int not in choices:
            return float(value)
        case _:
            return value
