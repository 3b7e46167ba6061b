"""Worker processes: each item once, the first failure or interruption ends all of them at once."""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")
LOST = (
    "A worker process was killed, most often because memory ran out: `workers` must be fewer. "
    "The same command goes on from the last checkpoints."
)


def each(function: Callable[[Item], None], items: Sequence[Item], workers: int) -> Iterator[None]:
    """Call `function` on each of `items`, in processes of their own if `workers` is above one; yield after each.

    If one fails, if the caller is interrupted, or if it stops listening, the processes are ended; they also end with
    the process of the caller, in whatever way that ends.

    Raises
    ------
    RuntimeError
        If a process ended by itself, or its error cannot be sent; beside all that `function` raises.
    """
    if workers == 1:
        for item in items:
            yield function(item)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_worker)
    try:
        with without_script():
            calls = [pool.submit(_call, function, item) for item in items]
        for done in as_completed(calls):
            yield done.result()
    except BaseException as error:
        for child in set(active_children()) - others:
            child.kill()
        if isinstance(error, BrokenProcessPool):
            raise RuntimeError(LOST) from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _call(function: Callable[[Item], None], item: Item) -> None:
    """Call `function`; an error that cannot be sent to another process is told by one that can."""
    try:
        function(item)
    except Exception as error:
        if not _can_be_sent(error):
            told = RuntimeError(f"{type(error).__name__}: {error}")
            told.__notes__ = getattr(error, "__notes__", [])
            raise told from error
        raise


def _can_be_sent(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


@contextmanager
def without_script() -> Generator[None]:
    """Start processes that do not run the caller's script again, and leave interruptions to the caller from birth."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which they inherit
    try:
        yield
    finally:
        sys.modules["__main__"] = script
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # an interruption meanwhile comes now


def begin_worker() -> None:
    """End with the parent: by the system where it can, since compiled code may hold the interpreter for long."""
    parent = parent_process()
    assert parent is not None
    if sys.platform == "linux":
        _kill_at_the_end_of(parent.sentinel)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _kill_at_the_end_of(pipe: int) -> None:
    """Ask the system to kill this process when the other end of a pipe is closed."""
    import fcntl  # of Linux

    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_ASYNC)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
