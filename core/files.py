"""Files that are written whole or not at all."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside `path`, then rename: an interruption or a full disk leaves the earlier file, or none.

    Raises
    ------
    OSError
        If the disk is full or not writable; the message names the file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(beside)
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except OSError as failure:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OSError(
            failure.errno,
            f"`root` must be writable and have room; could not write {path}: {failure.strerror or failure}. "
            "Earlier results are kept: make room and give the same command again",
        ) from failure
