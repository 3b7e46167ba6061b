"""Learned mechanisms on disk: one file, which says what it is and which version wrote it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from walras.core.checks import require
from walras.core.files import write_whole
from walras.mechanisms.learned.networks import Dense, Exchangeable
from walras.mechanisms.learned.rules import ExPFNet, ExSNet, RPFNet

VERSION = 2
MECHANISMS = {kind.__name__: kind for kind in (RPFNet, ExPFNet, ExSNet)}
NETWORKS = {kind.__name__: kind for kind in (Exchangeable, Dense)}


def save(mechanism: RPFNet | ExPFNet | ExSNet, path: Path | str) -> None:
    """Write `mechanism` to `path`, whole or not at all.

    Raises
    ------
    OSError
        If `path` cannot be written.
    """
    content: dict[str, Any] = {"mechanism": type(mechanism).__name__, "weights": mechanism.state_dict()}
    if not isinstance(mechanism, ExPFNet):
        content["network"] = (type(mechanism.network).__name__, mechanism.network.settings)
    write_checked(Path(path), "mechanism", content)


def load(path: Path | str) -> RPFNet | ExPFNet | ExSNet:
    """Return the mechanism that `save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is damaged, is not a mechanism, or is of another version.
    """
    content = read_checked(Path(path), "mechanism")
    try:
        return _made(content).requires_grad_(False)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as failure:
        raise damaged(Path(path), "mechanism", failure) from failure


def write_checked(path: Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write a file of this `kind`, whole or not at all.

    Raises
    ------
    OSError
        If `path` cannot be written.
    """
    whole = {"kind": kind, "version": VERSION, **content}
    write_whole(path, lambda beside: torch.save(whole, beside))


def read_checked(path: Path, kind: str) -> dict[str, Any]:
    """Return the content of a file of this `kind` and version.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is damaged or another one.
    """
    with path.open("rb") as file:
        try:
            content = torch.load(file, weights_only=True)
        except Exception as failure:  # a damaged file raises anything
            raise damaged(path, kind, failure) from failure
    found, version = (content.get(name) if isinstance(content, dict) else None for name in ("kind", "version"))
    require(found == kind, "path", f"be a file of a {kind}", f"{path}: {found}")
    require(version == VERSION, "path", f"be of version {VERSION}", f"{path}: {version}")
    return content


def _made(content: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of the mechanisms
    """Return the mechanism of a file's content."""
    kind: Any = MECHANISMS[content["mechanism"]]
    if kind is ExPFNet:
        mechanism = kind()
    else:
        name, settings = content["network"]
        mechanism = kind(NETWORKS[name](**settings))
    mechanism.load_state_dict(content["weights"])
    return mechanism


def damaged(path: Path, kind: str, failure: Exception) -> ValueError:
    """Return the error of a file that cannot be read."""
    why = f"{type(failure).__name__}: {failure}"
    return ValueError(f"`path` must be a file of a {kind}; got {path}, which cannot be read ({why}).")
