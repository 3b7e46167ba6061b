import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from tests.scenarios.bench.conftest import PPO, SUITE
from walras.scenarios.bench.engines import Inline
from walras.scenarios.bench.exports import export
from walras.scenarios.bench.leaderboard import markdown, ranked, share
from walras.scenarios.bench.page import leaderboard_page
from walras.scenarios.bench.plan import Plan, plan
from walras.scenarios.bench.results import Results
from walras.scenarios.bench.runner import bench
from walras.scenarios.bench.suite import Recipe
from walras.scenarios.engine.statistics import estimate


def run(planned: Plan, store: Path) -> Results:
    bench(planned, store, Inline(), say=lambda text: None, progress=False)
    return Results(store)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run(plan(SUITE), tmp_path_factory.mktemp("results"))


def gaps(results: Results, method: str, end: str, steps: int = 0) -> list[float]:
    """Return the largest relative gap of a player, seed by seed, from the numbers."""
    table, found = results.numbers, list[float]()
    for seed in range(4):
        rows = table[(table["method"] == method) & (table["seed"] == seed)]
        rows = rows[(rows["steps"] == (steps or rows["steps"].max())) | (rows["measure"] == "scale")]
        by_agent = {(row.measure, row.agent): row.value for row in rows.itertuples() if row.against == ""}
        agents = [agent for measure, agent in by_agent if measure == end]
        found.append(max(by_agent[end, agent] / by_agent["scale", agent] for agent in agents))
    return found


@pytest.mark.parametrize("end", ["lower", "upper", "attained"])
@pytest.mark.parametrize("method", ["MAPPO", "random", "solved"])
def test_a_row_of_the_table_is_the_estimate_over_seeds(results: Results, method: str, end: str) -> None:
    (row,) = results.table[results.table["method"] == method].to_dict("records")
    wanted = estimate(gaps(results, method, end))
    assert (row[end], row[f"{end}_low"], row[f"{end}_high"]) == pytest.approx((wanted.mean, wanted.low, wanted.high))
    assert row["seeds"] == 4
    assert row["game"] == "market"
    assert (row["family"], row["concept"], row["unit"]) == ("electricity", "nash", "EUR")
    assert row["certifies"] == "Nash"


def test_runs_hold_the_learning_curve(results: Results) -> None:
    runs = results.runs[results.runs["method"] == "MAPPO"].sort_values(["seed", "steps"])
    assert runs["steps"].tolist() == [0, 32, 64] * 4
    assert runs["last"].tolist() == [False, False, True] * 4
    assert runs.loc[runs["steps"] == 32, "upper"].tolist() == pytest.approx(gaps(results, "MAPPO", "upper", 32))
    assert (runs["lower"] <= runs["upper"]).all()


def test_the_profile_counts_what_is_proved(results: Results) -> None:
    profiles = results.profiles
    for method in ("MAPPO", "random", "solved"):
        upper = np.array(gaps(results, method, "upper"))
        own = profiles[profiles["method"] == method]
        assert own["share"].tolist() == [np.mean(upper <= level) for level in own["threshold"]]
    assert profiles.loc[(profiles["method"] == "solved") & (profiles["threshold"] > 0), "share"].min() == 1.0


def test_methods_are_compared_on_common_games_and_seeds(results: Results) -> None:
    found = results.compared("MAPPO", "random")
    ours, theirs = (np.array(gaps(results, name, "attained")) for name in ("MAPPO", "random"))
    assert found["probability"].mean == pytest.approx(mannwhitneyu(theirs, ours).statistic / 16)
    assert found["difference"].mean == pytest.approx(estimate(ours - theirs).mean)
    with pytest.raises(ValueError, match="Did you mean 'MAPPO'"):
        results.compared("MAPO", "random")


def test_the_overall_row_of_one_game_is_the_games(results: Results) -> None:
    overall = results.overall.set_index("method")
    table = results.table.set_index("method")
    for method in ("MAPPO", "random"):
        assert overall.loc[method, "attained"] == pytest.approx(table.loc[method, "attained"])
        assert overall.loc[method, "games"] == 1


def test_what_has_no_upper_end_is_near_nothing(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = results.numbers.copy()
    numbers.loc[(numbers["measure"] == "upper") & (numbers["method"] == "random"), "value"] = np.inf
    open_ended = Results(results.store)
    monkeypatch.setitem(vars(open_ended), "numbers", numbers)
    (row,) = open_ended.table[open_ended.table["method"] == "random"].to_dict("records")
    assert row["upper"] == np.inf
    assert np.isnan(row["upper_low"])
    assert share(row, "upper") == "no bound"
    assert open_ended.profiles.loc[open_ended.profiles["method"] == "random", "share"].max() == 0.0
    assert [each["method"] for each in ranked(open_ended.table)] == ["solved", "MAPPO", "random"]


def test_what_failed_is_missing_and_says_why(settling: Callable[..., Plan], tmp_path: Path) -> None:
    found = run(settling(fails="raises"), tmp_path)
    (missing,) = found.missing.to_dict("records")
    assert (missing["game"], missing["method"], missing["seeds"]) == ("market", "own", [0, 1])
    assert missing["error"].startswith("FloatingPointError: The loss is NaN.")
    assert found.table.set_index("method").loc["own", "seeds"] == 2
    text = markdown(found)
    assert "## Without a result\n\n- own in market: FloatingPointError: The loss is NaN." in text


def test_the_leaderboard_has_a_table_a_game_with_the_best_first(results: Results) -> None:
    text = markdown(results)
    assert "## market\n" in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][2:]
    assert rows == [row["method"] for row in ranked(results.table)]
    proved = results.table.set_index("method")["upper"]
    assert rows == sorted(proved.index, key=lambda name: proved[name])
    assert rows[0] == "solved"
    assert "| solved | reference | 0 % | 0 % | exact | Nash | 4 |" in text


