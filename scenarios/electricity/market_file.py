"""An electricity market in a file: no Python, the user's own units, demand and network.

`walras run FILE.yaml` runs it, `walras solve` prints its solution, `walras check` reads all of it and prints its
totals. The file's keys are the fields of `MarketFile`; a key that is not known, a column that this kind of market does
not use, and a number out of its range are refused with their place. Paths are from the file's own folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.lazy import load
from walras.markets.electricity.clearing import PRICE_CAP, PRICE_FLOOR
from walras.markets.electricity.sheets import require_readable
from walras.scenarios.engine.catalogue import fields_of
from walras.scenarios.engine.documents import AbstractFile, read_tree, schema_of
from walras.scenarios.engine.scenario import AbstractScenario
from walras.scenarios.engine.study import AbstractStudy

KINDS = {
    "day_ahead": "electricity.file_day_ahead:FileDayAhead",
    "dispatch": "electricity.file_dispatch:FileDispatch",
    "network_cournot": "electricity.file_network_cournot:FileNetworkCournot",
    "storage": "electricity.file_storage:FileStorage",
    "forward_spot": "electricity.file_forward_spot:FileForwardSpot",
}
"""Each kind of market, and the scenario or study that it is."""
LINEAR = ("demand.intercept_eur_mwh", "demand.slope_eur_mwh_mw")
"""Keys of a demand that is a line."""
ELASTIC = ("demand.elasticity", "demand.reference_price_eur_mwh", *LINEAR)
"""Keys of demands that depend on the price."""
AUCTION = tuple(
    f"market.{name}" for name in ("cap_eur_mwh", "floor_eur_mwh", "markup_limit_eur_mwh", "price_rule", "settlement")
)
"""Rules of auctions, which games without offers do not use."""
FORMAT = 1
"""The version of the files."""


@final
@dataclass(frozen=True)
class Market:
    """The rules of the market."""

    kind: Literal["day_ahead", "dispatch", "network_cournot", "storage", "forward_spot"] = "day_ahead"
    """What is computed: auctions of sellers that learn, the least-cost dispatch, quantities chosen on a network,
    storages that trade the hours of a day, or firms that sell ahead of a spot market."""
    settlement: Literal["uniform", "pay_as_bid"] = "uniform"
    """What accepted offers are paid, where sellers bid: the clearing price, or their own prices."""
    price_rule: Literal["supporting", "midpoint"] = "supporting"
    """In a dispatch, which prices stand where several support it, as where load meets the edge of an offer: one of
    them, or those nearest to the middles of their intervals."""
    cap_eur_mwh: float = PRICE_CAP
    """Highest price, EUR/MWh; load that no offer serves is priced at it."""
    floor_eur_mwh: float | None = None
    """Lowest price, EUR/MWh: -500 by default, 0 in `day_ahead`."""
    step: Literal["1h", "30min", "15min"] = "1h"
    """Length of a step of the market, and of its series."""
    markup_limit_eur_mwh: float = 60.0
    """Largest mark-up of an offer over marginal cost, EUR/MWh."""
    horizon_hours: int = 24
    """Hours of an episode in which sellers learn; of a dispatch with storages, hours that are cleared at once, in which
    each storage ends with what it began with."""

    def __post_init__(self) -> None:
        require(0 < self.cap_eur_mwh < np.inf, "cap_eur_mwh", "be positive and finite", self.cap_eur_mwh)
        floor = self.floor_eur_mwh
        require(floor is None or -np.inf < floor < self.cap_eur_mwh, "floor_eur_mwh", "be below the cap", floor)
        limit = self.markup_limit_eur_mwh
        require(0 < limit < np.inf, "markup_limit_eur_mwh", "be positive and finite", limit)
        require_whole(self.horizon_hours, "horizon_hours")

    @property
    def floor(self) -> float:
        """The lowest price, EUR/MWh."""
        default = 0.0 if self.kind == "day_ahead" else PRICE_FLOOR
        return default if self.floor_eur_mwh is None else self.floor_eur_mwh


@final
@dataclass(frozen=True)
class FleetFile:
    """The units."""

    file: Path | None = None
    """Table of the units."""
    fuels: Path | None = None
    """Table of the fuels: their prices, or with a column of times their prices by the step."""
    co2_eur_t: float = 0.0
    """Price of CO2, EUR/t."""
    merge_blocks: int = 0
    """Join an owner's units, neighbours in cost, into so many blocks; 0 joins none."""
    unused: tuple[str, ...] = ()
    """Columns of the table that this kind of market does not use, and that may stand there."""

    def __post_init__(self) -> None:
        require(0 <= self.co2_eur_t < np.inf, "co2_eur_t", "be finite and not negative", self.co2_eur_t)
        require(self.merge_blocks >= 0, "merge_blocks", "not be negative", self.merge_blocks)
        _require_readable(self)


