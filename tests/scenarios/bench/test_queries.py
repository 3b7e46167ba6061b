from pathlib import Path

import pytest

from tests.scenarios.bench.conftest import SUITE
from walras.scenarios.bench.engines import Inline
from walras.scenarios.bench.plan import plan
from walras.scenarios.bench.queries import query
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench

pytest.importorskip("duckdb", reason='needs pip install "walras[duckdb]"')


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queries")
    bench(plan(SUITE), path, Inline(), say=lambda text: None, progress=False)
    return path


def test_an_answer_is_what_the_tables_say(store: Path) -> None:
    found = query(store, "select method, max(upper) as most from runs where last group by method order by method")
    runs = Results(store).runs
    wanted = runs[runs["last"]].groupby("method")["upper"].max().sort_index()
    assert found["method"].tolist() == wanted.index.tolist()
    assert found["most"].tolist() == wanted.tolist()
    (count,) = query(store, "select count(*) as n from numbers where measure = 'return'")["n"]
    assert count == 3 * 4 * 32 * 3


def test_what_is_no_question_is_refused(store: Path) -> None:
    with pytest.raises(ValueError, match="`sql` must be a question about numbers, runs, table, profiles, missing"):
        query(store, "select nothing from nowhere")
