from pathlib import Path

import pandas as pd
import pytest

import walras
from walras.scenarios import AbstractStudy, Found
from walras.scenarios.cli import main
from walras.scenarios.engine.catalogue import find_scenario, source_of

STUDY = '''
"""How a sum grows."""

from dataclasses import dataclass

import pandas as pd

from walras.scenarios import AbstractStudy, Found


@dataclass(frozen=True)
class Growth(AbstractStudy):
    """How a sum grows."""

    rate: float = 0.5
    """A year."""

    def find(self):
        table = pd.DataFrame({"year": [0, 1, 2], "sum": [(1 + self.rate) ** k for k in range(3)]})
        last = {"last sum (EUR)": table["sum"].iloc[-1]}
        return Found({"years": table}, residual=0.0, facts=last, left_out=("Taxes.",))

    def charts(self): return {}
'''


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "growth.py"
    path.write_text(STUDY)
    return str(path)


def test_a_study_of_a_users_file_runs_and_is_found_again(file: str, tmp_path: Path) -> None:
    assert issubclass(find_scenario(file), AbstractStudy)
    results = walras.run(file, rate=1.0, root=tmp_path / "runs", progress=False)
    assert results.tables["years"]["sum"].tolist() == [1, 2, 4]
    pd.testing.assert_frame_equal(pd.read_csv(results.folder / "years.csv"), results.tables["years"])
    told = results.record["study"]
    assert (told["facts"], told["left_out"], told["tables"]) == (
        {"last sum (EUR)": 4},
        ["Taxes."],
        {"years": ["year", "sum"]},
    )
    page = results.report().read_text()
    assert "market study" in page
    assert "Taxes." in page
    assert len(results.agents) == len(results.curves) == len(results.summary) == 0
    assert results.reference is None
    again = walras.run(source_of(file, rate=1.0).made(), root=tmp_path / "runs", progress=False)  # type: ignore[arg-type]
    assert again.folder == results.folder


def test_a_study_has_no_game(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", file, "--json"]) == 0
    assert '"last sum (EUR)": 2.25' in capsys.readouterr().out
    assert main(["gap", file]) == 2
    assert "`scenario` must have a game; growth is a study" in capsys.readouterr().err
    assert main(["run", file, "--root", str(tmp_path / "runs")]) == 0
    assert "last sum (EUR)" in capsys.readouterr().out


def test_what_a_study_found_is_made_of_tables() -> None:
    found = Found({}, 0.0)
    assert (found.facts, found.left_out) == ({}, ())
