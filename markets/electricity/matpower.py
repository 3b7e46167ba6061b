"""Transmission networks from MATPOWER case files.

A case file (``.m``, format version 2) is a MATLAB function that fills four matrices: buses, units, unit
costs and branches [1]_. Public collections of them are MATPOWER's own and the Power Grid Library,
``pglib-opf`` [2]_, whose published optimal costs the direct-current model of `walras.markets.electricity.network`
reproduces.

What is read, and how it becomes the direct-current model:

==================  =================================================================================
matrix, column      becomes
==================  =================================================================================
bus ``Pd``, ``Gs``  `load`: demand plus what the shunt conductance draws at 1 per unit of voltage, MW
gen ``Pmax/Pmin``   `quantity` and `minimum`, MW
gencost ``c2..c0``  `slope` (``2 c2``), `price` (``c1``) and their part of `fixed_cost` (``c0``)
branch ``r``, ``x`` `susceptance` ``baseMVA x / (r^2 + x^2)``, MW per radian; taps and shifts are ignored
branch ``rateA``    `limit`, MW; 0 means none
branch ``angmin/max`` `limit` also: ``|theta_from - theta_to| <= a`` is ``|flow| <= |susceptance| a``
==================  =================================================================================

Units and branches out of service, and buses of type 4 (isolated) with what hangs on them, are left out.
Money is that of the file, mostly $.

References
----------
.. [1] R. D. Zimmerman, C. E. Murillo-Sanchez and R. J. Thomas, MATPOWER: Steady-State Operations, Planning
   and Analysis Tools for Power Systems Research and Education, IEEE Transactions on Power Systems 26(1),
   2011.
.. [2] S. Babaeinejadsarookolaee et al., The Power Grid Library for Benchmarking AC Optimal Power Flow
   Algorithms, arXiv:1908.02788, 2019.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np

from walras.core.checks import require
from walras.core.typing import Bools, Floats, Ints

COMMENT = re.compile(r"%.*")
MATRIX = re.compile(r"mpc\.(\w+)\s*=\s*\[(.*?)\]", re.DOTALL)
BASE = re.compile(r"mpc\.baseMVA\s*=\s*([^;\s]+)")
NAME = re.compile(r"function\s+mpc\s*=\s*(\w+)")
COLUMNS = {"bus": 13, "gen": 10, "gencost": 5, "branch": 11}  # what the format requires at least


@dataclass(frozen=True)
class Offers:
    """What each of K units offers: up to `quantity` at the marginal cost ``price + slope x``."""

    bus: Ints  # [K] number of the bus the unit feeds
    price: Floats  # [K] $/MWh at zero output
    slope: Floats  # [K] $/MWh per MW; 0 where the cost is linear
    quantity: Floats  # [K] MW, most
    minimum: Floats  # [K] MW, least
    fixed_cost: float  # $/h of all units in service, whatever they produce


@dataclass(frozen=True)
class Case:
    """A network and the offers of its units.

    Nodes are bus numbers with `load` (MW). Edges are branches, keyed by their row in the file counted from
    1, with `susceptance` (MW per radian), `limit` (MW), and `from_bus` and `to_bus`, which give the flow
    its sign.
    """

    name: str
    network: "nx.MultiGraph[int]"
    offers: Offers


def load_matpower(path: str | Path) -> Case:
    """Read a MATPOWER case file.

    Parameters
    ----------
    path
        The ``.m`` file.

    Returns
    -------
    Case
        Network and offers of what is in service.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If a matrix is missing, ragged or not numeric, a unit or branch is at an unknown bus, a cost is
        piecewise linear, concave or of higher than second order, a branch has no impedance or angle limits
        that differ in the two directions, or the case has direct-current lines.
    """
    text = COMMENT.sub("", Path(path).read_text(encoding="utf-8"))
    matrices = _matrices(text)
    isolated = matrices["bus"][:, 1] == 4
    known, dropped = matrices["bus"][~isolated, 0], matrices["bus"][isolated, 0]
    network = _buses(matrices["bus"][~isolated])
    _add_branches(network, matrices["branch"], _base(text), known, dropped)
    name = NAME.search(text)
    return Case(name[1] if name else Path(path).stem, network, _offers(matrices, known, dropped))


def _matrices(text: str) -> dict[str, Floats]:
    found = {name: _matrix(name, body) for name, body in MATRIX.findall(text)}
    require("dcline" not in found, "dcline", "be absent: direct-current lines are not supported", "mpc.dcline")
    for name, columns in COLUMNS.items():
        require(name in found, name, "be a matrix of the case file", sorted(found))
        require(found[name].shape[1] >= columns, name, f"have at least {columns} columns", found[name].shape)
    return found


def _matrix(name: str, body: str) -> Floats:
    rows = [row.replace(",", " ").split() for row in re.split(r"[;\n]", body) if row.strip()]
    widths = {len(row) for row in rows}
    require(len(widths) == 1, name, "have rows of one length", sorted(widths))
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"`{name}` must hold numbers only; {error}.") from error


def _base(text: str) -> float:
    found = BASE.search(text)
    require(found is not None, "baseMVA", "be given in the case file", None)
    assert found is not None
    return float(found[1])


def _in_service(name: str, buses: Floats, status: Floats, known: Floats, dropped: Floats) -> Bools:
    """Whether each row [R] is on, given the buses [R, 1 or 2] at which it is connected."""
    unknown = buses[~np.isin(buses, np.concatenate([known, dropped]))]
    require(not unknown.size, name, "name buses of the case", [int(bus) for bus in unknown[:3]])
    return (status > 0) & np.isin(buses, known).all(axis=1)


def _buses(bus: Floats) -> "nx.MultiGraph[int]":
    numbers, counts = np.unique(bus[:, 0], return_counts=True)
    require(bool((counts == 1).all()), "bus", "name each bus once", [int(n) for n in numbers[counts > 1]])
    network: nx.MultiGraph[int] = nx.MultiGraph()
    network.add_nodes_from((int(row[0]), {"load": float(row[2] + row[4])}) for row in bus)
    return network


def _add_branches(network: "nx.MultiGraph[int]", branch: Floats, base: float, known: Floats, dropped: Floats) -> None:
    """Add the branches in service to `network`, in place."""
    on = np.flatnonzero(_in_service("branch", branch[:, :2], branch[:, 10], known, dropped))
    for row, line in zip(branch[on], on + 1, strict=True):
        require(row[2] != 0 or row[3] != 0, "branch", f"have an impedance in row {line}", (row[2], row[3]))
        susceptance = float(base * row[3] / (row[2] ** 2 + row[3] ** 2))
        limit = min(float(row[5]) or np.inf, abs(susceptance) * _angle_limit(row, int(line)))
        start, end = int(row[0]), int(row[1])
        network.add_edge(start, end, key=int(line), susceptance=susceptance, limit=limit, from_bus=start, to_bus=end)


def _angle_limit(row: Floats, line: int) -> float:
    """Read the largest angle difference in radians; 0 and 360 degrees mean no limit."""
    if row.size < 13:
        return np.inf
    low, high = (a if 0 < a < 360 else np.inf for a in (-row[11], row[12]))
    require(low == high, "branch", f"have the same angle limit both ways in row {line}", (row[11], row[12]))
    return float(np.deg2rad(high))


def _offers(matrices: dict[str, Floats], known: Floats, dropped: Floats) -> Offers:
    gen, gencost = matrices["gen"], matrices["gencost"]
    require(len(gencost) >= len(gen), "gencost", f"have a row for each of the {len(gen)} units", len(gencost))
    on = _in_service("gen", gen[:, :1], gen[:, 7], known, dropped)
    gen, cost = gen[on], _polynomial(gencost[: len(gen)][on])
    return Offers(
        bus=gen[:, 0].astype(np.int64),
        price=cost[:, 1],
        slope=2 * cost[:, 2],
        quantity=gen[:, 8],
        minimum=gen[:, 9],
        fixed_cost=float(cost[:, 0].sum()),
    )


def _polynomial(gencost: Floats) -> Floats:
    """Cost coefficients [K, 3] in rising order of power: c0 $/h, c1 $/MWh, c2 $/MWh per MW."""
    cost = np.zeros((len(gencost), 3))
    for unit, row in enumerate(gencost):
        require(row[0] == 2, "gencost", "hold polynomial costs (model 2), not piecewise linear ones", int(row[0]))
        rising = row[4 : 4 + int(row[3])][::-1]
        require(not rising[3:].any(), "gencost", "be of second order at most", rising.tolist())
        cost[unit, : rising.size] = rising[:3]
    require(
        bool((cost[:, 2] >= 0).all()),
        "gencost",
        "have no negative quadratic term",
        float(cost[:, 2].min(initial=0)),
    )
    return cost
