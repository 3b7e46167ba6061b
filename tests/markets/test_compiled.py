import numpy as np
import pytest

from walras.markets.compiled import BLOCK, summed


@pytest.mark.parametrize("count", [*range(20), 97, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3, 1000, 4103])
def test_a_sum_is_numpys_bit_for_bit(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        values = rng.standard_normal(count) * 10.0 ** rng.uniform(-9, 9, count) * (rng.random(count) < 0.8)
        assert summed(values) == np.add.reduce(values[None], axis=1)[0]
        apart = np.stack([values, values], axis=1)[:, 0]  # in steps of two numbers
        assert summed(apart) == summed(values)
