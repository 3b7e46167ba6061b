"""A new user's notebook: a scenario is run, a policy judged, an agent and a game of one's own are made, all shown."""

from pathlib import Path
from typing import Any

import pytest

CELLS = (
    "import walras\n"
    "from walras.envs import CournotMarket\n"
    "results = walras.run('cournot', seeds=1, steps=64, checkpoints=1, workers=1, progress=False)\n"
    "results",
    "game = CournotMarket(cost=(10.0, 20.0))\nsolution = walras.solve(game)\nsolution",
    "walras.gap(game, solution.policy)",
    "from walras.agents import mappo\ntrained = mappo.train(game, seed=0, steps=64, checkpoints=1)\ntrained",
    "from walras.scenarios.electricity.cournot import Cournot\nCournot(seeds=3)",
    "results.summary",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    folder: Path = tmp_path_factory.mktemp("notebook")
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return [cell.outputs[-1]["data"] for cell in notebook.cells]


@pytest.mark.parametrize(
    ("cell", "word"),
    [(0, "cournot"), (1, "OligopolyEquilibrium"), (2, "Gap"), (3, "MAPPO"), (4, "Cournot"), (5, "learned")],
)
def test_each_result_is_shown_as_html_and_in_text(outputs: list[dict[str, Any]], cell: int, word: str) -> None:
    shown = outputs[cell]
    assert word in shown["text/html"]
    assert len(shown["text/plain"]) < 5000
