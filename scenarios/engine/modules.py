"""Scenarios in a user's own files: what is read, what is hashed, and what runs are the same bytes."""

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "walras_scenario_"
"""Begins the names of modules that were loaded from a scenario's file."""


def load_file(path: Path) -> ModuleType:
    """Return the module in a scenario's file, read anew, as are the modules beside it that it imports.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    SyntaxError
        If it is no Python.
    """
    code = _compiled(path)
    name = f"{PREFIX}{path.stem}"  # known to `sys.modules`, where dataclasses and annotations look
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _Beside.turn_to(path.parent, imports(path))
    exec(code, vars(module))
    return module


def imports(path: Path) -> dict[str, Path]:
    """Return the modules beside `path` that it imports, and those that they import, with their files.

    Raises
    ------
    FileNotFoundError, SyntaxError
        As `load_file`.
    """
    _compiled(path)
    finder = ModuleFinder([str(path.parent)], excludes=["walras", *sys.stdlib_module_names])
    finder.run_script(str(path))
    found = {name: vars(module)["__file__"] for name, module in finder.modules.items()}
    return {name: Path(found[name]) for name in sorted(found.keys() - {"__main__", path.stem}) if found[name]}


def _compiled(path: Path) -> CodeType:
    if not path.is_file():
        raise FileNotFoundError(f"`scenario` must be a name or an existing file; got {str(path)!r}.")
    return compile(path.read_bytes(), str(path), "exec")


class _Fresh(SourceFileLoader):
    """Reads the source, never a cache, which does not see two changes within a second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Beside:
    """Finds the modules beside a scenario's file that it imports; one file at a time."""

    folder = ""
    names: frozenset[str] = frozenset()

    @classmethod
    def turn_to(cls, folder: Path, names: Iterable[str]) -> None:
        """Look in `folder`, and read modules anew when they are imported."""
        cls.folder, left, cls.names = str(folder), cls.names, frozenset(names)
        if cls not in sys.meta_path:
            sys.meta_path.insert(0, cls)
        for name in left | cls.names:
            sys.modules.pop(name, None)

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module beside the file."""
        if name not in cls.names:
            return None
        return FileFinder(path[0] if path else cls.folder, (_Fresh, SOURCE_SUFFIXES)).find_spec(name)
