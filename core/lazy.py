"""Names of a package that are loaded when they are first asked for, so that importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, final

from walras.core.checks import require


def lazy(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package that loads `names` on demand (PEP 562).

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    names : mapping
        From each public name to where it is, within the package: ``"teams.linear_quadratic:lq_nash"`` is a thing in a
        module, ``"ppo.mappo"`` a module. A module can then be imported by its short name as well.

    Examples
    --------
    >>> from walras.agents import mappo
    >>> from walras.agents.mappo import train
    >>> train is mappo.train, mappo.__name__
    (True, 'walras.agents.ppo.mappo')
    """
    modules = {name: f"{package}.{place}" for name, place in names.items() if ":" not in place}
    for name, module in modules.items():
        if module != f"{package}.{name}":
            sys.modules.setdefault(f"{package}.{name}", _ShortName(f"{package}.{name}", module))

    def get(name: str) -> Any:  # noqa: ANN401 - whatever the name names
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return load(f"{package}.{names[name]}")

    return get, lambda: sorted({*names, *vars(sys.modules[package])})


def joined(*tables: Mapping[str, str]) -> dict[str, str]:
    """Return tables of names as one.

    Raises
    ------
    ValueError
        If two tables have the same name.
    """
    names: dict[str, str] = {}
    for name, place in (entry for table in tables for entry in table.items()):
        require(name not in names, "names", f"name one thing each, and {name!r} is {names.get(name)!r} already", place)
        names[name] = place
    return names


def needed(module: str, extra: str) -> Any:  # noqa: ANN401 - a module
    """Return an optional library.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError as missing:
        raise ImportError(f'{module} is not installed: pip install "walras[{extra}]".') from missing


def needed_version(distribution: str, extra: str) -> str:
    """Return the version of an optional library, by the name under which it is installed.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to.
    """
    try:
        return version(distribution)
    except PackageNotFoundError as missing:
        raise ImportError(f'{distribution} is not installed: pip install "walras[{extra}]".') from missing


def load(place: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return the module ``"a.b"``, or what stands in it: ``"a.b:name"``.

    Raises
    ------
    ImportError
        If there is no such module, or nothing of this name in it.
    """
    module, _, name = place.partition(":")
    found = import_module(module)
    if not name:
        return found
    try:
        return getattr(found, name)
    except AttributeError:
        raise ImportError(f"`{place}` must name something in the module {module!r}; it has no {name!r}.") from None


@final
class _ShortName(ModuleType):
    """Another name of a module, which is loaded when something of it is asked for."""

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name, f"Short name of `{module}`.")
        self.__dict__["_module"] = module

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module holds
        if name.startswith("__"):  # what `inspect` asks of every module there is must load none
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(self.__dict__["_module"]), name)
