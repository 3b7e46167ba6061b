import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from walras.scenarios.engine.workers import _call, each

SCRIPT = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell takes from what it runs in the background
{above}
folder = Path(sys.argv[1])
(folder / f"script-{{len(list(folder.glob('script-*')))}}").touch()
from walras.scenarios.engine.workers import each
import tests_work
list(each(tests_work.work, [(str(folder), k) for k in range(4)], 2))
"""
WORK = """
import os, time
from pathlib import Path
def work(item):
    folder, k = item
    (Path(folder) / f"begun-{os.getpid()}-{k}").touch()
    if (Path(folder) / "compiled").exists():
        sum(range(10**10))  # one call that lets no other thread run
    time.sleep(30)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_each_item_is_done_once(workers: int, tmp_path: Path) -> None:
    assert len(list(each(os.mkdir, [tmp_path / str(k) for k in range(3)], workers))) == 3  # a second time would fail
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_the_first_failure_ends_the_others() -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="sleep length must be non-negative"):
        list(each(time.sleep, [-1, 60, 60, 60], 2))
    assert time.monotonic() - began < 40


def test_a_worker_that_is_killed_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"A worker process was killed.*`workers` must be fewer.*goes on from"):
        list(each(os._exit, [1, 1, 1], 2))


def test_an_error_that_cannot_be_sent_is_told_by_one_that_can() -> None:
    class Odd(Exception):
        def __init__(self, low: int, high: int) -> None:
            super().__init__(f"between {low} and {high}")
            self.add_note("cell a-0")

    def fail(low: int) -> None:
        raise Odd(low, 2)

    with pytest.raises(RuntimeError, match=r"^Odd: between 1 and 2") as error:
        _call(fail, 1)
    assert pickle.loads(pickle.dumps(error.value)).__notes__ == ["cell a-0"]
    with pytest.raises(KeyError):  # as it was
        _call({}.__getitem__, 1)


@pytest.fixture(params=["python", "compiled"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with two workers at work, in Python or in one call of compiled code."""
    (tmp_path / request.param).touch()
    (tmp_path / "tests_work.py").write_text(WORK)
    (tmp_path / "script.py").write_text(SCRIPT.format(above=""))
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path], stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("begun-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def pids(folder: Path) -> set[int]:
    return {int(path.name.split("-")[1]) for path in folder.glob("begun-*")}


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for_end(found: set[int]) -> None:
    deadline = time.monotonic() + 5
    while not all(map(ended, found)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(ended, found))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(how: signal.Signals, running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = pids(tmp_path)
    assert len(found) == 2
    running.send_signal(how)
    running.wait(10)
    wait_for_end(found)
    assert len(list(tmp_path.glob("begun-*"))) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_interruption_ends_all_at_once(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = pids(tmp_path)
    os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
    began = time.monotonic()
    _, error = running.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert error.count(b"Traceback") == 1, error.decode()  # of the parent alone
    assert error.rstrip().endswith(b"KeyboardInterrupt")
    wait_for_end(found)
    assert len(list(tmp_path.glob("begun-*"))) == 2


def test_workers_do_not_run_the_script_again(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert len(list(tmp_path.glob("script-*"))) == 1
