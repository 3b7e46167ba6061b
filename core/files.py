"""Files that are read with errors that tell what to do, and written whole or not at all."""

import gzip
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
"""First bytes of archives, and of workbooks."""


def require_file(path: str | Path, name: str = "path") -> Path:
    """Return `path`, the file that the argument `name` names.

    Raises
    ------
    FileNotFoundError
        If nothing is there; with the nearest name in its folder.
    ValueError
        If it is a folder.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"`{name}` must name a file; got the folder {str(path)!r}.")
    if not file.exists():
        beside = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
        near = get_close_matches(file.name, beside, n=1)
        hint = f" Did you mean {str(file.with_name(near[0]))!r}?" if near else ""
        raise FileNotFoundError(f"`{name}` must name a file; got {str(path)!r}, which does not exist.{hint}")
    return file


def read_text(path: str | Path, name: str = "path") -> str:
    """Return the text of a file, in UTF-8 or else in Latin-1, with line feeds alone and without a byte order mark.

    A file that gzip has compressed is read as what it holds.

    Raises
    ------
    FileNotFoundError
        As `require_file`.
    ValueError
        As `require_file`; or if the file is damaged or holds no text.
    """
    raw = require_file(path, name).read_bytes()
    if raw.startswith(GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as damaged:
            raise ValueError(f"`{name}` must be a whole file; got {str(path)!r} ({damaged}).") from damaged
    if raw.startswith(ZIP):
        raise ValueError(
            f"`{name}` must be a text file; got {str(path)!r}, an archive or a workbook: save its table as CSV."
        )
    if b"\0" in raw:
        raise ValueError(
            f"`{name}` must be a text file; got {str(path)!r}, which is binary or UTF-16: save it as UTF-8."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
