"""Where cells are kept: a folder that all machines see, or any storage that fsspec knows, such as ``s3://bucket/runs``.

A cell is one object, written whole and never again: the table, with its manifest in the file. So a task that is tried
twice is harmless: whoever finishes second finds the cell there and compares.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final
from uuid import uuid4

import fsspec

from walras.core.files import write_whole


class Store(Protocol):
    """Whole objects by name."""

    @property
    def url(self) -> str:
        """Where it is, as `store_at` takes it."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return an object, or none if there is none.

        Raises
        ------
        OSError
            If the storage cannot be reached.
        """
        ...

    def has(self, name: str) -> bool:
        """Return whether there is an object; errors as `read`."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write an object, whole or not at all, unless there is one; return whether it was written.

        Raises
        ------
        OSError
            If the storage cannot be reached, or is full.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all, in the place of what is there; errors as `create`."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder, sorted; errors as `read`."""
        ...


@final
@dataclass(frozen=True)
class Folder:
    """A folder of this machine, or one that all machines share."""

    path: Path

    @property
    def url(self) -> str:
        """The folder."""
        return str(self.path)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Return whether there is a file."""
        return (self.path / name).is_file()

    def create(self, name: str, content: bytes) -> bool:
        """Write beside, then link: the link fails where there is a file."""
        target, beside = self.path / name, self.path / f".{uuid4().hex}.whole"
        write_whole(beside, lambda path: path.write_bytes(content))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(beside, target)
        except FileExistsError:
            return False
        finally:
            with suppress(FileNotFoundError):
                beside.unlink()
        return True

    def write(self, name: str, content: bytes) -> None:
        """Write beside, then rename."""
        write_whole(self.path / name, lambda path: path.write_bytes(content))

    def names(self, folder: str) -> list[str]:
        """Return the files, less those that are being written."""
        found = (path for path in (self.path / folder).glob("*") if not path.name.startswith("."))
        return sorted(path.name for path in found)


@final
@dataclass(frozen=True)
class Remote:
    """Storage that fsspec knows; an object appears there whole."""

    url: str

    def read(self, name: str) -> bytes | None:
        """Return the content of an object."""
        try:
            return self._system().cat_file(self._at(name))
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Return whether there is an object."""
        system = self._system()
        system.invalidate_cache()
        return bool(system.exists(self._at(name)))

    def create(self, name: str, content: bytes) -> bool:
        """Put an object where there is none."""
        try:
            self._put(name, content, mode="create")
        except FileExistsError:
            return False
        return True

    def write(self, name: str, content: bytes) -> None:
        """Put an object."""
        self._put(name, content, mode="overwrite")

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects."""
        system = self._system()
        system.invalidate_cache()
        try:
            return sorted(str(path).rpartition("/")[2] for path in system.ls(self._at(folder), detail=False))
        except FileNotFoundError:
            return []

    def _put(self, name: str, content: bytes, mode: str) -> None:
        system, path = self._system(), self._at(name)
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.pipe_file(path, content, mode=mode)

    def _system(self) -> Any:  # noqa: ANN401 - fsspec is untyped
        return fsspec.core.url_to_fs(self.url)[0]

    def _at(self, name: str) -> str:
        return f"{fsspec.core.url_to_fs(self.url)[1].rstrip('/')}/{name}"


def store_at(url: str | Path) -> Store:
    """Return the storage at a folder or a URL.

    Raises
    ------
    ValueError
        If nothing that is installed knows URLs of this kind; the message says what does.
    """
    protocol, beyond, _ = str(url).partition("://")
    if not beyond:
        return Folder(Path(url).resolve())
    try:
        fsspec.get_filesystem_class(protocol)
    except (ValueError, ImportError) as unknown:
        rule = "be a folder, or a URL that fsspec knows"
        raise ValueError(f"`store` must {rule}; got {str(url)!r}: {unknown}.") from None
    return Remote(str(url))
