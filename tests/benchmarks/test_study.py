"""The study's page has what its raw results come to, and these are whole and small."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER))
    yield import_module("study")
    sys.path.remove(str(FOLDER))


def test_the_page_has_the_tables_of_the_raw_results(study: ModuleType) -> None:
    page = study.PAGE.read_text(encoding="utf-8")
    assert study.filled(page, study.tables(study.RAW)) == page  # reading checks the hash of each cell


def test_the_raw_results_are_small(study: ModuleType) -> None:
    files = [path for path in study.RAW.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".parquet"}
    assert sum(path.stat().st_size for path in files) < 5_000_000


def test_a_page_without_a_place_is_refused(study: ModuleType) -> None:
    with pytest.raises(ValueError, match="place for the table 'near'"):
        study.filled("<!-- study: best -->\n<!-- end: best -->", {"best": "| a |", "near": "| b |"})
