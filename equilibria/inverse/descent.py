r"""The min-max formulation, by first-order methods: the learner of payoffs against a deviator [1]_.

.. math:: \min_{\theta \in \Theta} \max_{b \in A} \psi(a^\dagger, b; \theta), \qquad
    \psi(a, b; \theta) = \sum_i u_i(b_i, a_{-i}; \theta) - u_i(a; \theta).

The value is zero where some parameters make the observed play :math:`a^\dagger` an equilibrium, and its solutions are
these. B problems of one kind are descended at once.

- `GradientDescentAscent`: Algorithm 1 of the paper, with plain steps or Adam's, which the authors' programs use.
- `Extragradient`: both players look one step ahead; the last iterate converges where descent and ascent circle.
- `MaxOracle`: the deviator answers in closed form, and only the parameters descend, with steps that may vanish.
- `StochasticMaxOracle`: the same, of one period a step, which is drawn; steps vanish [3]_.
- `StochasticDescentAscent`: each step sees one period, drawn; two time scales, as in the paper's second algorithm:
  :math:`\eta_b \asymp \varepsilon^4`; :math:`\eta_\theta \asymp \varepsilon^8`, the pattern of [2]_.

References
----------
[1] D. Goktas, A. Greenwald, S. Zhao, A. Koppel, S. Ganesh, Efficient inverse multiagent learning, ICLR 2024.
[2] C. Daskalakis, D. J. Foster, N. Golowich, Independent policy gradient methods for competitive reinforcement
    learning, NeurIPS 2020.
[3] H. Robbins, S. Monro, A stochastic approximation method, Annals of Mathematical Statistics 22, 1951.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import numpy as np

from walras.core.checks import require, require_known, require_whole
from walras.core.typing import Floats, Ints


class Gradients(NamedTuple):
    """The cumulative regret of B problems, and its gradients."""

    value: Floats  # [B]
    theta: Floats  # [B, P]
    deviation: Floats  # [B, D]


class Objective(Protocol):
    """The cumulative regret of B observed plays, as a function of parameters ``[B, P]`` and deviations ``[B, D]``."""

    def psi(self, theta: Floats, deviation: Floats, rows: Ints | None = None) -> Gradients:
        """Return the mean over periods, or over one period a problem, ``rows [B]``."""
        ...

    def answer(self, theta: Floats) -> Floats:
        """Return the best deviations, ``[B, D]``, in closed form."""
        ...

    def project(self, theta: Floats) -> Floats:
        """Return the nearest parameters that are allowed."""
        ...

    def project_deviation(self, deviation: Floats) -> Floats:
        """Return the nearest deviations that are allowed."""
        ...

    def start(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw first parameters ``[B, P]`` and deviations ``[B, D]``."""
        ...

    @property
    def periods(self) -> int:
        """T, of each play."""
        ...


@runtime_checkable
class FirstOrder(Protocol):
    """A family that has the objective of the min-max formulation."""

    def objective(self, observed: Any) -> Objective:  # noqa: ANN401 - the family's own
        """Return it, for one problem."""
        ...


class Descent(NamedTuple):
    """Where a method ended."""

    last: Floats  # [B, P]
    average: Floats  # [B, P] of all iterates
    deviation: Floats  # [B, D]
    iterations: int


class Stepper:
    """Steps along gradients: plain ones, or Adam's [1]_, of B problems apart.

    References
    ----------
    [1] D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    def __init__(self, kind: str, rate: float) -> None:
        self.kind, self.rate, self.count = kind, rate, 0
        self.first: Any = 0.0
        self.second: Any = 0.0

    def step(self, gradient: Floats, scale: float = 1.0) -> Floats:
        """Return the step along a gradient ``[B, P]``."""
        if self.kind == "plain":
            return scale * self.rate * gradient
        self.count += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        mean = self.first / (1 - 0.9**self.count)
        spread = np.sqrt(self.second / (1 - 0.999**self.count))
        return scale * self.rate * mean / (spread + 1e-8)


class AbstractDescent(ABC):
    """A first-order method."""

    @abstractmethod
    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""

    @property
    @abstractmethod
    def returns(self) -> str:
        """Which iterate is the answer: "average" or "last"."""


@final
@dataclass(frozen=True)
class GradientDescentAscent(AbstractDescent):
    """Parameters descend, deviations ascend, at the same time.

    Raises
    ------
    ValueError
        If a number is out of range or a name unknown.
    """

    steps: int = 10_000
    rate: float = 1e-2
    rate_deviation: float = 5e-3
    stepper: str = "adam"
    """"adam" or "plain"."""
    iterate: str = "average"
    """Which iterate is the answer: "average", for which the theorem holds, or "last"."""

    def __post_init__(self) -> None:
        _check(self.steps, self.rate, self.rate_deviation, self.stepper)
        require_known(self.iterate, "iterate", ("average", "last"))

    @property
    def returns(self) -> str:
        """The iterate that is asked for."""
        return self.iterate

    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""
        theta, deviation = objective.start(rng)
        down, up = Stepper(self.stepper, self.rate), Stepper(self.stepper, self.rate_deviation)

        def step(theta: Floats, deviation: Floats, count: int) -> tuple[Floats, Floats]:
            slope = objective.psi(theta, deviation)
            below = objective.project(theta - down.step(slope.theta))
            return below, objective.project_deviation(deviation + up.step(slope.deviation))

        return _iterate(step, theta, deviation, self.steps)


@final
@dataclass(frozen=True)
class Extragradient(AbstractDescent):
    """Both players step from where they are, along the gradients of where a first step would lead.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    steps: int = 5_000
    rate: float = 1e-2
    rate_deviation: float = 1e-2

    def __post_init__(self) -> None:
        _check(self.steps, self.rate, self.rate_deviation, "plain")

    @property
    def returns(self) -> str:
        """The last iterate converges."""
        return "last"

    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""
        theta, deviation = objective.start(rng)

        def moved(slope: Gradients, theta: Floats, deviation: Floats) -> tuple[Floats, Floats]:
            below = objective.project(theta - self.rate * slope.theta)
            return below, objective.project_deviation(deviation + self.rate_deviation * slope.deviation)

        def step(theta: Floats, deviation: Floats, count: int) -> tuple[Floats, Floats]:
            ahead = moved(objective.psi(theta, deviation), theta, deviation)
            return moved(objective.psi(*ahead), theta, deviation)

        return _iterate(step, theta, deviation, self.steps)


