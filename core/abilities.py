"""What a game may offer beyond the rules: a game has an ability if it has its members."""

from typing import Any, Protocol, runtime_checkable

from walras.core.game import AbstractGame, Actions
from walras.core.typing import Bools, Floats, Ints


@runtime_checkable
class Scriptable(Protocol):
    """A game with a scripted rule: what agents do that do not act strategically."""

    def scripted(self, observation: Floats) -> Actions:
        """Return the rule's actions ``[B, N, A]`` for ``observation [B, N, O]``.

        In a market these are offers at marginal cost; in an allocation problem, true reports.
        """
        ...


@runtime_checkable
class Responsive(Protocol):
    """A game in which the best answer to the last actions follows from the observation."""

    def best_response(self, observation: Floats) -> Actions:
        """Return the best answers ``[B, N, A]`` to the others' last actions."""
        ...

    def last_action(self, observation: Floats) -> Actions:
        """Return the agents' own last actions ``[B, N, A]``."""
        ...


@runtime_checkable
class Personal(Protocol):
    """A game whose agents have tasks of their own."""

    @property
    def own(self) -> int:
        """Leading numbers of an observation that are the agent's own state."""
        ...

    def alone(self, agent: int) -> AbstractGame[Any]:
        """Return the game of `agent` alone."""
        ...


@runtime_checkable
class Turned(Protocol):
    """A game in which agents move in turn: only the mover's action of a step counts."""

    def mover(self, state: Any) -> Ints:  # noqa: ANN401 - a state of the game
        """Return whose action counts in each row of ``state [B, ...]``, ``[B]``; -1 where all do."""
        ...


@runtime_checkable
class CutShort(Protocol):
    """A game that cuts episodes off by a rule of its own, before the horizon: they are truncated, not terminated."""

    def cut(self, state: Any) -> Bools:  # noqa: ANN401 - a state of the game
        """Return which rows of ``state [B, ...]`` were cut off, ``[B]``."""
        ...
