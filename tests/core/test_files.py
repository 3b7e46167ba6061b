import gzip
from pathlib import Path

import pytest

from walras.core.files import read_text, require_file


def test_text_is_read_in_either_encoding_with_any_line_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for raw in ("é\nb\n".encode(), "é\r\nb\r\n".encode("utf-8-sig"), "é\rb\r".encode("latin-1")):
        path.write_bytes(raw)
        assert read_text(path) == "é\nb\n"


def test_what_gzip_has_compressed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a\r\nb"))
    assert read_text(path) == "a\nb"
    path.write_bytes(gzip.compress(b"a\r\nb")[:-4])
    with pytest.raises(ValueError, match=r"`path` must be a whole file; got .*a\.csv\.gz"):
        read_text(path)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a", encoding="utf-16")
    with pytest.raises(ValueError, match=r"`data` must be a text file; got .*a\.txt', which is binary or UTF-16"):
        read_text(path, "data")


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "spain.csv").touch()
    with pytest.raises(
        FileNotFoundError, match=r"`data` must name a file; got .*spian\.csv', .* Did you mean .*spain\.csv'"
    ):
        require_file(tmp_path / "spian.csv", "data")
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        require_file(tmp_path / "no" / "folder")
    with pytest.raises(ValueError, match="`path` must name a file; got the folder"):
        require_file(tmp_path)
    assert require_file(str(tmp_path / "spain.csv")) == tmp_path / "spain.csv"