@final
@dataclass(frozen=True)
class MaxOracle(AbstractDescent):
    """Parameters descend against the best deviation, which is known in closed form.

    Raises
    ------
    ValueError
        If a number is out of range or a name unknown.
    """

    steps: int = 5_000
    rate: float = 1e-2
    stepper: str = "adam"
    """"adam" or "plain"."""
    vanishing: bool = False
    """Whether steps fall as one over the root of their number, as kinks ask for."""

    def __post_init__(self) -> None:
        _check(self.steps, self.rate, self.rate, self.stepper)

    @property
    def returns(self) -> str:
        """The last iterate."""
        return "last"

    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""
        down = Stepper(self.stepper, self.rate)
        return _against_best(objective, rng, down, self.steps, 0.5 if self.vanishing else 0.0)


@final
@dataclass(frozen=True)
class StochasticMaxOracle(AbstractDescent):
    """Parameters descend against the best deviation of one period, drawn at random; steps fall as one over the root.

    Raises
    ------
    ValueError
        If a number is out of range or a name unknown.
    """

    steps: int = 20_000
    rate: float = 1e-2
    stepper: str = "adam"
    """"adam" or "plain"."""

    def __post_init__(self) -> None:
        _check(self.steps, self.rate, self.rate, self.stepper)

    @property
    def returns(self) -> str:
        """The last iterate."""
        return "last"

    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""
        down = Stepper(self.stepper, self.rate)
        return _against_best(
            objective, rng, down, self.steps, 0.5, lambda problems: rng.integers(objective.periods, size=problems)
        )


@final
@dataclass(frozen=True)
class StochasticDescentAscent(AbstractDescent):
    """Each step sees one period, drawn at random; deviations move on the faster of two time scales.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    accuracy: float = 0.3
    """The accuracy that is asked for; steps are its powers."""
    steps: int = 20_000
    scale: float = 1.0
    """Of both steps."""

    def __post_init__(self) -> None:
        require(0 < self.accuracy < 1, "accuracy", "lie in (0, 1)", self.accuracy)
        _check(self.steps, self.scale, self.scale, "plain")

    @property
    def returns(self) -> str:
        """The average of the iterates."""
        return "average"

    def run(self, objective: Objective, rng: np.random.Generator) -> Descent:
        """Descend B problems."""
        theta, deviation = objective.start(rng)
        slow, fast = self.scale * self.accuracy**8, self.scale * self.accuracy**4

        def step(theta: Floats, deviation: Floats, count: int) -> tuple[Floats, Floats]:
            slope = objective.psi(theta, deviation, rng.integers(objective.periods, size=len(theta)))
            below = objective.project(theta - slow * slope.theta)
            return below, objective.project_deviation(deviation + fast * slope.deviation)

        return _iterate(step, theta, deviation, self.steps)


def _check(steps: int, rate: float, other: float, stepper: str) -> None:
    require_whole(steps, "steps")
    require(0 < rate < np.inf, "rate", "be positive and finite", rate)
    require(0 < other < np.inf, "rate_deviation", "be positive and finite", other)
    require_known(stepper, "stepper", ("adam", "plain"))


def _against_best(
    objective: Objective,
    rng: np.random.Generator,
    down: Stepper,
    steps: int,
    power: float,
    drawn: Callable[[int], Ints | None] = lambda problems: None,
) -> Descent:
    """Step down against the best deviations, by steps that fall as this power of their number; `drawn` are periods."""
    theta, _ = objective.start(rng)

    def step(theta: Floats, deviation: Floats, count: int) -> tuple[Floats, Floats]:
        best = objective.answer(theta)
        slope = objective.psi(theta, best, drawn(len(theta))).theta
        return objective.project(theta - down.step(slope, (1 + count) ** -power)), best

    return _iterate(step, theta, objective.answer(theta), steps)


def _iterate(
    step: Callable[[Floats, Floats, int], tuple[Floats, Floats]], theta: Floats, deviation: Floats, steps: int
) -> Descent:
    total = np.zeros_like(theta)
    for count in range(steps):
        theta, deviation = step(theta, deviation, count)
        total += theta
    return Descent(theta, total / steps, deviation, steps)
