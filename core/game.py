"""A game: a frozen dataclass of parameters with pure, batched dynamics.

Every array has the batch first and, where there is one value an agent, the agent second: ``[B, N, ...]``.
Randomness is an argument, so the dynamics are deterministic functions: row ``i`` of a batch equals a batch of
one bit for bit, a run can be replayed, and a deviation can be judged under the same noise.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from gymnasium import Space
from numpy.typing import NDArray

from walras.core.typing import Bools, Floats, Image, Ints

Noise = NDArray[Any]
Actions = NDArray[Any]
End: TypeAlias = Literal["rule", "cut"]


class State:
    """Base of every state: a frozen dataclass of arrays with the batch first."""


S = TypeVar("S", bound=State)
T = TypeVar("T")


class Step(NamedTuple, Generic[S]):
    """What one step returns."""

    state: S
    reward: Floats  # [B, N]
    terminated: Bools  # [B] the game ended by its own rules


def abstract_property(method: Callable[[Any], T]) -> cached_property[T]:
    """Declare a property that is computed once, without which a game cannot be made."""
    declared = cached_property(method)
    declared.__isabstractmethod__ = True  # type: ignore[attr-defined] - what `ABCMeta` asks for
    return declared


class AbstractGame(ABC, Generic[S]):
    """N agents, their spaces, and what happens when they act.

    A game holds no state and draws no random number. Its fields are its parameters; a subclass is a frozen
    dataclass that checks them in ``__post_init__``. What a game may offer beyond the rules, a scripted policy for
    example, is in `walras.core.abilities`.
    """

    horizon: int
    """Steps until an episode ends at the latest; `ends` says how."""
    discount: float
    """Weight of the next reward in an agent's objective, in [0, 1)."""
    unit: ClassVar[str] = "1"
    """Of rewards, values and gaps."""

    @abstract_property
    def agents(self) -> tuple[str, ...]:
        """Return the N names, in the order of the agent axis."""
        raise NotImplementedError

    @abstract_property
    def observation_space(self) -> Space[Any]:
        """Return the space of one agent's observation, built once."""
        raise NotImplementedError

    @abstract_property
    def action_space(self) -> Space[Any]:
        """Return the space of one agent's action, built once."""
        raise NotImplementedError

    @property
    def ends(self) -> End:
        """What the horizon is: "rule", the last step terminates the game; "cut", a piece of one that goes on is over.

        It is a rule where value and gap are those of the finite episode and an action's worth may depend on the steps
        left: learners then add nothing to the last reward. `walras.core.Episodes` sets the flag; `step` need not.
        """
        return "cut"

    @property
    def endless(self) -> bool:
        """Whether values are discounted sums over play without end, of which an episode is a piece.

        Elsewhere they are undiscounted sums over an episode.
        """
        return False

    @property
    def span(self) -> float:
        """Steps that a value counts: the horizon, or the sum of all weights of play without end."""
        return 1 / (1 - self.discount) if self.endless else self.horizon

    @abstractmethod
    def noise(self, rng: np.random.Generator, steps: int) -> Noise:
        """Draw one row's randomness, ``[steps, ...]``.

        Drawing twice and joining must equal drawing once: the rows of a block follow each other in `rng`.
        """

    @abstractmethod
    def reset(self, noise: Noise) -> S:
        """Return the first state of B episodes, from ``noise [B, ...]``."""

    @abstractmethod
    def step(self, state: S, action: Actions, noise: Noise) -> Step[S]:
        """Advance B episodes by one step. No argument is changed."""

    @abstractmethod
    def observe(self, state: S) -> Floats:
        """Return what each agent sees, ``[B, N, O]``."""

    @abstractmethod
    def text(self, state: S) -> str:
        """Describe row 0 of `state` in words and characters."""

    @abstractmethod
    def image(self, state: S) -> Image:
        """Draw row 0 of `state` as pixels, ``[height, width, 3]``."""


def check_game(game: object) -> None:
    """Refuse what is no game, before anything of it is used.

    Raises
    ------
    TypeError
        If it is none; environments of Gymnasium and PettingZoo are named with what makes games of them.
    """
    if isinstance(game, AbstractGame):
        return
    kind = type(game).__name__
    if callable(getattr(game, "reset", None)) and callable(getattr(game, "step", None)):
        raise TypeError(
            f"`game` must be a game; got the environment {kind}. A shell of this suite holds its game as `.game`; "
            f"`walras.core.Foreign(make)` makes a game of an environment from elsewhere, which `make` returns."
        )
    raise TypeError(f"`game` must be a game, an `AbstractGame`; got {kind}.")


def map_state(function: Callable[..., Any], first: S, *others: S) -> S:
    """Apply `function` to each field of states of one type, field by field."""
    states = (first, *others)
    return type(first)(*(function(*(getattr(s, f.name) for s in states)) for f in fields(first)))  # type: ignore[arg-type]


def take_rows(state: S, rows: slice | Ints) -> S:
    """Return the rows of `state` that `rows` selects."""

    def taken(values: NDArray[Any]) -> NDArray[Any]:
        return values[rows]

    return map_state(taken, state)


def put_rows(state: S, rows: Ints, fresh: S) -> S:
    """Return `state` with `rows` replaced by `fresh`; neither argument is changed."""

    def replaced(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        values = old.copy()
        values[rows] = new
        return values

    return map_state(replaced, state, fresh)