def test_a_row_certifies_what_its_weakest_seed_does(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    for told, wanted in ((["coarse correlated"], "coarse correlated"), (["", "coarse correlated"], "nothing")):
        weaker = Results(results.store)
        cells = [manifest for manifest, _ in weaker._read.values() if manifest["cell"]["method"] == "random"]
        certificates = [each for manifest in cells for each in manifest["certificates"]]
        for certificate, word in zip(certificates, told, strict=False):
            monkeypatch.setitem(certificate, "certifies", word)
        rows = weaker.table.set_index("method")["certifies"]
        assert rows.to_dict() == {"MAPPO": "Nash", "random": wanted, "solved": "Nash"}
        assert f"| {wanted} | 4 |" in markdown(weaker)
        assert f'<td class="word">{wanted}</td>' in leaderboard_page(weaker)


def test_one_seed_has_no_interval(tmp_path: Path, settling: Callable[..., Plan]) -> None:
    table = run(settling(seeds=1, block=1), tmp_path).table
    assert table["upper_low"].isna().all()
    assert "[" not in share(table.to_dict("records")[0], "upper")


def test_a_store_without_suites_or_with_several_is_told(
    tmp_path: Path, settling: Callable[..., Plan], results: Results
) -> None:
    with pytest.raises(FileNotFoundError, match="`store` must hold a suite; there is none in"):
        _ = Results(tmp_path).manifest
    other = tmp_path / "suites"
    other.mkdir()
    for name in ("one", "two"):
        (other / f"{name}.json").write_text(json.dumps(results.manifest))
    with pytest.raises(ValueError, match="`name` must be one of one, two; got ''"):
        _ = Results(tmp_path).manifest
    with pytest.raises(ValueError, match="Did you mean 'two'"):
        _ = Results(tmp_path, "twa").manifest


def test_a_cell_that_was_changed_is_refused(tmp_path: Path, settling: Callable[..., Plan]) -> None:
    import pyarrow.parquet as pq

    run(settling(seeds=1, block=1), tmp_path)
    path = next((tmp_path / "cells").iterdir())
    held = pq.read_table(path)
    frame = held.to_pandas()
    frame.loc[0, "value"] += 1.0
    import pyarrow as pa

    changed = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(held.schema.metadata)
    pq.write_table(changed, path)
    with pytest.raises(ValueError, match="`content` must have the hash"):
        _ = Results(tmp_path).table


def test_numbers_of_an_empty_store_are_no_numbers(tmp_path: Path, results: Results) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "tiny.json").write_text(json.dumps(results.manifest))
    empty = Results(tmp_path)
    assert empty.numbers.empty
    assert len(empty.missing) == 6
    assert isinstance(empty.missing, pd.DataFrame)


def test_two_methods_of_one_recipe_are_two_rows_by_their_own_names(tmp_path: Path) -> None:
    methods = {"chance": Recipe("random"), "again": Recipe("random"), "solved": Recipe("MAPPO", PPO)}
    planned = plan(replace(SUITE, methods=methods, seeds=2, block=2))
    assert len({cell.id for cell in planned.cells}) == 2
    found = run(planned, tmp_path)
    rows = found.table.set_index("method")
    assert rows["role"].to_dict() == {"again": "reference", "chance": "reference", "solved": "learner"}
    assert rows.loc["again", "upper"] == rows.loc["chance", "upper"]
    assert found.missing.empty
    renamed = replace(planned.suite, name="renamed", methods={"later": Recipe("random")})
    bench(plan(renamed), tmp_path, Inline(), say=lambda text: None, progress=False)
    assert Results(tmp_path, "renamed").table["method"].tolist() == ["later"]


def test_where_every_cell_failed_all_is_empty_but_what_is_missing(
    settling: Callable[..., Plan], tmp_path: Path
) -> None:
    planned = settling(seeds=2, fails="raises")
    (alone,) = (cell for cell in planned.cells if cell.method == "own")
    found = run(replace(planned, cells=(alone,)), tmp_path / "store")
    for table in (found.numbers, found.runs, found.table, found.overall, found.profiles):
        assert table.empty
        assert "method" in table
    assert "## Without a result" in markdown(found)
    assert "FloatingPointError: The loss is NaN." in leaderboard_page(found)
    for form in ("csv", "latex", "markdown", "marl-eval"):
        export(found, form, tmp_path / form)


def test_runs_are_as_many_as_there_are_whatever_games_have_in_common(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = 2000  # each with its own method, agent and number of steps
    names = {"game": "g", "method": "m", "agent": "a"}
    of_game = pd.DataFrame({name: [f"{sign}{k}" for k in range(games)] for name, sign in names.items()})
    of_game = of_game.assign(family="own", role="rule", seed=0, steps=range(games), episode=-1, against="")
    measures = {"lower": 2.0, "upper": 4.0, "attained": 3.0, "expected": 5.0, "scale": 2.0}
    many = Results(results.store)
    numbers = pd.concat([of_game.assign(measure=name, value=value) for name, value in measures.items()])
    worth = of_game[["game", "method", "seed"]].assign(kind="exact", certifies="Nash", concept="nash", unit="1")
    monkeypatch.setitem(vars(many), "numbers", numbers)
    monkeypatch.setitem(vars(many), "_worth", worth)
    assert len(many.runs) == games
    assert set(map(tuple, many.runs[["lower", "upper", "attained", "return"]].to_numpy())) == {(1.0, 2.0, 1.5, 5.0)}
