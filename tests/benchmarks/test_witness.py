"""The witness runs every scenario, small, and tells numbers apart bit for bit."""

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

from walras.envs.registration import GAMES
from walras.scenarios import SCENARIOS, Source

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def witness() -> Iterator[ModuleType]:
    with patch.dict(os.environ), patch.object(sys, "path", [str(FOLDER), *sys.path]):  # it asks for one thread
        yield import_module("witness")


def test_every_game_and_every_scenario_is_run(witness: ModuleType) -> None:
    assert SCENARIOS.keys() - witness.FIELDS.keys() == {"open_prices", "spain_prices"}  # which have the user's data
    for name, fields in witness.FIELDS.items():
        assert Source(name, dict(fields)).canonical().scenario == name
    modules = {key.partition(".")[2].rpartition("-v")[0] for key in GAMES}
    assert {f"games/{module}/default" for module in modules} <= witness.cases().keys()


def test_the_last_bit_is_a_difference(witness: ModuleType) -> None:
    before, now = {"a": 0.3, "b": "x", "c": 1.0}, {"a": 0.1 + 0.2, "b": "x"}
    assert list(witness.differences(before, now)) == [
        "a: was 0.3, is 0.30000000000000004",
        "c: was 1.0, is nothing",
    ]
