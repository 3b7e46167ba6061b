r"""Rules for regularised preference games, against themselves; see `walras.equilibria.normal_form.preference`.

With P the chances that an action is preferred to another one, :math:`\rho` the reference policy and :math:`\beta` the
price of divergence:

- `NashMP` takes two mirror steps, the second in answer to the first. The divergence from the equilibrium falls by at
least
  :math:`1 + 2\beta` in each round, at a step of 2.
- `INPO` plays :math:`\propto e^{P(\cdot \succ \pi) / \eta} \rho^{\beta / \eta} \pi^{1 - \beta / \eta}` [1]_.
- `NashMD` steps from, and in answer to, a mixture of policy and reference [2]_. Its limit has a bias of the order of
the step.

References
----------
[1] Y. Zhang and others, Iterative Nash policy optimization, ICLR 2025.
[2] R. Munos and others, Nash learning from human feedback, ICML 2024.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.agents.no_regret.rules import check_positive, softmax
from walras.core.checks import require_numbers
from walras.core.typing import Floats


class Preferring(Protocol):
    """A rule on logarithms of policies, ``[B, A]``."""

    def step(self, preference: Floats, prior: Floats, logs: Floats) -> Floats:
        """Return the next logarithms, up to a constant; `prior` holds those of the reference."""
        ...


def iterates(preference: Floats, rule: Preferring, reference: Floats, steps: int) -> Iterator[Floats]:
    """Yield the policy ``[B, A]`` after each step, from the reference on."""
    prior = np.log(reference)
    logs = prior
    for _ in range(steps):
        logs = np.log(softmax(rule.step(preference, prior, logs)))
        yield np.exp(logs)


@final
@dataclass(frozen=True)
class NashMP:
    """Mirror-prox."""

    beta: float = 0.1
    eta: float = 2.0

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "beta", "eta")

    def step(self, preference: Floats, prior: Floats, logs: Floats) -> Floats:
        """Answer the policy, then answer that answer, both from the policy."""
        trial = self._from(preference, prior, logs, softmax(logs))
        return self._from(preference, prior, logs, softmax(trial))

    def _from(self, preference: Floats, prior: Floats, logs: Floats, against: Floats) -> Floats:
        liked = np.einsum("bij,bj->bi", preference, against)
        return (self.eta * self.beta * prior + logs + self.eta * liked) / (1 + self.eta * self.beta)


@final
@dataclass(frozen=True)
class INPO:
    """Iterative Nash policy optimization, in its tabular form."""

    beta: float = 0.1
    eta: float = 1.0

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "beta", "eta")

    def step(self, preference: Floats, prior: Floats, logs: Floats) -> Floats:
        """Answer the policy, from a mixture of policy and reference."""
        liked, share = np.einsum("bij,bj->bi", preference, softmax(logs)), self.beta / self.eta
        return liked / self.eta + share * prior + (1 - share) * logs


@final
@dataclass(frozen=True)
class NashMD:
    """Mirror descent from and against a mixture of policy and reference."""

    beta: float = 0.1
    eta: float = 0.5

    def __post_init__(self) -> None:
        require_numbers(self)
        check_positive(self, "beta", "eta")

    def step(self, preference: Floats, prior: Floats, logs: Floats) -> Floats:
        """Answer the mixture, from the mixture."""
        mixture = (1 - self.eta * self.beta) * logs + self.eta * self.beta * prior
        return mixture + self.eta * np.einsum("bij,bj->bi", preference, softmax(mixture))
