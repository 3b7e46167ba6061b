import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from walras.scenarios.bench.store import Folder, Remote, Store, store_at


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield store_at(tmp_path / "here")
        return
    url = f"memory://bench-{uuid.uuid4().hex}"
    yield store_at(url)
    fsspec.filesystem("memory").rm(url, recursive=True)


def test_an_object_is_created_once(store: Store) -> None:
    assert store.read("cells/a") is None
    assert not store.has("cells/a")
    assert store.create("cells/a", b"first")
    assert not store.create("cells/a", b"second")
    assert store.read("cells/a") == b"first"
    assert store.has("cells/a")


def test_an_object_is_written_over(store: Store) -> None:
    store.write("suites/a.json", b"1")
    store.write("suites/a.json", b"2")
    assert store.read("suites/a.json") == b"2"


def test_names_are_those_of_a_folder(store: Store) -> None:
    assert store.names("cells") == []
    for name in ("cells/b", "cells/a", "suites/c"):
        store.write(name, b"")
    assert store.names("cells") == ["a", "b"]


def test_a_url_finds_the_same_storage(store: Store) -> None:
    store.write("cells/a", b"1")
    assert store_at(store.url).read("cells/a") == b"1"
    assert isinstance(store, Remote if "://" in store.url else Folder)


def test_of_many_that_create_one_object_one_does(tmp_path: Path) -> None:
    store, contents = Folder(tmp_path), [bytes([k]) * 1000 for k in range(16)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda content: store.create(f"cells/{content[0] % 2}", content), contents))
    assert sum(made) == 2
    for k in range(2):
        kept = store.read(f"cells/{k}")
        assert kept == contents[kept[0]]  # type: ignore[index] - there is one
        assert made[kept[0]]  # type: ignore[index]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells"]


def test_a_storage_that_goes_away_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = Folder(tmp_path / "file")
    with pytest.raises(OSError, match=r"Could not write .*file"):
        store.create("cells/a", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_storage_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="must be writable"):
        Folder(tmp_path / "here").write("cells/a", b"")


def test_a_url_of_an_unknown_kind_is_told() -> None:
    with pytest.raises(ValueError, match=r"`store` must be a folder, or a URL that fsspec knows; got 'stores3://a/b'"):
        store_at("stores3://a/b")
