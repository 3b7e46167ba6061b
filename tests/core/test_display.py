from dataclasses import dataclass, field

import numpy as np
import pytest

from walras.core.display import WIDTH, Shown, differing, short
from walras.core.solution import Status


@dataclass(frozen=True)
class Thing(Shown):
    """A base of dataclasses."""

    rate: float = 1 / 3
    names: list[str] = field(default_factory=list)
    hidden: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Larger(Thing):
    """One that derives from it, of which `dataclass` would write a `repr` of its own."""

    table: object = None


def test_dataclasses_show_themselves_in_short_and_so_do_those_that_derive() -> None:
    assert repr(Thing()) == "Thing(rate=0.3333, names=[])"
    assert repr(Larger(2.0, ["a"], 1, np.zeros((3, 7)))) == "Larger(rate=2, names=[a], table=array of shape (3, 7))"


def test_notebooks_show_a_table_of_escaped_text() -> None:
    page = Larger(table="<b>&")._repr_html_()
    assert page.startswith("<table><caption>Larger</caption>")
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert page.count("<tr>") == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (12, "12"),
        (True, "True"),
        (None, "None"),
        (1234567.0, "1.235e+06"),
        (np.float32(0.5), "0.5"),
        (np.array([1.0, 2.5]), "[1, 2.5]"),
        (np.zeros(9), "array of shape (9,)"),
        ((1, (2.0, "a")), "[1, [2, a]]"),
        ({"a": 0.1}, "{a: 0.1}"),
        (Status.CONVERGED, "CONVERGED"),
    ],
)
def test_values_in_short(value: object, text: str) -> None:
    assert short(value) == text


def test_what_is_long_is_cut_off() -> None:
    assert len(short("x" * 1000)) == WIDTH
    assert short("x" * 1000).endswith("x...")
    assert "\n" not in short(np.zeros((2, 2), dtype=object))


def test_fields_that_differ_from_their_defaults() -> None:
    assert differing(Thing()) == {}
    assert differing(Thing(rate=0.33333333)) == {"rate": 0.33333333}
    assert differing(Larger(names=["a"], table=1)) == {"names": ["a"], "table": 1}
