import os
import subprocess
import sys
from pathlib import Path

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


INNER = (
    "from walras.markets.compiled import compiled\n@compiled\ndef inner(x: float) -> float:\n    return x + {more}\n"
)
OUTER = """
from walras.markets.compiled import compiled
from callee import inner
@compiled
def outer(x: float) -> float:
    return 2.0 * inner(x)
print(outer(1.0), outer.stats.cache_hits[outer.signatures[0]] if outer.stats.cache_hits else 0)
"""


def test_a_function_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    # numba looks at the caller's file alone, and would print 4 for ever.
    (tmp_path / "caller.py").write_text(OUTER)

    def printed() -> list[float]:
        asked = [sys.executable, "caller.py"]
        told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        return [float(word) for word in told.split()]

    (tmp_path / "callee.py").write_text(INNER.format(more=1.0))
    assert printed() == [4, 0]
    assert printed() == [4, 1]  # kept
    (tmp_path / "callee.py").write_text(INNER.format(more=2.0))
    assert printed() == [6, 0]
    assert printed() == [6, 1]


def test_functions_are_plain_where_numba_is_switched_off() -> None:
    code = "from walras.markets.compiled import summed; import numpy as np; print(summed(np.ones(3)))"
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert told.stdout == "3.0\n"
