"""Random instances at extreme numbers: none is answered wrongly, refused without a reason, or takes half a minute."""

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
FAMILIES = (
    "trading_equilibrium", "trading_lattice", "trading_stability", "trading_settlement", "auction", "cournot",
    "supply_function", "day_ahead", "network", "fisher", "proportional_fairness", "mechanisms", "lq_nash",
    "team_mean_field", "grid_world", "network_cournot", "horizon", "price_level", "auction_rules", "auction_solve",
    "interim_gap", "first_price_pacing", "second_price_pacing", "nash", "zero_sum", "extreme_nash", "correlated",
    "markov",
)  # fmt: skip


EXCHANGED = (
    "trading_equilibrium", "auction", "cournot", "supply_function", "network", "network_cournot", "horizon",
    "auction_rules", "first_price_pacing", "second_price_pacing", "nash", "zero_sum", "extreme_nash",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _path() -> Iterator[None]:
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.mark.parametrize("name", FAMILIES)
def test_no_instance_fails(name: str) -> None:
    robustness = import_module("robustness")
    family = next(family for family in robustness.FAMILIES if family.name == name)
    outcomes = [robustness.play(family, 0, place) for place in range(18)]
    assert robustness.failed(outcomes) == []
    assert any(outcome.kind == robustness.SOLVED for outcome in outcomes)


def test_the_judges_find_faults() -> None:
    # A family's answers, exchanged among its instances, are not all borne out.
    robustness = import_module("robustness")
    for family in robustness.FAMILIES:
        if family.name in EXCHANGED:
            answers = []
            for place in range(6):
                try:
                    drawn = robustness.instance(family, 3, place)
                    answers.append((drawn, family.solve(drawn)))
                except ValueError:
                    continue
            wrong = 0
            for (drawn, _), (_, found) in pairwise(answers):
                try:
                    family.judge(drawn, found)
                except Exception:
                    wrong += 1
            assert wrong > 0, family.name


def test_an_instance_is_the_same_each_time() -> None:
    robustness = import_module("robustness")
    family = robustness.FAMILIES[0]
    first, second = (robustness.instance(family, 1, 5) for _ in range(2))
    assert first.trades == second.trades
    assert [a.numbers.tolist() for a in first.agents] == [a.numbers.tolist() for a in second.agents]
