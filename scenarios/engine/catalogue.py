"""The scenarios by name, and how one is made from its name or file and the values of its fields."""

import dataclasses
import importlib.util
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from walras.core.checks import require, require_known
from walras.core.lazy import load
from walras.scenarios.engine.scenario import AbstractScenario

SCENARIOS = {
    "cournot": "electricity.cournot:Cournot",
    "day_ahead": "electricity.day_ahead:DayAhead",
    "door": "cooperation.door:Door",
    "fair_division": "allocation.fair_division:FairDivision",
    "fair_division_shift": "allocation.fair_division_shift:FairDivisionShift",
    "lava": "cooperation.lava:Lava",
    "navigation": "cooperation.navigation:Navigation",
    "otc_market": "trading.otc_market:OtcMarket",
    "price_discovery": "trading.price_discovery:PriceDiscovery",
    "robust_team": "teams.robust_team:RobustTeam",
    "supply_chain": "trading.supply_chain:SupplyChain",
    "supply_function": "electricity.supply_function:SupplyFunction",
    "team_competition": "teams.team_competition:TeamCompetition",
    "used_cars": "trading.used_cars:UsedCars",
}
"""Each scenario, and where in `walras.scenarios` it is."""


@dataclass(frozen=True)
class Source:
    """A scenario as data: its name or its file, and its fields where they differ from the defaults."""

    scenario: str
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The scenario's name, or its file's."""
        return Path(self.scenario).stem

    def load(self) -> AbstractScenario:
        """Return the scenario."""
        kind = find_scenario(self.scenario)
        hints = typing.get_type_hints(kind)
        known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type] - scenarios are dataclasses
        for name in self.fields:
            require_known(name, "fields", known)
        return kind(**{name: _revived(value, hints[name]) for name, value in self.fields.items()})

    def canonical(self) -> "Source":
        """Return the same scenario with only the fields that differ from their defaults."""
        return Source(self.scenario, fields_of(self.load()))


def find_scenario(name: str) -> type[AbstractScenario]:
    """Return the scenario's class, given its name or the path of a Python file that defines one.

    Raises
    ------
    ValueError
        If the name is unknown, or the file does not define exactly one scenario.
    FileNotFoundError
        If the file does not exist.
    """
    if name.endswith(".py"):
        module = _module_at(Path(name))
        kinds = [v for v in vars(module).values() if _is_scenario(v) and v.__module__ == module.__name__]
        require(len(kinds) == 1, "scenario", "be a file that defines one scenario", [k.__name__ for k in kinds])
        return kinds[0]
    require_known(name, "scenario", SCENARIOS)
    return load(f"walras.scenarios.{SCENARIOS[name]}")


def fields_of(scenario: AbstractScenario) -> dict[str, Any]:
    """Return the fields of `scenario` that differ from their defaults, as JSON has them."""
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(scenario):  # type: ignore[arg-type] - scenarios are dataclasses
        value = getattr(scenario, entry.name)
        if value != entry.default or isinstance(value, Path):  # a file counts by its content
            values[entry.name] = str(value.resolve()) if isinstance(value, Path) else value
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _module_at(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"`scenario` must be a name or an existing file; got {str(path)!r}.")
    name = f"walras_scenario_{path.stem}"  # known to `sys.modules`, where dataclasses and annotations look
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _is_scenario(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, AbstractScenario) and dataclasses.is_dataclass(value)


def _revived(value: Any, hint: Any) -> Any:  # noqa: ANN401 - a JSON value and a type hint
    """Return a JSON value as the field's type has it: paths and tuples."""
    if isinstance(value, str) and (hint is Path or Path in typing.get_args(hint)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
