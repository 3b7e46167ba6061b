"""Identity of a scenario that is defined in a session: in a notebook, at a prompt, in the script that runs."""

import sys
from collections.abc import Iterator
from functools import cached_property, partial
from inspect import getclosurevars
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from walras.core.identity import fingerprint


def in_session(kind: type) -> bool:
    """Return whether a class is defined in what runs, or in a function: no other process can import it."""
    return kind.__module__ == "__main__" or "<locals>" in kind.__qualname__


def session_fingerprint(kind: type) -> str:
    """Return the fingerprint of a class and of all that its methods name: functions, constants, other classes."""
    used = dict[str, object]()
    _add(kind.__qualname__, kind, used)
    return fingerprint(used)


def _add(name: str, value: object, used: dict[str, object]) -> None:
    """Add a value, and what the functions in it name, to `used`."""
    if name in used:
        return
    used[name] = value
    for function in _functions(value):
        for word in _words(function.__code__) & function.__globals__.keys():
            _add(f"{function.__module__}.{word}", function.__globals__[word], used)
        for word, held in getclosurevars(function).nonlocals.items():
            _add(f"{function.__module__}.{function.__qualname__}.{word}", held, used)


def _functions(value: Any) -> Iterator[FunctionType]:  # noqa: ANN401 - anything that a session holds
    """Yield the functions of which a value is made, less those of Python and of installed packages."""
    match value:
        case FunctionType():
            yield from () if _is_installed(value.__module__) else (value,)
        case type():
            own = [base for base in value.__mro__ if not _is_installed(base.__module__)]
            for member in (member for base in own for member in vars(base).values() if not isinstance(member, type)):
                yield from _functions(member)
        case property():
            yield from _functions(value.fget)
        case cached_property() | partial():
            yield from _functions(value.func)
        case classmethod() | staticmethod():
            yield from _functions(value.__func__)
        case _ if not _is_installed(type(value).__module__):
            yield from _functions(type(value))
        case _:
            return


def _words(code: CodeType) -> set[str]:
    """Return the names in a function's code and in that of the functions within."""
    inner = [_words(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inner)


def _is_installed(module: str) -> bool:
    package = module.partition(".")[0]
    if package in {"walras", *sys.stdlib_module_names}:
        return True
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
