"""Scenarios in a user's own files: what is read, what is hashed, and what runs are the same bytes."""

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PREFIX = "walras_scenario_"
"""Begins the names of modules that were loaded from a scenario's file."""
PYTHON = sysconfig.get_path("stdlib")


def load_file(path: Path) -> ModuleType:
    """Return the module in a scenario's file, read anew, as are the modules of the user's that it imports.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    SyntaxError
        If it is no Python.
    ValueError
        If it cannot be imported because it calls `sys.exit`.
    """
    code = _compiled(path)
    name = f"{PREFIX}{path.stem}"  # known to `sys.modules`, where dataclasses and annotations look
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    _Own.turn_to(imports(path))
    try:
        exec(code, vars(module))
    except SystemExit:
        raise ValueError(f"`scenario` must be a file that can be imported; {path} calls `sys.exit`.") from None
    return module


def imports(path: Path) -> dict[str, Path]:
    """Return the modules of the user's that `path` imports, and those that they import, with their files.

    They lie beside `path` or where Python looks for modules, and not among those of Python and installed packages.

    Raises
    ------
    FileNotFoundError, SyntaxError
        As `load_file`.
    """
    _compiled(path)
    finder = _Sources([str(path.parent)], excludes=["walras", *sys.stdlib_module_names])
    finder.run_script(str(path))
    found = {name: vars(module)["__file__"] for name, module in finder.modules.items()}
    return {name: Path(found[name]) for name in sorted(found.keys() - {"__main__", path.stem}) if found[name]}


def _is_installed(file: str) -> bool:
    """Return whether a file is that of an installed package or of Python."""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts) or Path(file).is_relative_to(PYTHON)


class _Sources(ModuleFinder):
    """Finds modules by what imports them, without running them."""

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:  # noqa: ANN401 - as that of Python
        """Return a module's file, also one that is elsewhere than beside the scenario."""
        if path is None and name not in self.excludes:
            path = [*self.path, *_folder_elsewhere(name)]
        return super().find_module(name, path, parent)

    def load_module(self, fqname: str, fp: Any, pathname: str, file_info: Any) -> Any:  # noqa: ANN401 - as above
        """Return a module, also one that is no Python, which its import will say."""
        try:
            return super().load_module(fqname, fp, pathname, file_info)
        except (SyntaxError, ValueError):
            module = self.add_module(fqname)
            vars(module)["__file__"] = pathname
            return module


def _folder_elsewhere(name: str) -> list[str]:
    """Return where Python finds a module of the user's, if it does."""
    finders = (finder for finder in sys.meta_path if finder is not _Own)
    found = next(filter(None, (finder.find_spec(name, None) for finder in finders)), None)
    if found is None or not found.origin or not Path(found.origin).is_file() or _is_installed(found.origin):
        return []
    file = Path(found.origin)
    return [str(file.parents[file.stem == "__init__"])]


def _compiled(path: Path) -> CodeType:
    if not path.is_file():
        raise FileNotFoundError(f"`scenario` must be a name or an existing file; got {str(path)!r}.")
    return compile(path.read_bytes(), str(path), "exec")


class _Fresh(SourceFileLoader):
    """Reads the source, never a cache, which does not see two changes within a second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Own:
    """Finds the user's modules that a scenario's file imports; those of one file at a time."""

    files: Mapping[str, Path] = {}

    @classmethod
    def turn_to(cls, files: Mapping[str, Path]) -> None:
        """Look for these modules, and read them anew when they are imported."""
        left, cls.files = cls.files, files
        if cls not in sys.meta_path:
            sys.meta_path.insert(0, cls)
        for name in left.keys() | files.keys():
            sys.modules.pop(name, None)

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of one of them."""
        file = cls.files.get(name)
        if file is None or file.suffix != ".py":
            return None
        within = [str(file.parent)] if file.stem == "__init__" else None
        loader = _Fresh(name, str(file))
        return spec_from_file_location(name, file, loader=loader, submodule_search_locations=within)
