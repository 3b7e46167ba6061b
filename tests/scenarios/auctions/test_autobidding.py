"""The autobidding scenario: a small run has its measures and charts, and the best budgets lead."""

from pathlib import Path

import numpy as np

import walras
from walras.scenarios.auctions.autobidding import Autobidding


def test_a_small_run_has_measures_and_charts(tmp_path: Path) -> None:
    scenario = Autobidding(auctions=4, target=2.0, budget=0.5, horizon=40, steps=60, checkpoints=1, seeds=2)
    results = walras.run(scenario, root=tmp_path, workers=1)
    assert set(results.record["methods"]) == {"equilibrium", "fluid", "even", "targets", "sgd_ucb"}
    for title, chart in scenario.charts().items():
        assert chart(results).data, title
    last = results.steps.groupby(["method", "seed"])[["all_value", "all_spend"]].last().groupby("method").mean()
    ratio = last["all_value"] / last["all_spend"]
    assert np.isfinite(ratio).all()
    assert ratio["equilibrium"] > 1.7  # of a target of 2, in 80 periods
