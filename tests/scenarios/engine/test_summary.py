import pytest

from walras.scenarios.engine.summary import weakest


@pytest.mark.parametrize(
    ("kinds", "least"),
    [
        (["exact", "exact"], "exact"),
        (["exact", "bounds"], "bounds"),
        (["statistical", "exact", "bounds"], "statistical"),
        (["exact", "lower bound", "statistical"], "lower bound"),
    ],
)
def test_seeds_together_prove_what_the_weakest_proves(kinds: list[str], least: str) -> None:
    assert weakest([{"kind": kind} for kind in kinds]) == {"kind": least}
