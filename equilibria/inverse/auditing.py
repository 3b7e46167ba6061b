r"""`audit`: each agent's regret from a table of observed play, and the costs that make the play rational.

For each agent the audit answers

- its regret in each period and on average, where its costs are given, by exact best deviations in hindsight: the
  others' actions of the period are known;
- the least epsilon that rationalises its play: the smallest mean regret that any costs of its own leave;
- the set of its costs at which its mean regret is at most a given epsilon.

Regret in hindsight is no less than the gap of the policy that played, and zero for none that must guess: what an agent
could not see counts against it. So a set at epsilon zero may be empty for an equilibrium under uncertainty, and `least`
says how far from it the play is.

At epsilon zero the set comes from the family's linear conditions. Above it, regret is convex in the costs, and the set
is bounded by planes (`walras.equilibria.inverse.least_regret`), from outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_each
from walras.core.display import Shown
from walras.core.game import AbstractGame
from walras.core.rollout import Trajectory
from walras.core.typing import Floats, Ints
from walras.equilibria.inverse.family import AbstractFamily, observations_of, weights_of
from walras.equilibria.inverse.least_regret import Oracle, descend, level_set, minimise, oracle_of
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.registration import known_family, table_writer

if TYPE_CHECKING:
    import pandas as pd


LEAST_TOL, PLANES = 1e-8, 120
"""Of the least regret, relative, and planes that its search takes, at most."""

FORCED = 1e-6
"""Share of what a condition of known payoffs is missed by, above which a regret is the agent's own."""


@runtime_checkable
class Finite(Protocol):
    """A family in which an agent has finitely many deviations in a period, whatever its parameters."""

    def outcomes(self, observed: Any, player: int) -> Any:  # noqa: ANN401 - the family's own
        """Return their gains: arrays `gain [H]`, `dispatch [H, K]` and `period [H]`."""
        ...

    def set_of(self, observed: Any, player: int) -> ParameterSet:  # noqa: ANN401 - the family's own
        """Return the own parameters at which an agent gains in no period."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Audited(Shown):
    """What a table of observed play says of each agent."""

    agents: tuple[str, ...]
    unit: str
    """Of regret, a period."""
    regret: Floats | None  # [T, N] at the given parameters; none where none were given
    payoff: Floats | None  # [T, N] likewise
    least: Floats  # [N] smallest mean regret that any own parameters leave
    epsilon: Floats  # [N] that was asked for
    sets: tuple[ParameterSet | None, ...]
    """Own parameters at which an agent's mean regret is at most `epsilon`; none where there are none."""

    @property
    def mean(self) -> Floats | None:
        """Mean regret at the given parameters, ``[N]``."""
        return None if self.regret is None else self.regret.mean(axis=0)

    @property
    def rationalised(self) -> tuple[str, ...]:
        """The agents for whom some parameters meet `epsilon`."""
        return tuple(agent for agent, found in zip(self.agents, self.sets, strict=True) if found is not None)

    def frame(self) -> "pd.DataFrame":
        """Return a table: one row an agent and parameter, with its range."""
        import pandas as pd

        mean = np.full(len(self.agents), np.nan) if self.mean is None else self.mean
        rows = [
            {"agent": agent, "regret": mean[i], "least": self.least[i], "epsilon": self.epsilon[i], **each}
            for i, agent in enumerate(self.agents)
            for each in _ranges(self.sets[i])
        ]
        return pd.DataFrame(rows)


def _ranges(found: ParameterSet | None) -> list[dict[str, object]]:
    if found is None:
        return [{"parameter": "", "low": np.nan, "high": np.nan}]
    ends = found.interval
    return [{"parameter": name, "low": ends[k, 0], "high": ends[k, 1]} for k, name in enumerate(found.names)]


def audit(
    market_family: AbstractFamily[Any] | AbstractGame[Any] | str,
    table: "pd.DataFrame | str | Path | Any",  # noqa: ANN401 - or the family's own observations
    *,
    parameters: Mapping[str, float] | ArrayLike | None = None,
    epsilon: float | ArrayLike = 0.0,
) -> Audited:
    """Judge observed play, agent by agent.

    Parameters
    ----------
    market_family : AbstractFamily, AbstractGame or str
        A family of games whose parameters are each agent's own, such as its costs; or a game, which also gives them; or
        a family's name, with its defaults.
    table : DataFrame, path or observed play
        What was played, in columns as the family's `read` describes them.
    parameters : mapping or array_like, optional
        At which regret is told, by name or ``[P]``; by default those of the game.
    epsilon : float or array_like
        Mean regret of a period that counts as rational, one number or one an agent, not negative.

    Raises
    ------
    ValueError
        If the table does not fit the market, a parameter is missing or unknown, parameters are shared between agents,
        or `epsilon` is negative.
    TypeError
        If there is no family for the game.

    Examples
    --------
    >>> import pandas as pd
    >>> import walras
    >>> game = walras.envs.CournotMarket(cost=(6.0, 11.0))
    >>> play = pd.DataFrame({"period": [0, 0], "agent": ["firm_0", "firm_1"], "quantity": [33.0, 30.0]})
    >>> found = walras.audit(game, play)
    >>> found.mean.round(6).tolist()
    [1.0, 4.0]
    >>> found.sets[1].centre.round(6).tolist()
    [7.0]
    """
    family, known = known_family(market_family)
    observed = observations_of(family, table)
    given = _given(family, parameters) if parameters is not None else known
    agents = family.agents
    limit = np.broadcast_to(np.asarray(epsilon, dtype=np.float64), (len(agents),))
    require_each(limit >= 0, "epsilon", "not be negative", limit)
    told = None if given is None else family.regrets(observed, given)
    answers = [_rational(family, observed, i, float(limit[i])) for i in range(len(agents))]
    return Audited(
        agents,
        family.unit,
        None if told is None else told.gain,
        None if told is None else told.payoff,
        np.array([least for least, _ in answers]),
        limit.copy(),
        tuple(found for _, found in answers),
    )


