import types
from collections.abc import Callable
from typing import Any

import pytest

from walras.scenarios.engine.session import in_session, session_fingerprint

CELLS = """
import numpy as np
from dataclasses import dataclass
from walras.scenarios.electricity import measures
RATE = 2
TABLE = np.arange(3)
def deepest(): return RATE
def helper(x): return (lambda: deepest() * x)()
class Base:
    def shared(self): return 1
@dataclass(frozen=True)
class Mine(Base):
    seeds: int = 1
    def game(self): return helper(self.seeds), TABLE.sum(), measures
    @property
    def other(self): return 5
"""


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., type]:
    """The class after a change of the session's cells."""
    import sys

    def make(before: str = "", after: str = "") -> Any:  # noqa: ANN401
        assert before in CELLS
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(CELLS.replace(before, after, 1) if before else CELLS, vars(main))
        return vars(main)["Mine"]

    return make


def test_a_class_of_the_session_is_known(mine: Callable[..., type]) -> None:
    assert in_session(mine())
    assert not in_session(dict)


def test_the_same_cells_have_the_same_fingerprint(mine: Callable[..., type]) -> None:
    assert session_fingerprint(mine()) == session_fingerprint(mine())
    assert session_fingerprint(mine()) == session_fingerprint(mine("def deepest", "\n\nUNUSED = 1\ndef deepest"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RATE = 2", "RATE = 3"),
        ("np.arange(3)", "np.arange(4)"),
        ("return RATE", "return RATE + 1"),
        ("* x", "+ x"),
        ("return 1", "return 2"),
        ("return 5", "return 6"),
    ],
)
def test_a_change_of_what_the_class_uses_is_seen(before: str, after: str, mine: Callable[..., type]) -> None:
    assert session_fingerprint(mine(before, after)) != session_fingerprint(mine())
