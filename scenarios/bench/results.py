"""Results of a suite: all its cells as tables, and their statistics.

A run's **relative gap** is that of the player that could gain most, as a share of what is at stake in the game. Its
lower end is what a deviation is known to gain, its upper end what none exceeds; of a gap that is a lower bound alone,
the upper end is infinite, and nothing is said to be near an equilibrium by it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from walras.core.checks import require_known
from walras.scenarios.bench.runner import suite_file
from walras.scenarios.bench.store import Store, store_at
from walras.scenarios.bench.task import failure_file, finished, read_cell, stored
from walras.scenarios.engine.statistics import (
    Estimate,
    aggregate,
    estimate,
    paired_difference,
    performance_profile,
    probability_of_improvement,
)

KEYS = ["family", "game", "method", "role"]
ENDS = ("lower", "upper", "attained")
"""Ends of the relative gap, and what the deviation that was found gains."""
WEAKEST = ("nothing", "coarse correlated")
"""What a gap of zero proves least: of a lower bound alone, and of agents that draw together; all else is more."""
THRESHOLDS = np.array([0.0, *np.geomspace(1e-4, 10, 41)])
"""Relative gaps at which profiles are drawn."""


@final
@dataclass(frozen=True, eq=False)
class Results:
    """The cells of a suite that are in a storage.

    Raises
    ------
    FileNotFoundError
        If the storage holds no such suite.
    ValueError
        If it holds several and none is named, or none of that name, or a cell's content is not what its manifest says.
    """

    store: str | Path
    name: str = ""
    """The suite's; may be left out where there is one."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What fixes the results: settings, cells, versions."""
        known = [name.removesuffix(".json") for name in self._place.names("suites")]
        if not known:
            raise FileNotFoundError(f"`store` must hold a suite; there is none in {self._place.url}.")
        name = self.name or (known[0] if len(known) == 1 else "")
        require_known(name, "name", known)
        content = self._place.read(suite_file(name))
        assert content is not None
        return json.loads(content)

    @cached_property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The manifests of finished cells by their fingerprints."""
        return {name: manifest for name, (manifest, _) in self._read.items()}

    @cached_property
    def missing(self) -> pd.DataFrame:
        """Cells without a result: `game`, `method`, `seeds`, and the `error` of those that failed."""
        rows = [self._missing(cell) for cell in self.manifest["cells"] if cell["id"] not in self._read]
        return pd.DataFrame(rows, columns=["game", "method", "seeds", "error"])

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """All that was found, a row a number; columns as in `walras.scenarios.bench.judge`, and which cell it is of."""
        parts = [table.assign(**labels) for labels, _, table in self._finished]
        empty = pd.DataFrame(columns=[*KEYS, "seed", "steps", "measure", "value", "agent", "against", "episode"])
        return pd.concat(parts, ignore_index=True) if parts else empty

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a game, method, seed and checkpoint: relative gaps of the player that could gain most, and returns.

        Columns: `family`, `game`, `method`, `role`, `seed`, `steps`, `lower`, `upper`, `attained`, `return` (the
        expected one, the mean over players), `kind`, `concept` (what the gap is a distance from), `certifies` (what a
        gap of zero would prove), `unit`, `last` (whether training was at its end).
        """
        of_players = self.numbers[self.numbers["measure"].isin(["lower", "upper", "attained", "expected"])]
        keys = [*KEYS, "seed", "steps"]
        wide = of_players.set_index([*keys, "agent", "measure"])["value"].unstack("measure")
        wide = wide.reindex(columns=[*ENDS, "expected"]).reset_index()
        wide = wide.merge(self._scales, on=[*KEYS, "seed", "agent"])
        for end in ENDS:
            wide[end] = wide[end] / wide["scale"]
        each = wide.groupby(keys, sort=False).agg({end: "max" for end in ENDS} | {"expected": "mean"}).reset_index()
        each["last"] = each["steps"] == each.groupby([*KEYS, "seed"])["steps"].transform("max")
        return each.rename(columns={"expected": "return"}).merge(self._worth, on=["game", "method", "seed"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a game and method: interquartile means over seeds of both ends, with 95 % intervals.

        Columns: `family`, `game`, `method`, `role`, `seeds`, and ``lower``, ``upper``, ``attained`` and ``return``,
        each also with ``_low`` and ``_high``; `kind` and `certifies` of the weakest seed, `concept`, `unit`.
        """
        parts = [part for name in (*ENDS, "return") for part in (name, f"{name}_low", f"{name}_high")]
        rows = [_summary(keys, runs) for keys, runs in self._last.groupby(KEYS, sort=False)]
        return pd.DataFrame(rows, columns=[*KEYS, "seeds", *parts, "kind", "certifies", "concept", "unit"])

    @cached_property
    def overall(self) -> pd.DataFrame:
        """One row a method: interquartile mean over all runs of the games that it plays, with a stratified interval.

        Columns: `method`, `role`, `games`, `attained`, `attained_low`, `attained_high`.
        """
        rows = [_overall(name, part) for name, part in self._last.groupby(["method", "role"], sort=False)]
        return pd.DataFrame(rows, columns=["method", "role", "games", "attained", "attained_low", "attained_high"])

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """For each method, the share of runs of which it is proved that the relative gap is at most a threshold.

        Columns: `method`, `threshold`, `share`, `low`, `high`. A run without an upper end counts for no threshold.
        """
        parts = [_profile(str(name), part) for name, part in self._last.groupby("method", sort=False)]
        empty = pd.DataFrame(columns=["method", "threshold", "share", "low", "high"])
        return pd.concat(parts, ignore_index=True) if parts else empty

    def compared(self, first: str, second: str) -> dict[str, Estimate]:
        """Return how two methods compare on the games that both play, by what the deviations found gain.

        Parameters
        ----------
        first, second : str
            Methods.

        Returns
        -------
        dict
            ``probability`` that a run of the first has a smaller gap, and the paired ``difference``, first less second.

        Raises
        ------
        ValueError
            If a method is unknown, or they play no game in common.
        """
        known = sorted(set(self._last["method"]))
        for name, value in (("first", first), ("second", second)):
            require_known(value, name, known)
        ours, theirs = self._strata(first), self._strata(second)
        games = [game for game in ours if game in theirs and list(ours[game].index) == list(theirs[game].index)]
        if not games:
            raise ValueError(f"`second` must play a game that {first!r} plays, with the same seeds; got {second!r}.")
        pairs = [ours[game].to_numpy() for game in games], [theirs[game].to_numpy() for game in games]
        return {"probability": probability_of_improvement(*pairs), "difference": paired_difference(*pairs)}

    @property
    def _place(self) -> Store:
        return store_at(self.store)

    @cached_property
    def _read(self) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
        cells, there = dict.fromkeys(cell["id"] for cell in self.manifest["cells"]), set(finished(self._place))
        return {cell: stored(self._place, cell, read_cell) for cell in cells if cell in there}

    @property
    def _finished(self) -> Iterator[tuple[dict[str, str], dict[str, Any], pd.DataFrame]]:
        """Yield `KEYS` of each finished cell as the suite names it, its manifest and its table.

        What a cell is called is not in its fingerprint: methods of one recipe, and suites in one place, share it.
        """
        for cell in self.manifest["cells"]:
            if cell["id"] in self._read:
                manifest, table = self._read[cell["id"]]
                labels = {"family": manifest["family"], "role": manifest["role"]}
                yield labels | {"game": cell["game"], "method": cell["method"]}, manifest, table

    def _missing(self, cell: dict[str, Any]) -> dict[str, Any]:
        failure = self._place.read(failure_file(cell["id"]))
        error = "" if failure is None else json.loads(failure)["error"]
        return {part: cell[part] for part in ("game", "method", "seeds")} | {"error": error}

    @cached_property
    def _scales(self) -> pd.DataFrame:
        scales = self.numbers[self.numbers["measure"] == "scale"]
        return scales[[*KEYS, "seed", "agent", "value"]].rename(columns={"value": "scale"})

    @cached_property
    def _worth(self) -> pd.DataFrame:
        rows = [
            {"game": labels["game"], "method": labels["method"], **certificate, "certifies": _certified(certificate)}
            for labels, manifest, _ in self._finished
            for certificate in manifest["certificates"]
        ]
        return pd.DataFrame(rows, columns=["game", "method", "seed", "kind", "certifies", "concept", "unit"])

    @cached_property
    def _last(self) -> pd.DataFrame:
        return self.runs[self.runs["last"]]

    def _strata(self, method: str) -> dict[str, Any]:
        own = self._last[self._last["method"] == method]
        return {str(game): part.set_index("seed")["attained"].sort_index() for game, part in own.groupby("game")}


def _summary(keys: Any, runs: pd.DataFrame) -> dict[str, Any]:  # noqa: ANN401 - what pandas groups by
    found = dict(zip(KEYS, keys, strict=True)) | {"seeds": len(runs)}
    for name in (*ENDS, "return"):
        found |= _parts(name, _estimate(runs[name].to_numpy(dtype=float)))
    order = ["exact", "bounds", "statistical", "lower bound"]
    kind, certifies = max(runs["kind"], key=order.index), min(runs["certifies"], key=_worth_of)
    same = {name: runs[name].iloc[0] for name in ("concept", "unit")}
    return found | {"kind": kind, "certifies": certifies} | same


def _certified(certificate: dict[str, Any]) -> str:
    return certificate["certifies"] or WEAKEST[0]


def _worth_of(certifies: str) -> int:
    return WEAKEST.index(certifies) if certifies in WEAKEST else len(WEAKEST)


def _estimate(values: np.ndarray[Any, np.dtype[np.float64]]) -> Estimate:
    """Return an estimate; infinite, without an interval, where a value is."""
    return estimate(values) if np.isfinite(values).all() else Estimate(np.inf, np.nan, np.nan)


def _parts(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def _overall(name: Any, part: pd.DataFrame) -> dict[str, Any]:  # noqa: ANN401 - what pandas groups by
    strata = [runs["attained"].to_numpy() for _, runs in part.groupby("game")]
    found = dict(zip(("method", "role"), name, strict=True)) | {"games": len(strata)}
    return found | _parts("attained", aggregate(strata))


def _profile(name: str, part: pd.DataFrame) -> pd.DataFrame:
    beyond = 2 * THRESHOLDS[-1]
    strata = [np.minimum(runs["upper"].to_numpy(), beyond) for _, runs in part.groupby("game")]
    found = performance_profile(strata, THRESHOLDS)
    columns = {"threshold": found.thresholds, "share": found.share, "low": found.low, "high": found.high}
    return pd.DataFrame({"method": name} | columns)