@final
@dataclass(frozen=True)
class Demand:
    """The load."""

    file: Path | None = None
    """Table of series, MW: the load, and what else is named here and in the fleet's `availability`."""
    column: str = ""
    """Column of the load."""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Columns of the loads by bus, in the place of `column`."""
    time: str = "time"
    """Column of times, at which steps begin: with UTC offsets, or local times of `zone`."""
    zone: str = ""
    """Time zone of local times and of the local clock, such as Europe/Madrid."""
    must_run: tuple[str, ...] = ()
    """Columns of generation that runs whatever the price, taken off the load."""
    resample: Literal["", "mean"] = ""
    """`mean` takes the mean over each step of a file with shorter steps."""
    elasticity: float = 0.0
    """By how many percent demand falls if the price rises by one percent, at the reference price."""
    reference_price_eur_mwh: float = 0.0
    """Price at which elastic demand is the load of the series, EUR/MWh."""
    intercept_eur_mwh: float | str = ""
    """In `storage` and `forward_spot`, the price at no sale, EUR/MWh: a number, or the column of the demand's table
    that holds it."""
    slope_eur_mwh_mw: float = 0.0
    """By how much the price falls a MW from there, EUR/MWh per MW."""

    def __post_init__(self) -> None:
        for name in ("elasticity", "reference_price_eur_mwh", "slope_eur_mwh_mw"):
            require(0 <= getattr(self, name) < np.inf, name, "be finite and not negative", getattr(self, name))
        require(not (self.column and self.columns), "columns", "be given, or `column`, not both", dict(self.columns))
        twice = [name for name in self.must_run if self.must_run.count(name) > 1]
        require(not twice, "must_run", "name each column once", twice[:1])
        both = [name for name in self.must_run if name in (self.column, *self.columns.values())]
        require(not both, "must_run", "name columns of generation, not of load", both)
        _require_readable(self)


@final
@dataclass(frozen=True)
class Network:
    """The network, from one source."""

    case: Path | None = None
    """A MATPOWER case file (.m)."""
    buses: Path | None = None
    """Table of buses: `bus`, and `zone`, `latitude`, `longitude` if wanted."""
    branches: Path | None = None
    """Table of branches: `branch`, `from_bus`, `to_bus`, `limit_mw` (blank is none), and `susceptance_mw_rad` or
    `x_pu` with `base_mva`."""
    links: Path | None = None
    """Table of links of direct current: `link`, `from_bus`, `to_bus`, `min_mw`, `max_mw`, `loss_share`."""
    rts_gmlc: Path | None = None
    """Folder of RTS-GMLC: network, units, load and renewables."""
    pypsa: Path | None = None
    """Folder that PyPSA's export_to_csv_folder wrote: network, units and load."""
    storage: bool = False
    """Whether to read the storage of RTS-GMLC as well."""
    convention: Literal["pglib", "matpower"] = "pglib"
    """How a case's branches become lines: without taps and shifts, or with them."""

    def __post_init__(self) -> None:
        require(len(self.sources) <= 1, "network", "have one source", ", ".join(self.sources))
        for name in ("branches", "links"):
            given = getattr(self, name)
            require(given is None or self.buses is not None, name, "stand beside a table of `buses`", str(given))
        _require_readable(self)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that are given."""
        return tuple(name for name in ("case", "buses", "rts_gmlc", "pypsa") if getattr(self, name) is not None)


@final
@dataclass(frozen=True)
class Exam:
    """The steps that are judged, or dispatched."""

    start: str = ""
    """The local day at which they begin, such as 2018-01-31; the first of the series by default. Sellers learn on what
    stands before it, or where nothing does, on the exam itself."""
    hours: int = 0
    """Their length, hours; 0 is all from the start on."""

    def __post_init__(self) -> None:
        require(self.hours >= 0, "hours", "not be negative", self.hours)


@final
@dataclass(frozen=True)
class Learners:
    """Who learns, where the kind of market is a game."""

    algorithm: Literal["PPO", "SAC", "TD3"] = "PPO"
    """The learner, an agent each."""
    steps: int = 20_000
    """Environment steps of training."""
    checkpoints: int = 5
    """Times at which the learners are judged."""

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoints"):
            require_whole(getattr(self, name), name)


@final
@dataclass(frozen=True)
class Forecast:
    """What the market's prices are compared with, where real ones are known."""

    price: str = ""
    """Column of real prices in the demand's table, EUR/MWh. With it the report has plain forecasts of them."""
    net_load: str = ""
    """Column of the net load as it was known at the auction, MW. With it the report has a forecast: the competitive
    price at that load, plus the level of prices."""
    level_days: int = 7
    """Local days before each day over which the level is taken: by how much real prices lay above competitive ones."""

    def __post_init__(self) -> None:
        require_whole(self.level_days, "level_days")
        rule = "stand beside a column of real prices, `price`"
        require(bool(self.price) or not self.net_load, "net_load", rule, self.net_load)


