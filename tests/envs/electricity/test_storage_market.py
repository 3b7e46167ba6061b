"""Storages: what may be traded, what is held, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.core import Random, rollout
from walras.core.typing import Floats
from walras.envs import StorageMarket
from walras.equilibria.electricity.storage import Schedule


@st.composite
def days(draw: st.DrawFn) -> tuple[StorageMarket, Floats]:
    """A few hours, full, empty and half-full storages, and what is wanted, also beyond all limits."""
    hours, count = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    number = st.floats(0.5, 50.0)
    power, energy = (tuple(draw(st.lists(number, min_size=count, max_size=count))) for _ in range(2))
    share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    game = StorageMarket(
        intercept=tuple(draw(st.lists(st.floats(-50.0, 90.0), min_size=hours, max_size=hours))),
        power=power,
        energy=energy,
        efficiency=draw(st.sampled_from([0.5, 0.81, 1.0])),
        start=tuple(share * full for full in energy),
        horizon=hours,
    )
    wanted = draw(st.lists(st.floats(-90.0, 90.0), min_size=hours * count, max_size=hours * count))
    return game, np.array(wanted).reshape(hours, count)


@settings(max_examples=80, deadline=None)
@given(days())
def test_no_limit_is_passed_whatever_is_wanted(day: tuple[StorageMarket, Floats]) -> None:
    game, wanted = day
    wanted = np.clip(wanted, -game.most.max(), game.most.max())
    after = rollout(game, Schedule(game, wanted), [0]).state
    sold, held = after.sold[1:, 0], after.held[:, 0]
    assert np.all(np.abs(sold) <= game.most * (1 + 1e-12))
    assert np.all(held >= 0)
    assert np.all(held <= game.full)
    assert np.all(held[-1] >= game.first - 1e-9)
    moved = np.where(sold > 0, -sold / game.one_way, -sold * game.one_way)
    np.testing.assert_allclose(np.diff(held, axis=0), moved, atol=1e-9)  # nothing is made or lost but by efficiency
    np.testing.assert_allclose(after.price[1:, 0], game.a - game.b * sold.sum(axis=1))
    for i, device in enumerate(game.devices):
        np.testing.assert_allclose(device.legal(wanted[:, i]), sold[:, i], atol=1e-12)


def test_what_is_within_the_limits_is_traded_as_wanted() -> None:
    game = StorageMarket(intercept=(10.0, 50.0), power=(20.0,), energy=(30.0,), efficiency=0.64, horizon=2)
    after = rollout(game, Schedule(game, np.array([[-20.0], [10.0]])), [0])
    assert after.state.sold[1:, 0, 0].tolist() == [-20.0, 10.0]
    np.testing.assert_allclose(after.state.held[:, 0, 0], [0.0, 16.0, 3.5])
    np.testing.assert_allclose(after.reward[:, 0, 0], [-20 * 12.0, 10 * 49.0])
    assert after.terminated[-1].all()


def test_a_full_storage_that_must_end_full_buys_back_in_time() -> None:
    game = StorageMarket(
        intercept=(60.0, 20.0, 90.0), power=(10.0,), energy=(30.0,), efficiency=1.0, start=30.0, horizon=3
    )
    after = rollout(game, Schedule(game, np.full((3, 1), 10.0)), [0]).state
    assert after.sold[1:, 0, 0].tolist() == [10.0, 0.0, -10.0]
    assert after.held[-1, 0, 0] == 30.0


def test_chance_earns_less_than_nothing_on_average() -> None:
    game = StorageMarket()
    assert np.all(rollout(game, Random(game), range(64)).total.mean(axis=0) < 0)


WRONG = [
    ({"start": (0.0, 130.0)}, r"`start` must lie in \[0, 120\], what storage_1 can hold; got 130"),
    ({"efficiency": 1.2}, r"`efficiency` must lie in \(0, 1\]; got 1\.2 at index \[0\]"),
    ({"efficiency": 0.0}, r"`efficiency` must lie in \(0, 1\]"),
    ({"power": (60.0, -1.0)}, r"`power` must be positive and finite; got -1\.0 at index \[1\]"),
    ({"energy": (60.0, 1.0, 1.0)}, r"`energy` must be one number or 2 numbers, one an agent"),
    ({"slope": 0.0}, r"`slope` must be positive and finite"),
    ({"intercept": (np.nan,)}, r"`intercept` must hold no NaN"),
    ({"intercept": (np.inf,)}, r"`intercept` must be finite"),
    ({"window": 0}, r"`window` must be a whole number, at least 1; got 0"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG)
def test_wrong_parameters_are_named(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StorageMarket(**fields)  # type: ignore[arg-type]
