import numpy as np
import pytest

from walras.agents.no_regret.rules import Hedge
from walras.agents.no_regret.switching import BlockExp3, BudgetedProbes, LazyHedge, loss_regret, switches
from walras.core.typing import Floats


def drawn(rows: int, steps: int, size: int, seed: int = 0) -> Floats:
    return np.broadcast_to(np.random.default_rng(seed).random((steps, size)), (rows, steps, size))


class TestLazyHedge:
    def test_chances_are_those_of_hedge(self) -> None:
        losses, rows = drawn(20_000, 40, 4), 20_000
        done = LazyHedge(0.3).actions(losses, np.random.default_rng(1))
        state = Hedge(0.3).start(np.full(4, 0.25))
        for t in range(40):
            share = np.bincount(done[:, t], minlength=4) / rows
            error = np.sqrt(state.policy * (1 - state.policy) / rows)
            assert (np.abs(share - state.policy) <= 4.5 * error).all()
            state = Hedge(0.3).update(state, -losses[0, t])

    def test_switches_are_bounded(self) -> None:
        # K = 4, T = 400, eta = .1: about 14 switches, eta times the expected loss is about 20.
        losses = drawn(2000, 400, 4)
        done = LazyHedge(0.1).actions(losses, np.random.default_rng(1))
        state, expected = Hedge(0.1).start(np.full(4, 0.25)), 0.0
        for t in range(400):
            expected += float(state.policy @ losses[0, t])
            state = Hedge(0.1).update(state, -losses[0, t])
        assert 5 < switches(done).mean() <= 0.1 * expected


class TestBandits:
    def test_it_sees_only_the_loss_of_its_action(self) -> None:
        losses = drawn(50, 64, 3).copy()
        done = BlockExp3(0.2, block=4).actions(losses, np.random.default_rng(0))
        hidden = np.ones_like(losses)
        np.put_along_axis(hidden, done[..., None], np.take_along_axis(losses, done[..., None], axis=2), axis=2)
        assert np.array_equal(BlockExp3(0.2, block=4).actions(hidden, np.random.default_rng(0)), done)

    def test_blocks_trade_regret_for_switches(self) -> None:
        # Regret and switches together: a slope near 2/3 with blocks of T^(1/3), near 1 without.
        total: dict[bool, list[float]] = {True: [], False: []}
        times = [2**k for k in (10, 12, 14)]
        for T in times:
            losses = drawn(24, T, 3)
            for blocks in (True, False):
                block = round(T ** (1 / 3)) if blocks else 1
                eta = np.sqrt(2 * np.log(3) / (3 * T / block))
                done = BlockExp3(eta, block).actions(losses, np.random.default_rng(2))
                total[blocks].append(float((np.abs(loss_regret(losses, done)) + switches(done)).mean()))
        slope = {blocks: np.polyfit(np.log(times), np.log(values), 1)[0] for blocks, values in total.items()}
        assert slope[True] < 0.75
        assert slope[False] > 0.9

    def test_switches_are_at_most_one_a_block(self) -> None:
        losses = drawn(20, 100, 3)
        assert switches(BlockExp3(0.2, block=9).actions(losses, np.random.default_rng(0))).max() <= 11
        done = BudgetedProbes(0.5, blocks=8).actions(losses, np.random.default_rng(0))
        assert switches(done).max() <= 7

    def test_probes_find_the_best(self) -> None:
        losses = np.tile([0.9, 0.1, 0.9], (50, 4000, 1))
        done = BudgetedProbes(0.5, blocks=100).actions(losses, np.random.default_rng(0))
        assert (done[:, 2000:] == 1).mean() > 0.99

    def test_losses_are_checked(self) -> None:
        with pytest.raises(ValueError, match=r"`losses` must lie in \[0, 1\]"):
            LazyHedge().actions(np.full((1, 2, 2), 2.0), np.random.default_rng(0))
        with pytest.raises(ValueError, match="`blocks` must be at most 2"):
            BudgetedProbes(0.1, 5).actions(np.zeros((1, 2, 2)), np.random.default_rng(0))