@final
@dataclass(frozen=True)
class MarketFile(AbstractFile):
    """An electricity market, its data, and how it is studied.

    Raises
    ------
    ValueError
        If the file is of another version, or has keys that its kind of market does not use.
    """

    walras: int = FORMAT
    """Version of this format, 1."""
    market: Market = field(default_factory=Market)
    """The rules of the market."""
    fleet: FleetFile = field(default_factory=FleetFile)
    """The units."""
    demand: Demand = field(default_factory=Demand)
    """The load."""
    network: Network = field(default_factory=Network)
    """The network."""
    exam: Exam = field(default_factory=Exam)
    """The steps that are judged."""
    learners: Learners = field(default_factory=Learners)
    """Who learns."""
    forecast: Forecast = field(default_factory=Forecast)
    """What prices are compared with."""
    seeds: int = 5
    """Independent repetitions, where sellers learn."""

    def __post_init__(self) -> None:
        require(self.walras == FORMAT, "walras", f"be {FORMAT}, the version of this format", self.walras)
        require_whole(self.seeds, "seeds")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the market that the file at `path` describes; errors as in `load_market`."""
        return read_tree(cls, path)

    def scenario(self) -> AbstractScenario | AbstractStudy:
        """Return the scenario or study of this kind of market.

        Raises
        ------
        ValueError
            If a part is given that this kind does not use.
        """
        return load(f"walras.scenarios.{KINDS[self.market.kind]}")(self)

    def totals(self) -> dict[str, float]:
        """Return numbers of the market, by words, after all tables are read; errors as in `scenario`."""
        made: Any = self.scenario()
        return made.totals()

    def require_unused(self, *names: str, by: str = "") -> None:
        """Refuse parts, or keys of parts as ``part.key``, that are not used.

        Parameters
        ----------
        *names : str
            Parts and keys.
        by : str
            What does not use them; this kind of market by default.

        Raises
        ------
        ValueError
            If one differs from its default.
        """
        for name in names:
            part, _, key = name.partition(".")
            mine, default = getattr(self, part), getattr(MarketFile(), part)
            if key:
                mine, default = getattr(mine, key), getattr(default, key)
            rule = f"be left out: {by or f'a market of kind {self.market.kind}'} does not use it"
            require(mine == default, name, rule, fields_of(mine) if is_dataclass(mine) else mine)


def load_market(path: str | Path) -> MarketFile:
    """Read a market.

    Parameters
    ----------
    path : str or Path
        A file of YAML.

    Returns
    -------
    MarketFile
        What it says; its tables are read when they are used.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it is no market; with file, line, key, and the nearest key that is known.
    """
    return MarketFile.read(Path(path))


def market_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the files."""
    return schema_of(MarketFile, "Walras: an electricity market")


def _require_readable(part: FleetFile | Demand | Network) -> None:
    """Refuse files of other programs' formats."""
    for each in fields(part):
        path = getattr(part, each.name)
        if isinstance(path, Path):
            require_readable(path, each.name)
