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
    except (OSError, RuntimeError) as failure:  # torch tells of a full disk by the latter
        raise _refusal(path, failure) from failure
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _refusal(path: Path, failure: Exception) -> OSError:
    reason = getattr(failure, "strerror", None) or failure
    told = f"Could not write {path}: {reason}. Its folder must be writable and have room; what was there is kept"
    code = getattr(failure, "errno", None)
    return OSError(told) if code is None else OSError(code, told)
