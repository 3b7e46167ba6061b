"""How a run's files are written, whole or not at all, and read."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from walras.core.files import write_whole


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    write_whole(path, lambda beside: beside.write_text(json.dumps(content, indent=1) + "\n"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write `table` as parquet, whole or not at all."""
    write_whole(path, lambda beside: table.to_parquet(beside, index=False))


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the JSON content of `path`."""
    return json.loads(path.read_text())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
