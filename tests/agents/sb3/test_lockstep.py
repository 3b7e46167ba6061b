import threading
from collections.abc import Callable

import numpy as np
import pytest

from walras.agents.sb3.lockstep import Aborted, Table
from walras.agents.sb3.returns import Counted
from walras.core import Vector
from walras.core.shells import VectorStep
from walras.envs import CournotMarket

ROWS = 2


def table(seed: int = 0) -> Table:
    return Table(Counted(Vector(CournotMarket(horizon=3), ROWS)), seed)


def in_time(call: Callable[[], None], seconds: float = 20.0) -> None:
    """Call in a thread, so that a hanging table fails the test and does not hang it; raise what it raised."""
    raised: list[BaseException] = []

    def target() -> None:
        try:
            call()
        except BaseException as failure:
            raised.append(failure)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "the learners hang"
    if raised:
        raise raised[0]


def quantities(value: float) -> np.ndarray:
    return np.full((ROWS, 1), value)


def test_turns_go_round_in_the_order_of_the_seats() -> None:
    for _ in range(5):
        shared, log = table(), list[tuple[str, int, int]]()

        def learner(seat: int, shared: Table = shared, log: list[tuple[str, int, int]] = log) -> None:
            for turn in range(4):
                log.append(("acts", turn, seat))
                shared.exchange(seat, quantities(seat))
                log.append(("learns", turn, seat))

        in_time(lambda learner=learner, shared=shared: shared.run([lambda s=s: learner(s) for s in range(3)]))
        # In its turn a learner sees the last joint step, learns, and acts again, before the next one's turn.
        expected = [("acts", 0, seat) for seat in range(3)]
        for turn in range(3):
            for seat in range(3):
                expected += [("learns", turn, seat), ("acts", turn + 1, seat)]
        expected += [("learns", 3, seat) for seat in range(3)]
        assert log == expected


def test_exactly_one_learner_runs_at_a_time() -> None:
    shared, inside, most = table(), 0, 0
    lock = threading.Lock()

    def learner(seat: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            with lock:
                inside, most = inside + 1, max(most, inside + 1)
            sum(range(3000))
            with lock:
                inside -= 1
            shared.exchange(seat, quantities(1.0))

    in_time(lambda: shared.run([lambda s=s: learner(s) for s in range(3)]))
    assert most == 1


def test_each_seats_actions_reach_the_games_and_the_same_step_returns() -> None:
    shared = table(seed=3)
    steps: list[list[VectorStep]] = [[], [], []]

    def learner(seat: int) -> None:
        for turn in range(5):
            steps[seat].append(shared.exchange(seat, quantities(10.0 * seat + turn)))

    in_time(lambda: shared.run([lambda s=s: learner(s) for s in range(3)]))
    alone = Vector(CournotMarket(horizon=3), ROWS)
    np.testing.assert_array_equal(alone.reset(3), table(seed=3).observation)
    for turn in range(5):
        expected = alone.step(np.array([[[10.0 * seat + turn] for seat in range(3)]] * ROWS))
        for seat in range(3):
            for got, right in zip(steps[seat][turn], expected, strict=True):
                np.testing.assert_array_equal(got, right)


class Broken(Exception):
    pass


@pytest.mark.parametrize("seat", [0, 1, 2])
@pytest.mark.parametrize("turn", [0, 1, 4])
def test_the_failure_of_one_learner_is_raised_and_the_others_end(seat: int, turn: int) -> None:
    before = set(threading.enumerate())
    shared, ended = table(), list[int]()

    def learner(own: int) -> None:
        try:
            for now in range(5):
                if (own, now) == (seat, turn):
                    raise Broken(f"seat {own}")
                shared.exchange(own, quantities(1.0))
        except Aborted:
            ended.append(own)
            raise

    with pytest.raises(Broken, match=f"seat {seat}"):
        in_time(lambda: shared.run([lambda s=s: learner(s) for s in range(3)]))
    assert seat not in ended
    left = [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]
    assert left == []


def test_an_action_that_the_game_refuses_is_raised() -> None:
    shared = table()

    def learner(seat: int) -> None:
        shared.exchange(seat, quantities(-5.0 if seat == 1 else 1.0))

    with pytest.raises(ValueError, match="`action` must lie in the action space"):
        in_time(lambda: shared.run([lambda s=s: learner(s) for s in range(3)]))


def test_an_interruption_inside_a_learner_is_raised() -> None:
    shared = table()

    def learner(seat: int) -> None:
        if seat == 2:
            raise KeyboardInterrupt
        shared.exchange(seat, quantities(1.0))

    with pytest.raises(KeyboardInterrupt):
        in_time(lambda: shared.run([lambda s=s: learner(s) for s in range(3)]))


def test_one_seat_needs_no_other() -> None:
    shared = Table(Counted(Vector(CournotMarket(cost=(10.0,), horizon=3), ROWS)), seed=0)
    rewards = []
    in_time(lambda: shared.run([lambda: rewards.extend(shared.exchange(0, quantities(45.0)).reward[:, 0])]))
    np.testing.assert_allclose(rewards, 45.0**2)
