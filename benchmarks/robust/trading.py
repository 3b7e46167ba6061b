"""Trading networks, judged by enumeration in exact arithmetic."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from robust.family import Family, Refused, expect, scale

from walras.core.solution import Status
from walras.equilibria import competitive_equilibrium, is_stable, price_lattice
from walras.markets.trading.settlement import settle
from walras.markets.trading.trading_network import (
    Additive,
    Assignment,
    Dealer,
    Intermediary,
    Table,
    TradingNetwork,
    UnitDemand,
    UnitSupply,
    Valuation,
)

Outcome = tuple[TradingNetwork, np.ndarray, np.ndarray]


def network(rng: np.random.Generator) -> TradingNetwork:
    """Return two to five agents with up to six trades, in integers or floats, of one scale or of several."""
    count, size = int(rng.integers(2, 6)), int(rng.integers(1, 7))
    trades = [tuple(rng.choice(count, 2, replace=False).tolist()) for _ in range(size)]
    whole, mixed, unit = rng.random() < 0.5, rng.random() < 0.4, scale(rng)

    def number() -> float:
        drawn = int(rng.integers(0, 9)) if whole or rng.random() < 0.5 else rng.uniform(0, 9)
        by = 10.0 ** int(rng.integers(0, 10) if whole else rng.integers(-6, 7)) if mixed else unit
        return int(drawn * max(by, 1.0)) if whole else drawn * by

    agents = [_agent(rng, number, *_sides(trades, i)) for i in range(count)]
    return TradingNetwork(trades, agents)


def outcome(rng: np.random.Generator) -> Outcome:
    """Return a network with random trades and prices."""
    of = network(rng)
    largest = max(agent.magnitude for agent in of.agents) or 1.0
    prices = np.round(rng.random(len(of.trades)) * 8) * (largest / 8)
    return of, rng.random(len(of.trades)) < 0.5, prices


def _sides(trades: list[tuple[int, int]], agent: int) -> tuple[list[int], list[int]]:
    return [w for w, (_, b) in enumerate(trades) if b == agent], [w for w, (s, _) in enumerate(trades) if s == agent]


def _agent(rng: np.random.Generator, number: Any, buys: list[int], sells: list[int]) -> Valuation:  # noqa: ANN401
    kinds = ["additive", "assignment", "middle", "dealer", "table"] + ["demand"] * 3 * (not sells)
    match rng.choice(kinds + ["supply"] * 3 * (not buys)):
        case "additive":
            return Additive({w: number() for w in buys}, {w: number() for w in sells})
        case "assignment":
            return Assignment(buys, sells, {w: [number(), number()] for w in buys + sells})
        case "middle":
            return Intermediary(buys, sells, number())
        case "dealer":
            return Dealer({w: number() for w in buys}, {w: number() for w in sells}, int(rng.integers(3)))
        case "demand":
            return UnitDemand({w: number() for w in buys})
        case "supply":
            return UnitSupply({w: number() for w in sells})
        case _:
            own = buys + sells
            sets = [tuple(w for w, on in zip(own, chosen, strict=True) if on) for chosen in _every(len(own))[1:]]
            signed = {s: number() - sum(2 * number() for w in s if w in sells) for s in sets if rng.random() < 0.9}
            return Table(signed, buys, sells)


def _every(count: int) -> list[tuple[bool, ...]]:
    return list(product([False, True], repeat=count))


def worths(agent: Valuation) -> dict[tuple[bool, ...], Fraction]:
    """Return the exact value of each bundle that an agent can do."""
    bundles = _every(agent.degree)
    values = agent.value(np.array(bundles, dtype=bool).reshape(len(bundles), agent.degree))
    return {b: Fraction(float(v)) for b, v in zip(bundles, values, strict=True) if np.isfinite(v)}


def utilities(agent: Valuation, prices: np.ndarray) -> dict[tuple[bool, ...], Fraction]:
    """Return the exact utility of each bundle."""
    paid = [int(side) * Fraction(float(p)) for side, p in zip(agent.sides, prices, strict=True)]
    return {b: v - sum((p for p, on in zip(paid, b, strict=True) if on), Fraction(0)) for b, v in worths(agent).items()}


def part(of: TradingNetwork, agent: int, trades: Any) -> tuple[bool, ...]:  # noqa: ANN401
    """Return an agent's part of some trades."""
    return tuple(bool(trades[w]) for w in of.places[agent])


