"""Lockstep: N blocking learners share one vector of games, each seeing only its own agent.

Stable-Baselines3 runs its own loop and owns the process until it is done. Here each learner runs in a thread, and
exactly one runs at a time: it holds the turn until it hands in its actions. When the last has handed in, the games step
once and the turn goes round again. The order never varies, so a seed fixes the result.
"""

from collections.abc import Callable
from threading import Condition, Thread
from typing import final

import numpy as np

from walras.agents.sb3.returns import Counted
from walras.core.game import Actions
from walras.core.shells import VectorStep
from walras.core.typing import Floats


class Aborted(Exception):
    """Another learner failed; this one ends."""


@final
class Table:
    """A vector of games with one seat an agent."""

    def __init__(self, vector: Counted, seed: int) -> None:
        self.observation: Floats = vector.reset(seed)  # [B, N, O]
        self._vector = vector
        self._seats = len(vector.game.agents)
        self._actions: list[Actions] = [np.empty(0)] * self._seats
        self._step: VectorStep
        self._turn = 0
        self._ended: set[int] = set()
        self._failure: BaseException | None = None
        self._changed = Condition()

    def run(self, learners: list[Callable[[], None]]) -> None:
        """Run one learner a seat to its end; the first failure ends them all and is raised."""
        threads = [Thread(target=self._sit, args=(seat, learn), daemon=True) for seat, learn in enumerate(learners)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def exchange(self, seat: int, action: Actions) -> VectorStep:
        """Hand in ``action [B, A]`` of `seat` and return the joint step, when the turn comes back.

        Raises
        ------
        RuntimeError
            If another learner has ended: all must take equally many steps.
        """
        if self._ended:
            raise RuntimeError(f"`learners` must take equally many steps; seat {min(self._ended)} ended before {seat}.")
        self._actions[seat] = action
        if seat == self._seats - 1:
            self._step = self._vector.step(np.stack(self._actions, axis=1))
        self._pass_turn(seat)
        self._await_turn(seat)
        return self._step

    def _sit(self, seat: int, learn: Callable[[], None]) -> None:
        try:
            self._await_turn(seat)
            learn()
        except Aborted:
            return
        except BaseException as failure:
            self._failure = failure
        self._ended.add(seat)
        self._pass_turn(seat)

    def _pass_turn(self, seat: int) -> None:
        with self._changed:
            self._turn = (seat + 1) % self._seats
            self._changed.notify_all()

    def _await_turn(self, seat: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == seat or self._failure is not None)
            if self._failure is not None:
                raise Aborted
