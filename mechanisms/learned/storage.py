"""Learned mechanisms on disk: one file, which says what it is and which version wrote it."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from walras.core.checks import require
from walras.core.files import write_whole
from walras.mechanisms.learned.networks import Dense, Exchangeable
from walras.mechanisms.learned.rules import ExPFNet, ExSNet, RPFNet

VERSION = 1
MECHANISMS = {kind.__name__: kind for kind in (RPFNet, ExPFNet, ExSNet)}
NETWORKS = {kind.__name__: kind for kind in (Exchangeable, Dense)}


def save(mechanism: RPFNet | ExPFNet | ExSNet, path: Path | str) -> None:
    """Write `mechanism` to `path`, whole or not at all.

    Raises
    ------
    OSError
        If `path` cannot be written.
    """
    content: dict[str, Any] = {
        "kind": "mechanism",
        "version": VERSION,
        "identity": None,
        "mechanism": type(mechanism).__name__,
        "weights": mechanism.state_dict(),
    }
    if not isinstance(mechanism, ExPFNet):
        content["network"] = (type(mechanism.network).__name__, mechanism.network.settings)
    write_whole(Path(path), lambda beside: torch.save(content, beside))


def load(path: Path | str) -> RPFNet | ExPFNet | ExSNet:
    """Return the mechanism that `save` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is not a mechanism, or of another version.
    """
    content = read_checked(Path(path), "mechanism", None)
    kind: Any = MECHANISMS[content["mechanism"]]
    if "network" not in content:
        mechanism = kind()
    else:
        name, settings = content["network"]
        mechanism = kind(NETWORKS[name](**settings))
    mechanism.load_state_dict(content["weights"])
    return mechanism.requires_grad_(False)


def read_checked(path: Path, kind: str, identity: object) -> dict[str, Any]:
    """Return the content of a file of this `kind`, version and `identity`.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is another one.
    """
    try:
        content = torch.load(path, weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as failure:
        raise ValueError(f"`path` must be a file of a {kind}; got {path}, which cannot be read.") from failure
    found = content.get("kind") if isinstance(content, dict) else None
    require(found == kind, "path", f"be a file of a {kind}", f"{path}: {found}")
    require(content["version"] == VERSION, "path", f"be of version {VERSION}", f"{path}: {content['version']}")
    require(content["identity"] == identity, "folder", f"hold a {kind} of {identity}", content["identity"])
    return content
