"""Worker processes: each item once, the first failure or interruption ends all of them at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from types import ModuleType
from typing import TypeVar

Item = TypeVar("Item")


def each(function: Callable[[Item], None], items: Sequence[Item], workers: int) -> Iterator[None]:
    """Call `function` on each of `items`, in processes of their own if `workers` is above one; yield after each.

    If one fails, if the caller is interrupted, or if it stops listening, the processes are ended; they also end with
    the process of the caller, in whatever way that ends.
    """
    if workers == 1:
        for item in items:
            yield function(item)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_worker)
    try:
        with without_script():
            calls = [pool.submit(function, item) for item in items]
        for done in as_completed(calls):
            yield done.result()
    except BaseException:
        for child in set(active_children()) - others:
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def without_script() -> Generator[None]:
    """Start processes that do not run the caller's script again: they need nothing of it."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def begin_worker() -> None:
    """Leave interruptions to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