def play_table(game: AbstractGame[Any], trajectory: Trajectory[Any]) -> "pd.DataFrame":
    """Return play of a game as the table that an audit of it reads; episodes follow each other step by step.

    Raises
    ------
    TypeError
        If none is registered for the game.
    """
    return table_writer(game)(game, trajectory)


def _given(family: AbstractFamily[Any], parameters: Mapping[str, float] | ArrayLike) -> Floats:
    if isinstance(parameters, Mapping):
        missing, unknown = set(family.names) - set(parameters), set(parameters) - set(family.names)
        if missing or unknown:
            raise ValueError(
                f"`parameters` must name each parameter; missing {sorted(missing)}, unknown {sorted(unknown)}."
            )
        return np.array([float(parameters[name]) for name in family.names])
    theta = np.asarray(parameters, dtype=np.float64).ravel()
    require(theta.shape == (len(family.names),), "parameters", f"hold {len(family.names)} numbers", theta.shape)
    require_each(np.isfinite(theta), "parameters", "be finite", theta)
    return theta


def _rational(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    player: int,
    epsilon: float,
) -> tuple[float, ParameterSet | None]:
    """Return the least mean regret of an agent over its own parameters, and those at which it is at most epsilon."""
    exact, oracle = _own(family, observed, player)
    rational = not exact.empty
    if rational and epsilon == 0:
        return 0.0, exact
    begun, _ = descend(oracle, exact.low, exact.high, exact.centre)
    least = minimise(oracle, exact.low, exact.high, begun, tol=LEAST_TOL, max_iter=PLANES)
    smallest = 0.0 if rational else max(least.lower, 0.0)
    if epsilon < smallest:
        return least.value, None
    found = level_set(oracle, least, max(epsilon, least.value), exact.names, (exact.low, exact.high))
    return 0.0 if rational else least.value, found


def _own(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    player: int,
) -> tuple[ParameterSet, Oracle]:
    """Return an agent's own parameters at which it never gains, and its mean regret as a convex function of them.

    A condition of known payoffs alone names no agent: where one is missed, the regret says whose it is.
    """
    if isinstance(family, Finite):
        return family.set_of(observed, player), _of_outcomes(family, observed, player)
    columns = family.own(player)
    rule = f"hold parameters of each agent, for an audit; {family.agents[player]} has none"
    require(len(columns) > 0, "market_family", rule, family)
    whole = family.conditions(observed)
    names = tuple(whole.names[k] for k in columns)
    kept = [_touching(rows, columns) for rows in (whole.matrix, whole.equal)]
    exact = ParameterSet(
        names,
        whole.low[columns],
        whole.high[columns],
        whole.matrix[kept[0]][:, columns],
        whole.bound[kept[0]],
        whole.equal[kept[1]][:, columns],
        whole.level[kept[1]],
        tol=max(whole.tol, 1e-7),
    )
    joint, middle = oracle_of(family, observed, player), np.clip(np.zeros(len(whole.low)), whole.low, whole.high)

    def own(theta: Floats) -> tuple[float, Floats]:
        full = middle.copy()
        full[columns] = theta
        value, slope = joint(full)
        return value, slope[columns]

    missed = float(np.min(whole.bound[~_touching(whole.matrix, np.arange(len(whole.names)))], initial=0.0))
    if missed < -whole.tol * whole.size and own(exact.centre)[0] > FORCED * -missed:
        return replace(exact, matrix=np.zeros((1, len(names))), bound=np.array([missed])), own
    return exact, own


def _touching(rows: Floats, columns: Ints) -> Any:  # noqa: ANN401 - a mask
    """Return the rows that have a coefficient in some columns."""
    return np.abs(rows[:, columns]).max(axis=1, initial=0.0) > 0


def _of_outcomes(family: Finite, observed: Any, player: int) -> Oracle:  # noqa: ANN401 - the family's own
    """Return mean regret against the deviations that are possible whatever the costs: a maximum of planes a period."""
    rows = family.outcomes(observed, player)
    order = np.argsort(rows.period, kind="stable")
    gain, dispatch, period = rows.gain[order], rows.dispatch[order], rows.period[order]
    weight = weights_of(family, observed)  # type: ignore[arg-type]
    starts = np.flatnonzero(np.diff(period, prepend=-1))
    there = period[starts]

    def answer(cost: Floats) -> tuple[float, Floats]:
        worth = gain - dispatch @ cost
        best = np.maximum(np.maximum.reduceat(worth, starts), 0.0)
        group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(worth))))
        reached = np.flatnonzero((worth >= best[group]) & (best[group] > 0))
        first = reached[np.unique(group[reached], return_index=True)[1]]
        slope = -(weight[period[first], None] * dispatch[first]).sum(axis=0)
        return float(weight[there] @ best), slope

    return answer