def best_welfare(of: TradingNetwork) -> Fraction:
    """Return the largest welfare of all sets of trades."""
    each = [worths(agent) for agent in of.agents]
    totals = []
    for chosen in _every(len(of.trades)):
        values = [own.get(part(of, i, chosen)) for i, own in enumerate(each)]
        if None not in values:
            totals.append(sum(values, Fraction(0)))
    return max(totals)


def _rounding(agent: Valuation, prices: np.ndarray) -> float:
    return 1e-12 * (agent.magnitude + float(np.abs(prices).max(initial=0.0)))


def judge_equilibrium(of: TradingNetwork, found: Any) -> None:  # noqa: ANN401
    """Each agent's part is a best bundle at the prices, and no trades have a larger welfare."""
    slack = 1e-12 * sum(agent.magnitude for agent in of.agents)
    missing = best_welfare(of) - Fraction(found.welfare)
    expect(abs(missing) <= slack, f"welfare lacks {float(missing):.3g}")
    if found.status is not Status.CONVERGED:
        expect(found.residual > 0, "no equilibrium without a gap")
        raise Refused(found.status.name)
    for i, agent in enumerate(of.agents):
        at = found.prices[of.places[i]]
        utility = utilities(agent, at)
        regret = max(utility.values()) - utility[part(of, i, found.trades)]
        expect(regret <= _rounding(agent, at), f"agent {i} regrets {float(regret):.3g}")


def judge_lattice(of: TradingNetwork, ends: Any) -> None:  # noqa: ANN401
    """Raise unless the ends hold the equilibrium's prices and, of substitutes, are equilibria where finite."""
    found = competitive_equilibrium(of, throw=False)
    expect(found.converged, "there are ends, but no equilibrium")
    slack = 1e-9 * np.maximum(1e-3 * np.abs(found.prices), 1e-6 * max(a.magnitude for a in of.agents))
    inside = (ends[0] <= found.prices + slack) & (found.prices <= ends[1] + slack)
    expect(inside.all(), f"{found.prices} outside {ends}")
    if any(isinstance(agent, Table) for agent in of.agents):
        return
    for end in ends:
        if np.isfinite(end).all():
            for i, agent in enumerate(of.agents):
                utility = utilities(agent, end[of.places[i]])
                regret = max(utility.values()) - utility[part(of, i, found.trades)]
                expect(regret <= _rounding(agent, end[of.places[i]]), f"agent {i} regrets an end")


def judge_stability(drawn: Outcome, stable: bool) -> None:
    """No set of new trades, each agent keeping what it likes of the old, gains anything in total."""
    of, old, prices = drawn
    gains = []
    tables = [utilities(a, np.where(old, prices, 0.0)[own]) for a, own in zip(of.agents, of.places, strict=True)]
    for chosen in _every(len(of.trades)):
        if not any(on and was for on, was in zip(chosen, old, strict=True)):
            total = Fraction(0)
            for i, table in enumerate(tables):
                new, had = part(of, i, chosen), part(of, i, old)
                fits = [u for b, u in table.items() if all(x == n or h for x, n, h in zip(b, new, had, strict=True))]
                total = total + max(fits) - table[had] if fits else Fraction(-(10**40))
            gains.append(total)
    slack = sum(_rounding(a, prices) for a in of.agents)
    expect(not stable or max(gains) <= slack, f"stable, but {float(max(gains)):.3g} is gained")
    expect(stable or max(gains) > 0, "blocked, but nothing is gained")


def judge_settlement(drawn: Outcome, kept: np.ndarray) -> None:
    """Each agent's part is the best of all subsets of it."""
    of, met, prices = drawn
    expect((kept <= met).all(), "a trade is concluded that was not met")
    for i, agent in enumerate(of.agents):
        utility, has = utilities(agent, prices[of.places[i]]), part(of, i, kept)
        fits = [u for b, u in utility.items() if all(y or not x for x, y in zip(b, has, strict=True))]
        lost = max(fits) - utility.get(has, Fraction(-(10**40)))
        expect(lost <= _rounding(agent, prices), f"agent {i} would rather drop some: {float(lost):.3g}")


FAMILIES = (
    Family("trading_equilibrium", network, lambda of: competitive_equilibrium(of, throw=False), judge_equilibrium),
    Family("trading_lattice", network, price_lattice, judge_lattice),
    Family("trading_stability", outcome, lambda o: is_stable(*o), judge_stability),
    Family("trading_settlement", outcome, lambda o: settle(*o), judge_settlement),
)
