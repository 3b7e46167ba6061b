import pytest

from walras.scenarios.engine.measure import Measure, measure


def test_a_measure_measures_and_carries_its_words() -> None:
    @measure("twice", "EUR", "log")
    def twice(game: float, trajectory: float) -> float:
        return game + 2 * trajectory

    assert twice(1.0, 2.0) == 5.0
    assert (twice.title, twice.unit, twice.scale) == ("twice", "EUR", "log")


def test_unknown_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="`scale` must be one of linear, log, share; got 'square'"):
        Measure(len, "length", scale="square")
