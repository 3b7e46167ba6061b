"""Generators, and the conditions under which they sell: net load and outages, hour by hour.

Net load is load minus must-run generation (wind, solar, run-of-river, other renewables, nuclear), so renewable
availability enters the market through it. It follows a profile, recorded or typical, plus an autoregressive
deviation. Money is EUR, energy MWh, power MW; a step is an hour unless it is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import as_floats, require, require_each
from walras.core.typing import Floats

HOURS_PER_YEAR = 8760


@final
@dataclass(frozen=True)
class Generator:
    """A seller with blocks of capacity in the order of their marginal cost.

    Raises
    ------
    ValueError
        If the blocks' counts differ, costs decrease, or a capacity is negative.
    """

    name: str
    cost: tuple[float, ...]  # [K] EUR/MWh marginal cost
    capacity: tuple[float, ...]  # [K] MW

    def __post_init__(self) -> None:
        cost, capacity = as_floats("cost", self.cost, 1), as_floats("capacity", self.capacity, 1)
        require(len(cost) > 0, "cost", "hold at least one block", self.cost)
        require_each(np.isfinite(cost), "cost", "be finite", cost)
        require(
            len(cost) == len(capacity),
            "capacity",
            f"have one entry for each of {len(cost)} costs",
            self.capacity,
        )
        require(bool(np.all(np.diff(cost) >= 0)), "cost", "not decrease from block to block", self.cost)
        require_each((capacity >= 0) & (capacity < np.inf), "capacity", "be finite and not negative", capacity)


@final
@dataclass(frozen=True, eq=False)
class Conditions:
    """Net load and outages over H steps, of an hour each or of `step_hours`.

    Net load is ``profile[h] + x[h]`` with ``x[h + 1] = persistence * x[h] + deviation * e[h]``, and the share of a
    generator's capacity that is out follows the same recursion around `outage`, cut to [0, 1]. The innovations
    ``e`` are uniform with variance 1.

    Raises
    ------
    ValueError
        If the profile is empty or not finite, or a parameter lies outside its range.
    """

    profile: Floats  # [H] MW expected net load; hour 0 begins at midnight
    deviation: float = 0.0  # MW per hour, standard deviation of the innovations
    persistence: float = 0.0  # autocorrelation of the deviation at one hour
    outage: float = 0.0  # expected share of capacity that is out
    outage_deviation: float = 0.0  # standard deviation of the innovations
    outage_persistence: float = 0.0  # autocorrelation at one hour
    clock: Floats | None = None  # [H] local time of day at which each step begins; None: the first begins at midnight
    step_hours: float = 1.0  # hours of a step: 1/2 and 1/4 where markets clear each half or quarter of an hour

    def __post_init__(self) -> None:
        profile = as_floats("profile", self.profile, 1)
        require(len(profile) > 0, "profile", "hold at least one hour", profile.shape)
        require_each(np.isfinite(profile), "profile", "be finite", profile)
        profile = profile.copy()
        profile.flags.writeable = False
        object.__setattr__(self, "profile", profile)
        if self.clock is not None:
            clock = as_floats("clock", self.clock, 1).copy()
            require(
                clock.shape == profile.shape, "clock", f"have an entry for each of the {len(profile)} hours", len(clock)
            )
            require_each((clock >= 0) & (clock < 24), "clock", "lie in [0, 24)", clock)
            clock.flags.writeable = False
            object.__setattr__(self, "clock", clock)
        whole = self.step_hours > 0 and (24 / self.step_hours).is_integer()
        require(whole, "step_hours", "be a whole part of a day", self.step_hours)
        for name in ("deviation", "outage_deviation"):
            require(getattr(self, name) >= 0, name, "not be negative", getattr(self, name))
            require(getattr(self, name) < np.inf, name, "be finite", getattr(self, name))
        for name in ("persistence", "outage_persistence", "outage"):
            require(0 <= getattr(self, name) < 1, name, "lie in [0, 1)", getattr(self, name))

    @property
    def hours(self) -> int:
        """H, the length of the profile."""
        return len(self.profile)


def recorded_conditions(
    net_load: Sequence[float] | Floats, clock: Sequence[float] | Floats | None = None, step_hours: float = 1.0
) -> Conditions:
    """Return conditions that follow recorded net load, ``[H]`` MW, exactly and without outages.

    `clock` is the local time of day of each hour, ``[H]``: where summer begins an hour of the day is left out, and
    where it ends one comes twice. Without it the first hour begins at midnight and every day has 24. Steps of half an
    hour or a quarter have `step_hours` of 0.5 or 0.25.

    Raises
    ------
    ValueError
        If `net_load` is empty or not finite, `clock` has another length or lies outside [0, 24), or a day has no whole
        number of steps.
    """
    times = None if clock is None else np.asarray(clock, dtype=np.float64)
    return Conditions(profile=np.asarray(net_load, dtype=np.float64), clock=times, step_hours=step_hours)


# Spain 2015-2018, fitted by `python benchmarks/calibrate_spain.py FILE` on the ENTSO-E Transparency Platform's
# hourly data: mean net load in MW by hour of day, on working days and at weekends.
_WORKING_DAY = (
    13060, 11519, 10619, 10313, 10309, 10861, 13012, 16181, 18236, 18889, 18599, 18061,
    17755, 17473, 16357, 15676, 15701, 16267, 17136, 18170, 19191, 19460, 17592, 15163,
)  # fmt: skip
_WEEKEND = (
    12492, 10938, 9827, 9224, 8966, 8958, 9316, 9873, 10731, 12026, 12646, 12480,
    12080, 12062, 11591, 10534, 10087, 10441, 11682, 13112, 14605, 15609, 14873, 13112,
)  # fmt: skip
_ANNUAL = ((-177.0, -1589.8), (1450.7, -46.7))  # MW, cosine and sine of the first and second annual harmonic


def spanish_conditions(hours: int = HOURS_PER_YEAR) -> Conditions:
    """Return the typical net load of Spain, 2015 to 2018, from a Monday, 1 January, on.

    The daily and annual profiles, the persistence and the deviation are fitted to hourly data. The outages are an
    assumption: 5 % of capacity on average.

    Raises
    ------
    ValueError
        If `hours` is less than 1.
    """
    require(hours >= 1, "hours", "be at least 1", hours)
    hour = np.arange(hours)
    weekend = hour // 24 % 7 >= 5
    daily = np.where(weekend, np.array(_WEEKEND)[hour % 24], np.array(_WORKING_DAY)[hour % 24])
    phase = 2 * np.pi * hour / HOURS_PER_YEAR
    annual = sum(a * np.cos(k * phase) + b * np.sin(k * phase) for k, (a, b) in enumerate(_ANNUAL, start=1))
    return Conditions(
        profile=daily + annual,
        deviation=734.0,
        persistence=0.978,
        outage=0.05,
        outage_deviation=0.01,
        outage_persistence=0.98,
    )


def spanish_fleet() -> tuple[Generator, ...]:
    """Return five sellers whose joint merit order follows Spain's mean day-ahead price by net load, 2015 to 2017.

    `python benchmarks/calibrate_spain.py FILE` prints that curve beside this fleet. Who owns which block is an
    assumption; the data name technologies, not owners.
    """
    return (
        Generator("hydro", cost=(20.0, 46.5, 56.5, 64.0), capacity=(1800.0, 1000.0, 1000.0, 2500.0)),
        Generator("coal", cost=(21.0, 30.0, 39.0, 48.5), capacity=(2200.0, 1900.0, 1500.0, 1500.0)),
        Generator("cogeneration", cost=(24.0, 44.0, 54.5, 66.0), capacity=(1900.0, 800.0, 800.0, 1000.0)),
        Generator("gas_north", cost=(36.0, 50.5, 59.0, 67.0), capacity=(1200.0, 1000.0, 1800.0, 4500.0)),
        Generator("gas_south", cost=(42.5, 53.0, 61.0, 68.0), capacity=(1500.0, 1000.0, 1800.0, 4500.0)),
    )
