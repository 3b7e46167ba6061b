import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.scenarios.bench.conftest import cell_of
from walras.scenarios.bench import judge as judging
from walras.scenarios.bench import task as module
from walras.scenarios.bench.judge import Judged, judge
from walras.scenarios.bench.plan import Plan
from walras.scenarios.bench.store import Folder
from walras.scenarios.bench.task import Task, cell_file, content_hash, failure_file, finish, read_cell


def task_of(planned: Plan, method: str, store: Path) -> Task:
    cell = cell_of(planned, method)
    return Task(cell, cell.id, str(store))


def test_a_task_leaves_one_file_with_its_manifest(tiny: Plan, tmp_path: Path) -> None:
    task = task_of(tiny, "MAPPO", tmp_path)
    assert finish(task).status == "done"
    content = Folder(tmp_path).read(cell_file(task.id))
    assert content is not None
    manifest, table = read_cell(content)
    pd.testing.assert_frame_equal(table, judge(task.cell, tmp_path / "again").table, check_exact=True)
    assert manifest["cell"] == task.cell.data()
    assert (manifest["family"], manifest["role"]) == ("electricity", "learner")
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["cpu_seconds"]["train"] > 0 < manifest["cpu_seconds"]["judge"]
    assert [each["seed"] for each in manifest["certificates"]] == [0, 1]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_task_that_is_done_is_not_done_again(tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(tiny, "random", tmp_path)
    assert finish(task).status == "done"
    monkeypatch.setattr(module, "judge", lambda *given: pytest.fail("judged again"))
    assert finish(task).status == "kept"


def test_who_finishes_second_finds_the_same(tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(tiny, "random", tmp_path)

    def slow(cell: object, folder: Path, files: object) -> Judged:
        monkeypatch.undo()
        assert finish(task).status == "done"  # another worker was faster, in a folder of its own
        return judge(task.cell, folder)

    monkeypatch.setattr(module, "judge", slow)
    assert finish(task).status == "kept"
    assert Folder(tmp_path).names("differences") == []


def test_who_finishes_second_with_another_result_says_so(
    tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tiny, "random", tmp_path)

    def another(cell: object, folder: Path, files: object) -> Judged:
        monkeypatch.undo()
        finish(task)
        found = judge(task.cell, folder)
        found.rows[5] = (*found.rows[5][:3], np.nextafter(found.rows[5][3], np.inf), *found.rows[5][4:])
        return found

    monkeypatch.setattr(module, "judge", another)
    outcome = finish(task)
    assert outcome.status == "differs"
    (kept,) = Folder(tmp_path).names("differences")
    assert kept in outcome.told
    first, second = (Folder(tmp_path).read(name) for name in (cell_file(task.id), f"differences/{kept}"))
    assert first is not None
    assert second is not None
    before, after = read_cell(first)[1], read_cell(second)[1]
    assert (before["value"] != after["value"]).sum() == 1


def test_who_finishes_second_with_the_same_numbers_and_another_certificate_says_so(
    tiny: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(tiny, "random", tmp_path)

    def another(cell: object, folder: Path, files: object) -> Judged:
        monkeypatch.undo()
        finish(task)
        found = judge(task.cell, folder)
        found.certificates[1] |= {"certifies": "coarse correlated"}
        return found

    monkeypatch.setattr(module, "judge", another)
    assert finish(task).status == "differs"
    (kept,) = Folder(tmp_path).names("differences")
    contents = [Folder(tmp_path).read(name) for name in (cell_file(task.id), f"differences/{kept}")]
    (_, before), (manifest, after) = (read_cell(content) for content in contents if content)
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    assert [each["certifies"] for each in manifest["certificates"]] == ["Nash", "coarse correlated"]


def test_a_failure_is_kept_with_its_traceback(settling: Callable[..., Plan], tmp_path: Path) -> None:
    task = task_of(settling(fails="raises"), "own", tmp_path)
    outcome = finish(task)
    assert outcome.status == "failed"
    assert outcome.told.startswith(
        "FloatingPointError: The loss is NaN. (own in market, seed 1, after the checkpoint at"
    )
    content = Folder(tmp_path).read(failure_file(task.id))
    assert content is not None
    failure = json.loads(content)
    assert "settles.py" in failure["traceback"]
    assert failure["cell"] == task.cell.data()
    assert not Folder(tmp_path).has(cell_file(task.id))


def test_a_file_that_changed_is_not_run(settling: Callable[..., Plan], learner_file: Path, tmp_path: Path) -> None:
    task = task_of(settling(), "own", tmp_path)
    learner_file.write_text(learner_file.read_text() + "\n")
    assert "be what they were when the suite began" in finish(task).told


def test_a_file_that_is_written_back_while_it_is_read_leaves_nothing(
    settling: Callable[..., Plan], learner_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, judged = task_of(settling(), "own", tmp_path), list[object]()

    def gap(*given: object, **named: object) -> object:
        judged.append(given)
        if len(judged) == 2:  # the end of the first seed
            learner_file.write_text(learner_file.read_text())
        return found(*given, **named)  # type: ignore[arg-type]

    found = judging.gap
    monkeypatch.setattr(judging, "gap", gap)
    outcome = finish(task)
    assert outcome.status == "failed"
    assert f"`files` must stay as they are while a run reads them; run it again; got ['{learner_file}']" in outcome.told
    work = tmp_path / "work" / task.id
    assert [path.name for path in sorted((work / "0").iterdir())] == ["checkpoint-1", "curve-0.json", "curve-1.json"]
    assert list((work / "1").glob("*")) == []
    monkeypatch.undo()
    assert finish(task).status == "done"


def test_a_file_that_is_damaged_is_not_read(tiny: Plan, tmp_path: Path) -> None:
    task = task_of(tiny, "random", tmp_path)
    finish(task)
    content = Folder(tmp_path).read(cell_file(task.id))
    assert content is not None
    with pytest.raises(Exception, match=r"."):
        read_cell(content[: len(content) // 2])
    manifest, table = read_cell(content)
    assert manifest["hash"] == content_hash(table, manifest) == content_hash(table.copy(), manifest | {"hardware": {}})
    others = [table.assign(value=table["value"] + 1), table.assign(agent=table["agent"].iloc[0])]
    assert manifest["hash"] not in [content_hash(other, manifest) for other in others]
    assert content_hash(table, manifest | {"role": "learner"}) != manifest["hash"]


def test_another_process_in_the_work_folder_is_no_hindrance(tiny: Plan, tmp_path: Path) -> None:
    from filelock import FileLock

    task = task_of(tiny, "random", tmp_path)
    own = tmp_path / "work" / task.id
    own.mkdir(parents=True)
    with FileLock(own / ".lock"):
        assert finish(task).status == "done"


def test_a_storage_that_is_a_url_takes_the_same_cell(tiny: Plan, tmp_path: Path) -> None:
    here, there = task_of(tiny, "random", tmp_path), replace(task_of(tiny, "random", tmp_path), store="memory://task")
    assert [finish(here).status, finish(there).status, finish(there).status] == ["done", "done", "kept"]
    contents = [Folder(tmp_path).read(cell_file(here.id)), module.store_at("memory://task").read(cell_file(there.id))]
    manifests = [read_cell(content)[0] for content in contents if content]
    assert manifests[0]["hash"] == manifests[1]["hash"]
