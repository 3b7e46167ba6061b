import numpy as np

from walras.markets.electricity.concentration import herfindahl, hours_below, residual_supply


def test_a_market_worked_by_hand() -> None:
    # Sold 40, 20, 0: shares 2/3, 1/3, 0. The others of each supply 50, 70 and 80 of 60.
    assert round(herfindahl(np.array([40.0, 20.0, 0.0])), 2) == 5555.56
    index = residual_supply(np.array([[50.0, 30.0, 20.0]]), np.array([60.0]))
    np.testing.assert_allclose(index.round(4), [[0.8333, 1.1667, 1.3333]])
    np.testing.assert_array_equal(hours_below(index), [[1, 1], [0, 0], [0, 0]])


def test_a_monopoly_nothing_sold_and_no_load() -> None:
    assert herfindahl(np.array([7.0])) == 10_000
    assert herfindahl(np.zeros(3)) == 0
    assert np.isinf(residual_supply(np.ones((1, 2)), np.zeros(1))).all()


def test_quarters_count_as_quarters() -> None:
    index = np.array([[0.9], [1.05], [2.0], [0.99]])
    np.testing.assert_array_equal(hours_below(index, 0.25), [[0.5, 0.75]])
