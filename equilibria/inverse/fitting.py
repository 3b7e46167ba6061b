r"""`fit`: the parameters at which observed play is an equilibrium, a point where identified and a set where not.

An inverse Nash equilibrium is a minimiser of the cumulative regret of the observed play [1]_,

.. math:: \min_{\theta} \sum_i \max_{b_i} [u_i(b_i, a^\dagger_{-i}; \theta) - u_i(a^\dagger; \theta)] .

Minimisers need not be one: where the play says less than the parameters, `set` holds all of them, `unidentified` names
the parameters that range over it, and `parameters` is its centre. The certificate is the regret at the returned
parameters, by closed-form best deviations, which the answer did not use.

`config` says how: `Exact`, the default, by linear conditions; `Sample`, where chance is part of what was observed; or a
first-order method of `walras.equilibria.inverse.descent`, whose answer is a point, with the exact set beside it.

References
----------
[1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel, S. Ganesh, Efficient inverse multiagent learning, ICLR 2024.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from walras.core.checks import require, require_whole
from walras.core.game import AbstractGame
from walras.core.solution import Certified, Status
from walras.core.typing import Floats
from walras.equilibria.inverse.answered import AnsweredObjective
from walras.equilibria.inverse.descent import AbstractDescent, FirstOrder
from walras.equilibria.inverse.family import (
    AbstractFamily,
    Regrets,
    Sampled,
    observations_of,
    periods,
    told,
    weights_of,
)
from walras.equilibria.inverse.least_regret import descend, minimise, oracle_of
from walras.equilibria.inverse.moments import Averaged, Moments, determined, estimates
from walras.equilibria.inverse.newton import polished
from walras.equilibria.inverse.parameter_set import ParameterSet
from walras.equilibria.inverse.registration import family_of
from walras.equilibria.inverse.relaxed import Inequalities, relaxed

LEAST_PERIODS = 8
"""Periods that a bootstrap needs, at least."""
BOUNDED = 1e-7
"""Share of the least regret by which the bound below it may miss it."""
IDENTIFIED = 1e-6
"""Share of ``size + |parameter|`` over which an identified parameter may range."""


@final
@dataclass(frozen=True)
class Exact:
    """The play is an equilibrium: its conditions hold as they are.

    Raises
    ------
    ValueError
        If `tol` is not positive.
    """

    tol: float = 1e-6
    """Largest regret that is rounding, and largest miss of a condition, as a share of payoffs and parameters."""

    def __post_init__(self) -> None:
        require(0 < self.tol < np.inf, "tol", "be positive and finite", self.tol)


@final
@dataclass(frozen=True)
class Sample:
    """The play is a sample: mixed strategies were drawn, or actions and prices are measured with noise.

    Raises
    ------
    ValueError
        If `confidence` lies outside (0, 1), or there are fewer than 20 resamples.
    """

    confidence: float = 0.95
    """Probability with which set and intervals hold the true parameters."""
    resamples: int = 200
    """Bootstrap samples of periods."""

    def __post_init__(self) -> None:
        require(0 < self.confidence < 1, "confidence", "lie in (0, 1)", self.confidence)
        require_whole(self.resamples, "resamples")
        require(self.resamples >= 20, "resamples", "be at least 20", self.resamples)


@dataclass(frozen=True, kw_only=True)
class InverseSolution(Certified):
    """Parameters that rationalise observed play, all of them, and what the play lacks of an equilibrium there."""

    names: tuple[str, ...]
    parameters: Floats  # [P] the centre of the set, or what the method found
    set: ParameterSet | None
    """All parameters at which nobody gains, or a confidence set; none where no parameters rationalise the play."""
    interval: Floats  # [P, 2] of each parameter: its range over the set, or its confidence interval
    unidentified: tuple[str, ...]
    """Parameters that the play leaves open."""
    regret: Floats  # [N] mean gain of each player's best deviation at `parameters`; `residual` is their sum
    lower: float  # no parameters have a smaller residual than this
    certificate: str
    """"exact": nobody gains. "global": no parameters have a smaller residual than `lower`. "local": none near by do."""
    unit: str
    """Of regret."""
    confidence: float | None = None

    @property
    def named(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(zip(self.names, self.parameters.tolist(), strict=True))


def fit(
    game_family: AbstractFamily[Any] | AbstractGame[Any] | str,
    observations: Any,  # noqa: ANN401 - the family's own, or a table
    config: Exact | Sample | AbstractDescent | None = None,
    seed: int = 0,
) -> InverseSolution:
    """Return the parameters at which observed play is an equilibrium.

    Parameters
    ----------
    game_family : AbstractFamily, AbstractGame or str
        A family of games with unknown parameters; a game, whose costs are then unknown; or a family's name, with its
        defaults.
    observations : observed play
        Arrays of the family, a DataFrame as the family reads it, or the path of one in comma-separated values.
    config : Exact, Sample or AbstractDescent
        How; `Exact()` by default.
    seed : int
        Of the bootstrap, and of first-order methods' starts.

    Raises
    ------
    ValueError
        If observations do not fit, or are too few for a bootstrap.
    TypeError
        If the family does not have what the method needs.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.equilibria import CournotPlay, InverseCournot
    >>> from walras.equilibria.inverse import fit
    >>> found = fit(InverseCournot(firms=2, intercept=100.0, slope=1.0), CournotPlay(np.array([[33.0, 28.0]])))
    >>> found.parameters.round(6).tolist(), found.unidentified
    ([6.0, 11.0], ())
    """
    family = family_of(game_family)
    observed = observations_of(family, observations)
    match config or Exact():
        case Exact() as exact:
            return _exactly(family, observed, exact)
        case Sample() as sample:
            return _sampled(family, observed, sample, np.random.default_rng(seed))
        case AbstractDescent() as method:
            return _descended(family, observed, method, np.random.default_rng(seed))
        case other:  # pyright: ignore[reportUnnecessaryComparison] - what a caller passes
            raise TypeError(f"`config` must be Exact, Sample or a first-order method; got {type(other).__name__}.")


def _exactly(family: AbstractFamily[Any], observed: Any, config: Exact) -> InverseSolution:  # noqa: ANN401
    allowed = _widened(family.conditions(observed), config.tol)
    if not allowed.empty:
        return _told(family, observed, allowed.centre, allowed, Status.CONVERGED, config.tol)
    theta, lower, certificate = least_regret(family, observed, allowed.centre)
    return _told(
        family, observed, theta, None, Status.NOT_RATIONALISED, config.tol, lower=lower, certificate=certificate
    )


def least_regret(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    start: Floats,
) -> tuple[Floats, float, str]:
    """Return the parameters of least cumulative regret, a bound below it, and whether it holds globally."""
    low, high = family.bounds
    oracle = oracle_of(family, observed)
    begun = polished(family, observed, np.clip(start, low, high))
    theta = polished(family, observed, descend(oracle, low, high, begun)[0])
    if family.convex and np.isfinite([low, high]).all():
        found = minimise(oracle, low, high, theta, tol=BOUNDED)
        return found.theta, max(found.lower, 0.0), "global"
    value = oracle(theta)[0]
    return told(family, theta), value if family.convex else 0.0, "global" if family.convex else "local"


def _widened(found: ParameterSet, tol: float) -> ParameterSet:
    parts = (found.names, found.low, found.high, found.matrix, found.bound, found.equal, found.level)
    return ParameterSet(*parts, tol=max(tol, found.tol))


def _told(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    theta: Floats,
    allowed: ParameterSet | None,
    status: Status,
    tol: float,
    *,
    lower: float = 0.0,
    certificate: str = "exact",
    iterations: int = 1,
    interval: Floats | None = None,
    unidentified: tuple[str, ...] | None = None,
    confidence: float | None = None,
) -> InverseSolution:
    """Return a solution with its certificate, which is computed here."""
    found = family.regrets(observed, theta)
    weight = weights_of(family, observed)
    regret = weight @ found.gain
    scale = _size(weight, found, theta)
    residual = float(regret.sum())
    exact = residual <= min(tol, 1e-4) * scale
    if status is Status.CONVERGED and not residual <= tol * scale:
        status = Status.ROUNDED if certificate == "exact" else Status.NOT_FOUND
    if interval is None:
        interval = np.stack([theta, theta], axis=1) if allowed is None else allowed.interval
    if unidentified is None:
        unidentified = () if allowed is None else allowed.unidentified(max(IDENTIFIED, 10 * allowed.tol))
    return InverseSolution(
        residual=residual,
        iterations=iterations,
        status=status,
        names=family.names,
        parameters=theta,
        set=allowed,
        interval=interval,
        unidentified=unidentified,
        regret=regret,
        lower=min(lower, residual),
        certificate="exact" if exact else certificate,
        unit=family.unit,
        confidence=confidence,
    )


def _size(weight: Floats, found: Regrets, theta: Floats) -> float:
    """Return the size of payoffs, of which a regret of rounding is a share; at parameters that leave none, of costs."""
    payoff = float(weight @ np.abs(found.payoff).sum(axis=1))
    costs = float(weight @ (np.abs(found.slope) @ np.abs(theta)).sum(axis=1))
    return payoff + min(1.0, payoff + costs)


def _descended(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    method: AbstractDescent,
    rng: np.random.Generator,
) -> InverseSolution:
    objective = family.objective(observed) if isinstance(family, FirstOrder) else AnsweredObjective(family, observed)
    found = method.run(objective, rng)
    theta = (found.average if method.returns == "average" else found.last)[0]
    allowed = _widened(family.conditions(observed), Exact().tol)
    empty = allowed.empty
    return _told(
        family,
        observed,
        theta,
        None if empty else allowed,
        Status.NOT_RATIONALISED if empty else Status.CONVERGED,
        1e-4,
        certificate="local",
        iterations=found.iterations,
    )


def _sampled(
    family: AbstractFamily[Any],
    observed: Any,  # noqa: ANN401 - the family's own
    config: Sample,
    rng: np.random.Generator,
) -> InverseSolution:
    if isinstance(family, Sampled):
        allowed = family.confidence_set(observed, config.confidence)
        status = Status.NOT_RATIONALISED if allowed.empty else Status.CONVERGED
        return _told(
            family,
            observed,
            allowed.centre if allowed.empty else family.estimate(observed, allowed),
            None if allowed.empty else allowed,
            status,
            np.inf,
            certificate="global",
            confidence=config.confidence,
        )
    if not isinstance(family, Averaged):
        rule = "whose conditions hold on average: chance has no other known effect"
        raise TypeError(f"`config` must be Exact() but for families {rule}; got {type(family).__name__}.")
    count = periods(observed)
    rule = f"hold at least {LEAST_PERIODS} periods for a bootstrap"
    require(count >= LEAST_PERIODS, "observations", rule, count)
    theta, allowed, interval, free = _resampled(family, family.moments(observed), config, rng)
    return _told(
        family,
        observed,
        theta,
        None if allowed.empty else allowed,
        Status.NOT_RATIONALISED if allowed.empty else Status.CONVERGED,
        np.inf,
        certificate="global",
        interval=interval,
        unidentified=free,
        confidence=config.confidence,
    )


def _resampled(
    family: AbstractFamily[Any], found: Moments, config: Sample, rng: np.random.Generator
) -> tuple[Floats, ParameterSet, Floats, tuple[str, ...]]:
    """Return an estimate, a set of joint confidence, the interval of each ``[P, 2]``, and what is not identified."""
    known, left = determined(found)
    if len(left):
        allowed = _relaxed_set(family, found, known, config.confidence)
        open_ = np.abs(left).max(axis=0) > IDENTIFIED
        return allowed.centre, allowed, allowed.interval, tuple(np.array(family.names)[open_].tolist())
    count, (low, high) = len(found.level), family.bounds
    resamples = rng.integers(count, size=(config.resamples, count))
    middle = np.clip(np.zeros(len(low)), low, high)
    theta, *drawn = estimates(found, middle, np.append(np.arange(count)[None], resamples, axis=0))
    allowed = _confidence_set(family, known, theta, np.array(drawn), config.confidence, count)
    ends = _student(theta, np.array(drawn), config.confidence, count)
    interval = np.clip(ends, low[:, None], high[:, None])
    return theta if allowed.contains(theta) else allowed.centre, allowed, interval, ()


def _relaxed_set(family: AbstractFamily[Any], found: Moments, known: Floats, confidence: float) -> ParameterSet:
    """Return the parameters at which conditions hold on average, up to what chance explains, both ways."""
    told = found.instruments @ known.T
    rows, level = np.einsum("trk,trp->ktp", told, found.rows), np.einsum("trk,tr->kt", told, found.level)
    both = Inequalities(np.append(rows, -rows, axis=0), np.append(level, -level, axis=0))
    return relaxed(family.names, both, family.bounds, confidence, len(both.level))


def _student(theta: Floats, draws: Floats, confidence: float, count: int) -> Floats:
    """Return intervals ``[P, 2]`` of Student's t with the bootstrap's standard error, which is an estimate itself."""
    from scipy.stats import t

    error = draws.std(axis=0, ddof=1) * np.sqrt(count / (count - 1))
    freedom = 1 / (1 / (count - 1) + 1 / (len(draws) - 1))
    wide = t.ppf(0.5 + confidence / 2, freedom) * error
    return np.stack([theta - wide, theta + wide], axis=1)


def _confidence_set(
    family: AbstractFamily[Any], known: Floats, theta: Floats, draws: Floats, confidence: float, count: int
) -> ParameterSet:
    """Return a set of joint confidence: an interval for each combination that is determined, by Bonferroni."""
    ends = _student(known @ theta, draws @ known.T, 1 - (1 - confidence) / max(len(known), 1), count)
    return ParameterSet(
        family.names,
        *family.bounds,
        np.concatenate([known, -known]),
        np.concatenate([ends[:, 1], -ends[:, 0]]),
    )
